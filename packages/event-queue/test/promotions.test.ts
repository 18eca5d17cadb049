// Promotions: a chain of cancellations is one, what is asked while one is served is not lost, and none is early.
import type { EventId, SlotId, WaitlistEntryId } from "@holdfast/domain";
import { Queue } from "bullmq";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { removeKeys, until } from "../../testkit/src/index.ts";
import {
  openPatientRedis,
  openPromotions,
  PROMOTION_TIMERS,
  PROMOTIONS,
  type Promotions,
  type PromotionTimer,
  startTimerWorker,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;
let promotions: Promotions;
let queue: Queue<PromotionTimer>;

beforeAll(async () => {
  redis = await connect();
  promotions = openPromotions(redis.redis, redis.prefix);
  queue = new Queue(PROMOTIONS, { connection: redis.redis, prefix: redis.prefix, skipMetasUpdate: true });
});
beforeEach(() => removeKeys(redis.redis, `${redis.prefix}:${PROMOTIONS}:*`));
afterAll(async () => {
  await Promise.all([promotions.close(), queue.close()]);
  await redis.close();
});

const aSlot = (): { eventId: EventId; slotId: SlotId } => ({
  eventId: redis.newEvent(),
  slotId: newId("slot"),
});
const plain = { from: null, recheck: [] } as const;
const entries = (count: number): WaitlistEntryId[] =>
  Array.from({ length: count }, () => newId("waitlistEntry"));

interface Served extends PromotionTimer {
  readonly servedAt: number;
}

interface Serving {
  /** Milliseconds by which the clock is behind. */
  readonly slowMs?: number;
  /** What each takes. */
  readonly work?: (promotion: PromotionTimer) => Promise<void>;
}

function serve({ slowMs = 0, work = async () => undefined }: Serving = {}): Served[] {
  const served: Served[] = [];
  const connection = openPatientRedis({ url: redis.url, name: "test-promotions", onError: () => undefined });
  const worker = startTimerWorker(PROMOTION_TIMERS, {
    redis: connection,
    prefix: redis.prefix,
    concurrency: 4,
    now: () => Date.now() - slowMs,
    onDue: async (promotion) => {
      served.push({ ...promotion, servedAt: Date.now() - slowMs });
      await work(promotion);
    },
    onGivenUp: () => undefined,
    onError: () => undefined,
  });
  onTestFinished(async () => {
    await worker.close();
    connection.disconnect();
  });
  return served;
}

const scheduled = async (): Promise<PromotionTimer[]> =>
  (await queue.getJobs(["delayed", "waiting"])).map(({ data }) => data);

test("who asks at once for looks at a line from its head gets one; each slot has its own", async () => {
  const [one, other] = [aSlot(), aSlot()];
  const at = Date.now();
  await Promise.all(Array.from({ length: 50 }, () => promotions.schedule({ ...one, ...plain, at }, at)));
  const another = openPromotions(redis.redis, redis.prefix); // of another process
  onTestFinished(() => another.close());
  await another.schedule({ ...one, ...plain, at }, at);
  await promotions.schedule({ ...other, ...plain, at }, at);
  expect((await scheduled()).map(({ slotId }) => slotId).sort()).toEqual([one.slotId, other.slotId].sort());
  const served = serve();
  await until("both", () => served.length === 2);
  await until("nothing to be left", async () => (await scheduled()).length === 0);
  expect(served.toSorted((a, b) => (a.slotId === one.slotId ? -1 : b.slotId === one.slotId ? 1 : 0))).toEqual(
    [
      { ...one, ...plain, at, servedAt: expect.any(Number) },
      { ...other, ...plain, at, servedAt: expect.any(Number) },
    ],
  );
});

test("what is asked for while a look is asked of the event is asked again behind it, once, and with the last word", async () => {
  const slot = aSlot();
  const going = Promise.withResolvers<void>();
  const served = serve({ work: () => going.promise });
  const at = Date.now();
  await promotions.schedule({ ...slot, ...plain, at }, at);
  await until("the first", () => served.length === 1);
  for (const later of [1, 2, 3]) {
    await promotions.schedule({ ...slot, ...plain, at: at + later }, at + later);
  }
  expect(served).toHaveLength(1);
  going.resolve();
  await until("the second", () => served.length === 2);
  await until("nothing to be left", async () => (await scheduled()).length === 0);
  expect(served.map((one) => one.at)).toEqual([at, at + 3]);
  // And the slot is as free as before.
  await promotions.schedule({ ...slot, ...plain, at: at + 4 }, at + 4);
  await until("the third", () => served.length === 3);
});

test("what is asked for while a look is in vain is not lost either", async () => {
  const slot = aSlot();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const outcomes = [first.promise, second.promise];
  const served = serve({ work: async () => outcomes.shift() });
  const at = Date.now();
  await promotions.schedule({ ...slot, ...plain, at }, at);
  await until("the first try", () => served.length === 1);
  await promotions.schedule({ ...slot, ...plain, at: at + 1 }, at + 1);
  first.reject(new Error("in vain"));
  await until("the second try", () => served.length === 2);
  second.resolve();
  await until("what was asked meanwhile", () => served.length === 3);
  expect(served.map((one) => one.at)).toEqual([at, at, at + 1]);
  await until("nothing to be left", async () => (await queue.getJobCounts())["delayed"] === 0);
  expect(await redis.redis.keys(`${redis.prefix}:${PROMOTIONS}:d[en]:*`)).toEqual([]);
});

test("a look that goes on, and parked entries to look at again, are not swallowed by the slot's own look", async () => {
  const slot = aSlot();
  const at = Date.now();
  const [ann, bob] = [entries(2), entries(1)];
  const since = at - 10;
  const asked: Pick<PromotionTimer, "from" | "recheck">[] = [
    plain,
    { from: { after: 128, since }, recheck: [] },
    { from: { after: 128, since }, recheck: [] },
    { from: { after: 128, since: since + 1 }, recheck: [] }, // of a newer look: the older one gives way to it
    { from: { after: 256, since }, recheck: [] },
    { from: null, recheck: ann },
    { from: null, recheck: ann.toReversed() },
    { from: null, recheck: bob },
  ];
  for (const what of asked) await promotions.schedule({ ...slot, ...what, at }, at);
  const waiting = (await scheduled()).map(({ from, recheck }) => [from?.after ?? 0, recheck.length]);
  expect(waiting.sort()).toEqual([
    [0, 0],
    [0, 1],
    [0, 2],
    [128, 0],
    [128, 0],
    [256, 0],
  ]);
});

test("a later look comes when its second has ended, never early by the database's clock, and delays none that is due", async () => {
  const served = serve({ slowMs: 300 }); // the clock of who asked was 300 ms ahead
  const slot = aSlot();
  const now = Date.now();
  const at = now + 400;
  await promotions.schedule({ ...slot, ...plain, at }, now);
  await promotions.schedule({ ...slot, ...plain, at: at + 1 }, now); // in one with the first, unless a second ends between
  await promotions.schedule({ ...slot, ...plain, at: now - 300 }, now);
  await until("the look that is due", () => served.length === 1);
  expect(served[0]?.at).toBe(now - 300);
  const later = await until("the later look", () => served[1]);
  const second = Math.ceil(at / 1_000) * 1_000;
  expect(later.at).toBe(second);
  expect(later.servedAt).toBeGreaterThanOrEqual(second);
  expect(later.servedAt).toBeLessThan(second + 500);
});

test("a look that is due is asked for within a moment", async () => {
  const served = serve();
  const warm = aSlot();
  await promotions.schedule({ ...warm, ...plain, at: Date.now() }, Date.now());
  await until("the first", () => served.length === 1);
  const lateness: number[] = [];
  for (let nth = 2; nth <= 20; nth += 1) {
    const at = Date.now();
    await promotions.schedule({ ...aSlot(), ...plain, at }, at);
    const one = await until("the next", () => served[nth - 1]);
    lateness.push(one.servedAt - at);
  }
  const median = lateness.sort((a, b) => a - b)[Math.floor(lateness.length / 2)];
  expect(median).toBeLessThan(200);
});

test("a job that is no promotion fails and blocks no other", async () => {
  await queue.add("promote", { slotId: "nonsense" } as unknown as PromotionTimer, { removeOnFail: true });
  const served = serve();
  const slot = aSlot();
  await promotions.schedule({ ...slot, ...plain, at: Date.now() }, Date.now());
  await until("the look behind it", () => served.some(({ slotId }) => slotId === slot.slotId));
  expect(served).toHaveLength(1);
});
