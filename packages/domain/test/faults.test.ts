// Faults: a command that cannot be decided ends failed and touches nobody else, and a state refuses what contradicts it.
import { describe, expect, test } from "vitest";
import {
  applyBatch,
  type Change,
  type EntryPatch,
  type EventState,
  evolve,
  offerIdOf,
  type Reservation,
} from "../src/index.ts";
import {
  base,
  batchOf,
  cancels,
  hold,
  movedBy,
  NOW,
  outcomesOf,
  purchases,
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

describe("a command that cannot be decided", () => {
  // No such status exists in this version.
  const odd = hold("odd", { status: "refunded" as Reservation["status"] });

  test("ends failed, is reported with its error, and its neighbours are applied", () => {
    const errors: unknown[] = [];
    const state = stateOf([odd], [slot()]);
    const commands = [reserves("ann"), cancels("ada", "odd", "admin"), reserves("bob")];
    const result = applyBatch(commands, {
      ...batchOf(state),
      onFault: (command, error) => errors.push(command.id, String(error)),
    });

    expect(result.applied.map(({ outcome }) => outcome.status)).toEqual(["succeeded", "failed", "succeeded"]);
    expect(result.applied[1]?.outcome).toEqual({ status: "failed", failure: "internal" });
    expect(errors).toEqual([commands[1]?.id, `Error: ${odd.id} has ended already`]);
    expect(movedBy(result.changes)).toEqual([
      ["held", idOf("user", "ann")],
      ["held", idOf("user", "bob")],
    ]);
    expect(state.slots.get(SLOT)).toMatchObject({ held: 2, purchased: 0 });
  });

  test("ends failed as well when the state cannot take what was decided, and leaves no trace in it", () => {
    const miscounted = slot({ held: 0 });
    const state = stateOf([hold("ann")], [miscounted]);
    const batch = batchOf(state);
    const result = applyBatch([purchases("ann"), reserves("bob")], batch);

    expect(result.applied.map(({ outcome }) => outcome.status)).toEqual(["failed", "succeeded"]);
    expect(batch.faults.map(({ id }) => id)).toEqual([idOf("command", "ann purchases")]);
    expect(result.changes.map(({ kind }) => kind)).toEqual(["held"]);
    expect(state.reservations.get(idOf("reservation", "ann"))?.status).toBe("held");
  });

  test("keeps its outcome: it is not tried again in the same batch", () => {
    const batch = batchOf(stateOf([odd], [slot()]));
    const command = cancels("ada", "odd", "admin");
    expect(outcomesOf([command, command], batch)).toEqual([
      { status: "failed", failure: "internal" },
      { status: "failed", failure: "internal" },
    ]);
    expect(batch.faults).toHaveLength(1);
  });

  test("ends failed without another try when it is condemned, and uses up its key", () => {
    const condemned = reserves("ann", { idempotencyKey: "k1" });
    const batch = batchOf(stateOf([], [slot()]), { condemned: new Set([condemned.id]) });
    const under = { ...reserves("ann", { idempotencyKey: "k1" }), id: idOf("command", "another") };
    expect(outcomesOf([condemned, under, reserves("bob")], batch)).toMatchObject([
      { status: "failed", failure: "internal" },
      { status: "rejected", refusal: { code: "idempotency-key-reused" } },
      { status: "succeeded" },
    ]);
    expect(batch.faults).toEqual([]);
    expect(batch.state.claims.get(idOf("user", "ann"))).toEqual([]);
  });

  test("of a slot that is not there: the owner's time is over, an organizer's cancel fails", () => {
    const batch = batchOf(stateOf([hold("ann")], [slot({ id: idOf("slot", "other") })]));
    expect(outcomesOf([cancels("ann", "ann", "user"), cancels("ada", "ann", "admin")], batch)).toEqual([
      { status: "rejected", refusal: { code: "cancellation-closed" } },
      { status: "failed", failure: "internal" },
    ]);
  });

  test("a fault in settling is no command's fault: it is thrown, and nothing is answered", () => {
    const miscounted = slot({ held: 0 });
    const batch = batchOf(stateOf([hold("ann", { expiresAt: NOW - 60_000 })], [miscounted]));
    expect(() => applyBatch([reserves("bob")], batch)).toThrow("cannot take ended");
    expect(batch.faults).toEqual([]);
    expect(batch.outcomes.size).toBe(0);
  });
});

describe("a command whose rows are not all there ends failed", () => {
  const entry = waiter("ann", { status: "offered", offeredAt: NOW });
  const leave = {
    ...base("ann leaves", "ann"),
    type: "leave-waitlist" as const,
    input: { entryId: entry.id, role: "user" as const },
  };

  test.each([
    ["leaving an offer that is not there", []],
    ["leaving an offer that was bought", [hold("ann", { origin: "waitlist", status: "purchased" })]],
  ])("%s", (_, rows) => {
    const offers = rows.map((row) => ({ ...row, id: offerIdOf(entry.id) }));
    const batch = batchOf({ ...stateOf(offers, [slot()]), entries: new Map([[entry.id, entry]]) });
    expect(outcomesOf([leave], batch)).toEqual([{ status: "failed", failure: "internal" }]);
  });

  test("an organizer's, without the event's details", () => {
    const batch = batchOf(stateOf([], [slot()]));
    expect(outcomesOf([setsCapacity(3)], batch)).toEqual([{ status: "failed", failure: "internal" }]);
    expect(batch.faults).toHaveLength(1);
  });

  test("but winding down passes over what is gone", () => {
    const elsewhere = waiter("bob", { slotId: idOf("slot", "gone") });
    const state: EventState = {
      ...stateOf([], [slot()]),
      entries: new Map([[elsewhere.id, elsewhere]]),
      leftovers: {
        reservations: [idOf("reservation", "gone")],
        entries: [idOf("waitlistEntry", "gone"), elsewhere.id],
        next: null,
      },
    };
    const result = applyBatch([windsDown("on")], batchOf(state));
    expect(result).toMatchObject({
      applied: [{ outcome: { status: "succeeded" } }],
      changes: [],
      followUps: [],
    });
    const nothing = { reservations: [idOf("reservation", "gone")], entries: [], next: null };
    const cancelled = { ...stateOf([], [slot()]), terms: { ...TERMS, cancelledAt: NOW }, leftovers: nothing };
    expect(applyBatch([windsDown("off")], batchOf(cancelled)).changes).toEqual([{ kind: "wound-down" }]);
  });
});

describe("a command of an unknown type", () => {
  test("ends failed as unsupported, whoever sent it, and the next one is applied", () => {
    const juggle = { ...base("juggle", "ann"), type: "juggle", userId: null };
    const batch = batchOf(stateOf([], [slot()]));
    const [first, second] = outcomesOf([juggle, reserves("bob")], batch);
    expect(first).toEqual({ status: "failed", failure: "unsupported" });
    expect(second?.status).toBe("succeeded");
    expect(batch.faults).toEqual([]);
  });
});

describe("a change that contradicts the state is a bug and throws", () => {
  const held = (row: Reservation) => ({ kind: "held", before: null, reservation: row }) as const;
  const bought = hold("ann", { status: "purchased", expiresAt: null });
  const ended = hold("ann", { status: "cancelled" });

  test.each([
    ["an unknown slot", stateOf([], []), held(hold("ann"))],
    ["more than is free", stateOf([], [slot({ held: 10 })]), held(hold("ann"))],
    [
      "a hold that was not counted",
      stateOf([], [slot()]),
      { kind: "ended", before: "held", reservation: ended },
    ],
    [
      "a purchase that was not counted",
      stateOf([], [slot({ held: 1 })]),
      { kind: "ended", before: "purchased", reservation: ended },
    ],
    [
      "a purchase of a hold that was not counted",
      stateOf([], [slot({ purchased: 1 })]),
      { kind: "purchased", before: "held", reservation: bought },
    ],
  ] as const)("%s", (_, state, change) => {
    const before = structuredClone(state);
    expect(() => evolve(state, change)).toThrow(/^no slot|^slot .* cannot take/);
    expect(state).toEqual(before);
  });

  const moves = (before: "waiting" | "offered", wasParked: boolean, patch: EntryPatch): Change => {
    return { kind: "entry", id: waiter("ann").id, slotId: SLOT, before, wasParked, patch };
  };
  const left = { status: "left", endedAt: NOW, endReason: "user", recheckAt: null } as const;
  const waits = { status: "waiting", endedAt: null, endReason: null, recheckAt: null } as const;

  test.each([
    ["a number that is not the next", { kind: "joined", entry: waiter("ann", { seq: 2 }) }],
    ["one who leaves a line where nobody waits", moves("waiting", false, left)],
    ["one who is parked no longer where nobody was", moves("waiting", true, waits)],
    ["one who is parked where nobody waits", moves("waiting", false, { ...waits, recheckAt: NOW })],
  ] as const satisfies [string, Change][])("%s", (_, change) => {
    const state = stateOf([], [slot()]);
    const before = structuredClone(state);
    expect(() => evolve(state, change)).toThrow(/is not the next|cannot count/);
    expect(state).toEqual(before);
  });

  test("an expiry without a time counts as one of long ago", () => {
    const state = stateOf([hold("ann")], [slot({ held: 1 })]);
    const expired = hold("ann", { status: "expired", endReason: "deadline" });
    evolve(state, { kind: "ended", before: "held", reservation: expired });
    expect(state.expiries.get(idOf("user", "ann"))).toEqual([0]);
  });

  test("but what is over-committed already may still be set free", () => {
    const state = stateOf([hold("ann")], [slot({ capacity: 2, held: 4 })]);
    evolve(state, { kind: "ended", before: "held", reservation: ended });
    expect(state.slots.get(SLOT)).toMatchObject({ capacity: 2, held: 3 });
  });
});
