// What an event is called at a moment, and the arithmetic of time below it.
import { describe, expect, test } from "vitest";
import {
  byStart,
  ceilToSecond,
  type EventStatus,
  eventStatus,
  freeTickets,
  overlaps,
  Reservation,
} from "../src/index.ts";
import { HOUR, NOW, slot } from "./builders.ts";
import { idOf } from "./names.ts";

describe("the status of an event", () => {
  const plain = { cancelledAt: null, salesOpenAt: null, salesCloseAt: null, salesClosed: false };
  const slots = [{ startsAt: 100 }, { startsAt: 200 }];
  const at = (terms: Partial<Parameters<typeof eventStatus>[0]>, now: number, paused = false): EventStatus =>
    eventStatus({ ...plain, ...terms }, slots, paused, now);

  test("is onSale until its last slot starts, then over", () => {
    expect([at({}, 0), at({}, 100), at({}, 199), at({}, 200)]).toEqual([
      "onSale",
      "onSale",
      "onSale",
      "over",
    ]);
  });

  test("is scheduled until sales open, and salesClosed from the instant they close", () => {
    const terms = { salesOpenAt: 10, salesCloseAt: 20 };
    expect([9, 10, 19, 20].map((now) => at(terms, now))).toEqual([
      "scheduled",
      "onSale",
      "onSale",
      "salesClosed",
    ]);
  });

  test("is salesClosed by hand whatever the times say", () => {
    const terms = { salesOpenAt: 10, salesCloseAt: 20, salesClosed: true };
    expect([9, 10, 20].map((now) => at(terms, now))).toEqual(["salesClosed", "salesClosed", "salesClosed"]);
  });

  test("is cancelled before over, over before paused, and paused before anything about sales", () => {
    expect(at({ cancelledAt: 1, salesClosed: true }, 300, true)).toBe("cancelled");
    expect(at({ salesClosed: true }, 300, true)).toBe("over");
    expect(at({ salesClosed: true, salesOpenAt: 10 }, 0, true)).toBe("paused");
  });
});

test("free tickets are what is neither held nor purchased", () => {
  expect(freeTickets({ capacity: 10, held: 3, purchased: 4 })).toBe(3);
});

test("slots are ordered by their start, those of one moment by their ids", () => {
  const ids = [idOf("slot", "a"), idOf("slot", "b")].sort();
  const ordered = [...ids.map((id) => slot({ id })), slot({ startsAt: NOW + 2 * HOUR })];
  expect([...ordered].reverse().sort(byStart)).toEqual(ordered);
  expect([...ordered].sort(byStart)).toEqual(ordered);
});

test("a whole second is its own ceiling", () => {
  expect([0, 1, 999, 1000, 1001].map(ceilToSecond)).toEqual([0, 1000, 1000, 1000, 2000]);
});

test.each([
  ["apart", [0, 10], [20, 30], false],
  ["touching", [0, 10], [10, 20], false],
  ["sharing one moment", [0, 11], [10, 20], true],
  ["one inside the other", [0, 30], [10, 20], true],
  ["the same", [0, 10], [0, 10], true],
] as const)("ranges that are %s", (_, [a, b], [c, d], shared) => {
  const [left, right] = [
    { startsAt: a, endsAt: b },
    { startsAt: c, endsAt: d },
  ];
  expect([overlaps(left, right), overlaps(right, left)]).toEqual([shared, shared]);
});

test("a reservation goes through text and back unchanged", () => {
  const reservation: Reservation = {
    id: idOf("reservation", "one"),
    eventId: idOf("event", "play"),
    slotId: idOf("slot", "main"),
    userId: idOf("user", "ann"),
    quantity: 2,
    status: "expired",
    origin: "public",
    paymentReference: null,
    expiresAt: 1000,
    createdAt: 1,
    purchasedAt: null,
    endedAt: 1500,
    endReason: "deadline",
  };
  expect(Reservation.parse(JSON.parse(JSON.stringify(reservation)))).toEqual(reservation);
  expect(Reservation.safeParse({ ...reservation, status: "lost" }).success).toBe(false);
});
