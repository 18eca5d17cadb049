// The small pieces that bodies and resources are made of: texts with their lengths, times, whole numbers.
import { z } from "zod";

/** Times outside are refused: nothing that is sold today takes place then, and every store can hold what is inside. */
export const TIME_MIN = Date.UTC(2000, 0, 1);
export const TIME_MAX = Date.UTC(2200, 0, 1);

/** A time as clients send it: ISO 8601 with a zone. Read as milliseconds since 1970. */
export const TimeIn = z.iso
  .datetime({ offset: true, error: "must be a time in ISO 8601 with a zone, such as 2030-06-01T19:30:00Z" })
  .refine((text) => inRange(Date.parse(text)), { error: "must lie between the years 2000 and 2199" })
  .transform((text) => Date.parse(text));

const inRange = (ms: number): boolean => ms >= TIME_MIN && ms < TIME_MAX;

/** A time as clients see it: ISO 8601 in UTC, with milliseconds. */
export const TimeOut = z.iso.datetime();

/** Texts of times that were told last: all outcomes of a batch bear the same few. */
const toldTimes = new Map<number, string>();
const TOLD_TIMES_MAX = 64;

export function isoTime(ms: number): string {
  const told = toldTimes.get(ms);
  if (told !== undefined) return told;
  const text = new Date(ms).toISOString();
  if (toldTimes.size === TOLD_TIMES_MAX) toldTimes.clear();
  toldTimes.set(ms, text);
  return text;
}
export const isoTimeOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

export const text = (max: number) => z.string().min(1).max(max);
export const wholeNumber = (min: number, max: number) => z.int().min(min).max(max);

/** The greatest number a 32-bit column holds. */
export const INTEGER_MAX = 2_147_483_647;
