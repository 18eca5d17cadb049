// Time as the rules know it: whole milliseconds since 1970 by the database's clock. No clock is read here.

/** Milliseconds since the Unix epoch, in database time. */
export type EpochMs = number;

/** The first whole second that is not earlier. */
export const ceilToSecond = (at: EpochMs): EpochMs => Math.ceil(at / 1000) * 1000;

/** Do two half-open ranges share a moment? */
export const overlaps = (
  a: { startsAt: EpochMs; endsAt: EpochMs },
  b: { startsAt: EpochMs; endsAt: EpochMs },
): boolean => a.startsAt < b.endsAt && b.startsAt < a.endsAt;
