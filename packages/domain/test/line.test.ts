// Looks through lines that are longer than one batch may load, and what happens between two pieces of one.
import { describe, expect, test } from "vitest";
import { type EntryStatus, type EventTerms, type FollowUp, promote } from "../src/index.ts";
import {
  cancels,
  EVENT,
  entryOf,
  HOUR,
  hold,
  joins,
  leaves,
  NOW,
  promotes,
  reserves,
  SLOT,
  setsCapacity,
  slot,
  TERMS,
  WAITLIST,
} from "./builders.ts";
import { violations } from "./invariants.ts";
import { idOf } from "./names.ts";
import { createWorld, follow, run, runWhole, type World } from "./world.ts";

/** A slot whose five tickets eve has, who may have them all. */
const soldOut = (waitlist: Partial<EventTerms["waitlist"]> = {}): World =>
  createWorld(
    [{ terms: { ...TERMS, waitlist: { ...WAITLIST, ...waitlist } }, slots: [slot({ capacity: 5 })] }],
    [hold("eve", { quantity: 5, expiresAt: NOW + HOUR })],
  );

/** One after another, as they are given: a name and how many they want. */
const wait = (world: World, parties: Readonly<Record<string, number>>) => {
  const commands = Object.entries(parties).map(([user, quantity]) => joins(user, quantity));
  runWhole(world, EVENT, commands, NOW);
};

const statusOf = (world: World, parties: Readonly<Record<string, number>>): Record<string, EntryStatus> =>
  Object.fromEntries(
    Object.entries(parties).map(([user, quantity]) => [
      user,
      world.entries.get(entryOf(user, quantity))?.status ?? "left",
    ]),
  );

const slotOf = (world: World) => world.slots.get(EVENT)?.get(SLOT);
/** The next piece of a look, as it was asked for. */
const piece = (name: string, followUps: readonly FollowUp[]) => {
  const [asked, ...others] = followUps.filter((each) => each.kind === "promote");
  if (asked === undefined || others.length > 0) throw new Error("one look is to go on");
  return promote(idOf("command", name), asked, NOW + 2);
};

describe("a line that is longer than one batch loads", () => {
  const parties = { ann: 1, bob: 1, cyd: 1, dan: 1 };

  test("is offered tickets piece by piece, until nothing is free", () => {
    const world = soldOut();
    wait(world, parties);
    const { followUps } = run(world, EVENT, [cancels("eve", "eve", "user")], NOW + 1);
    const later = follow(world, { changes: [], followUps }, NOW + 1, { lineMax: 1 });

    expect(statusOf(world, parties)).toEqual({
      ann: "offered",
      bob: "offered",
      cyd: "offered",
      dan: "offered",
    });
    expect(later).toEqual([]);
    expect(slotOf(world)).toMatchObject({ held: 4, waiting: 0, promoteAt: null });
  });

  test("keeps in the slot that a look goes on, for whoever finds it late", () => {
    const world = soldOut();
    wait(world, parties);
    run(world, EVENT, [cancels("eve", "eve", "user")], NOW + 1);
    expect(slotOf(world)?.promoteAt).toBe(NOW + 1);
    const { followUps } = run(world, EVENT, [promotes("first piece")], NOW + 2, { lineMax: 1 });
    expect(slotOf(world)?.promoteAt).toBe(NOW + 1);
    expect(followUps).toEqual([
      {
        kind: "promote",
        eventId: EVENT,
        slotId: SLOT,
        at: NOW + 2,
        from: { after: 1, since: NOW + 1 },
        recheck: [],
      },
    ]);
  });

  test("gives way when something comes free between two pieces: nobody passes somebody who would fit now", () => {
    const sizes = { ann: 3, bob: 2, cyd: 1 };
    const world = soldOut();
    run(
      world,
      EVENT,
      [cancels("eve", "eve", "user"), reserves("fay", { input: { slotId: SLOT, quantity: 4 } })],
      NOW,
    );
    run(
      world,
      EVENT,
      Object.entries(sizes).map(([user, quantity]) => joins(user, quantity)),
      NOW,
    );
    const first = run(world, EVENT, [promotes("look")], NOW + 1, { lineMax: 2 });
    expect(statusOf(world, sizes)).toEqual({ ann: "waiting", bob: "waiting", cyd: "waiting" });

    const more = run(world, EVENT, [setsCapacity(8)], NOW + 1);
    const second = run(world, EVENT, [piece("second", first.followUps)], NOW + 2, { lineMax: 2 });
    expect(second.changes).toEqual([]);
    expect(second.followUps).toEqual([]);
    expect(statusOf(world, sizes)).toEqual({ ann: "waiting", bob: "waiting", cyd: "waiting" });

    follow(world, more, NOW + 2, { lineMax: 2 });
    expect(statusOf(world, sizes)).toEqual({ ann: "offered", bob: "waiting", cyd: "offered" });
  });

  test("begins anew when the head may have tickets no longer: who stands behind it was passed by", () => {
    const sizes = { ann: 3, bob: 2, cyd: 1 };
    const world = soldOut();
    const leaveOne = reserves("fay", { input: { slotId: SLOT, quantity: 4 } });
    run(world, EVENT, [cancels("eve", "eve", "user"), leaveOne], NOW);
    run(
      world,
      EVENT,
      Object.entries(sizes).map(([user, quantity]) => joins(user, quantity)),
      NOW,
    );
    const first = run(world, EVENT, [promotes("look")], NOW + 1, { lineMax: 1 });
    world.terms.set(EVENT, { ...TERMS, waitlist: WAITLIST, maxPerUser: 2 });
    const second = run(world, EVENT, [piece("second", first.followUps)], NOW + 2, { lineMax: 1 });
    expect(slotOf(world)).toMatchObject({ parked: 1, promoteAt: NOW + 2 });
    expect(second.followUps).toMatchObject([{ kind: "promote", from: null, at: NOW + 2 }]);
    follow(world, second, NOW + 2, { lineMax: 1 });
    expect(statusOf(world, sizes)).toEqual({ ann: "waiting", bob: "waiting", cyd: "offered" });
  });

  describe("while a look is under way, parked ones are only looked at for themselves", () => {
    const parties = { ann: 1, bob: 1 };
    const [ann, bob] = [entryOf("ann", 1), entryOf("bob", 1)];
    const recheck = [ann, bob, entryOf("nobody", 1)];

    /** Ann was parked; then tickets came free, and nobody has looked yet. */
    const freed = (world: World): World => {
      wait(world, parties);
      const entry = world.entries.get(ann);
      const [here, slots] = [slotOf(world), world.slots.get(EVENT)];
      if (entry === undefined || here === undefined) throw new Error("ann does not wait");
      world.entries.set(ann, { ...entry, recheckAt: NOW });
      slots?.set(SLOT, { ...here, parked: 1 });
      run(world, EVENT, [cancels("eve", "eve", "user")], NOW + 1);
      return world;
    };

    test("and whoever is in the line again lets it begin anew", () => {
      const world = freed(soldOut());
      const again = run(world, EVENT, [promotes("again", { recheck })], NOW + 2);
      expect(statusOf(world, parties)).toEqual({ ann: "waiting", bob: "waiting" });
      expect(slotOf(world)).toMatchObject({ parked: 0, promoteAt: NOW + 2 });
      follow(world, again, NOW + 2);
      expect(statusOf(world, parties)).toEqual({ ann: "offered", bob: "offered" });
    });

    test("and whoever stays parked changes nothing for it", () => {
      const holds = [
        hold("eve", { quantity: 4, expiresAt: NOW + HOUR }),
        hold("ann", { slotId: idOf("slot", "late"), quantity: TERMS.maxPerUser, expiresAt: NOW + HOUR }),
      ];
      const late = slot({
        id: idOf("slot", "late"),
        capacity: TERMS.maxPerUser,
        startsAt: NOW + 5 * HOUR,
        endsAt: NOW + 6 * HOUR,
      });
      const world = createWorld(
        [{ terms: { ...TERMS, maxPerUser: 20, waitlist: WAITLIST }, slots: [slot({ capacity: 4 }), late] }],
        holds,
      );
      freed(world);
      world.terms.set(EVENT, { ...TERMS, waitlist: WAITLIST });
      const again = run(world, EVENT, [promotes("again", { recheck })], NOW + 2);
      expect(again.followUps).toEqual([]);
      expect(slotOf(world)).toMatchObject({ parked: 1, promoteAt: NOW + 1 });
    });
  });

  test("tells those whom a smaller party passed, as far as they were loaded together", () => {
    const sizes = { ann: 3, bob: 2, cyd: 1 };
    const world = soldOut();
    run(
      world,
      EVENT,
      [cancels("eve", "eve", "user"), reserves("fay", { input: { slotId: SLOT, quantity: 4 } })],
      NOW,
    );
    wait(world, sizes);
    expect(statusOf(world, sizes)).toEqual({ ann: "waiting", bob: "waiting", cyd: "offered" });
    const passed = [entryOf("ann", 3), entryOf("bob", 2)].map((id) => world.entries.get(id)?.lastPassedOver);
    const tooFew = { at: NOW, reason: "too-few", limit: null, reservationId: null };
    expect(passed).toEqual([tooFew, tooFew]);
  });
});

describe("a look through a line", () => {
  test("sees those who joined earlier in the same batch, and who had their place in line left", () => {
    const world = soldOut();
    wait(world, { ann: 1, bob: 1 });
    run(world, EVENT, [cancels("eve", "eve", "user")], NOW);
    run(world, EVENT, [leaves("ann", 1), joins("cyd", 1), promotes("look")], NOW);
    expect(statusOf(world, { ann: 1, bob: 1, cyd: 1 })).toEqual({
      ann: "left",
      bob: "offered",
      cyd: "offered",
    });
  });

  test("of which not all was loaded offers nothing to who joined behind: others may come before", () => {
    const world = soldOut();
    wait(world, { ann: 1, bob: 1 });
    run(world, EVENT, [cancels("eve", "eve", "user")], NOW);
    const { followUps } = run(world, EVENT, [joins("cyd", 1), promotes("look")], NOW, { lineMax: 1 });
    expect(statusOf(world, { ann: 1, bob: 1, cyd: 1 })).toEqual({
      ann: "offered",
      bob: "waiting",
      cyd: "waiting",
    });
    follow(world, { changes: [], followUps }, NOW, { lineMax: 1 });
    expect(statusOf(world, { ann: 1, bob: 1, cyd: 1 })).toEqual({
      ann: "offered",
      bob: "offered",
      cyd: "offered",
    });
  });

  test("closes an entry that the slot can never hold, when it comes before what winds down", () => {
    const world = soldOut({ mode: "strict" });
    wait(world, { ann: 5, bob: 1 });
    run(world, EVENT, [cancels("eve", "eve", "user"), setsCapacity(4)], NOW);
    run(world, EVENT, [promotes("look")], NOW);
    expect(world.entries.get(entryOf("ann", 5))).toMatchObject({ status: "closed", endReason: "capacity" });
    expect(statusOf(world, { bob: 1 })).toEqual({ bob: "offered" });
  });

  test("of a slot that is gone, or was not loaded, does nothing", () => {
    const world = soldOut();
    const other = { ...promotes("look"), input: { slotId: idOf("slot", "gone"), from: null, recheck: [] } };
    expect(run(world, EVENT, [other], NOW)).toMatchObject({ changes: [], followUps: [] });
  });

  test("behind the cutoff only forgets that it was asked for", () => {
    const world = soldOut({ mode: "strict" });
    wait(world, { ann: 5 });
    run(world, EVENT, [cancels("eve", "eve", "user")], NOW);
    expect(slotOf(world)?.promoteAt).toBe(NOW);
    const late = run(world, EVENT, [promotes("late")], NOW + HOUR);
    expect(late.changes).toMatchObject([{ kind: "line", line: { promoteAt: null } }]);
    expect(run(world, EVENT, [promotes("later")], NOW + HOUR).changes).toEqual([]);
    expect(statusOf(world, { ann: 5 })).toEqual({ ann: "waiting" });
  });

  test("of a cancelled event offers nothing to anybody", () => {
    const world = soldOut();
    wait(world, { ann: 1 });
    run(world, EVENT, [cancels("eve", "eve", "user")], NOW);
    world.terms.set(EVENT, { ...TERMS, cancelledAt: NOW });
    run(world, EVENT, [promotes("look")], NOW);
    expect(statusOf(world, { ann: 1 })).toEqual({ ann: "waiting" });
  });
});

describe("a parked waiter who is looked at again", () => {
  const GALA = idOf("event", "gala");
  const HALL = idOf("slot", "hall");
  /** Ann has a ticket for another event at that time; dan has four of the slot's five, and one has come free. */
  const parked = (
    waitlist: Partial<EventTerms["waitlist"]>,
    parties: Readonly<Record<string, number>> = { ann: 4, bob: 4, cyd: 1 },
  ): World => {
    const world = createWorld(
      [
        { terms: { ...TERMS, waitlist: { ...WAITLIST, ...waitlist } }, slots: [slot({ capacity: 5 })] },
        { terms: { ...TERMS, id: GALA }, slots: [slot({ id: HALL })] },
      ],
      [
        hold("eve", { quantity: 1, expiresAt: NOW + HOUR }),
        hold("dan", { quantity: 4, expiresAt: NOW + HOUR }),
        hold("ann", { eventId: GALA, slotId: HALL, expiresAt: NOW + HOUR }),
      ],
    );
    wait(world, parties);
    runWhole(world, EVENT, [cancels("eve", "eve", "user")], NOW);
    return world;
  };
  const annIsFree = (world: World) => {
    const command = { ...cancels("ann", "ann", "user"), eventId: GALA };
    run(world, GALA, [command], NOW + 1);
  };
  const ann = entryOf("ann", 4);

  test("is the head again, and passed like any head", () => {
    const world = parked({ mode: "strict" });
    expect(statusOf(world, { ann: 4, bob: 4, cyd: 1 })).toEqual({
      ann: "waiting",
      bob: "waiting",
      cyd: "waiting",
    });
    expect(world.entries.get(ann)?.recheckAt).toBe(NOW + 60_000);
    annIsFree(world);
    runWhole(world, EVENT, [promotes("again", { recheck: [ann] })], NOW + 1);
    expect(world.entries.get(ann)?.recheckAt).toBeNull();
    expect(slotOf(world)).toMatchObject({ parked: 0, waiting: 3 });
    runWhole(world, EVENT, [cancels("dan", "dan", "user")], NOW + 2);
    expect(statusOf(world, { ann: 4, bob: 4, cyd: 1 })).toEqual({
      ann: "offered",
      bob: "waiting",
      cyd: "waiting",
    });
    expect(violations(world)).toEqual([]);
  });

  test("stays in line behind a head whom nobody may pass", () => {
    const world = parked({ maxSkips: 0 }, { bob: 4, ann: 1 });
    annIsFree(world);
    runWhole(world, EVENT, [promotes("again", { recheck: [entryOf("ann", 1)] })], NOW + 1);
    expect(world.entries.get(entryOf("ann", 1))).toMatchObject({ status: "waiting", recheckAt: null });
    expect(slotOf(world)).toMatchObject({ parked: 0, waiting: 2, collecting: null });
  });

  test("joins the line again though there is nothing to give", () => {
    const world = parked({ mode: "strict" });
    annIsFree(world);
    run(world, EVENT, [setsCapacity(4)], NOW + 1);
    run(world, EVENT, [promotes("again", { recheck: [ann] })], NOW + 1);
    expect(world.entries.get(ann)).toMatchObject({ status: "waiting", recheckAt: null });
    expect(slotOf(world)).toMatchObject({ held: 4, parked: 0, waiting: 3 });
  });
});
