// The part of an event that a batch was loaded with, and how a change moves it on. Holds no rules.
import { type EventDetails, type EventTerms, freeTickets, type Slot } from "./event.ts";
import type { ReservationId, SlotId, UserId, WaitlistEntryId } from "./ids.ts";
import type { Change, EntryChange, EventChange, ReservationChange, ReservationCursor } from "./outcomes.ts";
import { type ActiveClaim, isActive, type Reservation } from "./reservation.ts";
import type { EpochMs } from "./time.ts";
import { type EntryPatch, isParked, type WaitlistEntry } from "./waitlist-entry.ts";

/** What of a slot's waitlist was loaded to be promoted. */
export interface LoadedLine {
  /** Those of its entries that were loaded for it, with all that is to be known of their users. */
  readonly entries: ReadonlySet<WaitlistEntryId>;
  /** Waiting entries with greater numbers were not loaded; infinite when all are there. */
  readonly upTo: number;
  /** The slot's `lastSeq` then: who has a greater number joined in this batch. */
  readonly lastSeq: number;
}

/** What was loaded to be wound down. */
export interface LoadedLeftovers {
  readonly reservations: readonly ReservationId[];
  readonly entries: readonly WaitlistEntryId[];
  /** Where the next piece begins; null when nothing of the kind is left. */
  readonly next: { readonly after: ReservationCursor | null } | null;
}

/**
 * Loaded for one batch and moved on command by command. It holds every slot of the event, every active claim and
 * recent unpaid expiry of every user in the batch (in all events), every reservation and waitlist entry that a command
 * names, every hold that is due, and the heads of the waitlists that are to be promoted.
 */
export interface EventState {
  terms: EventTerms;
  /** Null unless an organizer's command is in the batch. */
  details: EventDetails | null;
  readonly slots: Map<SlotId, Slot>;
  readonly reservations: Map<ReservationId, Reservation>;
  readonly entries: Map<WaitlistEntryId, WaitlistEntry>;
  readonly claims: Map<UserId, ActiveClaim[]>;
  /** When holds of these users ended unpaid, as far back as the cooldown looks. */
  readonly expiries: Map<UserId, EpochMs[]>;
  /** Holds for which an accepted purchase, stamped in time, is not finished: settling leaves them alone. */
  readonly awaitingPurchase: ReadonlySet<ReservationId>;
  /**
   * The earliest deadlines of holds that were not loaded whole, ascending, as many as the batch can need:
   * with those in `reservations` they tell when tickets may come free.
   */
  readonly otherDeadlines: ReadonlyMap<SlotId, readonly EpochMs[]>;
  readonly lines: ReadonlyMap<SlotId, LoadedLine>;
  leftovers: LoadedLeftovers | null;
}

/** What nobody may write to: how `decide` sees the state. */
export interface EventView {
  readonly terms: EventTerms;
  readonly details: EventDetails | null;
  readonly slots: ReadonlyMap<SlotId, Slot>;
  readonly reservations: ReadonlyMap<ReservationId, Reservation>;
  readonly entries: ReadonlyMap<WaitlistEntryId, WaitlistEntry>;
  readonly claims: ReadonlyMap<UserId, readonly ActiveClaim[]>;
  readonly expiries: ReadonlyMap<UserId, readonly EpochMs[]>;
  readonly awaitingPurchase: ReadonlySet<ReservationId>;
  readonly otherDeadlines: ReadonlyMap<SlotId, readonly EpochMs[]>;
  readonly lines: ReadonlyMap<SlotId, LoadedLine>;
  readonly leftovers: LoadedLeftovers | null;
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

export const patched = (entry: WaitlistEntry, patch: EntryPatch): WaitlistEntry => ({
  ...entry,
  status: patch.status,
  offeredAt: patch.offeredAt ?? entry.offeredAt,
  endedAt: patch.endedAt,
  endReason: patch.endReason,
  recheckAt: patch.recheckAt,
  lastPassedOver: patch.lastPassedOver ?? entry.lastPassedOver,
});

/** Moves the state on by what was decided. Throws when the change contradicts it: that is a bug, not an answer. */
export function evolve(state: EventState, change: Change): void {
  switch (change.kind) {
    case "held":
    case "purchased":
    case "ended":
      evolveReservation(state, change);
      break;
    case "joined":
    case "entry":
      evolveEntry(state, change);
      break;
    default:
      evolveEvent(state, change);
  }
}

function evolveReservation(state: EventState, change: ReservationChange): void {
  const { reservation, before } = change;
  const slot = slotOf(state, reservation.slotId);
  const after = isActive(reservation.status) ? reservation.status : null;
  const taken = (status: "held" | "purchased") =>
    (after === status ? reservation.quantity : 0) - (before === status ? reservation.quantity : 0);
  const moved = {
    ...slot,
    held: slot.held + taken("held"),
    purchased: slot.purchased + taken("purchased"),
    used: true,
  };
  if (moved.held < 0 || moved.purchased < 0 || freeTickets(moved) < Math.min(0, freeTickets(slot))) {
    throw new Error(`slot ${slot.id} cannot take ${change.kind} of ${reservation.id}`);
  }
  state.slots.set(slot.id, moved);
  state.reservations.set(reservation.id, reservation);

  const { userId } = reservation;
  const others = claimsOf(state, userId).filter(({ id }) => id !== reservation.id);
  state.claims.set(userId, after === null ? others : [...others, claim(state, reservation, after, slot)]);
  if (isUnpaidExpiry(reservation)) {
    state.expiries.set(userId, [...(state.expiries.get(userId) ?? []), reservation.endedAt ?? 0]);
  }
}

/** A hold that somebody took and let lapse. Offers do not count: nobody took them. */
export const isUnpaidExpiry = ({ status, origin }: Pick<Reservation, "status" | "origin">): boolean =>
  status === "expired" && origin === "public";

function evolveEntry(state: EventState, change: EntryChange): void {
  if (change.kind === "joined") {
    const { entry } = change;
    const slot = slotOf(state, entry.slotId);
    if (entry.seq !== slot.lastSeq + 1) throw new Error(`${entry.id} is not the next of slot ${slot.id}`);
    state.slots.set(slot.id, { ...slot, waiting: slot.waiting + 1, lastSeq: entry.seq });
    state.entries.set(entry.id, entry);
    return;
  }
  const { id, before, patch, wasParked } = change;
  const slot = slotOf(state, change.slotId);
  const waiting = slot.waiting + (patch.status === "waiting" ? 1 : 0) - (before === "waiting" ? 1 : 0);
  const parked = slot.parked + (isParked(patch) ? 1 : 0) - (wasParked ? 1 : 0);
  if (waiting < 0 || parked < 0 || parked > waiting) throw new Error(`slot ${slot.id} cannot count ${id}`);
  state.slots.set(slot.id, { ...slot, waiting, parked });
  const entry = state.entries.get(id);
  if (entry !== undefined) state.entries.set(id, patched(entry, patch));
}

function evolveEvent(state: EventState, change: EventChange): void {
  switch (change.kind) {
    case "line":
      state.slots.set(change.slotId, { ...slotOf(state, change.slotId), ...change.line });
      break;
    case "slot-added":
    case "slot-edited":
      state.slots.set(change.slot.id, change.slot);
      break;
    case "slot-removed":
      state.slots.delete(change.slotId);
      break;
    case "event-edited":
      // What was loaded before it was cancelled is not what it leaves behind.
      if (change.terms.cancelledAt !== null) state.leftovers = null;
      state.terms = change.terms;
      state.details = change.details;
      break;
    case "limit-raised":
    case "wound-down":
      break;
  }
}

export function slotOf(state: EventView, id: SlotId): Slot {
  const slot = state.slots.get(id);
  if (slot === undefined) throw new Error(`no slot ${id}`);
  return slot;
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
