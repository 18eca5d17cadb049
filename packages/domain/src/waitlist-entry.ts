// A user's place in a slot's waitlist: waiting → offered → fulfilled | declined | lapsed, waiting | offered → left,
// → closed. Every state but the first two is final: an entry is used once.
import { z } from "zod";
import { EventId, ReservationId, SlotId, UserId, WaitlistEntryId } from "./ids.ts";
import type { EpochMs } from "./time.ts";

export const ENTRY_STATUSES = [
  "waiting",
  "offered",
  "fulfilled",
  "declined",
  "lapsed",
  "left",
  "closed",
] as const;
export type EntryStatus = (typeof ENTRY_STATUSES)[number];

export const ENTRY_END_REASONS = [
  "purchased",
  "user",
  "organizer",
  "deadline",
  "event-cancelled",
  "slot-over",
  "cutoff",
  "capacity",
] as const;
export type EntryEndReason = (typeof ENTRY_END_REASONS)[number];

export const PASSED_OVER_REASONS = ["too-few", "already-reserved", "limit-exceeded", "overlap"] as const;
export const WAITER_LIMITS = ["user", "holds", "cooldown"] as const;

/** Why an entry was not offered tickets when there were some: the last time. */
export const PassedOver = z.object({
  at: z.int(),
  reason: z.enum(PASSED_OVER_REASONS),
  limit: z.enum(WAITER_LIMITS).nullable(),
  /** The user's other reservation that stands in the way. */
  reservationId: ReservationId.nullable(),
});
export type PassedOver = Readonly<z.infer<typeof PassedOver>>;

/** Also the form in which an outcome keeps what it made; times are milliseconds since 1970. */
export const WaitlistEntry = z.object({
  id: WaitlistEntryId,
  eventId: EventId,
  slotId: SlotId,
  userId: UserId,
  quantity: z.int().positive(),
  status: z.enum(ENTRY_STATUSES),
  /** Its number in the slot's waitlist: who has a smaller one is asked first. */
  seq: z.int().positive(),
  createdAt: z.int(),
  offeredAt: z.int().nullable(),
  endedAt: z.int().nullable(),
  endReason: z.enum(ENTRY_END_REASONS).nullable(),
  /** Parked: may not have the slot's tickets at the moment, and is looked at again then at the latest. */
  recheckAt: z.int().nullable(),
  lastPassedOver: PassedOver.nullable(),
});
export type WaitlistEntry = Readonly<z.infer<typeof WaitlistEntry>>;

/** What changes about an entry. What is left out stays. */
export interface EntryPatch {
  readonly status: EntryStatus;
  readonly offeredAt?: EpochMs;
  readonly endedAt: EpochMs | null;
  readonly endReason: EntryEndReason | null;
  readonly recheckAt: EpochMs | null;
  readonly lastPassedOver?: PassedOver;
}

export const isLive = (status: EntryStatus): status is "waiting" | "offered" =>
  status === "waiting" || status === "offered";

export const isParked = (entry: Pick<WaitlistEntry, "status" | "recheckAt">): boolean =>
  entry.status === "waiting" && entry.recheckAt !== null;
