// B3: says that everything is held. No rule, no row, no other process: what is left is HTTP.
import { type ReserveCommand, reservationIdOf, type SlotId } from "@holdfast/domain";
import type { Ended } from "./baseline.ts";

const ANY_SLOT = "slt_00000000000000000000000000" as SlotId;
const HOLD_MS = 600_000;

export const echo = ({ id, eventId, userId, at, input }: ReserveCommand): Ended => ({
  outcome: {
    status: "succeeded",
    reservation: {
      id: reservationIdOf(id),
      eventId,
      slotId: input.slotId ?? ANY_SLOT,
      userId,
      quantity: input.quantity,
      status: "held",
      origin: "public",
      paymentReference: null,
      expiresAt: Math.ceil((at + HOLD_MS) / 1_000) * 1_000,
      createdAt: at,
      purchasedAt: null,
      endedAt: null,
      endReason: null,
    },
  },
  replayed: false,
});
