// What is read out of a state: what is due, when tickets may come free, whose claim stands in the way.
import { describe, expect, test } from "vitest";
import {
  type ActiveClaim,
  applyBatch,
  decide,
  type EventState,
  earliestRelease,
  type Reservation,
  settle,
} from "../src/index.ts";
import { batchOf, HOUR, hold, NOW, reserves, SLOT, slot, stateOf } from "./builders.ts";
import { idOf } from "./names.ts";

describe("settling", () => {
  test("goes by the event's logical time, which an older stamp does not turn back", () => {
    // As after a purchase, for which the hold was kept, that came to nothing.
    const overdue = hold("ann", { expiresAt: NOW - 10_000 });
    const batch = batchOf(stateOf([overdue], [slot({ held: 1 })]), { logicalAt: NOW - 5000 });
    const result = applyBatch([reserves("bob", { at: NOW - 20_000 })], batch);
    expect(result.changes.map(({ kind }) => kind)).toEqual(["ended", "held"]);
    expect(result.logicalAt).toBe(NOW - 5000);
  });

  test("ends the earliest deadline first, and those of one instant in the order of their ids", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const same = names.map((name) => hold(name, { expiresAt: NOW - 1000 }));
    const first = hold("first", { expiresAt: NOW - 2000 });
    const ids = same.map(({ id }) => id).sort();
    for (const rows of [same, [...same].reverse()]) {
      const ended = settle(stateOf([...rows, first], [slot({ held: 7 })]), NOW - 1000, NOW);
      const endedIds = ended.flatMap((change) => ("reservation" in change ? [change.reservation.id] : []));
      expect(endedIds).toEqual([first.id, ...ids]);
    }
  });

  test("touches neither what is not held nor what is not due", () => {
    const rows = [
      hold("later", { expiresAt: NOW + 1 }),
      hold("bought", { status: "purchased", expiresAt: null }),
      hold("given-back", { status: "cancelled", expiresAt: NOW - 1 }),
      hold("without-deadline", { expiresAt: null }),
    ];
    expect(settle(stateOf(rows, [slot()]), NOW, NOW)).toEqual([]);
  });
});

describe("when tickets may come free", () => {
  const of = (rows: Reservation[], others: number[]): EventState => ({
    ...stateOf(rows, [slot()]),
    otherDeadlines: new Map([[SLOT, others]]),
  });

  test("is the earliest deadline among the holds that were loaded and those that were not", () => {
    expect(earliestRelease(of([hold("ann", { expiresAt: NOW + 2 })], [NOW + 1, NOW + 3]), SLOT)).toBe(
      NOW + 1,
    );
    expect(earliestRelease(of([hold("ann", { expiresAt: NOW + 2 })], [NOW + 3]), SLOT)).toBe(NOW + 2);
    expect(earliestRelease(of([hold("ann", { expiresAt: NOW + 2 })], []), SLOT)).toBe(NOW + 2);
  });

  test("is unknown when nothing of the slot is held", () => {
    const rows = [
      hold("bought", { status: "purchased", expiresAt: null }),
      hold("elsewhere", { slotId: idOf("slot", "other") }),
      hold("without-deadline", { expiresAt: null }),
    ];
    expect(earliestRelease(of(rows, []), SLOT)).toBeNull();
    const full = stateOf([], [slot({ held: 10 })]);
    expect(decide(full, reserves("ann"), { at: NOW, now: NOW }).outcome).toEqual({
      status: "rejected",
      refusal: { code: "all-held", earliestReleaseAt: null },
    });
  });
});

describe("of several claims in the way", () => {
  const claim = (name: string, startsAt: number, status: "held" | "purchased"): ActiveClaim => ({
    id: idOf("reservation", name),
    eventId: idOf("event", name),
    slotId: idOf("slot", name),
    quantity: 1,
    status,
    expiresAt: status === "held" ? NOW + 60_000 : null,
    startsAt,
    endsAt: startsAt + 1000,
    exclusive: true,
  });

  test.each([
    ["held", "the earliest"],
    ["purchased", "the earliest purchase"],
  ] as const)("that are %s, %s is named, in whatever order they were loaded", (status, _named) => {
    const first = claim("first", NOW + HOUR, status);
    const others = [claim("second", NOW + HOUR + 1000, status), claim("third", NOW + HOUR + 2000, status)];
    const held = claim("held", NOW + HOUR + 3000, "held");
    for (const claims of [
      [first, ...others, held],
      [held, ...others, first],
    ]) {
      const { outcome } = decide(stateOf([], [slot()], claims), reserves("ann"), { at: NOW, now: NOW });
      expect(outcome).toEqual({
        status: "rejected",
        refusal: { code: "overlap", reservationId: first.id, retryable: status === "held" },
      });
    }
  });
});

describe("a claim of another event without a deadline", () => {
  test("blocks, is no live hold, and nobody is asked to settle it", () => {
    const claim: ActiveClaim = {
      id: idOf("reservation", "gala"),
      eventId: idOf("event", "gala"),
      slotId: idOf("slot", "gala"),
      quantity: 1,
      status: "held",
      expiresAt: null,
      startsAt: NOW + HOUR,
      endsAt: NOW + 2 * HOUR,
      exclusive: true,
    };
    const elsewhere = Array.from({ length: 25 }, (_, n) => ({
      ...claim,
      startsAt: NOW + (3 + n) * HOUR,
      endsAt: NOW + (4 + n) * HOUR,
    }));
    const state = stateOf([], [slot()], [...elsewhere, claim]);
    expect(decide(state, reserves("ann"), { at: NOW, now: NOW })).toEqual({
      outcome: { status: "rejected", refusal: { code: "overlap", reservationId: claim.id, retryable: true } },
      changes: [],
      followUps: [],
    });
  });
});
