// The crowd: people who reserved here and there, in every state, each reservation by one command. It is made up as the
// rules would have had it; who waited for tickets, and what became of that, is played by the rules (scenarios).
import type { Faker } from "@faker-js/faker";
import {
  type CommandId,
  type EpochMs,
  HOLD_SECONDS_DEFAULT,
  HOLD_SECONDS_MAX,
  isActive,
  overlaps,
  type Reservation,
  type SlotId,
  type UserId,
} from "@holdfast/domain";
import type { NewEvent, NewSlot } from "../events.ts";
import type { Ended, History } from "./history.ts";
import { HOUR_MS, MINUTE_MS, seedId } from "./ids.ts";

/** Reservations that are tried for each user but the busy one. */
const RESERVATIONS_PER_USER_MAX = 4;

interface WeightedState {
  readonly weight: number;
  readonly value: Reservation["status"];
}

const PAST_STATES: WeightedState[] = [
  { weight: 8, value: "purchased" },
  { weight: 2, value: "cancelled" },
  { weight: 2, value: "expired" },
];
const UPCOMING_STATES: WeightedState[] = [...PAST_STATES, { weight: 1, value: "held" }];

export interface Crowd {
  readonly now: EpochMs;
  readonly busy: UserId;
  readonly people: readonly UserId[];
  readonly past: readonly NewEvent[];
  readonly upcoming: readonly NewEvent[];
}

export function imagineCrowd(faker: Faker, { now, busy, people, past, upcoming }: Crowd): History {
  const events = [...past, ...upcoming];
  const book = openBook(now, events);
  fillBusyBook(book, busy, past, upcoming);
  for (const userId of people) {
    const wanted = faker.number.int({ min: 0, max: RESERVATIONS_PER_USER_MAX });
    for (const event of faker.helpers.arrayElements(events, wanted)) {
      const slot = faker.helpers.arrayElement([...event.slots]);
      const state = faker.helpers.weightedArrayElement(slot.startsAt < now ? PAST_STATES : UPCOMING_STATES);
      book.add(userId, event, slot, faker.number.int({ min: 1, max: 4 }), state);
    }
  }
  const { reservations } = book;
  return { reservations, entries: [], ended: endedOf(reservations) };
}

interface Book {
  readonly reservations: readonly Reservation[];
  /** Enters a reservation unless the rules would have refused it. */
  add(
    userId: UserId,
    event: NewEvent,
    slot: NewSlot,
    quantity: number,
    status: Reservation["status"],
  ): boolean;
}

function openBook(now: EpochMs, events: readonly NewEvent[]): Book {
  const reservations: Reservation[] = [];
  const taken = new Map<SlotId, number>();
  const slots = new Map(
    events.flatMap((event) => event.slots.map((slot) => [slot.id, { event, slot }] as const)),
  );

  const mayTake = (userId: UserId, event: NewEvent, slot: NewSlot, quantity: number): boolean => {
    if ((taken.get(slot.id) ?? 0) + quantity > slot.capacity) return false;
    const own = reservations.filter((other) => other.userId === userId && isActive(other.status));
    return own.every((other) => {
      const there = slots.get(other.slotId);
      return other.eventId !== event.id && (there === undefined || !overlaps(there.slot, slot));
    });
  };

  return {
    reservations,
    add(userId, event, slot, wanted, status) {
      const quantity = Math.min(wanted, event.maxPerOrder);
      const active = isActive(status);
      if (active && !mayTake(userId, event, slot, quantity)) return false;
      if (active) taken.set(slot.id, (taken.get(slot.id) ?? 0) + quantity);
      const end = Math.min(now, slot.startsAt);
      const createdAt =
        status === "held" ? now - MINUTE_MS : end - (1 + (reservations.length % 40)) * HOUR_MS;
      const expiresAt =
        status === "held"
          ? holdUntil(now, slot)
          : Math.min(createdAt + event.holdSeconds * 1000, end - MINUTE_MS);
      const ended = {
        expired: expiresAt + 500,
        cancelled: createdAt + MINUTE_MS,
        held: null,
        purchased: null,
      }[status];
      reservations.push({
        id: seedId("reservation", reservations.length, createdAt),
        eventId: event.id,
        slotId: slot.id,
        userId,
        quantity,
        status,
        origin: "public",
        paymentReference: status === "purchased" ? `seed-${reservations.length}` : null,
        expiresAt: status === "purchased" ? null : expiresAt,
        createdAt,
        purchasedAt: status === "purchased" ? createdAt + MINUTE_MS : null,
        endedAt: ended,
        endReason: ({ expired: "deadline", cancelled: "user", held: null, purchased: null } as const)[status],
      });
      return true;
    },
  };
}

/** Held ones are there to be tried: they last as long as a hold may. */
const holdUntil = (now: EpochMs, slot: NewSlot): EpochMs =>
  Math.min(Math.ceil(now / 1000) * 1000 + (HOLD_SECONDS_MAX - 60) * 1000, slot.startsAt);

/** Something of each kind, past and to come, for the one who is always somewhere. */
function fillBusyBook(
  book: Book,
  busy: UserId,
  past: readonly NewEvent[],
  upcoming: readonly NewEvent[],
): void {
  const wishes: [readonly NewEvent[], number, Reservation["status"]][] = [
    [upcoming, 0, "held"],
    [upcoming, 5, "held"],
    [upcoming, 1, "purchased"],
    [upcoming, 2, "purchased"],
    [upcoming, 3, "cancelled"],
    [upcoming, 4, "expired"],
    [past, 0, "purchased"],
    [past, 1, "purchased"],
    [past, 2, "cancelled"],
    [past, 3, "expired"],
  ];
  for (const [events, n, status] of wishes) {
    const event = events[n];
    const slot = event?.slots[0];
    if (event === undefined || slot === undefined || !book.add(busy, event, slot, 2, status)) {
      throw new Error(`the seed cannot give the busy user event ${n} as ${status}`);
    }
  }
}

/** The commands that made them. */
const endedOf = (reservations: readonly Reservation[]): Ended[] =>
  [...Map.groupBy(reservations, ({ eventId }) => eventId).values()].flatMap((ofEvent) =>
    ofEvent
      .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
      .map((row, n): Ended => {
        const { id, eventId, userId, createdAt } = row;
        return {
          id: id.replace("rsv_", "cmd_") as CommandId,
          eventId,
          seq: n + 1,
          type: "reserve",
          userId,
          outcome: { status: "succeeded", reservation: asMade(row) },
          seen: null,
          submittedAt: createdAt,
          finishedAt: createdAt,
        };
      }),
  );

/** As the command that made it answered: what became of it later is told by the row alone. */
const asMade = (row: Reservation): Reservation => ({
  ...row,
  status: "held",
  expiresAt: row.expiresAt ?? row.createdAt + HOLD_SECONDS_DEFAULT * 1000,
  paymentReference: null,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
});
