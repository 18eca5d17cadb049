// The `Accept` field (RFC 9110, 12.5.1): in which of the forms that we have is the answer wanted? Parameters of media
// types are not looked at: what we send has none that anybody would choose by. A range that cannot be read names nothing.

/** Live events are a form of their own, at the endpoints that have them. Problems are told in theirs, whatever is wanted. */
export type Form = "json" | "stream";

const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream";
/** What nearly everybody sends. */
const ANYTHING = "*/*";

const QUALITY = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** Null when every form is ruled out. A stream is for who asks for it: to a browser that takes anything it is none. */
export function formOf(accept: string | undefined, streams: boolean): Form | null {
  if (accept === undefined || accept === ANYTHING || accept === JSON_TYPE) return "json";
  const qualities = readAccept(accept);
  if (qualities === null) return "json"; // an empty field asks for nothing in particular
  const json = qualityOf(JSON_TYPE, qualities);
  if (!streams) return json > 0 ? "json" : null;
  const stream = qualityOf(STREAM_TYPE, qualities);
  if (stream > 0 && stream >= json && isNamedFirst(qualities)) return "stream";
  if (json > 0) return "json";
  return stream > 0 ? "stream" : null;
}

/** Of two forms that are wanted alike, the one that is named first. */
function isNamedFirst(qualities: ReadonlyMap<string, number>): boolean {
  const names = [...qualities.keys()];
  const [stream, json] = [names.indexOf(STREAM_TYPE), names.indexOf(JSON_TYPE)];
  if (stream < 0) return false;
  const alike = qualities.get(STREAM_TYPE) === qualities.get(JSON_TYPE);
  return !alike || stream < json;
}

/** The qualities of the ranges, the better one of a range that is named twice. Null when there is none. */
function readAccept(accept: string): Map<string, number> | null {
  if (accept.trim() === "") return null;
  const qualities = new Map<string, number>();
  for (const part of accept.split(",")) {
    const [range = "", ...parameters] = part.split(";");
    const name = range.trim().toLowerCase();
    const quality = qualityIn(parameters);
    if (name !== "" && quality !== null) qualities.set(name, Math.max(quality, qualities.get(name) ?? 0));
  }
  return qualities;
}

/** 1 when none is given; null when it is none. */
function qualityIn(parameters: readonly string[]): number | null {
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=", 2).map((side) => side.trim());
    if (name.toLowerCase() === "q") return QUALITY.test(value) ? Number(value) : null;
  }
  return 1;
}

/** What the most particular range that takes in the type says of it. */
const qualityOf = (type: string, qualities: ReadonlyMap<string, number>): number =>
  qualities.get(type) ?? qualities.get(`${type.split("/", 1)[0]}/*`) ?? qualities.get(ANYTHING) ?? 0;
