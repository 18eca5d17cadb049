// Commands that were withdrawn before their turn, and are in the queue all the same.
import { expect, test } from "vitest";
import { applyBatch, keyOf, reservationIdOf } from "../src/index.ts";
import { batchOf, HOUR, hold, NOW, outcomesOf, purchases, reserves, slot, stateOf } from "./builders.ts";
import { idOf } from "./names.ts";

const WITHDRAWN = { status: "withdrawn" } as const;
const KEYED = { idempotencyKey: "k1" };

test("a withdrawn command is answered with that, and changes, settles, tells and counts nothing", () => {
  const command = reserves("ann", KEYED);
  const due = hold("bob", { expiresAt: NOW - HOUR });
  const batch = batchOf(stateOf([due], [slot({ held: 1 })]), {
    outcomes: new Map([[command.id, WITHDRAWN]]),
    notices: { nextSeq: 7 },
  });
  expect(applyBatch([command, command], batch)).toEqual({
    applied: [
      { command, outcome: WITHDRAWN, replayed: true, seen: null },
      { command, outcome: WITHDRAWN, replayed: true, seen: null },
    ],
    changes: [],
    followUps: [],
    notices: [],
    logicalAt: 0,
  });
});

test("whoever comes behind a withdrawn command is decided as if it had never been sent", () => {
  const command = reserves("ann", KEYED);
  const outcomes = new Map([[command.id, WITHDRAWN]]);
  const batch = batchOf(stateOf([], [slot({ capacity: 1 })]), { outcomes, notices: { nextSeq: 7 } });
  const { applied, notices } = applyBatch([command, reserves("bob")], batch);
  expect(applied.map(({ outcome, replayed }) => [outcome.status, replayed])).toEqual([
    ["withdrawn", true],
    ["succeeded", false],
  ]);
  expect(notices.flatMap((notice) => ("command" in notice ? [notice.command.seq] : []))).toEqual([7]);
});

test("what a withdrawn command would have made is not there for those behind it", () => {
  const command = reserves("ann");
  const bought = purchases("ann", {
    input: { reservationId: reservationIdOf(command.id), paymentReference: null },
  });
  const batch = batchOf(stateOf([], [slot()]), { outcomes: new Map([[command.id, WITHDRAWN]]) });
  expect(outcomesOf([command, bought], batch)).toEqual([
    WITHDRAWN,
    { status: "rejected", refusal: { code: "not-found" } },
  ]);
});

test("its key stays its own: another request under it is refused, as it would be under any other", () => {
  const withdrawn = reserves("ann", KEYED);
  const batch = batchOf(stateOf([], [slot()]), {
    outcomes: new Map([[withdrawn.id, WITHDRAWN]]),
    keys: new Map([[keyOf(idOf("user", "ann"), "k1"), withdrawn.id]]),
  });
  expect(outcomesOf([purchases("ann", KEYED), withdrawn], batch)).toEqual([
    { status: "rejected", refusal: { code: "idempotency-key-reused" } },
    WITHDRAWN,
  ]);
});
