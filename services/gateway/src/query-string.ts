// Reads the part of a URL behind the question mark. Strict: a key once, percent-encoded UTF-8, no U+0000.
import type { FieldError } from "@holdfast/contracts";
import { pointerPart } from "./json-body.ts";

export interface ReadQuery {
  readonly fields: Readonly<Record<string, string>>;
  readonly errors: readonly FieldError[];
}

export const NOTHING_ASKED: ReadQuery = { fields: {}, errors: [] };

/** Never throws: what is wrong is told with the fields. */
export function readQuery(search: string): ReadQuery {
  if (search === "") return NOTHING_ASKED;
  const fields: Record<string, string> = Object.create(null);
  const errors: FieldError[] = [];
  for (const part of search.split("&")) {
    if (part === "") continue;
    const [rawName = "", ...rest] = part.split("=");
    const name = decoded(rawName);
    const value = decoded(rest.join("="));
    const pointer = `/${pointerPart(name ?? rawName)}`;
    if (name === null || value === null)
      errors.push({ pointer, detail: "must be UTF-8, percent-encoded, without U+0000" });
    else if (name in fields) errors.push({ pointer, detail: "is given more than once" });
    else fields[name] = value;
  }
  return { fields, errors };
}

function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text.replaceAll("+", " "));
    return plain.includes("\0") ? null : plain;
  } catch {
    return null;
  }
}
