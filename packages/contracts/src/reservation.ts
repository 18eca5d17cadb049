// Reservations, as outsiders see them, and the bodies that ask for them.
import {
  type Reservation as DomainReservation,
  END_REASONS,
  EventId,
  PAYMENT_REFERENCE_LENGTH_MAX,
  RESERVATION_ORIGINS,
  RESERVATION_STATUSES,
  ReservationId,
  SlotId,
  UserId,
} from "@holdfast/domain";
import { z } from "zod";
import { INTEGER_MAX, isoTime, isoTimeOrNull, TimeOut, text, wholeNumber } from "./fields.ts";
import { listOf } from "./list.ts";

export const ReserveBody = z
  .strictObject({
    slotId: SlotId.optional(),
    quantity: wholeNumber(1, INTEGER_MAX).default(1),
    onSoldOut: z.enum(["refuse", "waitlist"]).default("refuse"),
  })
  .meta({ id: "ReserveBody" });
export type ReserveBody = z.infer<typeof ReserveBody>;

export const PurchaseBody = z
  .strictObject({ paymentReference: text(PAYMENT_REFERENCE_LENGTH_MAX).optional() })
  .meta({ id: "PurchaseBody" });
export type PurchaseBody = z.infer<typeof PurchaseBody>;

export const NoFields = z.strictObject({}).meta({ id: "NoFields" });

export const Reservation = z
  .object({
    object: z.literal("reservation"),
    id: ReservationId,
    eventId: EventId,
    slotId: SlotId,
    userId: UserId,
    quantity: z.int(),
    status: z.enum(RESERVATION_STATUSES),
    origin: z.enum(RESERVATION_ORIGINS),
    paymentReference: z.string().nullable(),
    expiresAt: TimeOut.nullable(),
    createdAt: TimeOut,
    purchasedAt: TimeOut.nullable(),
    endedAt: TimeOut.nullable(),
    endReason: z.enum(END_REASONS).nullable(),
  })
  .meta({ id: "Reservation" });
export type Reservation = z.infer<typeof Reservation>;

export const ReservationList = listOf(Reservation, "ReservationList");

export const presentReservation = (reservation: DomainReservation): Reservation => ({
  object: "reservation",
  id: reservation.id,
  eventId: reservation.eventId,
  slotId: reservation.slotId,
  userId: reservation.userId,
  quantity: reservation.quantity,
  status: reservation.status,
  origin: reservation.origin,
  paymentReference: reservation.paymentReference,
  expiresAt: isoTimeOrNull(reservation.expiresAt),
  createdAt: isoTime(reservation.createdAt),
  purchasedAt: isoTimeOrNull(reservation.purchasedAt),
  endedAt: isoTimeOrNull(reservation.endedAt),
  endReason: reservation.endReason,
});
