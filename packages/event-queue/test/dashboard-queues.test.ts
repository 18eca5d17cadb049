// What the dashboard shows: which queues, from how many connections, and when Redis is asked at all.

import { Queue } from "bullmq";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { expireDue, keysLike, removeKeys } from "../../testkit/src/index.ts";
import {
  busyEventsKey,
  type DashboardQueues,
  EVENT_QUEUES_SHOWN_MAX,
  eventKeys,
  eventQueueName,
  openDashboardQueues,
  openRedis,
  STATIC_QUEUES,
  showJob,
  writeJob,
} from "../src/index.ts";
import { aReserve, type Connected, connect, reserves } from "./connected.ts";

let redis: Connected;
beforeAll(async () => {
  redis = await connect();
});
beforeEach(() => removeKeys(redis.redis, `${redis.prefix}*`));
afterAll(() => redis.close());

interface Watching extends DashboardQueues {
  /** Its connection's name, in capitals that no other has. */
  readonly name: string;
  /** Lets time go by until a look is too old to be believed. */
  later(): void;
  connections(): Promise<number>;
}

function watching({
  url = redis.url,
  eventsReadMax,
}: {
  url?: string;
  eventsReadMax?: number;
} = {}): Watching {
  const name = redis.newEvent();
  let now = 0;
  const queues = openDashboardQueues({
    connect: () => openRedis({ url, name, onError: () => undefined }),
    prefix: redis.prefix,
    monotonicMs: () => now,
    ...(eventsReadMax === undefined ? {} : { eventsReadMax }),
  });
  onTestFinished(() => queues.close());
  return {
    ...queues,
    name,
    later: () => {
      now += 60_000;
    },
    connections: async () =>
      String(await redis.redis.client("LIST"))
        .split("\n")
        .filter((client) => client.includes(`name=${name}`)).length,
  };
}

/** Events with as many commands waiting as their place in the list says, counted from one. */
async function busyEvents(count: number): Promise<string[]> {
  const names: string[] = [];
  const pipeline = redis.redis.pipeline();
  for (let depth = 1; depth <= count; depth += 1) {
    const eventId = redis.newEvent();
    pipeline.hset(eventKeys(redis.prefix, eventId).count, { enqueued: depth + 7, done: 7 });
    pipeline.sadd(busyEventsKey(redis.prefix), eventId);
    names.push(eventQueueName(eventId));
  }
  await pipeline.exec();
  return names;
}

const namesOf = (watched: Awaited<ReturnType<DashboardQueues["look"]>>) =>
  watched.map(({ queue }) => queue.name);

test("the static queues come first, then the fifty deepest event queues, the deepest first", async () => {
  const names = await busyEvents(120);
  const watched = await watching().look();
  expect(namesOf(watched)).toEqual([...STATIC_QUEUES, ...names.reverse().slice(0, EVENT_QUEUES_SHOWN_MAX)]);
  expect(watched.map(({ depth }) => depth).slice(4, 7)).toEqual([null, 120, 119]);
});

test("of more busy events than one look reads, the deepest stay once they were seen", async () => {
  const deepest = (await busyEvents(250)).reverse().slice(0, EVENT_QUEUES_SHOWN_MAX);
  const dashboard = watching({ eventsReadMax: 200 });
  const seen = new Set<string>();
  for (let look = 0; look < 12; look += 1) {
    const names = namesOf(await dashboard.look());
    for (const name of names) if (deepest.includes(name)) seen.add(name);
    for (const name of seen) expect(names).toContain(name);
    dashboard.later();
  }
  expect(seen.size).toBe(EVENT_QUEUES_SHOWN_MAX);
});

test("an event whose commands are all done is not shown any more", async () => {
  const [name = ""] = await busyEvents(1);
  const dashboard = watching();
  expect(namesOf(await dashboard.look())).toContain(name);
  await removeKeys(redis.redis, `${redis.prefix}*`);
  dashboard.later();
  expect(namesOf(await dashboard.look())).toEqual([...STATIC_QUEUES]);
});

test("nothing is connected before somebody looks, and one connection serves all handles, look after look", async () => {
  await busyEvents(80);
  const dashboard = watching();
  expect(await dashboard.connections()).toBe(0);
  for (let look = 0; look < 20; look += 1) {
    const watched = await dashboard.look();
    await Promise.all(watched.map(({ queue }) => queue.getJobCounts()));
    dashboard.later();
  }
  expect(await dashboard.connections()).toBe(1);
});

test("many who look at once, or soon again, are one look", async () => {
  const dashboard = watching();
  const [one, other] = await Promise.all([dashboard.look(), dashboard.look()]);
  expect(other).toBe(one);
  expect(await dashboard.look()).toBe(one);
  dashboard.later();
  expect(await dashboard.look()).not.toBe(one);
});

test("looking writes nothing: no keys, no streams", async () => {
  await busyEvents(3);
  const before = (await keysLike(redis.redis, `${redis.prefix}*`)).sort();
  for (const { queue } of await watching().look()) {
    await Promise.all([queue.getJobCounts(), queue.isPaused(), queue.getJobs(), queue.getJobSchedulers()]);
  }
  expect((await keysLike(redis.redis, `${redis.prefix}*`)).sort()).toEqual(before);
});

test("jobs are found through a handle that was looked up", async () => {
  const eventId = redis.newEvent();
  const producerSide = new Queue(eventQueueName(eventId), {
    connection: redis.redis,
    prefix: redis.prefix,
    skipMetasUpdate: true,
  });
  onTestFinished(() => producerSide.close());
  await producerSide.add("1 commands", { commands: [] });
  await redis.redis.hset(eventKeys(redis.prefix, eventId).count, { enqueued: 1 });
  await redis.redis.sadd(busyEventsKey(redis.prefix), eventId);
  const found = (await watching().look()).at(STATIC_QUEUES.length);
  expect((await found?.queue.getJobs())?.map(({ name }) => name)).toEqual(["1 commands"]);
});

test("without Redis a look is refused in time, and the next one tries again", async () => {
  const dashboard = watching({ url: "redis://127.0.0.1:1" });
  await expect(dashboard.look()).rejects.toThrow("the dashboard's connection is closed");
  await expect(dashboard.look()).rejects.toThrow("the dashboard's connection is closed");
});

test("of a job people see who asked for what, and nothing that a client wrote", () => {
  const eventId = redis.newEvent();
  const command = aReserve(eventId);
  const told = { ...command, idempotencyKey: "ann@example.test", fingerprint: "f" };
  const timer = expireDue(eventId, 0);
  expect(showJob(JSON.parse(writeJob("gateway", [told, timer])))).toEqual({
    commands: [`reserve by ${command.userId} (${command.id})`, `expire-due (${timer.id})`],
    more: 0,
  });
});

test("of a job with many commands the first are shown; what cannot be read is said to be so", () => {
  const eventId = redis.newEvent();
  expect(showJob(JSON.parse(writeJob(null, reserves(eventId, 128))))).toMatchObject({ more: 108 });
  expect(showJob({ commands: [{ secret: 1 }, null] })).toEqual({
    commands: ["unreadable", "unreadable"],
    more: 0,
  });
  expect(showJob("nonsense")).toEqual({ commands: [], more: 0 });
});
