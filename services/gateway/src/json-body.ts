// Reads a JSON body strictly: what two parsers could read differently is refused, nothing is repaired.
import { invalid, malformed, Refused } from "./refused.ts";

/** Bytes. */
export const BODY_BYTES_MAX = 16 * 1024;
/** Levels of objects and arrays in one another. */
export const BODY_DEPTH_MAX = 16;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Names by which a careless merge would reach every object of the process. */
const POISON = new Set(["__proto__", "constructor", "prototype"]);

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined when there is no body at all. Throws `Refused` for what is not a single, plain JSON object in UTF-8. */
export function readJsonBody(
  headers: { contentType: string | undefined; contentEncoding: string | undefined; isPatch: boolean },
  bytes: Buffer,
): JsonObject | undefined {
  if (headers.contentEncoding !== undefined && headers.contentEncoding.toLowerCase() !== "identity") {
    throw new Refused({ code: "unsupported-media-type" });
  }
  if (bytes.length === 0) return undefined;
  if (!isJson(headers.contentType, headers.isPatch)) throw new Refused({ code: "unsupported-media-type" });

  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw malformed("The body is not UTF-8.");
  }
  if (text.startsWith("\uFEFF")) throw malformed("The body begins with a byte order mark.");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("The body is not JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed("The body is not a JSON object.");
  }
  inspect(text);
  return value as JsonObject;
}

const JSON_TYPE = /^\s*application\/json\s*(;\s*charset\s*=\s*("utf-8"|utf-8)\s*)?;?\s*$/i;
const MERGE_PATCH_TYPE = /^\s*application\/merge-patch\+json\s*;?\s*$/i;

/** `application/json`, and at most the parameter `charset=utf-8`; a patch may also be called by its own name. */
const isJson = (contentType: string | undefined, isPatch: boolean): boolean =>
  contentType !== undefined &&
  (JSON_TYPE.test(contentType) || (isPatch && MERGE_PATCH_TYPE.test(contentType)));

interface Level {
  /** Names seen so far; null in an array. */
  readonly names: Set<string> | null;
  /** The name or index of the value that is being read. */
  at: string | number;
}

/** Looks at the text of a value that is known to be JSON for what `JSON.parse` is silent about. */
function inspect(text: string): void {
  const levels: Level[] = [];
  let nameExpected = false;
  for (let i = 0; i < text.length; i++) {
    const level = levels.at(-1);
    switch (text[i]) {
      case "{":
      case "[":
        if (levels.length === BODY_DEPTH_MAX)
          throw malformed(`The body is nested deeper than ${BODY_DEPTH_MAX} levels.`);
        nameExpected = text[i] === "{";
        levels.push({ names: nameExpected ? new Set() : null, at: 0 });
        break;
      case "}":
      case "]":
        levels.pop();
        break;
      case ",":
        nameExpected = level?.names != null;
        if (typeof level?.at === "number") level.at += 1;
        break;
      case '"': {
        const end = endOfString(text, i);
        const string = JSON.parse(text.slice(i, end)) as string;
        if (nameExpected && level?.names != null) {
          if (level.names.has(string)) throw malformed("The body names a member twice.");
          if (POISON.has(string)) throw malformed("The body has a member with a forbidden name.");
          level.names.add(string);
          level.at = string;
          nameExpected = false;
        }
        if (string.includes("\0") || !string.isWellFormed()) {
          throw invalid(pointerTo(levels), "must not contain U+0000 or half of a surrogate pair");
        }
        i = end - 1;
        break;
      }
    }
  }
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

/** A JSON pointer; in a name that cannot be written the offending characters are replaced. */
const pointerTo = (levels: readonly Level[]): string =>
  levels.map(({ at }) => `/${pointerPart(at)}`).join("");

export const pointerPart = (part: PropertyKey): string =>
  String(part).toWellFormed().replaceAll("\0", "\uFFFD").replaceAll("~", "~0").replaceAll("/", "~1");
