// The producer between callers and a real Redis: coalescing, order, back-pressure, and what it says of its sends.
import { randomUUID } from "node:crypto";
import { type Command, QUEUE_DEPTH_MAX } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { expireDue, openFaultProxy, until } from "../../testkit/src/index.ts";
import {
  type Activations,
  busyEventsKey,
  DEEP_COMMANDS,
  HOT_COMMANDS,
  JOB_COMMANDS_MAX,
  openProducer,
  openRedis,
  type Producer,
  readJob,
  type Turn,
  untilReady,
} from "../src/index.ts";
import { aReserve, type Connected, connect, NOTHING_SETTLED, reserves } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

const deaf: Activations = {
  signal: async () => undefined,
  missing: async () => [],
  hurry: async () => undefined,
  waiting: async () => 0,
  close: async () => undefined,
};

/** A producer with its own connection to `url`, whose clock the test may move. */
async function producerAt(url: string, given: { activations?: Activations; clock?: { ms: number } } = {}) {
  const connection = openRedis({ url, name: "test-producer", onError: () => undefined });
  await untilReady(connection);
  const errors: unknown[] = [];
  const producer = openProducer({
    redis: connection,
    prefix: redis.prefix,
    replyTo: null,
    newJobId: () => `p-${randomUUID()}`,
    activations: given.activations ?? deaf,
    monotonicMs: () => given.clock?.ms ?? performance.now(),
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => connection.disconnect());
  return { producer, connection, errors };
}

/** Everything that waits in the event's queue, oldest first: the commands of each job. */
async function jobsOf(eventId: Command["eventId"]): Promise<string[][]> {
  const { wait, jobs } = redis.queueOf(eventId);
  const ids = (await redis.redis.lrange(wait, 0, -1)).reverse();
  const data = await Promise.all(ids.map((id) => redis.redis.hget(`${jobs}${id}`, "data")));
  return data.map((text) => readJob(text ?? "").commands.map(({ id }) => id));
}

const enqueueAll = (producer: Producer, commands: readonly Command[]) =>
  Promise.all(commands.map((command) => producer.enqueue(command)));

test("in a calm moment a job carries one command and leaves at once", async () => {
  const eventId = redis.newEvent();
  const commands = reserves(eventId, 3);
  for (const command of commands) expect((await redis.crowd.send(command)).kind).toBe("enqueued");
  expect(await jobsOf(eventId)).toEqual(commands.map(({ id }) => [id]));
});

test("while an add is under way commands gather, and ride together, 128 in a job at most", async () => {
  const eventId = redis.newEvent();
  const commands = reserves(eventId, 1 + JOB_COMMANDS_MAX + 10);
  const sent = await enqueueAll(redis.crowd.producer, commands);
  const jobs = await jobsOf(eventId);
  expect(jobs.map((job) => job.length)).toEqual([1, JOB_COMMANDS_MAX, 10]);
  expect(jobs.flat()).toEqual(commands.map(({ id }) => id));
  expect(sent.map((one) => (one.kind === "enqueued" ? [one.ticket, one.position] : one.kind))).toEqual(
    commands.map((_, i) => [i + 1, i + 1]),
  );
});

test("one event's add does not wait for another's", async () => {
  const [one, other] = [redis.newEvent(), redis.newEvent()];
  await enqueueAll(redis.crowd.producer, [...reserves(one, 2), ...reserves(other, 2)]);
  expect((await jobsOf(one)).map((job) => job.length)).toEqual([1, 1]);
  expect((await jobsOf(other)).map((job) => job.length)).toEqual([1, 1]);
});

test("each producer's commands keep their order, through many sends of two of them at once", async () => {
  const eventId = redis.newEvent();
  const [{ producer: one }, { producer: other }] = await Promise.all([
    producerAt(redis.url),
    producerAt(redis.url),
  ]);
  const [mine, theirs] = [reserves(eventId, 700), reserves(eventId, 700)];
  const sendInGroups = async (producer: Producer, commands: readonly Command[]) => {
    for (let i = 0; i < commands.length; i += 70) await enqueueAll(producer, commands.slice(i, i + 70));
  };
  await Promise.all([sendInGroups(one, mine), sendInGroups(other, theirs)]);
  const order = (await jobsOf(eventId)).flat();
  const own = new Set<string>(mine.map(({ id }) => id));
  expect(order.filter((id) => own.has(id))).toEqual(mine.map(({ id }) => id));
  expect(order.filter((id) => !own.has(id))).toEqual(theirs.map(({ id }) => id));
});

test("after the add the event is known to be busy, and asked for a drain", async () => {
  const eventId = redis.newEvent();
  const asked: string[] = [];
  const { producer } = await producerAt(redis.url, {
    activations: { ...deaf, signal: async (id) => void asked.push(id) },
  });
  await enqueueAll(producer, reserves(eventId, 1));
  expect(asked).toEqual([eventId]);
  expect(await redis.redis.sismember(busyEventsKey(redis.prefix), eventId)).toBe(1);
});

test("an activation that fails is told, and the command is enqueued all the same", async () => {
  const { producer, errors } = await producerAt(redis.url, {
    activations: { ...deaf, signal: () => Promise.reject(new Error("no activation")) },
  });
  const [sent] = await enqueueAll(producer, reserves(redis.newEvent(), 1));
  expect(sent?.kind).toBe("enqueued");
  await until("the error to be told", () => errors.length > 0);
  expect(errors).toEqual([new Error("no activation")]);
});

test("a position counts from one and counts what was done meanwhile", async () => {
  const eventId = redis.newEvent();
  await enqueueAll(redis.crowd.producer, reserves(eventId, 5));
  const drain = redis.queueOf(eventId).as();
  await drain.acquire();
  const claimed = await drain.settleAndClaim(NOTHING_SETTLED, 1);
  await drain.settleAndClaim({ jobs: claimed, suspicionEnds: false }, 0);
  const next = aReserve(eventId);
  expect(await redis.crowd.producer.enqueue(next)).toEqual({ kind: "enqueued", ticket: 6, position: 5 });
});

test("a full queue refuses the crowd, and has more room for what a running hold needs", async () => {
  const eventId = redis.newEvent();
  const { count, as } = redis.queueOf(eventId);
  const clock = { ms: 0 };
  const { producer } = await producerAt(redis.url, { clock });
  const [first, refused, later] = [aReserve(eventId), aReserve(eventId), aReserve(eventId)];
  await redis.redis.hset(count, "enqueued", QUEUE_DEPTH_MAX - 1);
  expect(await producer.isFull(first)).toBe(false); // nothing known of this event yet
  expect((await producer.enqueue(first)).kind).toBe("enqueued");
  expect(await producer.isFull(refused)).toBe(true);
  expect(await producer.enqueue(refused)).toEqual({ kind: "full" });
  expect((await producer.enqueue(expireDue(eventId, 0))).kind).toBe("enqueued");

  await redis.redis.hset(count, "enqueued", 2 * QUEUE_DEPTH_MAX - 1);
  expect((await producer.enqueue(expireDue(eventId, 1))).kind).toBe("enqueued");
  expect(await producer.enqueue(expireDue(eventId, 2))).toEqual({ kind: "full" });

  const drain = as();
  await drain.acquire();
  await redis.redis.hset(count, "done", 2 * QUEUE_DEPTH_MAX);
  expect(await producer.enqueue(later)).toEqual({ kind: "full" }); // the depth is believed for a moment
  clock.ms += 251;
  expect((await producer.enqueue(later)).kind).toBe("enqueued");
});

test("of many who come when the depth of a full queue is old, one has it read", async () => {
  const eventId = redis.newEvent();
  const { count } = redis.queueOf(eventId);
  const clock = { ms: 0 };
  const { producer } = await producerAt(redis.url, { clock });
  await redis.redis.hset(count, "enqueued", QUEUE_DEPTH_MAX);
  await producer.enqueue(aReserve(eventId));
  await redis.redis.hset(count, "done", QUEUE_DEPTH_MAX);
  clock.ms += 251;
  const looks = producer.isFull(aReserve(eventId));
  expect(producer.isFull(aReserve(eventId))).toBe(true); // at once, by what was known
  expect(await looks).toBe(false);
  expect(producer.isFull(aReserve(eventId))).toBe(false);
});

test("a full queue stays full while its depth cannot be read", async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  const eventId = redis.newEvent();
  const clock = { ms: 0 };
  const { producer, errors } = await producerAt(proxy.url, { clock });
  await redis.redis.hset(redis.queueOf(eventId).count, "enqueued", QUEUE_DEPTH_MAX);
  const [first, second] = [aReserve(eventId), aReserve(eventId)];
  await producer.enqueue(first);
  await proxy.refuse();
  clock.ms += 1_000;
  expect(await producer.enqueue(second)).toEqual({ kind: "full" });
  expect(errors.length).toBeGreaterThan(0);
});

test("what was not sent is told apart from what may have arrived; Redis coming back is used again", async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  const { producer, connection } = await producerAt(proxy.url);
  const eventId = redis.newEvent();
  const [lost, notSent, after] = [aReserve(eventId), aReserve(eventId), aReserve(eventId)];

  const cut = proxy.loseReply(lost.id, "*3"); // an add answers with three numbers
  const unknown = await producer.enqueue(lost);
  await cut;
  expect(unknown.kind).toBe("unknown");
  await until("the job that nobody heard of", async () => (await jobsOf(eventId)).length === 1);
  expect(await jobsOf(eventId)).toEqual([[lost.id]]);
  expect(await redis.redis.sismember(busyEventsKey(redis.prefix), eventId)).toBe(1); // so the sweep looks after it

  await proxy.refuse();
  await until("the connection to be lost", () => connection.status !== "ready");
  const refused = await producer.enqueue(notSent);
  expect(refused.kind).toBe("not-sent");

  await proxy.pass();
  await untilReady(connection);
  expect((await producer.enqueue(after)).kind).toBe("enqueued");
  expect(await jobsOf(eventId)).toEqual([[lost.id], [after.id]]);
});

test("a connection that falls silent holds nobody longer than the command timeout, and its send is unknown", async () => {
  const proxy = await openFaultProxy(redis.url);
  onTestFinished(() => proxy.close());
  const { producer } = await producerAt(proxy.url);
  const swallowed = aReserve(redis.newEvent());
  proxy.silence();
  const startedAt = performance.now();
  expect((await producer.enqueue(swallowed)).kind).toBe("unknown");
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});

test("an add that the server refuses was not sent", async () => {
  const eventId = redis.newEvent();
  await redis.redis.set(redis.queueOf(eventId).wait, "not a list");
  const command = aReserve(eventId);
  const refused = await redis.crowd.producer.enqueue(command);
  expect(refused).toMatchObject({ kind: "not-sent", error: { name: "ReplyError" } });
});

test("an add is whole or not at all: where its commands cannot be counted, nothing is in the queue", async () => {
  const eventId = redis.newEvent();
  await redis.redis.set(redis.queueOf(eventId).count, "not a hash");
  expect((await redis.crowd.producer.enqueue(aReserve(eventId))).kind).toBe("not-sent");
  expect(await jobsOf(eventId)).toEqual([]);
});

test("an event that a drain owns is not asked for another, until it is let go", async () => {
  const eventId = redis.newEvent();
  const asked: string[] = [];
  const { producer } = await producerAt(redis.url, {
    activations: { ...deaf, signal: async (id) => void asked.push(id) },
  });
  const drain = redis.queueOf(eventId).as();
  await drain.acquire();
  await enqueueAll(producer, reserves(eventId, 2));
  expect(asked).toEqual([]);
  expect(await drain.release()).toBe(false); // the owner finds what came in between
  await enqueueAll(producer, reserves(eventId, 1));
  expect(asked).toEqual([eventId]);
});

test("R4: with each signal goes whose turn it is: an event is deep where many wait, whoever sent them", async () => {
  const turns: Turn[] = [];
  const signal = async (_: Command["eventId"], turn: Turn = "calm") => void turns.push(turn);
  const [others, mine] = await Promise.all([
    producerAt(redis.url),
    producerAt(redis.url, { activations: { ...deaf, signal } }),
  ]);
  const eventId = redis.newEvent();
  await enqueueAll(others.producer, reserves(eventId, DEEP_COMMANDS - 2));
  await enqueueAll(mine.producer, reserves(eventId, 1));
  await enqueueAll(mine.producer, reserves(eventId, 1));
  expect(turns).toEqual(["calm", "deep"]);
});

test("R4: what timers ask makes no event hot", async () => {
  const turns: Turn[] = [];
  const signal = async (_: Command["eventId"], turn: Turn = "calm") => void turns.push(turn);
  const { producer } = await producerAt(redis.url, { activations: { ...deaf, signal } });
  const eventId = redis.newEvent();
  for (let sent = 0; sent <= HOT_COMMANDS; sent += 1) await producer.enqueue(expireDue(eventId, sent));
  expect(new Set(turns)).toEqual(new Set(["calm"]));
});

test("R4: an event to which many commands went of late is hot, though its queue is empty now and then", async () => {
  const turns: Turn[] = [];
  const signal = async (_: Command["eventId"], turn: Turn = "calm") => void turns.push(turn);
  const clock = { ms: 0 };
  const { producer } = await producerAt(redis.url, { activations: { ...deaf, signal }, clock });
  const eventId = redis.newEvent();
  for (const command of reserves(eventId, HOT_COMMANDS)) {
    await producer.enqueue(command);
    clock.ms += 10;
  }
  expect(turns).toEqual([...Array<Turn>(HOT_COMMANDS - 1).fill("calm"), "hot"]);
  await enqueueAll(producer, reserves(redis.newEvent(), 1));
  expect(turns.at(-1)).toBe("calm");
});
