// Ids and times of the example data: made of a time and of what they are for, the same at every seeding.
import { createHash } from "node:crypto";
import { type EpochMs, encodeId, type IdKind, type IdOf } from "@holdfast/domain";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** When the day began, in universal time. */
export const dayOf = (now: EpochMs): EpochMs => Math.floor(now / DAY_MS) * DAY_MS;

/** It sorts like others, by the time, and the rest of it is always the same. */
export function seedId<Kind extends IdKind>(kind: Kind, n: number, at: EpochMs, salt = ""): IdOf[Kind] {
  const bytes = createHash("sha256").update(`${kind} ${salt} ${n}`).digest().subarray(0, 16);
  bytes.writeUIntBE(Math.max(0, at), 0, 6);
  return encodeId(kind, bytes);
}

/** Characters of an id that tell no time. */
const TAIL_LENGTH = 16;

/** The part of such an id that is always the same. */
export const seedTail = (id: string): string => id.slice(-TAIL_LENGTH);
