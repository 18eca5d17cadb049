// Whose an event or a reservation is. That never changes, and decides who may ask what of it. Read from the primary:
// what was made a moment ago is asked for next.
import { findReservationOrigins, organizersOf, type Queryable, type ReservationOrigin } from "@holdfast/db";
import type { EventId, ReservationId, UserId } from "@holdfast/domain";
import { forgetOldest } from "./bounded.ts";
import { coalesce } from "./coalesce.ts";

export const EVENTS_REMEMBERED_MAX = 100_000;
/** Rows that one coalesced statement reads. */
export const ORIGINS_PER_STATEMENT_MAX = 500;

/**
 * Remembers events: there are few, and many ask for each. Only what exists is remembered; what does not exist yet may
 * exist in a moment. Reservations are asked for once or twice: to remember every one would cost more than to ask.
 */
export class Origins {
  readonly #organizers = new Map<EventId, UserId>();
  readonly #findOrganizer: (id: EventId) => Promise<UserId | null>;
  readonly #findReservation: (id: ReservationId) => Promise<ReservationOrigin | null>;
  readonly #max: number;

  constructor(db: Queryable, max: number = EVENTS_REMEMBERED_MAX) {
    this.#findOrganizer = findTogether((ids) => organizersOf(db, ids));
    this.#findReservation = findTogether((ids) => findReservationOrigins(db, ids));
    this.#max = max;
  }

  /** Who organizes the event; null when there is no such event. At once when it is known: most wait for nothing. */
  organizerOf(id: EventId): UserId | Promise<UserId | null> {
    return this.#organizers.get(id) ?? this.#askForOrganizer(id);
  }

  /** Null when there is no such reservation. */
  ofReservation(id: ReservationId): Promise<ReservationOrigin | null> {
    return this.#findReservation(id);
  }

  async #askForOrganizer(id: EventId): Promise<UserId | null> {
    const organizer = await this.#findOrganizer(id);
    if (organizer === null) return null;
    this.#organizers.set(id, organizer);
    forgetOldest(this.#organizers, this.#max);
    return organizer;
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
