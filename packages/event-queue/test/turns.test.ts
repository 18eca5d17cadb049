// In which order events get their turns: calm ones before hot ones, and no hot one never.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { until } from "../../testkit/src/index.ts";
import {
  ACTIVATIONS,
  DEEP_COMMANDS,
  HOT_COMMANDS,
  HOT_WAIT_MS,
  openPatientRedis,
  startDrainSlots,
  type Turn,
  turnOf,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

/** As what those took their last turns who were not calm. */
const takenAs = new Map<EventId, Turn>();

/** Takes `count` turns, one at a time, and gives back whose they were. `during` is called in the first one. */
async function turns(count: number, during: () => Promise<void> = async () => undefined): Promise<EventId[]> {
  const connection = openPatientRedis({ url: redis.url, name: "test-slots", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const taken: EventId[] = [];
  takenAs.clear();
  const slots = startDrainSlots({
    redis: connection,
    prefix: redis.prefix,
    concurrency: 1,
    onError: () => undefined,
    drain: async (eventId, turn) => {
      if (turn !== "calm") takenAs.set(eventId, turn);
      if (taken.push(eventId) === 1) await during();
    },
  });
  onTestFinished(() => slots.close());
  await until(`turn ${count}`, () => taken.length >= count);
  await slots.close();
  return taken;
}

const key = (type: string): string => `${redis.prefix}:${ACTIVATIONS}:${type}`;

/** As if the event's activation had been added that long before. */
async function waited(eventId: EventId, ms: number): Promise<void> {
  const id = await redis.redis.get(key(`de:${eventId}`));
  await redis.redis.hset(key(`${id}`), "timestamp", Date.now() - ms);
}

test("R4: hot and deep events take their turns after calm ones that came later, and among themselves in order", async () => {
  const [first, second, calm, calmToo] = [
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
  ];
  await redis.crowd.activations.signal(first, "deep");
  await redis.crowd.activations.signal(second, "hot");
  await redis.crowd.activations.signal(calm, "calm");
  await redis.crowd.activations.signal(calmToo);
  expect(await redis.crowd.activations.waiting()).toBe(4);
  expect(await redis.crowd.activations.missing([first, calm])).toEqual([]);
  expect(await turns(4)).toEqual([calm, calmToo, first, second]);
  expect(takenAs).toEqual(
    new Map([
      [first, "deep"],
      [second, "hot"],
    ]),
  );
});

test.each([
  [{ depth: DEEP_COMMANDS - 1, recent: HOT_COMMANDS - 1 }, "calm"],
  [{ depth: DEEP_COMMANDS - 1, recent: HOT_COMMANDS }, "hot"],
  [{ depth: DEEP_COMMANDS, recent: 0 }, "deep"],
])("R4: %o makes an event %s", (seen, turn) => {
  expect(turnOf(seen)).toBe(turn);
});

test("R4: an event that is signalled as hot during its turn gets its next one after the calm ones", async () => {
  const [hot, calm] = [redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(hot);
  const taken = await turns(3, async () => {
    await redis.crowd.activations.signal(hot, "hot");
    await redis.crowd.activations.signal(calm);
  });
  expect(taken).toEqual([hot, calm, hot]);
});

test("R4: calm events do not keep a deep one waiting for ever: the one that waited too long goes first", async () => {
  const [young, old, calm] = [redis.newEvent(), redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(old, "deep");
  await redis.crowd.activations.signal(young, "deep");
  await redis.crowd.activations.signal(calm);
  await redis.crowd.activations.hurry(); // nobody has waited for long
  expect(await redis.redis.llen(key("wait"))).toBe(1);
  await waited(old, HOT_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await turns(3)).toEqual([old, calm, young]);
  expect(takenAs).toEqual(new Map([[young, "deep"]])); // who was hurried waits for no other deep one either
});

test("R4: without calm events nobody is hurried: hot ones take their turns anyway", async () => {
  const hot = redis.newEvent();
  await redis.crowd.activations.signal(hot, "hot");
  await waited(hot, HOT_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await redis.redis.llen(key("wait"))).toBe(0);
  expect(await turns(1)).toEqual([hot]);
});
