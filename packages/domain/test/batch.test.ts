// Batches as such: where they end early, repeats within one, and the time by which they are judged.
import { describe, expect, test } from "vitest";
import { type AnyCommand, applyBatch, logicalTime, reservationIdOf, SETTLE_GRACE_MS } from "../src/index.ts";
import {
  base,
  batchOf,
  HOUR,
  hold,
  movedBy,
  NOW,
  outcomesOf,
  purchases,
  reserves,
  slot,
  stateOf,
} from "./builders.ts";
import { idOf } from "./names.ts";

describe("a batch that was not loaded far enough", () => {
  const due = (name: string, secondsAgo: number) => hold(name, { expiresAt: NOW - secondsAgo * 1000 });

  test("stops before the first command that needs later deadlines, having settled what it has", () => {
    const state = stateOf([due("ann", 30), due("bob", 20)], [slot({ held: 3, capacity: 3 })]);
    const batch = batchOf(state, { settledUpTo: NOW - 20_000 });
    const early = reserves("cyd", { at: NOW - 20_000 + SETTLE_GRACE_MS });
    const late = reserves("dan", { at: NOW - 20_000 + SETTLE_GRACE_MS + 1 });
    const result = applyBatch([early, late, reserves("eve")], batch);

    expect(result.applied.map(({ command }) => command)).toEqual([early]);
    expect(movedBy(result.changes)).toEqual([
      ["ended", idOf("user", "ann")],
      ["ended", idOf("user", "bob")],
      ["held", idOf("user", "cyd")],
    ]);
    expect(result.logicalAt).toBe(early.at);
    expect(batch.outcomes.has(late.id)).toBe(false);
  });

  test("answers repeats before it stops, for they need nothing settled", () => {
    const repeated = reserves("ann");
    const outcome = { status: "rejected", refusal: { code: "sold-out" } } as const;
    const batch = batchOf(stateOf([], [slot()]), {
      outcomes: new Map([[repeated.id, outcome]]),
      settledUpTo: NOW - HOUR,
    });
    expect(applyBatch([repeated, reserves("bob")], batch)).toEqual({
      applied: [{ command: repeated, outcome, replayed: true, seen: null }],
      changes: [],
      followUps: [],
      notices: [],
      logicalAt: 0,
    });
  });
});

describe("repeats within one batch", () => {
  test("a command that stands twice is applied once and answered twice, the second time as a repeat", () => {
    const command = reserves("ann");
    const { applied, changes } = applyBatch([command, command], batchOf(stateOf([], [slot()])));
    expect(applied.map(({ replayed }) => replayed)).toEqual([false, true]);
    expect(applied[1]?.outcome).toEqual(applied[0]?.outcome);
    expect(changes).toHaveLength(1);
  });

  test("of two commands under one key the first is applied, though neither had an outcome before (race 14)", () => {
    const first = reserves("ann", { idempotencyKey: "k1" });
    const second = purchases("ann", { idempotencyKey: "k1" });
    expect(outcomesOf([first, second], batchOf(stateOf([], [slot()])))).toMatchObject([
      { status: "succeeded" },
      { status: "rejected", refusal: { code: "idempotency-key-reused" } },
    ]);
  });

  test("a reservation bears the bits of the command that made it", () => {
    const command = reserves("ann");
    expect(outcomesOf([command], batchOf(stateOf([], [slot()])))).toMatchObject([
      { reservation: { id: reservationIdOf(command.id), userId: command.userId, origin: "public" } },
    ]);
  });
});

describe("logical time", () => {
  const timer = (at: number, dueAt: number): AnyCommand => ({
    ...base("timer", "ann"),
    userId: null,
    idempotencyKey: null,
    fingerprint: null,
    at,
    type: "expire-due",
    input: { dueAt },
  });

  test("is a command's stamp, and never later than now", () => {
    expect(logicalTime(reserves("ann", { at: NOW - 7 }), NOW)).toBe(NOW - 7);
    expect(logicalTime(reserves("ann", { at: NOW + 7 }), NOW)).toBe(NOW);
    expect(logicalTime({ ...base("x", "ann"), at: NOW - 7, type: "juggle" }, NOW)).toBe(NOW - 7);
  });

  test("of a timer is at least its second and the grace, and never later than now", () => {
    expect(logicalTime(timer(NOW - 9000, NOW - 5000), NOW)).toBe(NOW - 5000 + SETTLE_GRACE_MS);
    expect(logicalTime(timer(NOW - 1000, NOW - 5000), NOW)).toBe(NOW - 1000);
    expect(logicalTime(timer(NOW - 9000, NOW - 100), NOW)).toBe(NOW);
  });
});
