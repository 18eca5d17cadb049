// Timers for holds: one for an event's second, never early by the database's clock.
import { SETTLE_GRACE_MS } from "@holdfast/domain";
import { Queue } from "bullmq";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { until } from "../../testkit/src/index.ts";
import {
  DEADLINE_TIMERS,
  DEADLINES,
  type Deadline,
  type Deadlines,
  openDeadlines,
  openPatientRedis,
  startTimerWorker,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;
let deadlines: Deadlines;
let queue: Queue<Deadline>;

beforeAll(async () => {
  redis = await connect();
  deadlines = openDeadlines(redis.redis, redis.prefix);
  queue = new Queue(DEADLINES, { connection: redis.redis, prefix: redis.prefix, skipMetasUpdate: true });
});
afterAll(async () => {
  await Promise.all([deadlines.close(), queue.close()]);
  await redis.close();
});

interface Served extends Deadline {
  readonly at: number;
}

interface Serving {
  /** Milliseconds by which the clock is behind. */
  readonly slowMs?: number;
  /** How often every timer rings in vain. */
  readonly vain?: number;
  readonly onGivenUp?: (deadline: Deadline, error: Error) => void;
}

function serve({ slowMs = 0, vain = 0, onGivenUp = () => undefined }: Serving = {}): Served[] {
  const served: Served[] = [];
  const connection = openPatientRedis({ url: redis.url, name: "test-deadlines", onError: () => undefined });
  const worker = startTimerWorker(DEADLINE_TIMERS, {
    redis: connection,
    prefix: redis.prefix,
    concurrency: 4,
    now: () => Date.now() - slowMs,
    onDue: async (deadline) => {
      served.push({ ...deadline, at: Date.now() - slowMs });
      if (served.filter(({ eventId }) => eventId === deadline.eventId).length <= vain)
        throw new Error("in vain");
    },
    onGivenUp,
    onError: () => undefined,
  });
  onTestFinished(async () => {
    await worker.close();
    connection.disconnect();
  });
  return served;
}

test("all holds of an event that end in one second share a timer; each second and each event has its own", async () => {
  const [eventId, other] = [redis.newEvent(), redis.newEvent()];
  const now = 1_000_000;
  const second = now + 60_000;
  for (let i = 0; i < 50; i += 1) await deadlines.schedule(eventId, second, now);
  await deadlines.schedule(eventId, second - 300, now); // deadlines are whole seconds: rounded up
  await deadlines.schedule(eventId, second + 1_000, now);
  await deadlines.schedule(other, second, now);
  const another = openDeadlines(redis.redis, redis.prefix); // of another process, which remembers nothing
  onTestFinished(() => another.close());
  await another.schedule(eventId, second, now);
  const timers = (await queue.getDelayed()).map(({ id, data, delay }) => ({ id, data, delay }));
  timers.sort((a, b) => String(a.id).localeCompare(String(b.id)));
  expect(timers).toHaveLength(3);
  expect(timers.filter(({ data }) => data.eventId === eventId)).toEqual([
    {
      id: `expire-${eventId}-${second / 1_000}`,
      data: { eventId, dueAt: second },
      delay: 60_000 + SETTLE_GRACE_MS,
    },
    {
      id: `expire-${eventId}-${second / 1_000 + 1}`,
      data: { eventId, dueAt: second + 1_000 },
      delay: 61_000 + SETTLE_GRACE_MS,
    },
  ]);
});

test("a timer that rings early by the database's clock is put off until deadline and grace are over", async () => {
  const served = serve({ slowMs: 400 }); // the setter's clock was 400 ms ahead
  const dueAt = Math.ceil(Date.now() / 1_000) * 1_000;
  const eventId = redis.newEvent();
  await deadlines.schedule(eventId, dueAt, Date.now());
  const ring = await until("the timer", () => served[0]);
  expect(ring).toMatchObject({ eventId, dueAt });
  expect(ring.at).toBeGreaterThanOrEqual(dueAt + SETTLE_GRACE_MS);
  expect(ring.at).toBeLessThan(dueAt + SETTLE_GRACE_MS + 500);
});

test("a deadline that is past rings at once, leaves nothing behind, and may be set again by another process", async () => {
  const served = serve();
  const eventId = redis.newEvent();
  await deadlines.schedule(eventId, 5_000, Date.now());
  await until("the timer", () => served.length === 1);
  await until("its job to be gone", async () => (await queue.getJob(`expire-${eventId}-5`)) === undefined);
  const another = openDeadlines(redis.redis, redis.prefix);
  onTestFinished(() => another.close());
  await another.schedule(eventId, 5_000, Date.now());
  await until("the timer again", () => served.length === 2);
});

test("a timer that rang in vain rings again, and is gone once it did not", async () => {
  const lucky = redis.newEvent();
  const served = serve({ vain: 4 });
  await deadlines.schedule(lucky, 7_000, Date.now());
  await until("the fifth ring", () => served.length === 5);
  await until("its job to be gone", async () => (await queue.getJob(`expire-${lucky}-7`)) === undefined);
});

test("a timer that always rings in vain is given up, and blocks no successor", async () => {
  const unlucky = redis.newEvent();
  const givenUp: [Deadline, string][] = [];
  const served = serve({
    vain: 100,
    onGivenUp: (deadline, { message }) => void givenUp.push([deadline, message]),
  });
  await deadlines.schedule(unlucky, 7_000, Date.now());
  await until("the end of it", () => givenUp.length > 0);
  expect(givenUp).toEqual([[{ eventId: unlucky, dueAt: 7_000 }, "in vain"]]);
  expect(served).toHaveLength(5);
  expect(await queue.getJob(`expire-${unlucky}-7`)).toBe(undefined);
});

test("a job that is no deadline fails and blocks no other", async () => {
  await queue.add("expire-due", { eventId: "nonsense" } as unknown as Deadline, {
    jobId: "odd",
    removeOnFail: true,
  });
  const served = serve();
  const eventId = redis.newEvent();
  await deadlines.schedule(eventId, 6_000, Date.now());
  await until("the timer behind it", () => served.some((one) => one.eventId === eventId));
  await until("the odd job to be gone", async () => (await queue.getJob("odd")) === undefined);
});

test("a timer that a worker died with is served by another within a second or two", async () => {
  const eventId = redis.newEvent();
  await deadlines.schedule(eventId, 8_000, Date.now());
  const key = (list: string) => `${redis.prefix}:${DEADLINES}:${list}`;
  // Claimed, and its lock not renewed: what a killed worker leaves.
  const claimed = await redis.redis.lmove(key("wait"), key("active"), "RIGHT", "LEFT");
  expect(claimed).toBe(`expire-${eventId}-8`);
  const diedAt = performance.now();
  const served = serve();
  await until("it to ring", () => served.some((one) => one.eventId === eventId));
  expect(performance.now() - diedAt).toBeLessThan(2_000);
});

test("timers that are still gathered when their queue closes are set", async () => {
  const calm = openDeadlines(redis.redis, redis.prefix);
  const eventIds = Array.from({ length: 20 }, () => redis.newEvent());
  for (const eventId of eventIds) calm.schedule(eventId, 2_000_000, 1_000_000).catch(() => undefined);
  await calm.close();
  const timers = (await queue.getDelayed()).map(({ data }) => data.eventId);
  expect(eventIds.filter((eventId) => !timers.includes(eventId))).toEqual([]);
});
