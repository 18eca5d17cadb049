// The two figures by which workers are scaled, read from real stores: right when nothing waits, when something does,
// when it is paused, and no figure at all while nobody can know.
import { openPool } from "@holdfast/db";
import { openRedis, untilReady } from "@holdfast/event-queue";
import { createEvent, createUsers, type FaultProxy, openFaultProxy, reserve, until } from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { BACKLOG_BELIEVED_MS, BACKLOG_TIMEOUT_MS, tellBacklog } from "../src/backlog.ts";
import { drain } from "../src/drain.ts";
import { openStores, type Stores } from "./drain-under-test.ts";

let stores: Stores;
beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

/** The gauges of a worker that reaches Redis through the proxy, and the clock by which it measures anew. */
async function gauges(proxy?: FaultProxy) {
  const registry = new Registry();
  const errors: unknown[] = [];
  const clock = { ms: 0 };
  const pool = openPool({ url: stores.database.url, name: "test-backlog", max: 1, onError: () => undefined });
  const redis = openRedis({
    url: proxy?.url ?? stores.redis.url,
    name: "test-backlog",
    onError: () => undefined,
  });
  onTestFinished(async () => {
    redis.disconnect();
    await pool.end();
  });
  await untilReady(redis);
  tellBacklog(registry, {
    pool,
    redis,
    prefix: stores.redis.prefix,
    now: Date.now,
    monotonicMs: () => clock.ms,
    onError: (error) => errors.push(error),
  });
  const read = async () => {
    const text = await registry.metrics();
    const value = (name: string) => {
      const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
      return found === undefined ? null : Number(found);
    };
    return {
      events: value("holdfast_events_with_work"),
      age: value("holdfast_oldest_waiting_command_age_seconds"),
    };
  };
  return {
    errors,
    clock,
    read,
    readAnew: () => {
      clock.ms += BACKLOG_BELIEVED_MS;
      return read();
    },
  };
}

test("the age of the oldest command grows while nobody drains its event, and is 0 when all is done", async () => {
  const { readAnew } = await gauges();
  expect(await readAnew()).toEqual({ events: 0, age: 0 });
  const [event, other] = await Promise.all([1, 2].map(() => createEvent(stores.database.pool)));
  const [ann, bob, cid] = await createUsers(stores.database.pool, 3);
  if (!(event && other && ann && bob && cid)) throw new Error("two events and three users were asked for");
  await stores.crowd.send(reserve(event.id, ann, { at: Date.now() - 60_000 }));
  await stores.crowd.send(reserve(event.id, bob));
  await stores.crowd.send(reserve(other.id, cid));

  const first = await readAnew();
  expect(first.events).toBe(2);
  expect(first.age).toBeGreaterThanOrEqual(60);
  expect(first.age).toBeLessThan(70);
  expect(
    await until("the age to grow", async () => ((await readAnew()).age ?? 0) > (first.age ?? 0) + 0.2),
  ).toBe(true);

  await drain(event.id, stores.deps());
  const second = await readAnew();
  expect(second.events).toBe(1);
  expect(second.age).toBeLessThan(10);
  await drain(other.id, stores.deps());
  expect(await readAnew()).toEqual({ events: 0, age: 0 });
});

test("what a drain has in hand counts; an event that somebody halted does not", async () => {
  const event = await createEvent(stores.database.pool);
  const [ann] = await createUsers(stores.database.pool, 1);
  if (ann === undefined) throw new Error("a user was asked for");
  await stores.crowd.send(reserve(event.id, ann, { at: Date.now() - 5_000 }));
  const { readAnew } = await gauges();
  let inHand: Awaited<ReturnType<typeof readAnew>> | undefined;
  let paused: typeof inHand;
  await drain(
    event.id,
    stores.deps({
      apply: async (...given) => {
        inHand = await readAnew();
        await stores.database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [
          event.id,
        ]);
        paused = await readAnew();
        await stores.database.pool.query("UPDATE event_lanes SET paused_at = NULL WHERE event_id = $1", [
          event.id,
        ]);
        return stores.apply(...given);
      },
    }),
  );
  expect(inHand?.events).toBe(1);
  expect(inHand?.age).toBeGreaterThanOrEqual(5);
  expect(paused).toEqual({ events: 0, age: 0 });
});

test("a measurement is believed for a moment, so that many who ask at once cost as much as one", async () => {
  const { clock, read } = await gauges();
  expect(await read()).toEqual({ events: 0, age: 0 });
  const event = await createEvent(stores.database.pool);
  const [ann] = await createUsers(stores.database.pool, 1);
  if (ann === undefined) throw new Error("a user was asked for");
  await stores.crowd.send(reserve(event.id, ann));
  expect(await read()).toEqual({ events: 0, age: 0 });
  clock.ms += BACKLOG_BELIEVED_MS - 1;
  expect(await read()).toEqual({ events: 0, age: 0 });
  clock.ms += 1;
  expect((await read()).events).toBe(1);
  await drain(event.id, stores.deps());
});

test.each(["refuse", "silence"] as const)(
  "while Redis is out of reach (%s) the gauges are absent, the scrape is soon answered, and they come back",
  async (fault) => {
    const proxy = await openFaultProxy(stores.redis.url);
    onTestFinished(() => proxy.close());
    const { readAnew, errors } = await gauges(proxy);
    await proxy[fault]();
    const askedAt = performance.now();
    expect(await readAnew()).toEqual({ events: null, age: null });
    expect(performance.now() - askedAt).toBeLessThan(BACKLOG_TIMEOUT_MS + 500);
    await until("the error to be told", () => errors.length > 0);
    await proxy.pass();
    await until("the gauges to come back", async () => (await readAnew()).events === 0);
  },
);
