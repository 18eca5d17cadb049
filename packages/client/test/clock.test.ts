// Time as it really passes, and how long one waits for what.
import { expect, test } from "vitest";
import { backoffMs, type Clock, jitteredMs, realClock, retryAfterMs, within } from "../src/clock.ts";

const chance = (random: number): Clock => ({ ...realClock, random: () => random });

test("a pause ends by itself, or as soon as its signal aborts", async () => {
  const before = realClock.now();
  await realClock.pause(1);
  expect(realClock.now()).toBeGreaterThan(before);
  const reason = new Error("enough");
  await expect(realClock.pause(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  const stop = new AbortController();
  const pause = realClock.pause(Number.POSITIVE_INFINITY, stop.signal);
  stop.abort(reason);
  await expect(pause).rejects.toBe(reason);
  await realClock.pause(0, stop.signal).catch((thrown: unknown) => expect(thrown).toBe(reason));
  await realClock.pause(0, new AbortController().signal);
});

test("who fails again and again waits longer, and never all the same", () => {
  const between = (failures: number) => [0, 1].map((random) => backoffMs(chance(random), failures));
  expect([1, 2, 5, 6, 60].map(between)).toEqual([
    [125, 250],
    [250, 500],
    [2_000, 4_000],
    [2_500, 5_000],
    [2_500, 5_000],
  ]);
  expect([0, 1].map((random) => jitteredMs(chance(random), 4_000))).toEqual([4_000, 5_000]);
  const chances = Array.from({ length: 100 }, realClock.random);
  expect(chances.every((random) => random >= 0 && random < 1)).toBe(true);
});

test("Retry-After is seconds; a date, or anything else, is nothing that one could count", () => {
  const read = (value: string) => retryAfterMs(new Headers({ "retry-after": value }));
  expect(["0", "7", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", ""].map(read)).toEqual([
    0,
    7_000,
    null,
    null,
    null,
    null,
  ]);
  expect(retryAfterMs(new Headers())).toBeNull();
});

test("what takes too long is told to stop", async () => {
  let told: unknown;
  const work = (signal: AbortSignal) =>
    new Promise<never>(() => {
      signal.addEventListener("abort", () => {
        told = signal.reason;
      });
    });
  const late = new Error("too late");
  await expect(within(realClock, 1, undefined, () => late, work)).rejects.toBe(late);
  expect(told).toBe(late);
});
