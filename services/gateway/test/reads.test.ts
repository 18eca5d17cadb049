// How far behind a commit a read of an event may be, whatever gets lost on the way: gateways with a clock, tables and
// shared views that the test holds in its hand.
import { Availability, eventTag, nextMoment, presentAvailability, presentEvent } from "@holdfast/contracts";
import type { EventRecord } from "@holdfast/db";
import type { EventId } from "@holdfast/domain";
import type { SharedViews } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import { chanceOf } from "@holdfast/testkit";
import type pg from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { createEventReads, type EventReads } from "../src/event-reads.ts";
import { EventView } from "../src/event-view.ts";
import type { ReadSource } from "../src/metrics.ts";

const NOON = Date.parse("2030-06-01T12:00:00Z");
const HOUR_MS = 3_600_000;
const id: EventId = newId("event");

const anEvent = (held: number, more: Partial<EventRecord> = {}): EventRecord => ({
  id,
  organizerId: newId("user"),
  name: "An evening",
  description: null,
  venue: null,
  salesOpenAt: null,
  salesCloseAt: null,
  salesClosed: false,
  holdSeconds: 300,
  offerSeconds: 900,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  waitlist: {
    enabled: true,
    mode: "skip",
    maxSkips: 5,
    collectSeconds: 900,
    maxEntries: 100,
    closesBeforeSeconds: 60,
  },
  cancelledAt: null,
  pausedAt: null,
  version: 1,
  createdAt: NOON,
  updatedAt: NOON,
  startsAt: NOON + HOUR_MS,
  slots: [aSlot(held)],
  ...more,
});

const aSlot = (held: number, startsAt = NOON + HOUR_MS): EventRecord["slots"][number] => ({
  id: newId("slot"),
  name: null,
  startsAt,
  endsAt: startsAt + HOUR_MS,
  capacity: 1_000_000,
  held,
  purchased: 0,
  waiting: 0,
  parked: 0,
  inventory: held,
});

let clock: number;
/** How many tickets are held, as it is committed. */
let held: number;
/** Reads of the tables that are under way: what they saw was true when they began. */
let queries: (() => void)[];
let errors: unknown[];

beforeEach(() => {
  clock = 0;
  held = 0;
  queries = [];
  errors = [];
});

/** Nothing runs out here, and what was forgotten is forgotten only as the test wants. */
class Shelf implements SharedViews {
  readonly kept = new Map<EventId, string>();
  looks = 0;
  isDown = false;
  #marks = 0;

  async look(eventId: EventId) {
    this.looks += 1;
    if (this.isDown) throw new Error("Redis is away");
    const found = this.kept.get(eventId);
    if (found === undefined) {
      const mark = `?${this.#marks++}`;
      this.kept.set(eventId, mark);
      return { kind: "none", mark } as const;
    }
    return found.startsWith("?")
      ? ({ kind: "none", mark: null } as const)
      : ({ kind: "kept", text: found } as const);
  }

  async keep(eventId: EventId, mark: string, json: string): Promise<void> {
    if (this.kept.get(eventId) === mark) this.kept.set(eventId, json);
  }

  async forget(eventId: EventId): Promise<void> {
    this.kept.delete(eventId);
  }
}

interface Gateway extends EventReads {
  readonly sources: ReadSource[];
}

function gatewayOn(shared: SharedViews, answersAtOnce = true): Gateway {
  const sources: ReadSource[] = [];
  const pool = {
    query(_text: string, [asked]: unknown[]) {
      const rows = asked === id ? [anEvent(held)] : [];
      if (answersAtOnce) return Promise.resolve({ rows });
      return new Promise((resolve) => queries.push(() => resolve({ rows })));
    },
  } as unknown as pg.Pool;
  const reads = createEventReads({
    pool,
    shared,
    now: () => NOON + clock,
    monotonicMs: () => clock,
    onRead: (of, source) => void (of === "event" && sources.push(source)),
    onError: (error) => void errors.push(error),
  });
  return { ...reads, sources };
}

async function heldAt(gateway: EventReads): Promise<number> {
  const view = await gateway.event(id);
  if (view === null) throw new Error("the event is not there");
  const told = Availability.parse(JSON.parse(view.body("availability", NOON + clock)));
  return told.slots[0]?.held ?? -1;
}

describe("a read of an event", () => {
  test("goes to the tables at first, and from the second on to what other gateways have read", async () => {
    const shelf = new Shelf();
    const [here, there] = [gatewayOn(shelf), gatewayOn(shelf)];
    for (const gateway of [here, there]) expect(await heldAt(gateway)).toBe(0);
    expect(shelf.looks).toBe(0);
    clock = 600;
    held = 1;
    for (const gateway of [here, there]) expect(await heldAt(gateway)).toBe(1);
    expect(here.sources).toEqual(["postgres", "postgres"]);
    expect(there.sources).toEqual(["postgres", "redis"]);
  });

  test("that was read too long ago, or written by another version, is not taken from others", async () => {
    const shelf = new Shelf();
    const [here, there] = [gatewayOn(shelf), gatewayOn(shelf)];
    for (const gateway of [here, there]) await heldAt(gateway);
    clock = 600;
    await heldAt(here);
    clock = 1_000; // an entry that should have run out
    held = 1;
    expect(await heldAt(there)).toBe(1);
    shelf.kept.set(id, JSON.stringify([0, NOON + clock, { other: "words" }]));
    clock = 1_600;
    expect(await heldAt(there)).toBe(1);
    expect(there.sources).toEqual(["postgres", "postgres", "postgres"]);
  });

  test("of what does not exist is not kept", async () => {
    const gateway = gatewayOn(new Shelf());
    for (let i = 0; i < 3; i += 1) expect(await gateway.event(newId("event"))).toBeNull();
    const unknown = newId("event");
    for (let i = 0; i < 3; i += 1) expect(await gateway.event(unknown)).toBeNull();
    expect(gateway.sources).toEqual(Array(6).fill("postgres"));
  });

  test("needs no Redis: while that is away it is asked once a second", async () => {
    const shelf = new Shelf();
    shelf.isDown = true;
    const gateway = gatewayOn(shelf);
    for (clock = 0; clock < 10_000; clock += 100) {
      held += 1;
      await heldAt(gateway);
    }
    expect(gateway.sources.filter((source) => source === "postgres")).toHaveLength(20);
    expect(shelf.looks).toBeLessThanOrEqual(10);
    expect(errors).toHaveLength(shelf.looks);
    shelf.isDown = false;
    clock += 1_000;
    await heldAt(gateway);
    expect(shelf.kept.size).toBe(1);
  });

  test("sees what this gateway was told of, at once, and of what is long past nothing more", async () => {
    const gateway = gatewayOn(new Shelf());
    await heldAt(gateway);
    clock = 10;
    held = 1;
    expect(await heldAt(gateway)).toBe(0);
    gateway.told(id, NOON - 5_000);
    expect(await heldAt(gateway)).toBe(0);
    gateway.told(id, NOON + 5);
    expect(await heldAt(gateway)).toBe(1);
    held = 2;
    gateway.changed(id);
    clock = 11;
    expect(await heldAt(gateway)).toBe(2);
  });

  test.each([1, 2, 3, 4, 5])(
    "tells nothing that is more than a second behind, and nothing from before one's own command, by whatever chance (%i)",
    async (seed) => {
      const chance = chanceOf(seed);
      const shelf = new Shelf();
      const gateways = [gatewayOn(shelf, false), gatewayOn(shelf, false)];
      /** What was committed, and when. */
      const commits = [{ at: clock, held }];
      const heldBefore = (at: number): number => commits.findLast((commit) => commit.at <= at)?.held ?? 0;
      const asked: Promise<void>[] = [];
      const sources = (): number => gateways.flatMap((gateway) => gateway.sources).length;
      for (let step = 0; step < 3_000; step += 1) {
        clock += chance.between(0, 30);
        const gateway = chance.pick(gateways);
        if (chance.happens(0.1)) {
          held += 1;
          commits.push({ at: clock, held });
          if (chance.happens(0.7)) await shelf.forget(id); // a settlement; news may be lost
          if (chance.happens(0.3)) {
            gateway.changed(id);
            const own = held;
            asked.push(
              heldAt(gateway).then((told) => expect(told, `step ${step}`).toBeGreaterThanOrEqual(own)),
            );
          }
        }
        if (chance.happens(0.6)) {
          const least = heldBefore(clock - 1_000);
          asked.push(
            heldAt(gateway).then((told) => expect(told, `step ${step}`).toBeGreaterThanOrEqual(least)),
          );
        }
        if (chance.happens(0.5) && queries.length > 0) {
          queries.splice(chance.between(0, queries.length - 1), 1)[0]?.();
        }
        await Promise.resolve();
      }
      for (let rounds = 0; rounds < 100; rounds += 1) {
        for (const answer of queries.splice(0)) answer();
        await new Promise(setImmediate);
      }
      await Promise.all(asked);
      expect(asked.length).toBeGreaterThan(1_000);
      const of = (source: ReadSource) =>
        gateways.flatMap((gateway) => gateway.sources).filter((one) => one === source).length;
      for (const source of ["memory", "joined", "redis", "postgres"] as const)
        expect(of(source), source).toBeGreaterThan(5);
      expect(sources()).toBeGreaterThan(1_000);
    },
  );
});

describe("what only time changes", () => {
  test("is told on time, of an event that was read before", () => {
    const salesOpenAt = NOON + 100;
    const view = new EventView(anEvent(0, { salesOpenAt }), 1, { asOf: 0, until: 500 });
    const statusAt = (at: number) => JSON.parse(view.body("event", at)).status;
    const before = view.tag(salesOpenAt - 1);
    expect(statusAt(salesOpenAt - 1)).toBe("scheduled");
    expect(statusAt(salesOpenAt)).toBe("onSale");
    expect(view.tag(salesOpenAt)).not.toBe(before);
    expect(statusAt(NOON + HOUR_MS)).toBe("over");
  });

  test("comes at no other moment than the next one that is foretold, whatever the event is like", () => {
    const chance = chanceOf(7);
    const moment = () => NOON + chance.between(0, 60) * 1_000;
    const orNull = <T>(value: T) => (chance.happens(0.3) ? null : value);
    for (let round = 0; round < 300; round += 1) {
      const event = anEvent(1, {
        salesOpenAt: orNull(moment()),
        salesCloseAt: orNull(moment()),
        cancelledAt: chance.happens(0.1) ? NOON : null,
        pausedAt: chance.happens(0.1) ? NOON : null,
        slots: Array.from({ length: chance.between(1, 3) }, () => ({
          ...aSlot(1, moment() + 60_000 * chance.between(0, 1)),
          waiting: chance.between(0, 2),
          parked: chance.between(0, 1),
        })),
      });
      const told = (at: number) => [
        presentEvent(event, at),
        presentAvailability(event, at),
        eventTag(event, at),
      ];
      for (let at = NOON; at < NOON + 200_000; ) {
        const next = nextMoment(event, at);
        expect(next).toBeGreaterThan(at);
        const last = Math.min(next - 1, NOON + 200_000);
        for (const later of [at + 1, chance.between(at, last), last]) {
          if (later <= last) expect(told(later)).toEqual(told(at));
        }
        at = next;
      }
    }
  });
});
