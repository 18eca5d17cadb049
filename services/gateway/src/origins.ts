// What never changes about events and reservations, remembered: so that the hot path asks the database nothing.
// Only what exists is remembered; what does not exist yet may exist in a moment.
import { findReservationOrigins, organizersOf, type Queryable, type ReservationOrigin } from "@holdfast/db";
import type { EventId, Outcome, ReservationId, UserId } from "@holdfast/domain";
import { forgetOldest } from "./bounded.ts";
import { coalesce } from "./coalesce.ts";

export const ORIGINS_REMEMBERED_MAX = 100_000;
/** Rows that one coalesced statement reads. */
export const ORIGINS_PER_STATEMENT_MAX = 500;

export class Origins {
  readonly #organizers: Memory<EventId, UserId>;
  readonly #reservations: Memory<ReservationId, ReservationOrigin>;

  constructor(db: Queryable, max: number = ORIGINS_REMEMBERED_MAX) {
    this.#organizers = new Memory((ids) => organizersOf(db, ids), max);
    this.#reservations = new Memory((ids) => findReservationOrigins(db, ids), max);
  }

  /** Who organizes the event; null when there is no such event. */
  organizerOf(id: EventId): UserId | Promise<UserId | null> {
    return this.#organizers.get(id);
  }

  /** Null when there is no such reservation. */
  ofReservation(id: ReservationId): ReservationOrigin | Promise<ReservationOrigin | null> {
    return this.#reservations.get(id);
  }

  /** Remembers the reservation that an outcome tells of: who just reserved buys next. */
  learn(outcome: Outcome): void {
    if (outcome.status !== "succeeded" || outcome.reservation === null) return;
    const { id, eventId, userId } = outcome.reservation;
    this.#reservations.learn(id, { eventId, userId });
  }
}

/**
 * Remembers what was found or learned, at most `max` of it, and forgets first what was learned first. Asks once for
 * what many ask at once, and in one statement for what is asked while another is under way.
 */
class Memory<Id, Found> {
  readonly #known = new Map<Id, Found>();
  readonly #asked = new Map<Id, Promise<Found | null>>();
  readonly #find: (id: Id) => Promise<Found | null>;
  readonly #max: number;

  constructor(findAll: (ids: readonly Id[]) => Promise<ReadonlyMap<Id, Found>>, max: number) {
    this.#find = coalesce(async (ids: readonly Id[]) => {
      const found = await findAll(ids);
      return ids.map((id) => found.get(id) ?? null);
    }, ORIGINS_PER_STATEMENT_MAX);
    this.#max = max;
  }

  /** At once when it is known: the hot path waits for nothing. */
  get(id: Id): Found | Promise<Found | null> {
    return this.#known.get(id) ?? this.#asked.get(id) ?? this.#ask(id);
  }

  learn(id: Id, found: Found): void {
    this.#known.set(id, found);
    forgetOldest(this.#known, this.#max);
  }

  #ask(id: Id): Promise<Found | null> {
    const asked = this.#find(id)
      .then((found) => {
        if (found !== null) this.learn(id, found);
        return found;
      })
      .finally(() => this.#asked.delete(id));
    this.#asked.set(id, asked);
    return asked;
  }
}
