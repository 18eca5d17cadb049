// What an event's organizer, or an admin, may change while it is on sale, and how what was cancelled or closed ends.
import type {
  AddSlotCommand,
  CancelCommand,
  CancelEventCommand,
  CloseSalesCommand,
  EditEventCommand,
  EditSlotCommand,
  EventEdits,
  LeaveWaitlistCommand,
  OpenSalesCommand,
  OrganizerCommand,
  RemoveSlotCommand,
  SetCapacityCommand,
  SlotEdits,
} from "./commands.ts";
import { hasRole } from "./commands.ts";
import { end, endWaiting } from "./endings.ts";
import {
  availableTickets,
  byStart,
  type EventDetails,
  type EventFacts,
  type EventTerms,
  type Slot,
  UNTOUCHED,
  waitlistClosesAt,
} from "./event.ts";
import { type SlotId, slotIdOf } from "./ids.ts";
import { SLOTS_PER_EVENT_MAX } from "./limits.ts";
import { type Change, type Decision, done, type FollowUp, type Refusal, refuse } from "./outcomes.ts";
import { isActive } from "./reservation.ts";
import type { EventView } from "./state.ts";
import type { EpochMs } from "./time.ts";
import type { EntryEndReason, WaitlistEntry } from "./waitlist-entry.ts";

type FromOrganizer = OrganizerCommand | CancelCommand | LeaveWaitlistCommand;

/** May the sender act for the event? Its organizer and admins may. */
export const organizes = (
  { terms }: EventView,
  { userId, input }: Pick<FromOrganizer, "userId"> & { readonly input: Pick<FromOrganizer["input"], "role"> },
): boolean => input.role === "admin" || (terms.organizerId === userId && hasRole(input.role, "organizer"));

/** Why an organizer's command may not touch the event at all; nothing of a cancelled event changes any more. */
function whyNot(
  state: EventView,
  command: OrganizerCommand,
  ifVersion: readonly number[] | null = null,
): Refusal | null {
  if (!organizes(state, command)) return { code: "not-found" };
  if (ifVersion !== null && !ifVersion.includes(detailsOf(state).version)) {
    return { code: "precondition-failed" };
  }
  return state.terms.cancelledAt === null ? null : { code: "event-cancelled" };
}

/** The slot that an organizer's command names, or why it may not be touched. */
function slotToChange(
  state: EventView,
  command: OrganizerCommand,
  slotId: SlotId,
  ifVersion: readonly number[] | null = null,
): Slot | Refusal {
  const refusal = whyNot(state, command, ifVersion);
  const slot = state.slots.get(slotId);
  if (refusal?.code === "not-found" || slot === undefined) return { code: "not-found" };
  return refusal ?? slot;
}

function detailsOf({ details }: EventView): EventDetails {
  if (details === null) throw new Error("an organizer's command came without the event's details");
  return details;
}

export function editEvent(state: EventView, command: EditEventCommand, now: EpochMs): Decision {
  const { edits, ifVersion } = command.input;
  const refusal = whyNot(state, command, ifVersion);
  if (refusal !== null) return refuse(refusal);
  const { terms, details } = edited(state, edits);
  const { salesOpenAt, salesCloseAt } = terms;
  if (salesOpenAt !== null && salesCloseAt !== null && salesOpenAt >= salesCloseAt) {
    return refuse({ code: "validation-failed", pointer: "/salesCloseAt" });
  }
  const used = [...state.slots.values()].some((slot) => slot.used);
  // Each reservation excludes overlapping ones as its event said when it was made.
  if (terms.overlapPolicy !== state.terms.overlapPolicy && used) return refuse({ code: "slot-in-use" });
  const change = moveOn(details, terms, now);
  // A waitlist that closes at another time, or lets others pass, may have to be looked at.
  const slots: Change[] =
    edits.waitlist === undefined
      ? []
      : [...state.slots.values()].map((slot) => ({ kind: "slot-edited", slot }));
  const followUps: FollowUp[] = edits.waitlist === undefined ? [] : [windDownOf(terms)];
  const raised: Change[] =
    terms.maxPerUser > state.terms.maxPerUser ? [{ kind: "limit-raised", limit: "user", at: now }] : [];
  return done({ event: facts(change, state.slots), asOf: now }, [change, ...slots, ...raised], followUps);
}

function edited(state: EventView, edits: EventEdits): { terms: EventTerms; details: EventDetails } {
  const { name, description, venue, waitlist, ...terms } = edits;
  const details = detailsOf(state);
  return {
    terms: {
      ...state.terms,
      ...given(terms),
      waitlist: { ...state.terms.waitlist, ...given(waitlist ?? {}) },
    },
    details: { ...details, ...given({ name, description, venue }) },
  };
}

/** Without what was not given. */
const given = <T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

type EventEdited = Extract<Change, { kind: "event-edited" }>;

const moveOn = (details: EventDetails, terms: EventTerms, now: EpochMs): EventEdited => ({
  kind: "event-edited",
  terms,
  details: { ...details, version: details.version + 1, updatedAt: now },
});

const facts = ({ terms, details }: EventEdited, slots: ReadonlyMap<SlotId, Slot>): EventFacts => ({
  ...terms,
  ...details,
  slots: [...slots.values()].sort(byStart),
});

export function addSlot(state: EventView, command: AddSlotCommand, now: EpochMs): Decision {
  const { name, startsAt, endsAt, capacity, ifVersion } = command.input;
  const refusal = whyNot(state, command, ifVersion);
  if (refusal !== null) return refuse(refusal);
  if (endsAt <= startsAt) return refuse({ code: "validation-failed", pointer: "/endsAt" });
  if (state.slots.size >= SLOTS_PER_EVENT_MAX) return refuse({ code: "limit-exceeded", limit: "slots" });
  const slot: Slot = { ...UNTOUCHED, id: slotIdOf(command.id), name, startsAt, endsAt, capacity };
  return done({ slot, available: capacity }, [
    { kind: "slot-added", slot },
    moveOn(detailsOf(state), state.terms, now),
  ]);
}

export function editSlot(state: EventView, command: EditSlotCommand, now: EpochMs): Decision {
  const { slotId, edits, ifVersion } = command.input;
  const before = slotToChange(state, command, slotId, ifVersion);
  if ("code" in before) return refuse(before);
  return changeSlot(state, before, edits, now);
}

export function setCapacity(state: EventView, command: SetCapacityCommand, now: EpochMs): Decision {
  const { slotId, capacity } = command.input;
  const before = slotToChange(state, command, slotId);
  if ("code" in before) return refuse(before);
  return changeSlot(state, before, { capacity }, now);
}

function changeSlot(state: EventView, before: Slot, edits: SlotEdits, now: EpochMs): Decision {
  const slot: Slot = { ...before, ...given(edits) };
  const moved = slot.startsAt !== before.startsAt || slot.endsAt !== before.endsAt;
  if (slot.endsAt <= slot.startsAt) return refuse({ code: "validation-failed", pointer: "/endsAt" });
  if (moved && before.used) return refuse({ code: "slot-in-use" });
  const { held, purchased } = slot;
  if (slot.capacity < held + purchased) {
    return refuse({ code: "capacity-below-committed", held, purchased });
  }
  const changes: Change[] = [{ kind: "slot-edited", slot }, moveOn(detailsOf(state), state.terms, now)];
  const tooSmallForSome = slot.capacity < before.capacity && slot.waiting > 0;
  const available = availableTickets(state.terms, slot, now);
  return done({ slot, available }, changes, tooSmallForSome ? [windDownOf(state.terms)] : []);
}

export function removeSlot(state: EventView, command: RemoveSlotCommand, now: EpochMs): Decision {
  const { slotId, ifVersion } = command.input;
  const slot = slotToChange(state, command, slotId, ifVersion);
  if ("code" in slot) return refuse(slot);
  if (slot.used || slot.lastSeq > 0 || state.slots.size === 1) return refuse({ code: "slot-in-use" });
  const { capacity: available } = slot;
  return done({ slot, available }, [
    { kind: "slot-removed", slotId },
    moveOn(detailsOf(state), state.terms, now),
  ]);
}

export function setSalesClosed(
  state: EventView,
  command: CloseSalesCommand | OpenSalesCommand,
  salesClosed: boolean,
  now: EpochMs,
): Decision {
  const refusal = whyNot(state, command);
  if (refusal !== null) return refuse(refusal);
  const { terms } = state;
  if (terms.salesClosed === salesClosed) return done({ event: unchanged(state), asOf: now });
  const change = moveOn(detailsOf(state), { ...terms, salesClosed }, now);
  return done({ event: facts(change, state.slots), asOf: now }, [change]);
}

const unchanged = (state: EventView): EventFacts =>
  facts({ kind: "event-edited", terms: state.terms, details: detailsOf(state) }, state.slots);

/** From this command on the event refuses everything; what was reserved and who waits ends in pieces behind it. */
export function cancelEvent(state: EventView, command: CancelEventCommand, now: EpochMs): Decision {
  if (!organizes(state, command)) return refuse({ code: "not-found" });
  const { terms } = state;
  if (terms.cancelledAt !== null) return done({ event: unchanged(state), asOf: now });
  const change = moveOn(detailsOf(state), { ...terms, cancelledAt: now }, now);
  return done({ event: facts(change, state.slots), asOf: now }, [change], [windDownOf(terms)]);
}

const windDownOf = ({ id }: EventTerms): FollowUp => ({ kind: "wind-down", eventId: id, after: null });

/** Ends the piece that was loaded, and asks for the next one. */
export function windDown(state: EventView, now: EpochMs): Decision {
  const { terms, leftovers } = state;
  if (leftovers === null) return done({});
  const changes: Change[] = [];
  for (const id of leftovers.reservations) {
    const reservation = state.reservations.get(id);
    if (terms.cancelledAt === null || reservation === undefined || !isActive(reservation.status)) continue;
    changes.push(...end(reservation, "event-cancelled", now).changes);
  }
  for (const id of leftovers.entries) {
    const entry = state.entries.get(id);
    const endReason = entry === undefined ? null : whyClosed(state, entry, now);
    if (entry?.status !== "waiting" || endReason === null) continue;
    changes.push(endWaiting(entry, { status: "closed", endReason }, now));
  }
  const { next } = leftovers;
  if (next !== null) {
    return done({}, changes, [{ kind: "wind-down", eventId: terms.id, after: next.after }]);
  }
  return done({}, terms.cancelledAt === null ? changes : [...changes, { kind: "wound-down" }]);
}

/** Why a waiting entry can come to nothing any more; null when it still can. */
export function whyClosed(
  { terms, slots }: Pick<EventView, "terms" | "slots">,
  entry: Pick<WaitlistEntry, "slotId" | "quantity">,
  now: EpochMs,
): EntryEndReason | null {
  if (terms.cancelledAt !== null) return "event-cancelled";
  const slot = slots.get(entry.slotId);
  if (slot === undefined) return null;
  if (slot.startsAt <= now) return "slot-over";
  if (now >= waitlistClosesAt(terms, slot)) return "cutoff";
  return entry.quantity > slot.capacity ? "capacity" : null;
}
