// The rules: what a command is answered, and what it changes. Pure: no I/O, no clock, no randomness.
// Rejections come first, one line each, in the documented order: the first line that applies is the answer.

import type {
  AnyCommand,
  CancelCommand,
  JoinWaitlistCommand,
  PurchaseCommand,
  ReserveCommand,
} from "./commands.ts";
import { isKnown } from "./commands.ts";
import { alreadyReserved, obstacleToHolding, overUserLimit } from "./eligibility.ts";
import { deadline, end, endOfferedEntry, isOffer } from "./endings.ts";
import { freeTickets, type Slot, somebodyWaits } from "./event.ts";
import { reservationIdOf } from "./ids.ts";
import {
  addSlot,
  cancelEvent,
  editEvent,
  editSlot,
  organizes,
  removeSlot,
  setCapacity,
  setSalesClosed,
  windDown,
} from "./organizer-rules.ts";
import { type Decision, fail, type Refusal, refuse, succeed } from "./outcomes.ts";
import { newHold, type Reservation } from "./reservation.ts";
import { type EventView, earliestRelease } from "./state.ts";
import { ceilToSecond, type EpochMs } from "./time.ts";
import { join, joinInstead, leave, liveEntryOf, promote, whyNotJoin } from "./waitlist-rules.ts";

/** The two times of a command: when it was accepted (never later than now), and when it is applied. */
export interface Times {
  readonly at: EpochMs;
  readonly now: EpochMs;
}

/** Decides a command. What is due must have been settled before: see `settle`. */
export function decide(state: EventView, command: AnyCommand, times: Times): Decision {
  if (!isKnown(command)) return fail("unsupported");
  switch (command.type) {
    case "reserve":
      return reserve(state, command, times);
    case "purchase":
      return purchase(state, command, times);
    case "cancel":
      return cancel(state, command, times);
    case "join-waitlist":
      return joinWaitlist(state, command, times);
    case "leave-waitlist":
      return leave(state, command, times.now);
    case "edit-event":
      return editEvent(state, command, times.now);
    case "add-slot":
      return addSlot(state, command, times.now);
    case "edit-slot":
      return editSlot(state, command, times.now);
    case "remove-slot":
      return removeSlot(state, command, times.now);
    case "set-capacity":
      return setCapacity(state, command, times.now);
    case "close-sales":
      return setSalesClosed(state, command, true, times.now);
    case "open-sales":
      return setSalesClosed(state, command, false, times.now);
    case "cancel-event":
      return cancelEvent(state, command, times.now);
    case "expire-due":
      return succeed(null); // settling came first, at the time that the command carries
    case "promote":
      return promote(state, command, times.now);
    case "wind-down":
      return windDown(state, times.now);
  }
}

/** The slot that somebody may try to have tickets of now, or why there is none: lines 2 to 8 of reserve and join. */
function slotOnSale(
  { terms, slots }: EventView,
  slotId: Slot["id"] | null,
  { at, now }: Times,
): Slot | Refusal {
  const all = [...slots.values()];
  if (terms.cancelledAt !== null) return { code: "event-cancelled" };
  if (all.every((slot) => slot.startsAt <= now)) return { code: "event-over" };
  if (terms.salesOpenAt !== null && at < terms.salesOpenAt) {
    return { code: "sales-not-open", salesOpenAt: terms.salesOpenAt };
  }
  if (terms.salesClosed) return { code: "sales-closed" };
  if (terms.salesCloseAt !== null && at >= terms.salesCloseAt) return { code: "sales-closed" };
  if (slotId === null && all.length > 1) return { code: "slot-required" };
  const slot = slotId === null ? all[0] : slots.get(slotId);
  if (slot === undefined) return { code: "not-found", pointer: "/slotId" };
  if (slot.startsAt <= now) return { code: "event-over" };
  return slot;
}

function reserve(state: EventView, command: ReserveCommand, { at, now }: Times): Decision {
  const { terms } = state;
  const { userId } = command;
  const { quantity, slotId, orWait = false } = command.input;
  const slot = slotOnSale(state, slotId, { at, now });
  if ("code" in slot) return refuse(slot);
  if (quantity > terms.maxPerOrder) return refuse({ code: "limit-exceeded", limit: "order" });
  if (quantity > slot.capacity) return refuse({ code: "limit-exceeded", limit: "capacity" });

  const here = alreadyReserved(state, userId, slot);
  if (here !== null) return refuse(here);
  const waiting = orWait ? liveEntryOf(state, userId, slot.id) : undefined;
  if (waiting !== undefined) return refuse({ code: "already-waiting", waitlistEntryId: waiting.id });
  const tooMany = overUserLimit(state, { userId, quantity });
  if (tooMany !== null) return refuse(tooMany);
  const blocked = obstacleToHolding(state, userId, slot, now);
  if (blocked !== null) return refuse(blocked.obstacle, blocked.followUps);
  if (somebodyWaits(terms, slot, now) || freeTickets(slot) < quantity) {
    if (orWait) return joinInstead(state, command, slot, now);
    if (slot.capacity - slot.purchased < quantity) return refuse({ code: "sold-out" });
    return refuse({ code: "all-held", earliestReleaseAt: earliestRelease(state, slot.id) });
  }

  const reservation = newHold({
    id: reservationIdOf(command.id),
    eventId: terms.id,
    slotId: slot.id,
    userId,
    quantity,
    origin: "public",
    expiresAt: Math.min(ceilToSecond(now + terms.holdSeconds * 1000), slot.startsAt),
    createdAt: now,
  });
  return succeed(reservation, { kind: "held", before: null, reservation });
}

function joinWaitlist(state: EventView, command: JoinWaitlistCommand, { at, now }: Times): Decision {
  const { terms } = state;
  const { userId } = command;
  const { quantity, slotId } = command.input;
  const slot = slotOnSale(state, slotId, { at, now });
  if ("code" in slot) return refuse(slot.code === "not-found" ? { code: "not-found" } : slot);
  const closed = whyNotJoin(state, slot, now);
  if (closed?.code === "waitlist-closed") return refuse(closed);
  if (quantity > terms.maxPerOrder) return refuse({ code: "limit-exceeded", limit: "order" });
  if (quantity > slot.capacity) return refuse({ code: "limit-exceeded", limit: "capacity" });

  const here = alreadyReserved(state, userId, slot);
  if (here !== null) return refuse(here);
  const waiting = liveEntryOf(state, userId, slot.id);
  if (waiting !== undefined) return refuse({ code: "already-waiting", waitlistEntryId: waiting.id });
  const tooMany = overUserLimit(state, { userId, quantity });
  if (tooMany !== null) return refuse(tooMany);
  if (quantity <= freeTickets(slot) && !somebodyWaits(terms, slot, now)) {
    return refuse({ code: "tickets-available" });
  }
  if (closed !== null) return refuse(closed);
  return join(state, command, slot, quantity, now);
}

function purchase(state: EventView, command: PurchaseCommand, { at, now }: Times): Decision {
  const { paymentReference } = command.input;
  const reservation = state.reservations.get(command.input.reservationId);
  if (reservation === undefined || reservation.userId !== command.userId)
    return refuse({ code: "not-found" });
  if (reservation.status === "purchased") {
    const same = reservation.paymentReference === paymentReference;
    return same ? succeed(reservation) : refuse({ code: "already-purchased" });
  }
  if (state.terms.cancelledAt !== null) return refuse({ code: "event-cancelled" });
  if (reservation.status === "expired") return refuse({ code: "hold-expired" });
  if (reservation.status === "held" && at >= deadline(reservation)) return refuse({ code: "hold-expired" });
  if (reservation.status === "cancelled") return refuse({ code: "not-active" });

  const bought: Reservation = {
    ...reservation,
    status: "purchased",
    paymentReference,
    expiresAt: null,
    purchasedAt: now,
  };
  const change = { kind: "purchased", before: "held", reservation: bought } as const;
  if (!isOffer(reservation)) return succeed(bought, change);
  const fulfilled = { status: "fulfilled", endReason: "purchased" } as const;
  return succeed(bought, change, endOfferedEntry(reservation, fulfilled, now));
}

function cancel(state: EventView, command: CancelCommand, { at, now }: Times): Decision {
  const { terms } = state;
  const reservation = state.reservations.get(command.input.reservationId);
  if (reservation === undefined) return refuse({ code: "not-found" });
  const owner = reservation.userId === command.userId;
  if (!owner && !organizes(state, command)) return refuse({ code: "not-found" });
  if (reservation.status === "cancelled") return succeed(reservation);
  if (reservation.status === "expired") return refuse({ code: "not-active" });
  // Only a piece of the cascade early: it does not count as the owner's wish.
  if (terms.cancelledAt !== null) return ended(reservation, "event-cancelled", now);
  const startsAt = state.slots.get(reservation.slotId)?.startsAt ?? 0;
  if (owner && at >= startsAt - terms.cancelCutoffSeconds * 1000)
    return refuse({ code: "cancellation-closed" });
  if (!owner) return ended(reservation, "organizer", now);
  return ended(reservation, isOffer(reservation) ? "declined" : "user", now);
}

function ended(
  before: Reservation,
  reason: "user" | "declined" | "organizer" | "event-cancelled",
  now: EpochMs,
): Decision {
  const { reservation, changes } = end(before, reason, now);
  return succeed(reservation, ...changes);
}
