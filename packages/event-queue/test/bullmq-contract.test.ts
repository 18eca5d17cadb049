// What our own scripts and the producer rely on in the pinned BullMQ: a new version passes here before it is used.
import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openCrowd, openFaultProxy, until } from "../../testkit/src/index.ts";
import {
  ACTIVATIONS,
  eventQueueName,
  jobsOf,
  openPatientRedis,
  openRedis,
  startDrainSlots,
  untilReady,
} from "../src/index.ts";
import { aReserve, type Connected, connect, NOTHING_SETTLED, reserves } from "./connected.ts";

const PINNED = "6.7.0";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

function stockQueue(name: string): Queue {
  const queue = new Queue(name, { connection: redis.redis, prefix: redis.prefix, skipMetasUpdate: true });
  onTestFinished(() => queue.close());
  return queue;
}

/** A connection such as workers need, closed with the test. */
function patient() {
  const connection = openPatientRedis({ url: redis.url, name: "test-worker", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  return connection;
}

test("the version is the one that was read and tried, exactly", () => {
  const catalog = readFileSync(new URL("../../../pnpm-workspace.yaml", import.meta.url), "utf8");
  const installed = readFileSync(new URL("../node_modules/bullmq/package.json", import.meta.url), "utf8");
  expect(catalog).toContain(`\n  bullmq: ${PINNED}\n`);
  expect(JSON.parse(installed)).toMatchObject({ version: PINNED });
});

test("the producer adds as BullMQ does: pushed left onto wait, the same fields in the job's hash", async () => {
  const [theirs, ours] = [redis.newEvent(), redis.newEvent()];
  const command = aReserve(ours);
  await redis.crowd.send(command);
  await redis.crowd.send(aReserve(ours));
  const [last = "", first = ""] = await redis.redis.lrange(redis.queueOf(ours).wait, 0, -1);
  const job = await redis.redis.hgetall(redis.queueOf(ours).jobs + first);
  expect(JSON.parse(job["data"] ?? "")).toMatchObject({ commands: [{ id: command.id }] });

  const queue = stockQueue(eventQueueName(theirs));
  const options = { removeOnComplete: true, attempts: 1, timestamp: command.at };
  await queue.add("1 commands", JSON.parse(job["data"] ?? ""), { ...options, jobId: first });
  await queue.add("1 commands", {}, { ...options, jobId: last });
  expect(await redis.redis.lrange(redis.queueOf(theirs).wait, 0, -1)).toEqual([last, first]);
  const stock = await redis.redis.hgetall(redis.queueOf(theirs).jobs + first);
  expect({ ...stock, opts: "" }).toEqual({ ...job, opts: "" });
  expect(JSON.parse(job["opts"] ?? "")).toEqual({ removeOnComplete: true, attempts: 1 });
});

test("what the producer adds is an ordinary waiting job to a stock queue, as dashboards read it", async () => {
  const eventId = redis.newEvent();
  const [first, second] = [aReserve(eventId), aReserve(eventId)];
  await redis.crowd.send(first);
  await redis.crowd.send(second);
  const queue = stockQueue(eventQueueName(eventId));
  expect(await queue.getJobCounts()).toMatchObject({
    waiting: 2,
    active: 0,
    failed: 0,
    completed: 0,
    delayed: 0,
  });
  const jobs = await queue.getJobs(["waiting"], 0, 10, true);
  expect(jobs.map(({ name }) => name)).toEqual(["1 commands", "1 commands"]);
  expect(jobs.map(({ data }) => data.commands[0].id)).toEqual([first.id, second.id]);
  expect(jobs[0]?.opts).toMatchObject({ attempts: 1, removeOnComplete: true });
  expect(jobs[0]?.toJSON()).toMatchObject({ name: "1 commands", attemptsMade: 0, stalledCounter: 0 });
  const { id } = jobs[0] ?? {};
  expect(await jobs[0]?.getState()).toBe("waiting");
  expect((await queue.getJob(id ?? ""))?.data.commands).toHaveLength(1);
});

test("a claimed and settled job leaves nothing behind, nor does a queue that was released empty", async () => {
  const eventId = redis.newEvent();
  const { jobs, as } = redis.queueOf(eventId);
  await Promise.all(reserves(eventId, 3).map(redis.crowd.send));
  const drain = as();
  await drain.acquire();
  const claimed = await drain.settleAndClaim(NOTHING_SETTLED, 100);
  expect(claimed.flatMap(({ commands }) => commands)).toHaveLength(3);
  expect((await stockQueue(eventQueueName(eventId)).getJobCounts())["active"]).toBe(claimed.length);
  expect(await drain.settleAndClaim({ jobs: claimed, suspicionEnds: false }, 100)).toEqual([]);
  expect(await drain.release()).toBe(true);
  expect(await redis.redis.keys(`${jobs}*`)).toEqual([]);
});

test("however much is added, an event's queue keeps no stream of events", async () => {
  const eventId = redis.newEvent();
  const sent = reserves(eventId, 3);
  for (const command of sent) await redis.crowd.send(command);
  const { jobs, wait, count } = redis.queueOf(eventId);
  const ids = await redis.redis.lrange(wait, 0, -1);
  expect((await redis.redis.keys(`${jobs}*`)).sort()).toEqual(
    [wait, count, ...ids.map((id) => jobs + id)].sort(),
  );
});

test("a handle of an event's queue opens no connection", async () => {
  const name = redis.newEvent(); // a second connection would bear it, too
  const connection = openRedis({ url: redis.url, name, onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const door = new Queue(ACTIVATIONS, { connection, prefix: redis.prefix, skipMetasUpdate: true });
  onTestFinished(() => door.close());
  await door.waitUntilReady();
  const handles = Array.from({ length: 500 }, () =>
    door.getBackend().forQueue(eventQueueName(redis.newEvent()), redis.prefix),
  );
  const metas = await Promise.all(handles.map((handle) => handle.getQueueMeta()));
  expect(metas).toHaveLength(500);
  const clients = String(await redis.redis.client("LIST")).split("\n");
  expect(clients.filter((client) => client.includes(name))).toHaveLength(1);
});

test("job ids of activations are BullMQ's own, and an event has one activation however often it is signalled", async () => {
  const eventId = redis.newEvent();
  for (let i = 0; i < 5; i += 1) await redis.crowd.activations.signal(eventId);
  const queue = stockQueue(ACTIVATIONS);
  const mine = (await queue.getJobs(["waiting"])).filter(({ data }) => data.eventId === eventId);
  expect(mine).toHaveLength(1);
  expect(mine[0]?.id).toMatch(/^\d+$/);
  expect(await redis.redis.get(queue.toKey(`de:${eventId}`))).toBe(mine[0]?.id);
  expect(await redis.crowd.activations.missing([eventId, redis.newEvent()])).toHaveLength(1);
});

test("signals at once are few adds, and the last of them is not lost", async () => {
  const eventId = redis.newEvent();
  const key = stockQueue(ACTIVATIONS).toKey("id");
  const before = Number(await redis.redis.get(key));
  await Promise.all(Array.from({ length: 50 }, () => redis.crowd.activations.signal(eventId)));
  expect(Number(await redis.redis.get(key)) - before).toBe(2);
});

test("signals during an active drain bring exactly one more", async () => {
  const other = await connect(); // activations of its own: this worker takes whatever is there
  onTestFinished(() => other.close());
  const others = other.crowd;
  const eventId = other.newEvent();
  let drains = 0;
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const worker = startDrainSlots({
    redis: patient(),
    prefix: other.prefix,
    concurrency: 4,
    onError: () => undefined,
    drain: async () => {
      drains += 1;
      begin();
      await ended;
    },
  });
  onTestFinished(() => worker.close());
  await others.activations.signal(eventId);
  await begun;
  await others.activations.signal(eventId);
  await others.activations.signal(eventId);
  expect(await others.activations.missing([eventId])).toEqual([]);
  expect(drains).toBe(1);
  end();
  await until("the second drain, and the end of both", async () => {
    return drains > 1 && (await others.activations.missing([eventId])).length === 1;
  });
  expect(drains).toBe(2);
  expect(await others.activations.waiting()).toBe(0);
});

test("an activation whose worker died is handed on within two seconds (F4)", async () => {
  const other = await connect();
  onTestFinished(() => other.close());
  const others = other.crowd;
  const eventId = other.newEvent();
  // Like a killed process: takes the job, never renews its lock, never ends it, looks for no stalled ones.
  let taken = (): void => undefined;
  const takenByTheDead = new Promise<void>((resolve) => {
    taken = resolve;
  });
  const dead = new Worker(ACTIVATIONS, () => new Promise(taken), {
    connection: patient(),
    prefix: other.prefix,
    lockDuration: 1_000,
    skipLockRenewal: true,
    skipStalledCheck: true,
  });
  onTestFinished(() => dead.close(true));
  await others.activations.signal(eventId);
  await takenByTheDead;
  const diedAt = performance.now();
  const drained: string[] = [];
  const alive = startDrainSlots({
    redis: patient(),
    prefix: other.prefix,
    concurrency: 1,
    onError: () => undefined,
    drain: async (id) => void drained.push(id),
  });
  onTestFinished(() => alive.close());
  await until("the event's next drain", () => drained.length > 0);
  expect(drained).toEqual([eventId]);
  expect(performance.now() - diedAt).toBeLessThan(2_000);
});

test("a drain that rejects is tried again after a short delay, as often as it takes", async () => {
  const other = await connect();
  onTestFinished(() => other.close());
  const others = other.crowd;
  let drains = 0;
  const worker = startDrainSlots({
    redis: patient(),
    prefix: other.prefix,
    concurrency: 1,
    onError: () => undefined,
    drain: async () => {
      drains += 1;
      if (drains < 4) throw new Error("let go");
    },
  });
  onTestFinished(() => worker.close());
  const eventId = other.newEvent();
  await others.activations.signal(eventId);
  await until("the fourth drain", async () => {
    return drains === 4 && (await others.activations.missing([eventId])).length === 1;
  });
});

test("depths are read without knowing any job", async () => {
  const eventId = redis.newEvent();
  await Promise.all(reserves(eventId, 2).map(redis.crowd.send));
  await redis.queueOf(eventId).as().acquire();
  expect(await jobsOf(redis.redis, redis.prefix, eventId)).toEqual({ waiting: 2, active: 0 });
});

test("a signal that fails says so, and those who asked meanwhile are tried by themselves", async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  const others = await openCrowd(proxy.url, redis.prefix);
  onTestFinished(() => others.close());
  const eventId = redis.newEvent();
  const cut = proxy.loseReply(eventId, "$"); // what an add answers is the job's id
  const first = others.activations.signal(eventId);
  const second = others.activations.signal(eventId);
  await expect(first).rejects.toThrow();
  await cut;
  await second.catch(() => undefined); // sent to a connection that is cut or back again, as it happens
  await untilReady(others.redis);
  await others.activations.signal(eventId);
  expect(await others.activations.missing([eventId])).toEqual([]);
});
