// An event's queue as its owners see it, one after the other and two at once: order, tokens, deaths, letting go.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { busyEventsKey, type ClaimedJob, NotOwner } from "../src/index.ts";
import { aReserve, type Connected, connect, NOTHING_SETTLED, reserves } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

/** Enqueues commands, a job each, and gives their ids. */
async function enqueue(eventId: EventId, count: number): Promise<string[]> {
  const commands = reserves(eventId, count);
  for (const command of commands) await redis.crowd.send(command);
  return commands.map(({ id }) => id);
}

const idsOf = (jobs: readonly ClaimedJob[]): string[] =>
  jobs.flatMap(({ commands }) => commands.map(({ id }) => id));
const settle = (jobs: readonly ClaimedJob[], suspicionEnds = false) => ({ jobs, suspicionEnds });

/** What two owners who die with the same batch in hand leave to the third. */
async function afterDeaths(eventId: EventId, deaths: number): Promise<void> {
  for (let death = 0; death < deaths; death += 1) {
    const dying = redis.queueOf(eventId).as();
    await dying.acquire();
    await dying.settleAndClaim(NOTHING_SETTLED, 100);
  }
}

test("claims come in the order of the adds, about as many commands as asked for", async () => {
  const eventId = redis.newEvent();
  const ids = await enqueue(eventId, 5);
  await Promise.all(reserves(eventId, 30).map(redis.crowd.send)); // 1, then 29 in one job
  const drain = redis.queueOf(eventId).as();
  expect(await drain.acquire()).toEqual({ deaths: 0, leftBehind: [] });
  expect(idsOf(await drain.settleAndClaim(NOTHING_SETTLED, 3))).toEqual(ids.slice(0, 3));
  expect(idsOf(await drain.settleAndClaim(NOTHING_SETTLED, 2))).toEqual(ids.slice(3));
  expect(await drain.settleAndClaim(NOTHING_SETTLED, 0)).toEqual([]);
  const big = await drain.settleAndClaim(NOTHING_SETTLED, 2);
  expect(big.map(({ commands }) => commands.length)).toEqual([1, 29]);
});

test("a new owner takes over what a dead one had in hand, oldest first, before all that waits", async () => {
  const eventId = redis.newEvent();
  const ids = await enqueue(eventId, 6);
  const dead = redis.queueOf(eventId).as();
  await dead.acquire();
  await dead.settleAndClaim(NOTHING_SETTLED, 4);
  const heir = redis.queueOf(eventId).as();
  const { leftBehind } = await heir.acquire();
  expect(idsOf(leftBehind)).toEqual(ids.slice(0, 4));
  expect(idsOf(await heir.settleAndClaim(settle(leftBehind), 100))).toEqual(ids.slice(4));
});

test("an owner that was taken over claims nothing, settles nothing and releases nothing (race 9)", async () => {
  const eventId = redis.newEvent();
  const { as, jobs, wait, active, owner } = redis.queueOf(eventId);
  await enqueue(eventId, 4);
  const frozen = as("frozen");
  await frozen.acquire();
  const inHand = await frozen.settleAndClaim(NOTHING_SETTLED, 2);
  const newer = as("newer");
  await newer.acquire();

  await expect(frozen.settleAndClaim(settle(inHand, true), 2)).rejects.toThrow(NotOwner);
  expect(await frozen.release()).toBe(false);
  expect(await redis.redis.get(owner)).toBe("newer");
  expect(await redis.redis.llen(wait)).toBe(2);
  expect(await redis.redis.lrange(active, 0, -1)).toHaveLength(2);
  for (const { id } of inHand) expect(await redis.redis.exists(`${jobs}${id}`)).toBe(1);
});

test("after Redis lost everything, who thought to own the event owns nothing", async () => {
  const eventId = redis.newEvent();
  await enqueue(eventId, 1);
  const { as, jobs } = redis.queueOf(eventId);
  const drain = as();
  await drain.acquire();
  await redis.redis.del(await redis.redis.keys(`${jobs}*`));
  await enqueue(eventId, 1);
  await expect(drain.settleAndClaim(NOTHING_SETTLED, 10)).rejects.toThrow(NotOwner);
  expect(await drain.release()).toBe(false);
});

test("who dies with a batch in hand is counted, with nothing in hand is not", async () => {
  const eventId = redis.newEvent();
  await enqueue(eventId, 2);
  const idle = redis.queueOf(eventId).as();
  await idle.acquire(); // dies before it claims
  await afterDeaths(eventId, 1);
  expect(await redis.queueOf(eventId).as().acquire()).toMatchObject({ deaths: 1 });
  expect(await redis.queueOf(eventId).as().acquire()).toMatchObject({ deaths: 2 });
});

test("letting go with a batch in hand is no death, and forgets none that came before", async () => {
  const eventId = redis.newEvent();
  await enqueue(eventId, 2);
  await afterDeaths(eventId, 1);
  const letsGo = redis.queueOf(eventId).as();
  expect(await letsGo.acquire()).toMatchObject({ deaths: 1 });
  expect(await letsGo.release()).toBe(false);
  const dies = redis.queueOf(eventId).as();
  expect(await dies.acquire()).toMatchObject({ deaths: 1, leftBehind: { length: 2 } });
  expect(await redis.queueOf(eventId).as().acquire()).toMatchObject({ deaths: 2 });
});

test("suspicion ends with the batch that was in hand, and so do the tries that were counted", async () => {
  const eventId = redis.newEvent();
  await enqueue(eventId, 3);
  await afterDeaths(eventId, 2);
  const careful = redis.queueOf(eventId).as();
  const { leftBehind, deaths } = await careful.acquire();
  expect(deaths).toBe(2);
  const [first] = leftBehind;
  const suspect = first?.commands[0]?.id;
  if (first === undefined || suspect === undefined) throw new Error("nothing was left behind");
  expect(await careful.countTry(suspect)).toBe(1);
  expect(await careful.countTry(suspect)).toBe(2);
  await careful.settleAndClaim(settle([first]), 0);
  expect(await redis.redis.hget(redis.queueOf(eventId).trouble, "deaths")).toBe("2");
  await careful.settleAndClaim(settle(leftBehind.slice(1), true), 0);
  expect(await redis.redis.exists(redis.queueOf(eventId).trouble)).toBe(0);
});

test("release says whether anything is left, and forgets a queue that is empty", async () => {
  const eventId = redis.newEvent();
  const busy = () => redis.redis.sismember(busyEventsKey(redis.prefix), eventId);
  await enqueue(eventId, 1);
  const { as, count } = redis.queueOf(eventId);
  const stops = as();
  await stops.acquire();
  expect(await stops.release()).toBe(false); // one waits
  expect(await busy()).toBe(1);
  const ends = as();
  await ends.acquire();
  const jobs = await ends.settleAndClaim(NOTHING_SETTLED, 10);
  await ends.settleAndClaim(settle(jobs), 0);
  expect(await redis.redis.hgetall(count)).toMatchObject({ enqueued: "1", done: "1" });
  expect(await ends.release()).toBe(true);
  expect(await busy()).toBe(0);
  expect(await redis.redis.exists(count)).toBe(0);
  expect(await ends.release()).toBe(false); // it does not own the event any more
});

test("a command that is added while the queue is released is seen by the release, or names the event again", async () => {
  for (let round = 0; round < 40; round += 1) {
    const eventId = redis.newEvent();
    const drain = redis.queueOf(eventId).as();
    await drain.acquire();
    const [empty] = await Promise.all([drain.release(), redis.crowd.send(aReserve(eventId))]);
    const known = await redis.redis.sismember(busyEventsKey(redis.prefix), eventId);
    if (known === 0) throw new Error(`round ${round}: a job waits, nobody knows; the release said ${empty}`);
  }
});

test("jobs whose content is gone are passed over, waiting or in hand", async () => {
  const eventId = redis.newEvent();
  const { as, jobs, wait, active } = redis.queueOf(eventId);
  const ids = await enqueue(eventId, 4);
  const [lostInWait] = await redis.redis.lrange(wait, 0, 0);
  const first = as();
  await first.acquire();
  const claimed = await first.settleAndClaim(NOTHING_SETTLED, 2);
  await redis.redis.del(`${jobs}${claimed[0]?.id}`, `${jobs}${lostInWait}`);
  const second = as();
  const { leftBehind } = await second.acquire();
  expect(idsOf(leftBehind)).toEqual([ids[1]]);
  expect(idsOf(await second.settleAndClaim(settle(leftBehind, true), 10))).toEqual([ids[2]]);
  expect(await redis.redis.llen(active)).toBe(1);
  expect(await redis.redis.llen(wait)).toBe(0);
});

test("an owner that left only lost jobs behind has left nothing behind", async () => {
  const eventId = redis.newEvent();
  const { as, jobs, active } = redis.queueOf(eventId);
  await enqueue(eventId, 1);
  const first = as();
  await first.acquire();
  const [job] = await first.settleAndClaim(NOTHING_SETTLED, 1);
  await redis.redis.del(`${jobs}${job?.id}`);
  expect(await as().acquire()).toEqual({ deaths: 0, leftBehind: [] });
  expect(await redis.redis.exists(active)).toBe(0);
});

test("what cannot be read is claimed as no command, and settled like the rest", async () => {
  const eventId = redis.newEvent();
  const { as, jobs, wait } = redis.queueOf(eventId);
  await redis.redis.hset(`${jobs}odd`, "name", "something else", "data", "{");
  await redis.redis.lpush(wait, "odd");
  const [id] = await enqueue(eventId, 1);
  const drain = as();
  await drain.acquire();
  const claimed = await drain.settleAndClaim(NOTHING_SETTLED, 2);
  expect(claimed[0]).toEqual({ id: "odd", replyTo: null, commands: [], unreadable: 1 });
  expect(idsOf(claimed)).toEqual([id]);
  await drain.settleAndClaim(settle(claimed), 0);
  expect(await drain.release()).toBe(true);
});
