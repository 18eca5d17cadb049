// R2: ten thousand events that get one command each: no connection more while they run, nothing left when they are done.
import type { EventId, UserId } from "@holdfast/domain";
import {
  type Crowd,
  createUsers,
  keysLike,
  openCrowd,
  openTestDatabase,
  openTestRedis,
  reserve,
  type TestDatabase,
  type TestRedis,
  until,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, inParallel, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvents } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

const EVENTS = 10_000;
/** Commands under way at once: what a door sends in one moment and the carrier answers well within its time. */
const UNDER_WAY = 400;
const MANY_EVENTS_TIMEOUT_MS = 60_000;

let database: TestDatabase;
let redis: TestRedis;
let system: System;
let door: Crowd;

beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  system = await startSystemOn(database, { gateways: 0, workers: 1, expiryWorkers: 1 }, redis);
  door = await openCrowd(redis.url, redis.prefix);
}, START_TIMEOUT_MS);
afterAll(async () => {
  await door.close();
  await system.close();
  await database.close();
}, START_TIMEOUT_MS);

/** How many connections to Redis each process has, by their names. */
async function connections(): Promise<Record<string, number>> {
  const clients = String(await redis.redis.client("LIST")).split("\n");
  const names = clients.map((client) => /\bname=(\S*)/.exec(client)?.[1] ?? "");
  return tally(names.filter((name) => name.startsWith("holdfast-") || name.startsWith("door-")));
}

/** Timers of this process: the door is a part of it. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

/** Keys that are there for an event, or for some of its jobs. */
async function keysOfEvents(): Promise<string[]> {
  const keys = await keysLike(redis.redis, `${redis.prefix}:*`);
  return keys.filter((key) => /\{evt_|\{activations\}:(de:|dn:|\d)|\{busy\}/.test(key));
}

/** One command for each event; every other one asks for more than there is, and gets no hold. */
const askOnce = async (eventId: EventId, user: UserId, i: number): Promise<string> =>
  wordOf((await door.ask(reserve(eventId, user, { quantity: 1 + (i % 2) }))).outcome);

test("R2: ten thousand events with a command each: all are applied, with the connections of none, and neither a key nor a timer at the door is left", {
  timeout: MANY_EVENTS_TIMEOUT_MS,
}, async () => {
  const { pool } = system;
  const events = await createEvents(pool, EVENTS, { capacity: 1 });
  const users = await createUsers(pool, EVENTS);
  expect(await askOnce(at(events, 0), at(users, 0), 0)).toBe("held"); // every connection is open by now
  const [connectionsBefore, timersBefore] = [await connections(), timers()];

  const startedAt = performance.now();
  const words = await inParallel(events.slice(1), UNDER_WAY, async (eventId, i) => {
    const word = await askOnce(eventId, at(users, i + 1), i + 1);
    if (i === EVENTS / 2) expect(await connections()).toEqual(connectionsBefore);
    return word;
  });
  report(`R2 ${Math.round(EVENTS / ((performance.now() - startedAt) / 1_000))} events/s`);
  expect(tally(words)).toEqual({ held: EVENTS / 2 - 1, "limit-exceeded": EVENTS / 2 });
  expect(await connections()).toEqual(connectionsBefore);
  const { rows } = await pool.query(
    "SELECT count(*)::int AS commands, count(DISTINCT event_id)::int AS events FROM outcomes",
  );
  expect(rows).toEqual([{ commands: EVENTS, events: EVENTS }]);

  await until("every event to be forgotten", async () => (await keysOfEvents()).length === 0);
  await until("the door to be quiet", () => timers() <= timersBefore);
  // What is left are the deadlines of those that have a hold.
  expect(await redis.redis.zcard(`${redis.prefix}:{deadlines}:delayed`)).toBe(EVENTS / 2);
  expect(await checkInvariants(pool)).toEqual([]);
});
