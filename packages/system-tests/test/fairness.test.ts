// R4: a hundred events in a rush must not keep a thousand calm ones waiting, nor be starved themselves.
import { setTimeout as pause } from "node:timers/promises";
import type { EventId, UserId } from "@holdfast/domain";
import {
  type Crowd,
  createUsers,
  openCrowd,
  openTestDatabase,
  openTestRedis,
  reserve,
  type TestDatabase,
  until,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, inParallel, quantile, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvents } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

const HOT_EVENTS = 100;
const CALM_EVENTS = 1_000;
/** Drain slots of the one worker: fewer than hot events. */
const DRAIN_SLOTS = 32;
const CAPACITY = 10;
const HOT_USERS_EACH = 200;
/** Commands to which a hot event's queue is filled up at each look, and how many it must never have less than. */
const HOT_DEPTH = 2_000;
const HOT_DEPTH_MIN = 100;
const LOOK_EVERY_MS = 50;
const FILLED_AT_ONCE = 8;
/** Milliseconds within which each hot event gets some of its commands done: its turn begins within 6 s, at the worst. */
const HOT_TURN_MS = 6_000;
const CALM_PER_SECOND = 100;
/** Calm requests that warm the processes up, and those that are measured. */
const WARM_UP_REQUESTS = 200;
const MEASURED_REQUESTS = 800;
const CALM_P99_MAX_MS = 500;
const FAIRNESS_TIMEOUT_MS = 60_000;

let database: TestDatabase;
let system: System;
/** Two doors, so that calm replies do not queue up behind a rush's on their way back. */
let hotDoor: Crowd;
let calmDoor: Crowd;

beforeAll(async () => {
  database = await openTestDatabase();
  const redis = await openTestRedis();
  const size = { gateways: 0, workers: 1, drainSlots: DRAIN_SLOTS };
  system = await startSystemOn(database, size, redis);
  hotDoor = await openCrowd(redis.url, redis.prefix);
  calmDoor = await openCrowd(redis.url, redis.prefix);
}, START_TIMEOUT_MS);
afterAll(async () => {
  await Promise.all([hotDoor.close(), calmDoor.close()]);
  await system.close();
  await database.close();
}, START_TIMEOUT_MS);

/** What was seen of the hot events at one moment, in their order. */
interface Look {
  readonly atMs: number;
  readonly depths: readonly number[];
  /** Commands done since the beginning. */
  readonly done: readonly number[];
}

/** A rush that does not end by itself: what is done is replaced. Notes what it sees. */
async function rush(
  events: readonly EventId[],
  users: readonly UserId[],
  looks: Look[],
  over: AbortSignal,
): Promise<void> {
  const asked = events.map(() => 0);
  while (!over.aborted) {
    const depths = await hotDoor.depthsOf(events);
    const done = asked.map((sent, i) => sent - at(depths, i));
    looks.push({ atMs: performance.now(), depths, done });
    // A few events at a time: the stopwatch of the calm requests runs in this process, too.
    await inParallel(events, FILLED_AT_ONCE, async (eventId, i) => {
      const missing = HOT_DEPTH - at(depths, i);
      const sent = Array.from({ length: missing }, (_, nth) =>
        hotDoor.send(
          reserve(eventId, at(users, i * HOT_USERS_EACH + ((at(asked, i) + nth) % HOT_USERS_EACH))),
        ),
      );
      await Promise.all(sent);
      asked[i] = at(asked, i) + missing;
    });
    await pause(LOOK_EVERY_MS);
  }
}

/** The fewest commands that any event got done between two looks that are a turn apart. */
function slowestTurn(looks: readonly Look[]): number {
  const turns = looks.flatMap((look) => {
    const before = looks.findLast(({ atMs }) => atMs <= look.atMs - HOT_TURN_MS);
    return before === undefined ? [] : look.done.map((done, i) => done - at(before.done, i));
  });
  return Math.min(...turns);
}

/** Each user asks one of the events, at a steady rate whatever comes back. Latencies count from when each was due. */
async function askSteadily(
  events: readonly EventId[],
  users: readonly UserId[],
): Promise<{ word: string; tookMs: number }[]> {
  const startedAt = performance.now();
  return Promise.all(
    users.map(async (user, i) => {
      const due = startedAt + (i * 1_000) / CALM_PER_SECOND;
      await pause(Math.max(1, due - performance.now()));
      const { outcome } = await calmDoor.ask(reserve(at(events, i), user));
      return { word: wordOf(outcome), tookMs: performance.now() - due };
    }),
  );
}

test("R4: beside a hundred hot events a calm one answers within half a second (p99), and no hot one is starved", {
  timeout: FAIRNESS_TIMEOUT_MS,
}, async () => {
  const { pool } = system;
  const hotEvents = await createEvents(pool, HOT_EVENTS, { capacity: CAPACITY });
  const calmEvents = await createEvents(pool, CALM_EVENTS, { capacity: CAPACITY });
  const hotUsers = await createUsers(pool, HOT_EVENTS * HOT_USERS_EACH);
  const calmUsers = await createUsers(pool, WARM_UP_REQUESTS + MEASURED_REQUESTS);

  const over = new AbortController();
  const looks: Look[] = [];
  const rushed = rush(hotEvents, hotUsers, looks, over.signal);
  await until("the rush to fill all queues", () => looks.length > 1);
  await askSteadily(calmEvents, calmUsers.slice(0, WARM_UP_REQUESTS));
  const warm = looks.length;
  const answers = await askSteadily(calmEvents, calmUsers.slice(WARM_UP_REQUESTS));
  over.abort();
  await rushed;

  const seen = looks.slice(warm);
  const shallowest = Math.min(...seen.flatMap(({ depths }) => depths));
  const slowest = slowestTurn(seen);
  const doneAt = ({ done }: Look): number => done.reduce((sum, count) => sum + count, 0);
  const [first, last] = [at(seen, 0), at(seen, seen.length - 1)];
  const rate = ((doneAt(last) - doneAt(first)) / (last.atMs - first.atMs)) * 1_000;
  const tookMs = answers.map((answer) => answer.tookMs);
  const [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1].map((share) => Math.round(quantile(tookMs, share)));
  report(`R4 calm p50 ${p50}, p95 ${p95}, p99 ${p99}, max ${max} ms`);
  report(
    `R4 hot ${Math.round(rate)}/s, at least ${slowest} in ${HOT_TURN_MS} ms each, at least ${shallowest} deep`,
  );
  expect(tally(answers.map(({ word }) => word))).toEqual({ held: MEASURED_REQUESTS });
  expect(shallowest).toBeGreaterThanOrEqual(HOT_DEPTH_MIN);
  expect(slowest).toBeGreaterThan(0);
  expect(slowest).not.toBe(Number.POSITIVE_INFINITY); // no two looks were a turn apart: nothing was seen
  expect(p99).toBeLessThanOrEqual(CALM_P99_MAX_MS);
  expect(await checkInvariants(pool)).toEqual([]);
});
