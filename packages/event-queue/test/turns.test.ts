// In which order events get their turns: calm ones before deep ones, and no deep one never.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { until } from "../../testkit/src/index.ts";
import { ACTIVATIONS, DEEP_COMMANDS, DEEP_WAIT_MS, openPatientRedis, startDrainSlots } from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

/** Those who took their last turns as deep events. */
const asDeep = new Set<EventId>();

/** Takes `count` turns, one at a time, and gives back whose they were. `during` is called in the first one. */
async function turns(count: number, during: () => Promise<void> = async () => undefined): Promise<EventId[]> {
  const connection = openPatientRedis({ url: redis.url, name: "test-slots", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const taken: EventId[] = [];
  asDeep.clear();
  const slots = startDrainSlots({
    redis: connection,
    prefix: redis.prefix,
    concurrency: 1,
    onError: () => undefined,
    drain: async (eventId, deep) => {
      if (deep) asDeep.add(eventId);
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

test("R4: deep events take their turns after calm ones that came later, and among themselves in order", async () => {
  const [first, second, calm, calmToo] = [
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
  ];
  await redis.crowd.activations.signal(first, DEEP_COMMANDS);
  await redis.crowd.activations.signal(second, 10 * DEEP_COMMANDS);
  await redis.crowd.activations.signal(calm, DEEP_COMMANDS - 1);
  await redis.crowd.activations.signal(calmToo);
  expect(await redis.crowd.activations.waiting()).toBe(4);
  expect(await redis.crowd.activations.missing([first, calm])).toEqual([]);
  expect(await turns(4)).toEqual([calm, calmToo, first, second]);
  expect(asDeep).toEqual(new Set([first, second]));
});

test("R4: an event that is signalled as deep during its turn gets its next one after the calm ones", async () => {
  const [deep, calm] = [redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(deep);
  const taken = await turns(3, async () => {
    await redis.crowd.activations.signal(deep, DEEP_COMMANDS);
    await redis.crowd.activations.signal(calm);
  });
  expect(taken).toEqual([deep, calm, deep]);
});

test("R4: calm events do not keep a deep one waiting for ever: the one that waited too long goes first", async () => {
  const [young, old, calm] = [redis.newEvent(), redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(old, DEEP_COMMANDS);
  await redis.crowd.activations.signal(young, DEEP_COMMANDS);
  await redis.crowd.activations.signal(calm);
  await redis.crowd.activations.hurry(); // nobody has waited for long
  expect(await redis.redis.llen(key("wait"))).toBe(1);
  await waited(old, DEEP_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await turns(3)).toEqual([old, calm, young]);
  expect(asDeep).toEqual(new Set([young])); // who was hurried waits for no other deep one either
});

test("R4: without calm events nobody is hurried: deep ones take their turns anyway", async () => {
  const deep = redis.newEvent();
  await redis.crowd.activations.signal(deep, DEEP_COMMANDS);
  await waited(deep, DEEP_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await redis.redis.llen(key("wait"))).toBe(0);
  expect(await turns(1)).toEqual([deep]);
});
