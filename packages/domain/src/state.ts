// The part of an event that a batch was loaded with, and how a change moves it on. Holds no rules.
import { type EventTerms, freeTickets, type Slot } from "./event.ts";
import type { ReservationId, SlotId, UserId } from "./ids.ts";
import type { Change } from "./outcomes.ts";
import { type ActiveClaim, isActive, type Reservation } from "./reservation.ts";
import type { EpochMs } from "./time.ts";

/**
 * Loaded for one batch and moved on command by command. It holds every slot of the event, every active claim of
 * every user in the batch (in all events), every reservation that a command names, and every hold that is due.
 */
export interface EventState {
  readonly terms: EventTerms;
  readonly slots: Map<SlotId, Slot>;
  readonly reservations: Map<ReservationId, Reservation>;
  readonly claims: Map<UserId, ActiveClaim[]>;
  /** Holds for which an accepted purchase, stamped in time, is not finished: settling leaves them alone. */
  readonly awaitingPurchase: ReadonlySet<ReservationId>;
  /**
   * The earliest deadlines of holds that were not loaded whole, ascending, as many as the batch can need:
   * with those in `reservations` they tell when tickets may come free.
   */
  readonly otherDeadlines: ReadonlyMap<SlotId, readonly EpochMs[]>;
}

/** What nobody may write to: how `decide` sees the state. */
export interface EventView {
  readonly terms: EventTerms;
  readonly slots: ReadonlyMap<SlotId, Slot>;
  readonly reservations: ReadonlyMap<ReservationId, Reservation>;
  readonly claims: ReadonlyMap<UserId, readonly ActiveClaim[]>;
  readonly awaitingPurchase: ReadonlySet<ReservationId>;
  readonly otherDeadlines: ReadonlyMap<SlotId, readonly EpochMs[]>;
}

export const claimsOf = (state: EventView, user: UserId): readonly ActiveClaim[] =>
  state.claims.get(user) ?? [];

/** The earliest deadline among the slot's holds, or null when nothing is held. */
export function earliestRelease(state: EventView, slotId: SlotId): EpochMs | null {
  let earliest = state.otherDeadlines.get(slotId)?.[0] ?? null;
  for (const { slotId: of, status, expiresAt } of state.reservations.values()) {
    if (of !== slotId || status !== "held" || expiresAt === null) continue;
    if (earliest === null || expiresAt < earliest) earliest = expiresAt;
  }
  return earliest;
}

/** Moves the state on by what was decided. Throws when the change contradicts it: that is a bug, not an answer. */
export function evolve(state: EventState, change: Change): void {
  const { reservation, before } = change;
  const slot = state.slots.get(reservation.slotId);
  if (slot === undefined) throw new Error(`no slot ${reservation.slotId} for ${reservation.id}`);
  const after = isActive(reservation.status) ? reservation.status : null;
  const taken = (status: "held" | "purchased") =>
    (after === status ? reservation.quantity : 0) - (before === status ? reservation.quantity : 0);
  const moved = { ...slot, held: slot.held + taken("held"), purchased: slot.purchased + taken("purchased") };
  if (moved.held < 0 || moved.purchased < 0 || freeTickets(moved) < Math.min(0, freeTickets(slot))) {
    throw new Error(`slot ${slot.id} cannot take ${change.kind} of ${reservation.id}`);
  }
  state.slots.set(slot.id, moved);
  state.reservations.set(reservation.id, reservation);

  const others = claimsOf(state, reservation.userId).filter(({ id }) => id !== reservation.id);
  state.claims.set(
    reservation.userId,
    after === null ? others : [...others, claim(state, reservation, after, slot)],
  );
}

const claim = (
  state: EventView,
  reservation: Reservation,
  status: "held" | "purchased",
  slot: Slot,
): ActiveClaim => ({
  id: reservation.id,
  eventId: reservation.eventId,
  slotId: reservation.slotId,
  quantity: reservation.quantity,
  status,
  expiresAt: reservation.expiresAt,
  startsAt: slot.startsAt,
  endsAt: slot.endsAt,
  exclusive: state.terms.overlapPolicy === "refuse",
});
