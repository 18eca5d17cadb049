// The rules: what a command is answered, and what it changes. Pure: no I/O, no clock, no randomness.
// Rejections come first, one line each, in the documented order: the first line that applies is the answer.

import type { PurchaseCommand, ReserveCommand } from "./commands.ts";
import { type AnyCommand, type CancelCommand, hasRole, isKnown } from "./commands.ts";
import { freeTickets, type Slot } from "./event.ts";
import { reservationIdOf } from "./ids.ts";
import { LIVE_HOLDS_MAX, SETTLE_GRACE_MS } from "./limits.ts";
import { type Change, type Decision, type FollowUp, fail, refuse, succeed } from "./outcomes.ts";
import { type ActiveClaim, type EndReason, isActive, type Reservation } from "./reservation.ts";
import { claimsOf, type EventView, earliestRelease } from "./state.ts";
import { ceilToSecond, type EpochMs, overlaps } from "./time.ts";

/** The two times of a command: when it was accepted (never later than now), and when it is applied. */
export interface Times {
  readonly at: EpochMs;
  readonly now: EpochMs;
}

/** Decides a user's command. What is due must have been settled before: see `settle`. */
export function decide(state: EventView, command: AnyCommand, times: Times): Decision {
  if (!isKnown(command)) return fail("unsupported");
  switch (command.type) {
    case "reserve":
      return reserve(state, command, times);
    case "purchase":
      return purchase(state, command, times);
    case "cancel":
      return cancel(state, command, times);
    case "expire-due":
      return succeed(null); // settling came first, at the time that the command carries
  }
}

/** At a logical time, holds with a deadline up to here are due: purchases get some grace to reach the queue. */
export const dueAsOf = (logicalAt: EpochMs): EpochMs => logicalAt - SETTLE_GRACE_MS;

/** Ends every hold whose deadline is `due` or earlier, the earliest first. */
export function settle(state: EventView, due: EpochMs, now: EpochMs): Change[] {
  return [...state.reservations.values()]
    .filter((hold) => isDue(hold, due) && !state.awaitingPurchase.has(hold.id))
    .sort((a, b) => deadline(a) - deadline(b) || (a.id < b.id ? -1 : 1))
    .map((hold) => end(hold, "expired", "deadline", now));
}

const isDue = (reservation: Reservation, due: EpochMs): boolean =>
  reservation.status === "held" && deadline(reservation) <= due;

const deadline = ({ expiresAt }: Reservation): EpochMs => expiresAt ?? Number.POSITIVE_INFINITY;

function reserve(state: EventView, command: ReserveCommand, { at, now }: Times): Decision {
  const { terms } = state;
  const { quantity, slotId } = command.input;
  const slots = [...state.slots.values()];
  if (terms.cancelledAt !== null) return refuse({ code: "event-cancelled" });
  if (slots.every((slot) => slot.startsAt <= now)) return refuse({ code: "event-over" });
  if (terms.salesOpenAt !== null && at < terms.salesOpenAt) {
    return refuse({ code: "sales-not-open", salesOpenAt: terms.salesOpenAt });
  }
  if (terms.salesClosed) return refuse({ code: "sales-closed" });
  if (terms.salesCloseAt !== null && at >= terms.salesCloseAt) return refuse({ code: "sales-closed" });
  if (slotId === null && slots.length > 1) return refuse({ code: "slot-required" });
  const slot = slotId === null ? slots[0] : state.slots.get(slotId);
  if (slot === undefined) return refuse({ code: "not-found", pointer: "/slotId" });
  if (slot.startsAt <= now) return refuse({ code: "event-over" });
  if (quantity > terms.maxPerOrder) return refuse({ code: "limit-exceeded", limit: "order" });
  if (quantity > slot.capacity) return refuse({ code: "limit-exceeded", limit: "capacity" });

  const claims = claimsOf(state, command.userId);
  const here = claims.find((claim) => claim.slotId === slot.id);
  if (here !== undefined) return refuse({ code: "already-reserved", reservationId: here.id });
  const ofEvent = claims.filter((claim) => claim.eventId === terms.id);
  const ticketsOfEvent = ofEvent.reduce((sum, claim) => sum + claim.quantity, 0);
  if (ticketsOfEvent + quantity > terms.maxPerUser) return refuse({ code: "limit-exceeded", limit: "user" });
  const liveHolds = claims.filter((claim) => claim.status === "held" && (claim.expiresAt ?? now) > now);
  if (liveHolds.length >= LIVE_HOLDS_MAX) return refuse({ code: "limit-exceeded", limit: "holds" });
  const clash = terms.overlapPolicy === "refuse" ? overlapping(claims, slot) : undefined;
  if (clash !== undefined) {
    const retryable = clash.status === "held";
    return refuse(
      { code: "overlap", reservationId: clash.id, retryable },
      settleElsewhere(state, clash, now),
    );
  }
  if (slot.capacity - slot.purchased < quantity) return refuse({ code: "sold-out" });
  if (freeTickets(slot) < quantity) {
    return refuse({ code: "all-held", earliestReleaseAt: earliestRelease(state, slot.id) });
  }

  const reservation: Reservation = {
    id: reservationIdOf(command.id),
    eventId: terms.id,
    slotId: slot.id,
    userId: command.userId,
    quantity,
    status: "held",
    origin: "public",
    paymentReference: null,
    expiresAt: Math.min(ceilToSecond(now + terms.holdSeconds * 1000), slot.startsAt),
    createdAt: now,
    purchasedAt: null,
    endedAt: null,
    endReason: null,
  };
  return succeed(reservation, { kind: "held", before: null, reservation });
}

/** The claim that stands in the way; a purchased one before a held one, since waiting will not help with it. */
function overlapping(claims: readonly ActiveClaim[], slot: Slot): ActiveClaim | undefined {
  const clashes = claims
    .filter((claim) => claim.exclusive && overlaps(claim, slot))
    .sort((a, b) => a.startsAt - b.startsAt); // the order in which claims were loaded must not show
  return clashes.find((claim) => claim.status === "purchased") ?? clashes[0];
}

/** A hold of another event blocks whatever its deadline, for its own event settles it: ask that event to. */
function settleElsewhere(state: EventView, clash: ActiveClaim, now: EpochMs): FollowUp[] {
  const { eventId, status, expiresAt } = clash;
  if (status !== "held" || eventId === state.terms.id || expiresAt === null || expiresAt > now) return [];
  return [{ kind: "expire-elsewhere", eventId, dueAt: expiresAt }];
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
  return succeed(bought, { kind: "purchased", before: "held", reservation: bought });
}

function cancel(state: EventView, command: CancelCommand, { at, now }: Times): Decision {
  const { terms } = state;
  const reservation = state.reservations.get(command.input.reservationId);
  if (reservation === undefined) return refuse({ code: "not-found" });
  const owner = reservation.userId === command.userId;
  if (!owner && !organizes(state, command)) return refuse({ code: "not-found" });
  if (reservation.status === "cancelled") return succeed(reservation);
  if (reservation.status === "expired") return refuse({ code: "not-active" });
  const startsAt = state.slots.get(reservation.slotId)?.startsAt ?? 0;
  if (owner && at >= startsAt - terms.cancelCutoffSeconds * 1000)
    return refuse({ code: "cancellation-closed" });

  const change = end(reservation, "cancelled", owner ? "user" : "organizer", now);
  return succeed(change.reservation, change);
}

const organizes = ({ terms }: EventView, { userId, input }: CancelCommand): boolean =>
  input.role === "admin" || (terms.organizerId === userId && hasRole(input.role, "organizer"));

function end(
  reservation: Reservation,
  status: "expired" | "cancelled",
  endReason: EndReason,
  now: EpochMs,
): Change {
  if (!isActive(reservation.status)) throw new Error(`${reservation.id} has ended already`);
  return {
    kind: "ended",
    before: reservation.status,
    reservation: { ...reservation, status, endedAt: now, endReason },
  };
}
