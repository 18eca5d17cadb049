// What a worker counts of drains over real stores: each command once, whoever dies or overtakes whom.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command, EventId, UnknownCommand, UserId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import {
  cancelEvent,
  createEvent,
  createUsers,
  joinWaitlist,
  promote,
  reserve,
  windDown,
} from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Apply, createApply, LetGo } from "../src/apply.ts";
import { type DrainDeps, drain } from "../src/drain.ts";
import { createWorkerMetrics } from "../src/metrics.ts";
import { clientsOf, openStores, type Stores, sendEach, silent, WAITLIST } from "./drain-under-test.ts";

let stores: Stores;
beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

/** Drains whose metrics the test reads. */
function counting() {
  const registry = new Registry();
  const metrics = createWorkerMetrics(registry);
  const apply: Apply = createApply({
    pool: stores.batches,
    metrics,
    log: silent,
    pause: (ms) => sleep(ms),
  });
  const valuesOf = async (name: string) => (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return {
    metrics,
    apply,
    drained: (eventId: EventId, given: Partial<DrainDeps> = {}) =>
      metrics.drained(drain(eventId, stores.deps({ metrics, apply, ...given }))),
    /** The values that are not 0, by their labels. */
    async read(name: string): Promise<Record<string, number>> {
      const values = (await valuesOf(name)).filter(({ value }) => value !== 0);
      return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
    },
    async histogram(name: string): Promise<{ sum: number; count: number }> {
      const values = await valuesOf(name);
      const of = (part: string) =>
        values.find((one) => "metricName" in one && one.metricName === `${name}_${part}`)?.value ?? 0;
      return { sum: of("sum"), count: of("count") };
    },
  };
}

async function anEventWith(count: number, capacity = 1_000, agoMs = 0) {
  const { id: eventId } = await createEvent(stores.database.pool, { capacities: [capacity] });
  const users = await createUsers(stores.database.pool, count);
  const commands: Command[] = users.map((user) => reserve(eventId, user, { at: Date.now() - agoMs }));
  await sendEach(stores.crowd, commands);
  return { eventId, commands };
}

test("a batch counts its commands by type and end, how long they waited, its size and its duration", async () => {
  const { read, histogram, drained } = counting();
  const { eventId } = await anEventWith(5, 3, 2_000);
  await drained(eventId);
  expect(await read("holdfast_outcomes_total")).toEqual({
    "reserve succeeded ": 3,
    "reserve rejected all-held": 2,
  });
  const wait = await histogram("holdfast_command_wait_seconds");
  expect(wait.count).toBe(5);
  expect(wait.sum).toBeGreaterThanOrEqual(5 * 2);
  expect(await histogram("holdfast_batch_commands")).toEqual({ sum: 5, count: 1 });
  const { sum, count } = await histogram("holdfast_batch_apply_seconds");
  expect(count).toBe(1);
  expect(sum).toBeGreaterThan(0);
  expect(await read("holdfast_drains_total")).toEqual({ finished: 1 });
  expect(await read("holdfast_drains_running")).toEqual({});
});

test("a type that this version does not know counts as unknown, whatever it says", async () => {
  const { read, apply } = counting();
  const { id: eventId } = await createEvent(stores.database.pool);
  const [userId = null] = await createUsers(stores.database.pool, 1);
  const command: UnknownCommand = {
    id: newId("command"),
    eventId,
    at: Date.now(),
    userId,
    idempotencyKey: null,
    fingerprint: null,
    type: "from the future",
  };
  await apply(eventId, { owner: "a test", after: 0 }, [command]);
  expect(await read("holdfast_outcomes_total")).toEqual({ "unknown failed unsupported": 1 });
});

test("what a dead owner left is taken over and, where it had ended, counted as replayed and not again (F4)", async () => {
  const { read, drained, histogram } = counting();
  const { eventId } = await anEventWith(4);
  const dead = new Error("the process is dead");
  let claims = 0;
  const dying: DrainDeps["openQueue"] = (id, token) => {
    const queue = stores.openQueue(id, token);
    return {
      ...queue,
      settleAndClaim: (...given) => {
        claims += 1;
        return claims === 1 ? queue.settleAndClaim(...given) : Promise.reject(dead);
      },
      release: () => Promise.reject(dead),
    };
  };
  await expect(drained(eventId, { openQueue: dying })).rejects.toThrow(dead);
  expect(await read("holdfast_drains_total")).toEqual({ "let-go": 1 });
  await drained(eventId);
  expect(await read("holdfast_jobs_taken_over_total")).toEqual({ "": 4 });
  expect(await read("holdfast_commands_replayed_total")).toEqual({ "": 4 });
  expect(await read("holdfast_outcomes_total")).toEqual({ "reserve succeeded ": 4 });
  expect((await histogram("holdfast_command_wait_seconds")).count).toBe(4);
  expect(await read("holdfast_drains_total")).toEqual({ "let-go": 1, finished: 1 });
});

test("a drain that another one overtook says whether PostgreSQL or Redis told it so (race 9)", async () => {
  const { read, apply, drained } = counting();
  const fenced = await anEventWith(1);
  await drained(fenced.eventId, {
    apply: async (id, claim, given) => {
      await stores.apply(id, { owner: "somebody else", after: 0 }, []);
      return apply(id, claim, given);
    },
  });
  expect(await read("holdfast_drains_total")).toEqual({ fenced: 1 });
  const overtaken = await anEventWith(1);
  await drained(overtaken.eventId, {
    apply: async (id, claim, given) => {
      const outcome = await apply(id, claim, given);
      await drained(id);
      return outcome;
    },
  });
  expect(await read("holdfast_drains_total")).toEqual({ fenced: 1, overtaken: 1, finished: 1 });
});

test("a drain that hands over, is paused, or lets go, counts as that", async () => {
  const { read, drained } = counting();
  const { eventId } = await anEventWith(1);
  const stopping = AbortSignal.abort();
  await drained(eventId, { stopping });
  expect(await read("holdfast_drains_total")).toEqual({ "handed-over": 1 });
  await stores.database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [eventId]);
  await drained(eventId);
  await expect(drained(eventId, { apply: () => Promise.reject(new LetGo("x")) })).rejects.toThrow(LetGo);
  expect(await read("holdfast_drains_total")).toEqual({ "handed-over": 1, paused: 1, "let-go": 1 });
});

test("commands of an event that does not exist are counted as dropped", async () => {
  const { read, drained } = counting();
  const eventId = newId("event");
  await sendEach(stores.crowd, [reserve(eventId, newId("user")), reserve(eventId, newId("user"))]);
  await drained(eventId);
  expect(await read("holdfast_commands_dropped_total")).toEqual({ "no-such-event": 2 });
  expect(await read("holdfast_outcomes_total")).toEqual({});
});

test("a batch that stumbles is counted by what was in the way, and its commands once", async () => {
  const { read, metrics } = counting();
  let stumbles = 2;
  const pool = clientsOf(stores.batches, (_client, given) => {
    if (typeof given !== "object" || given.name !== "load-slots" || stumbles === 0) return null;
    stumbles -= 1;
    return Promise.reject(new Error("Connection terminated unexpectedly"));
  });
  const { eventId, commands } = await anEventWith(2);
  const apply = createApply({ pool, metrics, log: silent, pause: async () => undefined });
  await apply(eventId, { owner: "a test", after: 0 }, commands);
  expect(await read("holdfast_batch_retries_total")).toEqual({ transient: 2 });
  expect(await read("holdfast_outcomes_total")).toEqual({ "reserve succeeded ": 2 });
});

test("a drain counts as running from its beginning to its end", async () => {
  const { read, apply, drained } = counting();
  const { eventId } = await anEventWith(1);
  let running = {};
  await drained(eventId, {
    apply: async (...given) => {
      running = await read("holdfast_drains_running");
      return apply(...given);
    },
  });
  expect([running, await read("holdfast_drains_running")]).toEqual([{ "": 1 }, {}]);
});

test("what a sweep found is added up; one that was another worker's turn adds nothing", async () => {
  const { read, metrics } = counting();
  const nothing = {
    activated: 0,
    settled: 0,
    promoted: 0,
    rechecked: 0,
    woundDown: 0,
    resent: 0,
    forgotten: 0,
  };
  metrics.swept({ ...nothing, activated: 1, settled: 2, resent: 3, forgotten: 4 });
  metrics.swept(null);
  metrics.swept({ ...nothing, promoted: 5, rechecked: 6, woundDown: 7, resent: 1 });
  expect(await read("holdfast_sweep_found_total")).toEqual({
    activated: 1,
    settled: 2,
    promoted: 5,
    rechecked: 6,
    "wound-down": 7,
    resent: 4,
    forgotten: 4,
  });
});

test("commands of every kind are counted under their own type, whoever sends them", async () => {
  const { read, drained } = counting();
  const event = await createEvent(stores.database.pool, { capacities: [1], terms: { waitlist: WAITLIST } });
  const { id, slotId, organizerId } = event;
  const [ann, bob] = (await createUsers(stores.database.pool, 2)) as [UserId, UserId];
  await sendEach(stores.crowd, [
    reserve(id, ann),
    joinWaitlist(id, bob, slotId),
    joinWaitlist(id, bob, slotId),
    promote(id, slotId),
    cancelEvent(id, organizerId),
    windDown(id),
  ]);
  await drained(id);
  expect(await read("holdfast_outcomes_total")).toEqual({
    "reserve succeeded ": 1,
    "join-waitlist succeeded ": 1,
    "join-waitlist rejected already-waiting": 1,
    "promote succeeded ": 1,
    "cancel-event succeeded ": 1,
    "wind-down succeeded ": 1,
  });
});
