// The small pieces that bodies and resources are made of: texts with their lengths, times, whole numbers.
import { z } from "zod";

/** Times outside are refused: nothing that is sold today takes place then, and every store can hold what is inside. */
export const TIME_MIN = Date.UTC(2000, 0, 1);
export const TIME_MAX = Date.UTC(2200, 0, 1);

const IsoTime = z.iso.datetime({
  offset: true,
  error: "must be a time in ISO 8601 with a zone, such as 2030-06-01T19:30:00Z",
});

/** A time as clients send it: ISO 8601 with a zone. Read as milliseconds since 1970. */
export const TimeIn = IsoTime.refine((text) => inRange(Date.parse(text)), {
  error: "must lie between the years 2000 and 2199",
}).transform((text) => Date.parse(text));

/** The same, where only its order to other times counts: one outside is as good as the nearest inside. */
export const AnyTimeIn = IsoTime.transform((text) =>
  Math.min(Math.max(Date.parse(text), TIME_MIN), TIME_MAX),
);

const inRange = (ms: number): boolean => ms >= TIME_MIN && ms < TIME_MAX;

/** A time as clients see it: ISO 8601 in UTC, with milliseconds. */
export const TimeOut = z.iso.datetime();

/** Times that were told last, each at a place of its own: all outcomes of a batch bear the same few. */
const TOLD_TIMES = 64;
const toldTimes: { ms: number; text: string }[] = Array.from({ length: TOLD_TIMES }, () => ({
  ms: Number.NaN,
  text: "",
}));

export function isoTime(ms: number): string {
  const told = toldTimes[Math.abs(ms) % TOLD_TIMES];
  if (told === undefined) return new Date(ms).toISOString();
  if (told.ms !== ms) {
    told.text = new Date(ms).toISOString();
    told.ms = ms;
  }
  return told.text;
}
export const isoTimeOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

export const text = (max: number) => z.string().min(1).max(max);
export const wholeNumber = (min: number, max: number) => z.int().min(min).max(max);

/** The greatest number a 32-bit column holds. */
export const INTEGER_MAX = 2_147_483_647;
