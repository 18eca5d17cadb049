// Holds end by their timers, with nobody asking: both workers over real stores.
import { type Command, type EventId, SETTLE_GRACE_MS } from "@holdfast/domain";
import { DEADLINES, jobsOf, openDeadlines } from "@holdfast/event-queue";
import { createLogger } from "@holdfast/runtime";
import {
  type Crowd,
  createEvent,
  createUsers,
  openCrowd,
  openFaultProxy,
  openTestDatabase,
  openTestRedis,
  reserve,
  spawnService,
  type TestDatabase,
  type TestRedis,
  until,
  wordOf,
} from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startExpiryWorker } from "../src/expire.ts";

const silent = createLogger({ level: "fatal", format: "json", service: "test" });

let database: TestDatabase;
let redis: TestRedis;
let crowd: Crowd;

beforeAll(async () => {
  [database, redis] = await Promise.all([openTestDatabase(), openTestRedis()]);
  crowd = await openCrowd(redis.url, redis.prefix);
});
afterAll(async () => {
  await crowd.close();
  await redis.close();
  await database.close();
});

/** Starts, and returns what it counts. */
async function startExpiring(redisUrl = redis.url): Promise<Registry> {
  const metrics = new Registry();
  const worker = await startExpiryWorker({
    databaseUrl: database.url,
    redisUrl,
    prefix: redis.prefix,
    metrics,
    log: silent,
  });
  onTestFinished(() => worker.stop());
  return metrics;
}

/** The value of a counter, or how often a histogram observed. */
async function counted(metrics: Registry, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await metrics.metrics())?.[1]);
}

/** The one writer, as a process of its own: services do not import each other. */
async function startReserving(): Promise<void> {
  const worker = spawnService("reservation-worker", {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix,
    LOG_LEVEL: "fatal",
  });
  onTestFinished(async () => {
    await worker.stop();
  });
  await worker.ready;
}

/** How late each of the event's holds has ended, in milliseconds, once all have. */
async function lateness(eventId: EventId, holds: number): Promise<number[]> {
  return until("all holds to end", async () => {
    const { rows } = await database.pool.query<{ late: number }>(
      `SELECT date_part('epoch', ended_at - expires_at) * 1000 AS late FROM reservations
      WHERE event_id = $1 AND status = 'expired'`,
      [eventId],
    );
    return rows.length === holds && rows.map(({ late }) => late);
  });
}

test("holds end 0 to 1.5 s after their deadline with nobody asking, and one second's holds share a timer (F5)", async () => {
  await Promise.all([startReserving(), startExpiring()]);
  const event = await createEvent(database.pool, { capacities: [200], terms: { holdSeconds: 1 } });
  const users = await createUsers(database.pool, 150);
  const replies = await Promise.all(users.map((user) => crowd.ask(reserve(event.id, user))));
  expect(new Set(replies.map(({ outcome }) => wordOf(outcome)))).toEqual(new Set(["held"]));
  const timers = await until("timers to be set", async () => {
    return (await redis.redis.zcard(`${redis.prefix}:${DEADLINES}:delayed`)) || false;
  });
  expect(timers).toBeLessThanOrEqual(3); // one for each second in which the holds end
  for (const late of await lateness(event.id, users.length)) {
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(1_500);
  }
  const { rows } = await database.pool.query("SELECT held FROM slots WHERE event_id = $1", [event.id]);
  expect(rows).toEqual([{ held: 0 }]);
});

/** Every command that waits in the event's queue. */
async function waitingIn(eventId: EventId): Promise<Command[]> {
  const keys = await redis.redis.lrange(`${redis.prefix}:{${eventId}}:wait`, 0, -1);
  const jobs = await Promise.all(
    keys.map((id) => redis.redis.hget(`${redis.prefix}:{${eventId}}:${id}`, "data")),
  );
  return jobs.flatMap((data) => (JSON.parse(data ?? "{}") as { commands: Command[] }).commands);
}

test("a timer becomes one expire-due that carries its second, stamped in database time, after the grace", async () => {
  const metrics = await startExpiring();
  const event = await createEvent(database.pool);
  const deadlines = openDeadlines(redis.redis, redis.prefix);
  onTestFinished(() => deadlines.close());
  const dueAt = Math.floor(Date.now() / 1_000) * 1_000;
  await deadlines.schedule(event.id, dueAt, Date.now());
  await until("the command", async () => (await jobsOf(redis.redis, redis.prefix, event.id)).waiting === 1);
  const [command, ...more] = await waitingIn(event.id);
  expect(more).toEqual([]);
  expect(command).toMatchObject({ type: "expire-due", eventId: event.id, userId: null, input: { dueAt } });
  expect(command?.at).toBeGreaterThanOrEqual(dueAt + SETTLE_GRACE_MS);
  expect(await crowd.activations.missing([event.id])).toEqual([]);
  await until("it to be counted", async () => (await counted(metrics, "holdfast_timers_rung_total")) === 1);
  expect(await counted(metrics, "holdfast_timers_rung_total")).toBe(1);
  expect(await counted(metrics, "holdfast_timer_late_seconds_count")).toBe(1);
});

test("timers ring although Redis was out of reach for a moment", { timeout: 15_000 }, async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  await startExpiring(proxy.url);
  const event = await createEvent(database.pool);
  const deadlines = openDeadlines(redis.redis, redis.prefix);
  onTestFinished(() => deadlines.close());
  await proxy.refuse();
  await deadlines.schedule(event.id, 1_000, Date.now());
  const closedAt = performance.now();
  await until("the door to have been closed for a second", () => performance.now() - closedAt > 1_000);
  await proxy.pass();
  const backAt = performance.now();
  await until("the command", async () => (await jobsOf(redis.redis, redis.prefix, event.id)).waiting > 0);
  expect(performance.now() - backAt).toBeLessThan(5_000);
});

test("a timer whose command could not be sent at first rings again", async () => {
  await startExpiring();
  const event = await createEvent(database.pool);
  const waiting = `${redis.prefix}:{${event.id}}:wait`;
  await redis.redis.set(waiting, "not a list"); // the queue refuses every add
  const deadlines = openDeadlines(redis.redis, redis.prefix);
  onTestFinished(() => deadlines.close());
  await deadlines.schedule(event.id, 3_000, Date.now());
  const timer = `${redis.prefix}:${DEADLINES}:expire-${event.id}-3`;
  await until("the first try to fail", async () => (await redis.redis.hexists(timer, "atm")) === 1);
  await redis.redis.del(waiting);
  await until("the command", async () => (await jobsOf(redis.redis, redis.prefix, event.id)).waiting === 1);
});

test("a timer whose command cannot be sent is given up: the sweep finds what it would have said", async () => {
  const metrics = await startExpiring();
  const event = await createEvent(database.pool);
  await redis.redis.set(`${redis.prefix}:{${event.id}}:wait`, "not a list"); // the queue refuses every add
  const deadlines = openDeadlines(redis.redis, redis.prefix);
  onTestFinished(() => deadlines.close());
  await deadlines.schedule(event.id, 2_000, Date.now());
  await until("the timer to be gone", async () => {
    return (await redis.redis.exists(`${redis.prefix}:${DEADLINES}:expire-${event.id}-2`)) === 0;
  });
  expect(await redis.redis.get(`${redis.prefix}:{${event.id}}:wait`)).toBe("not a list");
  await until(
    "it to be counted",
    async () => (await counted(metrics, "holdfast_timers_given_up_total")) === 1,
  );
  expect(await counted(metrics, "holdfast_timers_rung_total")).toBe(0);
});

test("as a process it gets ready, and stops at SIGTERM within its time", { timeout: 15_000 }, async () => {
  const service = spawnService("expiry-worker", {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    LOG_LEVEL: "info",
  });
  await service.ready;
  const startedAt = performance.now();
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
