// Tickets that came free are offered to who waits, with nobody asking: both workers over real stores.
import {
  type Command,
  type EventId,
  offerIdOf,
  reservationIdOf,
  type SlotId,
  type UserId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { jobsOf, openPromotions, PROMOTIONS } from "@holdfast/event-queue";
import { createLogger, newId } from "@holdfast/runtime";
import {
  type Crowd,
  cancel,
  cancelEvent,
  createEvent,
  createUsers,
  joinWaitlist,
  leaveWaitlist,
  openCrowd,
  openFaultProxy,
  openTestDatabase,
  openTestRedis,
  removeKeys,
  reserve,
  setCapacity,
  spawnService,
  type TestDatabase,
  type TestEvent,
  type TestRedis,
  until,
  wordOf,
} from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { startWaitlistWorker } from "../src/promote.ts";

const silent = createLogger({ level: "fatal", format: "json", service: "test" });

let database: TestDatabase;
let redis: TestRedis;
let crowd: Crowd;

beforeAll(async () => {
  [database, redis] = await Promise.all([openTestDatabase(), openTestRedis()]);
  crowd = await openCrowd(redis.url, redis.prefix);
});
// Nothing of a test's waits for the next one's workers.
beforeEach(async () => {
  await database.pool.query("TRUNCATE events CASCADE");
  await removeKeys(redis.redis, `${redis.prefix}:*`);
});
afterAll(async () => {
  await crowd.close();
  await redis.close();
  await database.close();
});

/** Starts, and returns what it counts. */
async function startPromoting(redisUrl = redis.url): Promise<Registry> {
  const metrics = new Registry();
  const worker = await startWaitlistWorker({
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

const anEvent = (capacity: number, offerSeconds = 900): Promise<TestEvent> =>
  createEvent(database.pool, {
    capacities: [capacity],
    terms: {
      offerSeconds,
      waitlist: {
        enabled: true,
        mode: "skip",
        maxSkips: 5,
        collectSeconds: 900,
        maxEntries: 1_000,
        closesBeforeSeconds: 0,
      },
    },
  });

/** How long after `since` each of the entries was offered tickets, in milliseconds, once all are. */
async function offeredAfter(commands: readonly Command[], since: number): Promise<number[]> {
  return until("all to be offered tickets", async () => {
    const { rows } = await database.pool.query<{ offered: number }>(
      `SELECT date_part('epoch', offered_at) * 1000 AS offered FROM waitlist_entries
      WHERE id = ANY ($1::text[]) AND status = 'offered'`,
      [commands.map(({ id }) => waitlistEntryIdOf(id))],
    );
    return rows.length === commands.length && rows.map(({ offered }) => offered - since);
  });
}

const databaseNow = async (): Promise<number> =>
  (await database.pool.query("SELECT date_part('epoch', clock_timestamp()) * 1000 AS now")).rows[0].now;

describe("with a reservation worker", () => {
  beforeEach(startReserving);

  test("each way to free tickets leads to an offer within a second, and the next one is asked when it is not taken", async () => {
    const metrics = await startPromoting();
    const { id, slotId, organizerId } = await anEvent(1);
    const [ann, bob, cem, dora, eve] = (await createUsers(database.pool, 5)) as [
      UserId,
      UserId,
      UserId,
      UserId,
      UserId,
    ];
    const hold = reserve(id, ann);
    expect(wordOf((await crowd.ask(hold)).outcome)).toBe("held");
    const [ofBob, ofCem, ofDora, ofEve] = [bob, cem, dora, eve].map((user) =>
      joinWaitlist(id, user, slotId),
    ) as [Command, Command, Command, Command];
    for (const join of [ofBob, ofCem, ofDora, ofEve])
      expect(wordOf((await crowd.ask(join)).outcome)).toBe("waiting");

    const frees: [string, Command, Command, string][] = [
      ["a hold is cancelled", cancel(id, ann, reservationIdOf(hold.id)), ofBob, "cancelled"],
      ["an offer is declined", cancel(id, bob, offerIdOf(waitlistEntryIdOf(ofBob.id))), ofCem, "cancelled"],
      ["who is offered leaves", leaveWaitlist(id, cem, waitlistEntryIdOf(ofCem.id)), ofDora, "left"],
      ["capacity is raised", setCapacity(id, organizerId, slotId, 2), ofEve, "done"],
    ];
    for (const [why, command, next, word] of frees) {
      const since = await databaseNow();
      expect([why, wordOf((await crowd.ask(command)).outcome)]).toEqual([why, word]);
      const [late = 0] = await offeredAfter([next], since);
      expect(late).toBeLessThan(1_500); // a second, on a machine that does nothing else
    }
    expect(await counted(metrics, "holdfast_promotions_sent_total")).toBeGreaterThanOrEqual(4);
    expect(await counted(metrics, "holdfast_promotion_late_seconds_count")).toBe(
      await counted(metrics, "holdfast_promotions_sent_total"),
    );
  });

  test("an offer that nobody takes lapses by its own timer, and the next one is asked", async () => {
    await startPromoting();
    const expiring = spawnService("expiry-worker", {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      REDIS_PREFIX: redis.prefix,
      LOG_LEVEL: "fatal",
    });
    onTestFinished(async () => {
      await expiring.stop();
    });
    await expiring.ready;
    const { id, slotId } = await anEvent(1, 1);
    const [ann, bob, cem] = (await createUsers(database.pool, 3)) as [UserId, UserId, UserId];
    const hold = reserve(id, ann);
    await crowd.ask(hold);
    const [ofBob, ofCem] = [bob, cem].map((user) => joinWaitlist(id, user, slotId)) as [Command, Command];
    for (const join of [ofBob, ofCem]) await crowd.ask(join);
    await crowd.ask(cancel(id, ann, reservationIdOf(hold.id)));
    await until("bob's offer to lapse, and cem's to be made", async () => {
      const { rows } = await database.pool.query<{ status: string }>(
        "SELECT status FROM waitlist_entries WHERE event_id = $1 ORDER BY seq",
        [id],
      );
      const [first, second] = rows.map(({ status }) => status);
      return first === "lapsed" && (second === "offered" || second === "lapsed");
    });
    const { rows } = await database.pool.query<{ late: number }>(
      `SELECT date_part('epoch', r.ended_at - r.expires_at) * 1000 AS late FROM reservations r
      WHERE r.id = $1`,
      [offerIdOf(waitlistEntryIdOf(ofBob.id))],
    );
    expect(rows[0]?.late).toBeGreaterThanOrEqual(0);
    expect(rows[0]?.late).toBeLessThan(2_500);
  });

  test("a hundred cancellations at once are promoted together, and everybody who fits is asked", async () => {
    const metrics = await startPromoting();
    const { id, slotId } = await anEvent(100);
    const [buyers, waiters] = await Promise.all([
      createUsers(database.pool, 100),
      createUsers(database.pool, 150),
    ]);
    const holds = buyers.map((user) => reserve(id, user));
    await Promise.all(holds.map((hold) => crowd.ask(hold)));
    const joins = waiters.map((user) => joinWaitlist(id, user, slotId));
    for (const join of joins) await crowd.send(join);
    await until("all to wait", async () => {
      const { rows } = await database.pool.query("SELECT waiting FROM slots WHERE id = $1", [slotId]);
      return rows[0]?.waiting === joins.length;
    });
    const before = await counted(metrics, "holdfast_promotions_sent_total");
    await Promise.all(
      holds.map((hold, i) => crowd.ask(cancel(id, buyers[i] as UserId, reservationIdOf(hold.id)))),
    );
    await offeredAfter(joins.slice(0, 100), 0);
    expect((await counted(metrics, "holdfast_promotions_sent_total")) - before).toBeLessThan(50);
    const { rows } = await database.pool.query("SELECT held, waiting FROM slots WHERE id = $1", [slotId]);
    expect(rows).toEqual([{ held: 100, waiting: 50 }]);
  });

  test("without a waitlist worker the sweep promotes, some seconds late", { timeout: 15_000 }, async () => {
    const { id, slotId } = await anEvent(1);
    const [ann, bob] = (await createUsers(database.pool, 2)) as [UserId, UserId];
    const hold = reserve(id, ann);
    await crowd.ask(hold);
    const join = joinWaitlist(id, bob, slotId);
    await crowd.ask(join);
    const since = await databaseNow();
    await crowd.ask(cancel(id, ann, reservationIdOf(hold.id)));
    const [late = 0] = await offeredAfter([join], since);
    expect(late).toBeLessThan(5_000);
  });

  test("a cancelled event ends all that it left behind by itself, a piece after the other", async () => {
    const { id, slotId, organizerId } = await anEvent(300);
    const [buyers, waiters] = await Promise.all([
      createUsers(database.pool, 300),
      createUsers(database.pool, 20),
    ]);
    await Promise.all(buyers.map((user) => crowd.ask(reserve(id, user))));
    await Promise.all(waiters.map((user) => crowd.ask(joinWaitlist(id, user, slotId))));
    expect(wordOf((await crowd.ask(cancelEvent(id, organizerId))).outcome)).toBe("done");
    await until("everything to have ended", async () => {
      const { rows } = await database.pool.query("SELECT winding_down FROM events WHERE id = $1", [id]);
      return rows[0]?.winding_down === false;
    });
    const { rows } = await database.pool.query(
      `SELECT s.held, s.waiting, (SELECT count(*)::int FROM reservations WHERE event_id = $1 AND status = 'cancelled') AS ended,
        (SELECT count(*)::int FROM waitlist_entries WHERE event_id = $1 AND status = 'closed') AS closed
      FROM slots s WHERE s.event_id = $1`,
      [id],
    );
    expect(rows).toEqual([{ held: 0, waiting: 0, ended: 300, closed: 20 }]);
  });
});

/** Every command that waits in the event's queue. */
async function waitingIn(eventId: EventId): Promise<Command[]> {
  const keys = await redis.redis.lrange(`${redis.prefix}:{${eventId}}:wait`, 0, -1);
  const jobs = await Promise.all(
    keys.map((id) => redis.redis.hget(`${redis.prefix}:{${eventId}}:${id}`, "data")),
  );
  return jobs.flatMap((data) => (JSON.parse(data ?? "{}") as { commands: Command[] }).commands);
}

function schedule(eventId: EventId, slotId: SlotId, at = Date.now()): Promise<void> {
  const promotions = openPromotions(redis.redis, redis.prefix);
  onTestFinished(() => promotions.close());
  return promotions.schedule({ eventId, slotId, at, from: null, recheck: [] }, Date.now());
}

test("a promotion becomes one promote that says what to look at, stamped in database time", async () => {
  const metrics = await startPromoting();
  const { id, slotId } = await createEvent(database.pool);
  const promotions = openPromotions(redis.redis, redis.prefix);
  onTestFinished(() => promotions.close());
  const at = Date.now() - 50;
  const from = { after: 128, since: at - 100 };
  const recheck = [newId("waitlistEntry")];
  await promotions.schedule({ eventId: id, slotId, at, from, recheck }, Date.now());
  await until("the command", async () => (await jobsOf(redis.redis, redis.prefix, id)).waiting === 1);
  const [command, ...more] = await waitingIn(id);
  expect(more).toEqual([]);
  expect(command).toMatchObject({
    type: "promote",
    eventId: id,
    userId: null,
    input: { slotId, from, recheck },
  });
  expect(command?.at).toBeGreaterThanOrEqual(at);
  expect(await crowd.activations.missing([id])).toEqual([]);
  await until(
    "it to be counted",
    async () => (await counted(metrics, "holdfast_promotions_sent_total")) === 1,
  );
  expect(await counted(metrics, "holdfast_promotion_late_seconds_count")).toBe(1);
});

test("promotions are sent although Redis was out of reach for a moment", { timeout: 15_000 }, async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  await startPromoting(proxy.url);
  const { id, slotId } = await createEvent(database.pool);
  await proxy.refuse();
  await schedule(id, slotId);
  const closedAt = performance.now();
  await until("the door to have been closed for a second", () => performance.now() - closedAt > 1_000);
  await proxy.pass();
  const backAt = performance.now();
  await until("the command", async () => (await jobsOf(redis.redis, redis.prefix, id)).waiting > 0);
  expect(performance.now() - backAt).toBeLessThan(5_000);
});

test("a promotion that cannot be sent is given up: the sweep finds it", async () => {
  const metrics = await startPromoting();
  const { id, slotId } = await createEvent(database.pool);
  await redis.redis.set(`${redis.prefix}:{${id}}:wait`, "not a list"); // the queue refuses every add
  await schedule(id, slotId);
  await until(
    "it to be counted",
    async () => (await counted(metrics, "holdfast_promotions_given_up_total")) === 1,
  );
  expect(await counted(metrics, "holdfast_promotions_sent_total")).toBe(0);
  expect(await redis.redis.keys(`${redis.prefix}:${PROMOTIONS}:de:*`)).toEqual([]); // and blocks no successor
});

test("as a process it gets ready, and stops at SIGTERM within its time", { timeout: 15_000 }, async () => {
  const service = spawnService("waitlist-worker", {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    LOG_LEVEL: "info",
  });
  await service.ready;
  const startedAt = performance.now();
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
