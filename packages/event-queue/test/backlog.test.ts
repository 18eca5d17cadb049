// How much waits, and since when: of every event's queue the oldest job, in hand or waiting, by the stamp it carries.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { openFaultProxy, removeKeys, reserve } from "../../testkit/src/index.ts";
import { busyEventsKey, openBacklog, openProducer, openRedis, untilReady } from "../src/index.ts";
import { type Connected, connect, NOTHING_SETTLED } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());
beforeEach(() => removeKeys(redis.redis, `${redis.prefix}:*`));

const backlog = (eventsMax?: number) => openBacklog(redis.redis, redis.prefix, eventsMax);

test("with nothing in any queue nothing waits, whatever the list of busy events says", async () => {
  expect(await backlog().read()).toEqual({ waiting: [], speaksFor: 1 });
  await redis.redis.sadd(busyEventsKey(redis.prefix), redis.newEvent());
  expect(await backlog().read()).toEqual({ waiting: [], speaksFor: 1 });
});

test("an event waits since its oldest command was accepted, in the queue and in a drain's hand, until it is settled", async () => {
  const [eventId, other] = [redis.newEvent(), redis.newEvent()];
  const user = newId("user");
  for (const [id, at] of [
    [eventId, 2_000],
    [other, 5_000],
    [eventId, 3_000],
  ] as const) {
    await redis.crowd.send(reserve(id, user, { at }));
  }
  const since = async () =>
    Object.fromEntries((await backlog().read()).waiting.map((one) => [one.eventId, one.since]));
  expect(await since()).toEqual({ [eventId]: 2_000, [other]: 5_000 });

  const drain = redis.queueOf(eventId).as();
  await drain.acquire();
  const jobs = await drain.settleAndClaim(NOTHING_SETTLED, 1);
  expect(jobs).toHaveLength(1);
  expect(await since()).toEqual({ [eventId]: 2_000, [other]: 5_000 });
  await drain.settleAndClaim({ jobs, suspicionEnds: false }, 0);
  expect(await since()).toEqual({ [eventId]: 3_000, [other]: 5_000 });
});

test("of more busy events than one look takes in, those that were looked at speak for the others", async () => {
  for (let i = 0; i < 12; i += 1)
    await redis.crowd.send(reserve(redis.newEvent(), newId("user"), { at: 1_000 }));
  const { waiting, speaksFor } = await backlog(5).read();
  expect([waiting.length, speaksFor]).toEqual([5, 12 / 5]);
  expect(await backlog(12).read()).toMatchObject({ waiting: { length: 12 }, speaksFor: 1 });
});

test("a Redis that does not answer is an error, not an empty backlog", async () => {
  const proxy = await openFaultProxy(redis.url);
  const connection = openRedis({ url: proxy.url, name: "test-backlog", onError: () => undefined });
  await untilReady(connection);
  const { read } = openBacklog(connection, redis.prefix);
  await proxy.refuse();
  await expect(read()).rejects.toThrow();
  connection.disconnect();
  await proxy.close();
});

test("a producer tells how many commands ride in each of its jobs", async () => {
  const jobs: number[] = [];
  const producer = openProducer({
    redis: redis.redis,
    prefix: redis.prefix,
    replyTo: null,
    newJobId: () => newId("command"),
    activations: redis.crowd.activations,
    monotonicMs: () => performance.now(),
    onError: () => undefined,
    onJob: (commands) => jobs.push(commands),
  });
  const eventId = redis.newEvent();
  await Promise.all([1, 2, 3].map(() => producer.enqueue(reserve(eventId, newId("user")))));
  expect(jobs).toEqual([1, 2]);
});
