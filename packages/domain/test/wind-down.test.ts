// What a cancelled event leaves behind ends in pieces: from any piece on, in any order with what else is in the queue.
import { describe, expect, test } from "vitest";
import type { FollowUp } from "../src/index.ts";
import {
  cancels,
  cancelsEvent,
  EVENT,
  entryOf,
  HOUR,
  hold,
  joins,
  leaves,
  NOW,
  purchases,
  reserves,
  SLOT,
  setsCapacity,
  slot,
  TERMS,
  windsDown,
} from "./builders.ts";
import { violations } from "./invariants.ts";
import { createWorld, follow, run, runWhole, sweepsDue, type World } from "./world.ts";

const HOLDERS = ["ann", "bob", "cyd", "dan", "eve"] as const;
const WAITERS = ["fay", "gil", "hal"] as const;
const IN_PIECES = { leftoverMax: 2 };

/** Five holds, of which two are paid, and three who wait. */
function sold(): World {
  const rows = HOLDERS.map((user, n) =>
    hold(user, {
      expiresAt: n < 2 ? null : NOW + HOUR,
      status: n < 2 ? "purchased" : "held",
      // Two of one moment: their ids decide.
      createdAt: NOW - Math.max(n, 1),
    }),
  );
  const world = createWorld([{ terms: TERMS, slots: [slot({ capacity: 5 })] }], rows);
  runWhole(
    world,
    EVENT,
    WAITERS.map((user) => joins(user, 1)),
    NOW,
  );
  return world;
}

const endings = (world: World) => [
  ...[...world.reservations.values()].map(({ status, endReason }) => `${status} ${endReason}`),
  ...[...world.entries.values()].map(({ status, endReason }) => `${status} ${endReason}`),
];
const ALL_ENDED = [
  ...HOLDERS.map(() => "cancelled event-cancelled"),
  ...WAITERS.map(() => "closed event-cancelled"),
];

/** Cancels the event and runs this many pieces; tells what is asked for then. */
function cancelled(world: World, pieces: number): readonly FollowUp[] {
  let { followUps } = run(world, EVENT, [cancelsEvent], NOW);
  for (let n = 0; n < pieces; n += 1) {
    const [next] = followUps;
    if (next?.kind !== "wind-down") break;
    followUps = run(world, EVENT, [windsDown(`piece ${n}`, next.after)], NOW + n, IN_PIECES).followUps;
  }
  return followUps;
}

describe("a cancelled event", () => {
  test("ends its reservations by time and id, and each piece asks for the next one", () => {
    const world = sold();
    const first = run(world, EVENT, [cancelsEvent], NOW);
    expect(first.followUps).toEqual([{ kind: "wind-down", eventId: EVENT, after: null }]);
    const ended: string[] = [];
    let pieces = 0;
    for (let asked = first.followUps; asked.length > 0; pieces += 1) {
      const [next] = asked;
      if (next?.kind !== "wind-down") throw new Error("only pieces are asked for");
      const ran = run(world, EVENT, [windsDown(`piece ${pieces}`, next.after)], NOW, IN_PIECES);
      ended.push(
        ...ran.changes.flatMap((change) => (change.kind === "ended" ? [change.reservation.id] : [])),
      );
      expect(ran.changes.filter(({ kind }) => kind === "entry").length).toBeLessThanOrEqual(2);
      asked = ran.followUps;
    }
    const inOrder = [...world.reservations.values()].sort(
      (a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1),
    );
    expect(ended).toEqual(inOrder.map(({ id }) => id));
    expect(pieces).toBe(3);
    expect(world.windingDown.size).toBe(0);
    expect(endings(world)).toEqual(ALL_ENDED);
    expect(violations(world)).toEqual([]);
  });

  test.each([0, 1, 2, 3])(
    "whose next piece is lost behind %i is found by a sweep, and ends all the same",
    (pieces) => {
      const world = sold();
      cancelled(world, pieces);
      follow(world, { changes: [], followUps: sweepsDue(world, NOW + 10) }, NOW + 10, IN_PIECES);
      expect(endings(world)).toEqual(ALL_ENDED);
      expect(sweepsDue(world, NOW + 10)).toEqual([]);
      expect(violations(world)).toEqual([]);
    },
  );

  test("has a piece that comes twice end nothing twice", () => {
    const world = sold();
    const [next] = cancelled(world, 1);
    if (next?.kind !== "wind-down") throw new Error("another piece is asked for");
    const once = run(world, EVENT, [windsDown("once", next.after)], NOW + 1, IN_PIECES);
    expect(once.changes.filter(({ kind }) => kind === "ended")).toHaveLength(2);
    const again = run(world, EVENT, [windsDown("again", next.after)], NOW + 1, IN_PIECES);
    expect(again.changes.filter(({ kind }) => kind === "ended")).toHaveLength(1);
    follow(world, again, NOW + 1, IN_PIECES);
    expect(endings(world)).toEqual(ALL_ENDED);
  });

  test.each([0, 1, 2])("race 12: lets no hold be bought, nor a ticket be had, behind %i pieces", (pieces) => {
    const world = sold();
    cancelled(world, pieces);
    const commands = [purchases("eve"), reserves("ida"), joins("ida", 1)];
    const refused = run(world, EVENT, commands, NOW + 5);
    expect(refused.applied.map(({ outcome }) => outcome)).toEqual(
      commands.map(() => ({ status: "rejected", refusal: { code: "event-cancelled" } })),
    );
    const own = run(world, EVENT, [cancels("dan", "dan", "user")], NOW + 6);
    expect(own.applied.map(({ outcome }) => outcome.status)).toEqual(["succeeded"]);
    follow(world, { changes: [], followUps: sweepsDue(world, NOW + 7) }, NOW + 7, IN_PIECES);
    expect(world.reservations.get(hold("dan").id)?.endReason).toBe("event-cancelled");
    expect(endings(world)).toEqual(ALL_ENDED);
  });

  test("that was wound down in the batch that cancelled it is asked for again: what was loaded was not all", () => {
    const world = sold();
    const batch = [reserves("ida"), cancelsEvent, windsDown("from before")];
    const { followUps } = run(world, EVENT, [setsCapacity(6), ...batch], NOW);
    expect(world.windingDown.has(EVENT)).toBe(true);
    follow(world, { changes: [], followUps }, NOW);
    expect(world.windingDown.has(EVENT)).toBe(false);
    expect(new Set(endings(world))).toEqual(new Set(ALL_ENDED));
  });
});

describe("what is wound down of an event that goes on", () => {
  test("is nobody who can still have tickets", () => {
    const world = sold();
    const { changes, followUps } = run(world, EVENT, [windsDown("for nothing")], NOW);
    expect([changes, followUps]).toEqual([[], []]);
  });

  test("is what is left when earlier commands of the batch are done", () => {
    const world = sold();
    runWhole(world, EVENT, [setsCapacity(10), joins("ida", 9), joins("joe", 10)], NOW);
    run(world, EVENT, [setsCapacity(8)], NOW + 1);
    // Ida leaves, and the slot grows so that joe's party has room again.
    const { changes } = run(world, EVENT, [leaves("ida", 9), setsCapacity(11), windsDown("late")], NOW + 2);
    expect(changes.flatMap((change) => (change.kind === "entry" ? [change.patch.status] : []))).toEqual([
      "left",
    ]);
    expect(world.entries.get(entryOf("joe", 10))?.status).toBe("waiting");
  });

  test("leaves a cancelled event's reservation alone that its owner cancelled in the same batch", () => {
    const world = sold();
    run(world, EVENT, [cancelsEvent], NOW);
    const { changes } = run(world, EVENT, [cancels("dan", "dan", "user"), windsDown("with it")], NOW);
    const ended = changes.flatMap((change) => (change.kind === "ended" ? [change.reservation.userId] : []));
    expect(new Set(ended).size).toBe(ended.length);
    expect(ended).toHaveLength(HOLDERS.length);
    expect(world.slots.get(EVENT)?.get(SLOT)).toMatchObject({ held: 0, purchased: 0, waiting: 0 });
  });
});
