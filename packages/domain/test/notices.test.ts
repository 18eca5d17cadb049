// What others are told of: how it is numbered, and what nobody is told of. What it tells is held against whole histories
// in the waitlists' properties.
import { describe, expect, test } from "vitest";
import {
  type AnyCommand,
  applyBatch,
  noticeOfCommand,
  noticesOf,
  offerIdOf,
  unknownEntries,
} from "../src/index.ts";
import {
  base,
  batchOf,
  cancelsEvent,
  HOUR,
  hold,
  joins,
  NOW,
  reserves,
  SLOT,
  setsCapacity,
  slot,
  stateOf,
  TERMS,
  waiter,
  windsDown,
} from "./builders.ts";
import { idOf } from "./names.ts";
import { untold } from "./told.ts";
import { createWorld, runWhole } from "./world.ts";

const typesOf = (notices: readonly { type: string }[]): string[] => notices.map(({ type }) => type);

describe("in a batch", () => {
  test("nothing is worded while nobody listens", () => {
    expect(applyBatch([reserves("ann")], batchOf(stateOf([], [slot()]))).notices).toEqual([]);
  });

  test("what a command changed comes before how it ended, and what was due before both", () => {
    const due = hold("bob", { expiresAt: NOW - HOUR });
    const batch = batchOf(stateOf([due], [slot({ held: 1 })]), { notices: { nextSeq: 7 } });
    const late = reserves("cyd", { input: { slotId: SLOT, quantity: 100 } });
    const { notices } = applyBatch([reserves("ann"), reserves("ann"), late], batch);

    expect(typesOf(notices)).toEqual([
      "reservation.expired",
      "reservation.held",
      "command.succeeded",
      "command.rejected",
    ]);
    expect(notices.map(({ userId }) => userId)).toEqual(
      ["bob", "ann", "ann", "cyd"].map((name) => idOf("user", name)),
    );
    // A repeat takes no number.
    expect(notices.flatMap((notice) => ("command" in notice ? [notice.command.seq] : []))).toEqual([7, 8]);
    expect(notices.at(-1)).toMatchObject({
      command: { finishedAt: NOW, submittedAt: NOW, seen: { available: 9, waitingAhead: 0 } },
    });
  });

  test("a command that failed is told of, and one that the system asked itself is not", () => {
    const odd: AnyCommand = {
      ...base("odd", "ann"),
      type: "from-tomorrow",
      input: {},
    } as unknown as AnyCommand;
    const batch = batchOf(stateOf([], [slot()]), { notices: { nextSeq: 1 } });
    expect(typesOf(applyBatch([odd, windsDown("on")], batch).notices)).toEqual(["command.failed"]);
  });

  test("who has a place in a line is told which", () => {
    const world = createWorld([{ terms: TERMS, slots: [slot({ capacity: 2 })] }]);
    const all = reserves("dan", { input: { slotId: SLOT, quantity: 2 } });
    runWhole(world, TERMS.id, [all, joins("ann", 1), joins("bob", 2)], NOW);
    expect(world.told.flatMap((notice) => ("entry" in notice ? [notice.position] : []))).toEqual([1, 2]);
  });
});

test("an event is told to be cancelled once, with its slots as they were then; its rows end one by one", () => {
  const world = createWorld([{ terms: TERMS, slots: [slot({ capacity: 2 })] }]);
  runWhole(world, TERMS.id, [reserves("ann"), reserves("bob"), joins("cyd", 1), setsCapacity(3)], NOW);
  const before = world.told.length;
  runWhole(world, TERMS.id, [cancelsEvent, { ...cancelsEvent, id: idOf("command", "again") }], NOW + 1);
  const told = world.told.slice(before);

  expect(typesOf(told).sort()).toEqual([
    "command.succeeded",
    "command.succeeded",
    "event.cancelled",
    "reservation.cancelled",
    "reservation.cancelled",
    "reservation.cancelled",
    "waitlist.closed",
  ]);
  expect(told.find(({ type }) => type === "event.cancelled")).toMatchObject({
    userId: null,
    asOf: NOW + 1,
    event: { id: TERMS.id, cancelledAt: NOW + 1, version: 3, slots: [{ capacity: 3, held: 3 }] },
  });
  expect(untold(world)).toEqual([]);
});

test("what was withdrawn is told of to nobody", () => {
  const outcome = { status: "withdrawn" } as const;
  const command = { ...reserves("ann"), submittedAt: NOW, finishedAt: NOW, outcome, seq: 1, seen: null };
  expect(noticeOfCommand(idOf("user", "ann"), command)).toBeNull();
});

describe("the entry of an offer", () => {
  const entry = waiter("ann", { status: "offered", offeredAt: NOW });
  const offer = hold("ann", { id: offerIdOf(entry.id), origin: "waitlist", expiresAt: NOW - HOUR });

  test("is asked for when the state does not hold it", () => {
    const state = stateOf([offer, hold("bob")], [slot({ held: 2 })]);
    expect(unknownEntries(state)).toEqual([entry.id]);
    state.entries.set(entry.id, entry);
    expect(unknownEntries(state)).toEqual([]);
  });

  test("need not be known while nobody listens", () => {
    const state = stateOf([offer], [slot({ held: 1 })]);
    const { changes } = applyBatch([windsDown("on")], batchOf(state));
    expect(changes.map(({ kind }) => kind)).toEqual(["ended", "entry"]);
  });

  test("must be known when it ends with it", () => {
    const state = stateOf([offer], [slot({ held: 1 })]);
    const patch = { status: "lapsed", endedAt: NOW, endReason: "deadline", recheckAt: null } as const;
    const change = {
      kind: "entry",
      id: entry.id,
      slotId: SLOT,
      before: "offered",
      wasParked: false,
      patch,
    } as const;
    expect(() => noticesOf(state, [change], NOW)).toThrow(entry.id);
  });
});
