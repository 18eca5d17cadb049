// What never changes about events and reservations, remembered: so that the hot path asks the database nothing.
// Only what exists is remembered; what does not exist yet may exist in a moment.
import { findReservationOrigin, organizerOf, type Queryable } from "@holdfast/db";
import type { EventId, ReservationId, UserId } from "@holdfast/domain";

export const ORIGINS_REMEMBERED_MAX = 100_000;

export interface ReservationOrigin {
  readonly eventId: EventId;
  readonly userId: UserId;
}

export class Origins {
  readonly #events;
  readonly #reservations;

  constructor(db: Queryable, max: number = ORIGINS_REMEMBERED_MAX) {
    this.#events = remembering((id: EventId) => organizerOf(db, id), max);
    this.#reservations = remembering((id: ReservationId) => findReservationOrigin(db, id), max);
  }

  /** Who organizes the event; null when there is no such event. */
  organizerOf(id: EventId): Promise<UserId | null> {
    return this.#events(id);
  }

  /** Null when there is no such reservation. */
  ofReservation(id: ReservationId): Promise<ReservationOrigin | null> {
    return this.#reservations(id);
  }
}

/** Remembers what was found, at most `max` of it, and asks once for what many ask at once. */
function remembering<Id, Found>(
  find: (id: Id) => Promise<Found | null>,
  max: number,
): (id: Id) => Promise<Found | null> {
  const known = new Map<Id, Promise<Found | null>>();
  return (id) => {
    const before = known.get(id);
    if (before !== undefined) return before;
    const asked = find(id);
    known.set(id, asked);
    for (const oldest of known.keys()) {
      if (known.size <= max) break;
      known.delete(oldest);
    }
    const forget = () => {
      if (known.get(id) === asked) known.delete(id);
    };
    asked.then((found) => found === null && forget(), forget);
    return asked;
  };
}
