// A user's claim on tickets of one slot: held → purchased | expired | cancelled, purchased → cancelled.
import { z } from "zod";
import { EventId, ReservationId, SlotId, UserId } from "./ids.ts";
import type { EpochMs } from "./time.ts";

export const RESERVATION_STATUSES = ["held", "purchased", "expired", "cancelled"] as const;
export type ReservationStatus = (typeof RESERVATION_STATUSES)[number];

export const RESERVATION_ORIGINS = ["public", "waitlist"] as const;
export type ReservationOrigin = (typeof RESERVATION_ORIGINS)[number];

export const END_REASONS = ["deadline", "user", "declined", "organizer", "event-cancelled"] as const;
export type EndReason = (typeof END_REASONS)[number];

const epochMs = z.int();

/** Also the form in which an outcome keeps what it made; times are milliseconds since 1970. */
export const Reservation = z.object({
  id: ReservationId,
  eventId: EventId,
  slotId: SlotId,
  userId: UserId,
  quantity: z.int().positive(),
  status: z.enum(RESERVATION_STATUSES),
  origin: z.enum(RESERVATION_ORIGINS),
  paymentReference: z.string().nullable(),
  /** The hold's deadline; null once purchased. */
  expiresAt: epochMs.nullable(),
  createdAt: epochMs,
  purchasedAt: epochMs.nullable(),
  endedAt: epochMs.nullable(),
  endReason: z.enum(END_REASONS).nullable(),
});
export type Reservation = Readonly<z.infer<typeof Reservation>>;

/** A hold as it begins. */
export const newHold = (
  hold: Pick<Reservation, "id" | "eventId" | "slotId" | "userId" | "quantity" | "origin" | "createdAt"> & {
    readonly expiresAt: EpochMs;
  },
): Reservation => ({
  id: hold.id,
  eventId: hold.eventId,
  slotId: hold.slotId,
  userId: hold.userId,
  quantity: hold.quantity,
  status: "held",
  origin: hold.origin,
  paymentReference: null,
  expiresAt: hold.expiresAt,
  createdAt: hold.createdAt,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
});

/** An active reservation of some user, in this event or another, as far as limits and overlap need to know it. */
export interface ActiveClaim {
  readonly id: ReservationId;
  readonly eventId: EventId;
  readonly slotId: SlotId;
  readonly quantity: number;
  readonly status: "held" | "purchased";
  readonly expiresAt: EpochMs | null;
  readonly startsAt: EpochMs;
  readonly endsAt: EpochMs;
  /** False when its event lets reservations overlap. */
  readonly exclusive: boolean;
}

export const isActive = (status: ReservationStatus): status is "held" | "purchased" =>
  status === "held" || status === "purchased";
