// How fast a queue goes, as settlements note it, and what is told of it.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  noteWithdrawn,
  PACE_GAP_MS,
  PACE_MARK_MS,
  PACE_SPAN_MIN_MS,
  PACE_WINDOW_MS,
  placeIn,
  readPaces,
  WITHDRAWN_READ_MAX,
} from "../src/index.ts";
import { type Connected, connect, NOTHING_SETTLED, reserves } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

const paceOf = async (eventId: EventId) => (await readPaces(redis.redis, redis.prefix, [eventId]))[0];

async function nowInRedis(): Promise<number> {
  const [seconds, micros] = await redis.redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** A drain that has an event with jobs of one command each. */
async function aDrain(jobs: number) {
  const eventId = redis.newEvent();
  for (const command of reserves(eventId, jobs)) await redis.crowd.send(command);
  const { as, count } = redis.queueOf(eventId);
  const queue = as();
  await queue.acquire();
  return {
    eventId,
    queue,
    count,
    async settle(commands: number) {
      const claimed = await queue.settleAndClaim(NOTHING_SETTLED, commands);
      await queue.settleAndClaim({ jobs: claimed, suspicionEnds: false }, 0);
    },
    /** As if what was noted had been noted so much earlier. */
    async age(ms: number) {
      const noted = await redis.redis.hgetall(count);
      const marks = Object.keys(noted).filter((field) => field.startsWith("mark"));
      await redis.redis.hdel(count, "stretch", ...marks); // the next settlement is of another stretch
      const stretches = PACE_WINDOW_MS / PACE_MARK_MS + 1;
      for (const mark of marks) {
        const place = Number(mark.slice("mark".length)) - Math.ceil(ms / PACE_MARK_MS);
        const [time, done] = (noted[mark] ?? "").split(" ");
        const moved = `mark${((place % stretches) + stretches) % stretches}`;
        await redis.redis.hset(count, moved, `${Number(time) - ms} ${done}`);
      }
      for (const field of ["since", "at"]) await redis.redis.hincrby(count, field, -ms);
    },
  };
}

test("a pace is told from the second settlement on, over a window that moves on, and not after a gap", async () => {
  const { eventId, age, count, settle } = await aDrain(90);
  const sinceDone = () => redis.redis.hget(count, "since-done");
  expect(await paceOf(eventId)).toEqual({ enqueued: 90, done: 0, msPerCommand: null, withdrawn: [] });
  await settle(10);
  expect(await paceOf(eventId)).toEqual({ enqueued: 90, done: 10, msPerCommand: null, withdrawn: [] });
  await age(PACE_WINDOW_MS / 2);
  await settle(10);
  const early = await paceOf(eventId);
  expect(early?.msPerCommand).toBeGreaterThanOrEqual(PACE_WINDOW_MS / 2 / 10);
  expect(early?.msPerCommand).toBeLessThan(PACE_WINDOW_MS / 10);
  expect(await sinceDone()).toBe("10");

  await age(PACE_WINDOW_MS - PACE_MARK_MS);
  await settle(10); // the first mark is out of the window
  expect(await sinceDone()).toBe("20");
  await age(PACE_WINDOW_MS + 1);
  await settle(10); // so are all
  expect([await sinceDone(), (await paceOf(eventId))?.msPerCommand]).toEqual(["40", null]);

  await age(PACE_MARK_MS);
  await settle(10);
  expect((await paceOf(eventId))?.msPerCommand).toBeGreaterThanOrEqual(PACE_MARK_MS / 10);
  await age(PACE_GAP_MS + 1);
  expect(await paceOf(eventId)).toEqual({ enqueued: 90, done: 50, msPerCommand: null, withdrawn: [] });
  await settle(10);
  expect(await sinceDone()).toBe("60");
});

test("a clock that was put back begins the pace anew", async () => {
  const { age, count, settle } = await aDrain(20);
  await settle(10);
  await age(-PACE_GAP_MS);
  await settle(10);
  expect(await redis.redis.hget(count, "since-done")).toBe("20");
  expect(Number(await redis.redis.hget(count, "at"))).toBeLessThanOrEqual(await nowInRedis());
});

test("settlements of one stretch share its mark", async () => {
  const { age, count, settle } = await aDrain(40);
  await settle(10);
  await age(PACE_SPAN_MIN_MS);
  await settle(10);
  const marks = async () =>
    Object.keys(await redis.redis.hgetall(count)).filter((field) => field.startsWith("mark"));
  const before = await marks();
  const [stretch, now] = await Promise.all([redis.redis.hget(count, "stretch"), nowInRedis()]);
  await settle(10);
  const isOther = Math.floor((await nowInRedis()) / PACE_MARK_MS) !== Math.floor(now / PACE_MARK_MS);
  if (!isOther) expect([await redis.redis.hget(count, "stretch"), await marks()]).toEqual([stretch, before]);
});

test("who lets go with jobs in hand, as of a paused event, takes the pace away; who only makes room does not", async () => {
  const { age, eventId, queue, settle } = await aDrain(40);
  await settle(10);
  await age(PACE_SPAN_MIN_MS);
  await settle(10);
  await queue.release();
  expect((await paceOf(eventId))?.msPerCommand).not.toBeNull();
  const next = redis.queueOf(eventId).as();
  await next.acquire();
  await next.settleAndClaim(NOTHING_SETTLED, 10);
  await next.release();
  expect(await paceOf(eventId)).toEqual({ enqueued: 40, done: 20, msPerCommand: null, withdrawn: [] });
});

test("paces of several events are read in one go, also of those that nothing is known of", async () => {
  const [one, two] = [await aDrain(1), await aDrain(2)];
  const paces = await readPaces(redis.redis, redis.prefix, [one.eventId, redis.newEvent(), two.eventId]);
  expect(paces.map(({ enqueued }) => enqueued)).toEqual([1, 0, 2]);
});

test("withdrawn commands are read until their turn has come, in order; of a queue that is gone none is noted", async () => {
  const { eventId, queue, settle } = await aDrain(5);
  const [gone, commands] = [redis.newEvent(), reserves(eventId, 5)];
  const withdraw = (id: EventId, ticket: number) =>
    noteWithdrawn(redis.redis, redis.prefix, id, {
      id: commands[ticket % 5]?.id ?? newId("command"),
      ticket,
    });
  for (const ticket of [4, 2, 1, 2, 9]) await withdraw(eventId, ticket);
  await withdraw(gone, 1);
  const { withdrawn } = redis.queueOf(eventId);
  expect((await paceOf(eventId))?.withdrawn).toEqual([1, 2, 4]);
  await settle(2);
  expect((await paceOf(eventId))?.withdrawn).toEqual([4]);
  await withdraw(eventId, 1);
  await withdraw(eventId, 3);
  expect(await redis.redis.zrange(withdrawn, "0", "-1", "WITHSCORES")).toEqual([
    commands[3]?.id,
    "3",
    commands[4]?.id,
    "4",
  ]);
  expect(await redis.redis.exists(redis.queueOf(gone).withdrawn)).toBe(0);
  await settle(3);
  expect(await queue.release()).toBe(true);
  expect(await redis.redis.exists(withdrawn)).toBe(0);
});

test("of withdrawn commands so many are read at most", async () => {
  const eventId = redis.newEvent();
  const { count, withdrawn } = redis.queueOf(eventId);
  await redis.redis.hset(count, { enqueued: 5_000 });
  const tickets = Array.from({ length: WITHDRAWN_READ_MAX + 1 }, (_, i) => i + 1);
  await redis.redis.zadd(withdrawn, ...tickets.flatMap((ticket) => [`${ticket}`, `command ${ticket}`]));
  expect((await paceOf(eventId))?.withdrawn).toEqual(tickets.slice(0, WITHDRAWN_READ_MAX));
});

test.each([
  [
    "behind others",
    { enqueued: 100, done: 40, msPerCommand: 2.5, withdrawn: [] },
    60,
    { position: 20, estimatedWaitMs: 50 },
  ],
  [
    "the last, without a number",
    { enqueued: 9, done: 4, msPerCommand: 1, withdrawn: [] },
    null,
    { position: 5, estimatedWaitMs: 5 },
  ],
  [
    "those before it were withdrawn, and one behind it",
    { enqueued: 9, done: 2, msPerCommand: 2, withdrawn: [3, 4, 6, 8] },
    7,
    { position: 2, estimatedWaitMs: 4 },
  ],
  [
    "the last, and some were withdrawn",
    { enqueued: 9, done: 2, msPerCommand: null, withdrawn: [3, 9] },
    null,
    { position: 5, estimatedWaitMs: null },
  ],
  [
    "the first that is left",
    { enqueued: 5, done: 0, msPerCommand: null, withdrawn: [1, 2, 3] },
    4,
    { position: 1, estimatedWaitMs: null },
  ],
  [
    "its turn has come",
    { enqueued: 9, done: 9, msPerCommand: 10, withdrawn: [] },
    7,
    { position: 1, estimatedWaitMs: 10 },
  ],
  [
    "numbered by a queue that is gone",
    { enqueued: 3, done: 0, msPerCommand: 1, withdrawn: [] },
    80,
    { position: 3, estimatedWaitMs: 3 },
  ],
  [
    "a queue that stands still",
    { enqueued: 9, done: 4, msPerCommand: null, withdrawn: [] },
    6,
    { position: 2, estimatedWaitMs: null },
  ],
])("a place is told: %s", (_, pace, ticket, place) => {
  expect(placeIn(pace, ticket)).toEqual(place);
});
