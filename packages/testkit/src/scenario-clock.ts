// Times of day and names, as scenarios write them.

/** Milliseconds since the scenario's midnight. */
export type ClockMs = number;

export const TIME = String.raw`\d\d:\d\d:\d\d(?:\.\d{1,3})?`;
/** Of people and events. */
export const NAME = "[a-z][a-z0-9-]*";
export const SLOT = "[A-Za-z][A-Za-z0-9-]*";

export function clock(text = ""): ClockMs {
  const [hours = Number.NaN, minutes = Number.NaN, seconds = Number.NaN] = text.split(":").map(Number);
  const ms = Math.round(((hours * 60 + minutes) * 60 + seconds) * 1000);
  if (!(hours < 24 && minutes < 60 && seconds < 60)) throw new Error(`no time of day: "${text}"`);
  return ms;
}

/** The other way round: `12:10:00`, with milliseconds only where there are some. */
export function clockText(ms: ClockMs): string {
  const text = new Date(ms).toISOString().slice(11, 23);
  return text.endsWith(".000") ? text.slice(0, 8) : text.replace(/0+$/, "");
}
