// In which order events get their turns: calm ones before busy ones, and no busy one never.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { until } from "../../testkit/src/index.ts";
import {
  ACTIVATIONS,
  BUSY_COMMANDS,
  BUSY_WAIT_MS,
  DEEP_COMMANDS,
  openPatientRedis,
  startDrainSlots,
  turnOf,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

/** Those who took their last turns as busy events. */
const asBusy = new Set<EventId>();

/** Takes `count` turns, one at a time, and gives back whose they were. `during` is called in the first one. */
async function turns(count: number, during: () => Promise<void> = async () => undefined): Promise<EventId[]> {
  const connection = openPatientRedis({ url: redis.url, name: "test-slots", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const taken: EventId[] = [];
  asBusy.clear();
  const slots = startDrainSlots({
    redis: connection,
    prefix: redis.prefix,
    concurrency: 1,
    onError: () => undefined,
    drain: async (eventId, busy) => {
      if (busy) asBusy.add(eventId);
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

test("R4: busy events take their turns after calm ones that came later, and among themselves in order", async () => {
  const [first, second, calm, calmToo] = [
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
    redis.newEvent(),
  ];
  await redis.crowd.activations.signal(first, "busy");
  await redis.crowd.activations.signal(second, "busy");
  await redis.crowd.activations.signal(calm, "calm");
  await redis.crowd.activations.signal(calmToo);
  expect(await redis.crowd.activations.waiting()).toBe(4);
  expect(await redis.crowd.activations.missing([first, calm])).toEqual([]);
  expect(await turns(4)).toEqual([calm, calmToo, first, second]);
  expect(asBusy).toEqual(new Set([first, second]));
});

test.each([
  [{ depth: DEEP_COMMANDS - 1, recent: BUSY_COMMANDS - 1 }, "calm"],
  [{ depth: 1, recent: BUSY_COMMANDS }, "busy"],
  [{ depth: DEEP_COMMANDS, recent: 0 }, "busy"],
])("R4: %o makes an event %s", (seen, turn) => {
  expect(turnOf(seen)).toBe(turn);
});

test("R4: an event that is signalled as busy during its turn gets its next one after the calm ones", async () => {
  const [busy, calm] = [redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(busy);
  const taken = await turns(3, async () => {
    await redis.crowd.activations.signal(busy, "busy");
    await redis.crowd.activations.signal(calm);
  });
  expect(taken).toEqual([busy, calm, busy]);
});

test("R4: calm events do not keep a busy one waiting for ever: the one that waited too long goes first", async () => {
  const [young, old, calm] = [redis.newEvent(), redis.newEvent(), redis.newEvent()];
  await redis.crowd.activations.signal(old, "busy");
  await redis.crowd.activations.signal(young, "busy");
  await redis.crowd.activations.signal(calm);
  await redis.crowd.activations.hurry(); // nobody has waited for long
  expect(await redis.redis.llen(key("wait"))).toBe(1);
  await waited(old, BUSY_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await turns(3)).toEqual([old, calm, young]);
  expect(asBusy).toEqual(new Set([young])); // who was hurried waits for no other busy one either
});

test("R4: without calm events nobody is hurried: busy ones take their turns anyway", async () => {
  const busy = redis.newEvent();
  await redis.crowd.activations.signal(busy, "busy");
  await waited(busy, BUSY_WAIT_MS);
  await redis.crowd.activations.hurry();
  expect(await redis.redis.llen(key("wait"))).toBe(0);
  expect(await turns(1)).toEqual([busy]);
});
