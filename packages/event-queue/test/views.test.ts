// What gateways share of what they read: it goes with the next settlement, and nothing that was read before comes back.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chanceOf } from "../../testkit/src/index.ts";
import { openSharedViews, type SharedViews } from "../src/index.ts";
import { type Connected, connect, NOTHING_SETTLED, reserves } from "./connected.ts";

let redis: Connected;
let views: SharedViews;
beforeAll(async () => {
  redis = await connect();
  views = openSharedViews(redis.redis, redis.prefix);
});
afterAll(() => redis.close());

const LONG_MS = 60_000;

/** Looks, finds nothing, and may keep what it reads. */
async function markOf(eventId: EventId): Promise<string> {
  const found = await views.look(eventId);
  if (found.kind === "kept" || found.mark === null) throw new Error("there is a view, or another's mark");
  return found.mark;
}

test("what one has read is there for all, for as long as was said", async () => {
  const eventId = redis.newEvent();
  await views.keep(eventId, await markOf(eventId), '{"held":1}', LONG_MS);
  expect(await views.look(eventId)).toEqual({ kind: "kept", text: '{"held":1}' });
  const left = await redis.redis.pttl(redis.queueOf(eventId).view);
  expect(left).toBeGreaterThan(LONG_MS - 10_000);
  expect(left).toBeLessThanOrEqual(LONG_MS);
});

test("while one reads, others are told that somebody does, and keep nothing", async () => {
  const eventId = redis.newEvent();
  const mark = await markOf(eventId);
  expect(await views.look(eventId)).toEqual({ kind: "none", mark: null });
  await views.keep(eventId, mark, "{}", LONG_MS);
  expect(await views.look(eventId)).toEqual({ kind: "kept", text: "{}" });
});

test("a mark does not stand for ever: who left it may be dead", async () => {
  const eventId = redis.newEvent();
  await markOf(eventId);
  const left = await redis.redis.pttl(redis.queueOf(eventId).view);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(1_000);
});

test("a settlement, a claim and a release end what was kept, and what was read before them is not kept", async () => {
  const eventId = redis.newEvent();
  await Promise.all(reserves(eventId, 3).map(redis.crowd.send));
  const drain = redis.queueOf(eventId).as();
  await drain.acquire();
  const jobs = await drain.settleAndClaim(NOTHING_SETTLED, 100);
  const steps = [
    () => drain.settleAndClaim({ jobs, suspicionEnds: false }, 0),
    () => drain.settleAndClaim(NOTHING_SETTLED, 100),
    () => drain.release(),
  ];
  for (const step of steps) {
    await views.keep(eventId, await markOf(eventId), '"kept before"', LONG_MS);
    await step();
    expect(await views.look(eventId)).toMatchObject({ kind: "none" });
    await views.forget(eventId);
    await drain.acquire();

    const mark = await markOf(eventId);
    await step();
    await views.keep(eventId, mark, '"read before"', LONG_MS);
    expect(await views.look(eventId)).toMatchObject({ kind: "none" });
    await views.forget(eventId);
  }
});

test("an owner that was taken over ends nothing", async () => {
  const eventId = redis.newEvent();
  const frozen = redis.queueOf(eventId).as();
  await frozen.acquire();
  await redis.queueOf(eventId).as().acquire();
  await views.keep(eventId, await markOf(eventId), "{}", LONG_MS);
  expect(await frozen.release()).toBe(false);
  expect(await views.look(eventId)).toMatchObject({ kind: "kept" });
});

test.each([1, 2, 3])(
  "whoever reads and settles in whatever order, nothing older than a settlement is kept (%i)",
  async (seed) => {
    const eventId = redis.newEvent();
    const drain = redis.queueOf(eventId).as();
    await drain.acquire();
    const chance = chanceOf(seed);
    /** What the tables say, and what they said when the last settlement was made. */
    let committed = 0;
    let settled = 0;
    let kept = 0;
    const reads: { readonly mark: string; readonly saw: number }[] = [];
    for (let step = 0; step < 600; step += 1) {
      const dice = chance.between(1, 10);
      if (dice === 1) committed += 1;
      else if (dice === 2) {
        settled = committed;
        await drain.settleAndClaim(NOTHING_SETTLED, 0);
      } else if (dice <= 6) {
        const found = await views.look(eventId);
        if (found.kind === "kept") {
          kept += 1;
          expect(Number(found.text), `step ${step}`).toBeGreaterThanOrEqual(settled);
        } else if (found.mark !== null) reads.push({ mark: found.mark, saw: committed });
      } else {
        const [read] = reads.splice(chance.between(0, reads.length), 1);
        if (read !== undefined) await views.keep(eventId, read.mark, String(read.saw), LONG_MS);
      }
    }
    expect(kept).toBeGreaterThan(20); // else nothing was tried
  },
);
