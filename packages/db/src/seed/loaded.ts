// What the rules are given of an event on a stage: how it begins, and what of it a command is decided with.
import {
  type Command,
  type EpochMs,
  type EventDetails,
  type EventTerms,
  type EventView,
  isActive,
  type LoadedLeftovers,
  type LoadedLine,
  type Slot,
  type SlotId,
  UNTOUCHED,
  type WaitlistEntry,
  whyClosed,
} from "@holdfast/domain";
import type { NewEvent } from "../events.ts";
import { DAY_MS } from "./ids.ts";

/** An event is announced so long before its start, and before the seeding. */
const ANNOUNCED_BEFORE_MS = 60 * DAY_MS;

export const unsold = (slot: NewEvent["slots"][number]): Slot => ({ ...slot, ...UNTOUCHED });

export function termsOf({
  name: _name,
  description: _description,
  venue: _venue,
  slots: _slots,
  ...terms
}: NewEvent): EventTerms {
  return { ...terms, cancelledAt: null, salesClosed: false };
}

/** When the event was announced. */
export const announcedAt = ({ slots }: Pick<NewEvent, "slots">, now: EpochMs): EpochMs =>
  Math.min(now, ...slots.map(({ startsAt }) => startsAt)) - ANNOUNCED_BEFORE_MS;

export function detailsOf(event: NewEvent, now: EpochMs): EventDetails {
  const { name, description, venue } = event;
  const createdAt = announcedAt(event, now);
  return { name, description, venue, version: 1, createdAt, updatedAt: createdAt };
}

type Rows = Pick<EventView, "terms" | "slots" | "reservations" | "entries">;

const waiting = ({ entries }: Rows): WaitlistEntry[] =>
  [...entries.values()].filter(({ status }) => status === "waiting");

/** The whole line of the slot that is promoted. */
export function linesOf(state: Rows, command: Command): Map<SlotId, LoadedLine> {
  if (command.type !== "promote") return new Map();
  const { slotId } = command.input;
  const entries = new Set(waiting(state).flatMap((entry) => (entry.slotId === slotId ? [entry.id] : [])));
  const lastSeq = state.slots.get(slotId)?.lastSeq ?? 0;
  return new Map([[slotId, { entries, upTo: Number.POSITIVE_INFINITY, lastSeq }]]);
}

/** Entries that can come to nothing any more. */
export const closing = (state: Rows, at: EpochMs): WaitlistEntry[] =>
  waiting(state).filter((entry) => whyClosed(state, entry, at) !== null);

export function leftoversOf(state: Rows, at: EpochMs): LoadedLeftovers {
  const active = [...state.reservations.values()].filter(({ status }) => isActive(status));
  const left = state.terms.cancelledAt === null ? [] : active;
  return {
    reservations: left.map(({ id }) => id),
    entries: closing(state, at).map(({ id }) => id),
    next: null,
  };
}
