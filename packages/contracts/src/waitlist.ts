// Places in waitlists, as outsiders see them, and the body that asks for one.
import {
  type WaitlistEntry as DomainWaitlistEntry,
  ENTRY_END_REASONS,
  ENTRY_STATUSES,
  EventId,
  PASSED_OVER_REASONS,
  type Reservation as ReservationFacts,
  ReservationId,
  SlotId,
  UserId,
  WAITER_LIMITS,
  WaitlistEntryId,
} from "@holdfast/domain";
import { z } from "zod";
import { INTEGER_MAX, isoTime, isoTimeOrNull, TimeOut, wholeNumber } from "./fields.ts";
import { listOf } from "./list.ts";
import { presentReservation, Reservation } from "./reservation.ts";

export const JoinWaitlistBody = z
  .strictObject({ quantity: wholeNumber(1, INTEGER_MAX).default(1) })
  .meta({ id: "JoinWaitlistBody" });
export type JoinWaitlistBody = z.infer<typeof JoinWaitlistBody>;

export const WaitlistEntry = z
  .object({
    object: z.literal("waitlistEntry"),
    id: WaitlistEntryId,
    eventId: EventId,
    slotId: SlotId,
    userId: UserId,
    quantity: z.int(),
    status: z.enum(ENTRY_STATUSES),
    /** Counts from 1; null once it no longer waits. */
    position: z.int().nullable(),
    /** The reservation that it was offered, while it is offered. */
    offer: Reservation.nullable(),
    /** Why it was not offered tickets when there were some: the last time. */
    lastPassedOver: z
      .object({
        reason: z.enum(PASSED_OVER_REASONS),
        at: TimeOut,
        limit: z.enum(WAITER_LIMITS).nullable(),
        reservationId: ReservationId.nullable(),
      })
      .nullable(),
    createdAt: TimeOut,
    offeredAt: TimeOut.nullable(),
    endedAt: TimeOut.nullable(),
    endReason: z.enum(ENTRY_END_REASONS).nullable(),
  })
  .meta({ id: "WaitlistEntry" });
export type WaitlistEntry = z.infer<typeof WaitlistEntry>;

export const WaitlistEntryList = listOf(WaitlistEntry, "WaitlistEntryList");

export interface WaitlistFacts extends DomainWaitlistEntry {
  /** Its place in the line, from 1; null when it does not wait. */
  readonly position: number | null;
  readonly offer: ReservationFacts | null;
}

export const presentWaitlistEntry = (entry: WaitlistFacts): WaitlistEntry => ({
  object: "waitlistEntry",
  id: entry.id,
  eventId: entry.eventId,
  slotId: entry.slotId,
  userId: entry.userId,
  quantity: entry.quantity,
  status: entry.status,
  position: entry.position,
  offer: entry.offer === null ? null : presentReservation(entry.offer),
  lastPassedOver:
    entry.lastPassedOver === null
      ? null
      : {
          reason: entry.lastPassedOver.reason,
          at: isoTime(entry.lastPassedOver.at),
          limit: entry.lastPassedOver.limit,
          reservationId: entry.lastPassedOver.reservationId,
        },
  createdAt: isoTime(entry.createdAt),
  offeredAt: isoTimeOrNull(entry.offeredAt),
  endedAt: isoTimeOrNull(entry.endedAt),
  endReason: entry.endReason,
});
