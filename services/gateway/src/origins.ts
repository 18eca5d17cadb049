// Whose an event, a reservation or a waitlist entry is, and of which event a slot. That never changes, and decides who
// may ask what of it. Read from the primary: what was made a moment ago is asked for next.
import {
  type EntryOrigin,
  eventsOfSlots,
  findEntryOrigins,
  findReservationOrigins,
  organizersOf,
  type Queryable,
  type ReservationOrigin,
} from "@holdfast/db";
import type { EventId, ReservationId, SlotId, UserId, WaitlistEntryId } from "@holdfast/domain";
import { forgetOldest } from "./bounded.ts";
import { coalesce } from "./coalesce.ts";

export const EVENTS_REMEMBERED_MAX = 100_000;
/** Rows that one coalesced statement reads. */
export const ORIGINS_PER_STATEMENT_MAX = 500;

/**
 * Remembers events and slots: there are few, and many ask for each. Only what exists is remembered; what does not exist
 * yet may exist in a moment. A slot that was removed may be remembered: the rules say that it is not there. Reservations
 * and entries are asked for once or twice: to remember every one would cost more than to ask.
 */
export class Origins {
  readonly #organizers = new Map<EventId, UserId>();
  readonly #slots = new Map<SlotId, EventId>();
  readonly #findOrganizer: (id: EventId) => Promise<UserId | null>;
  readonly #findSlot: (id: SlotId) => Promise<EventId | null>;
  readonly #findReservation: (id: ReservationId) => Promise<ReservationOrigin | null>;
  readonly #findEntry: (id: WaitlistEntryId) => Promise<EntryOrigin | null>;
  readonly #max: number;

  constructor(db: Queryable, max: number = EVENTS_REMEMBERED_MAX) {
    this.#findOrganizer = findTogether((ids) => organizersOf(db, ids));
    this.#findSlot = findTogether((ids) => eventsOfSlots(db, ids));
    this.#findReservation = findTogether((ids) => findReservationOrigins(db, ids));
    this.#findEntry = findTogether((ids) => findEntryOrigins(db, ids));
    this.#max = max;
  }

  /** Who organizes the event; null when there is no such event. At once when it is known: most wait for nothing. */
  organizerOf(id: EventId): UserId | Promise<UserId | null> {
    return this.#organizers.get(id) ?? this.#ask(id, this.#organizers, this.#findOrganizer);
  }

  /** The slot's event; null when there is no such slot, unless it was there a while ago. */
  eventOfSlot(id: SlotId): EventId | Promise<EventId | null> {
    return this.#slots.get(id) ?? this.#ask(id, this.#slots, this.#findSlot);
  }

  /** Null when there is no such reservation. */
  ofReservation(id: ReservationId): Promise<ReservationOrigin | null> {
    return this.#findReservation(id);
  }

  /** Null when there is no such entry. */
  ofEntry(id: WaitlistEntryId): Promise<EntryOrigin | null> {
    return this.#findEntry(id);
  }

  async #ask<Id, Origin>(
    id: Id,
    remembered: Map<Id, Origin>,
    find: (id: Id) => Promise<Origin | null>,
  ): Promise<Origin | null> {
    const found = await find(id);
    if (found === null) return null;
    remembered.set(id, found);
    forgetOldest(remembered, this.#max);
    return found;
  }
}

/** One statement for all that is asked for while another is under way. */
function findTogether<Id, Found>(
  findAll: (ids: readonly Id[]) => Promise<ReadonlyMap<Id, Found>>,
): (id: Id) => Promise<Found | null> {
  return coalesce(async (ids: readonly Id[]) => {
    const found = await findAll([...new Set(ids)]);
    return ids.map((id) => found.get(id) ?? null);
  }, ORIGINS_PER_STATEMENT_MAX);
}
