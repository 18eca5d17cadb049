// Which endpoints are known to be slow, and when that is forgotten.
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { createSlowness, QUICK_ENOUGH, SLOW_FOR_MS } from "../src/slowness.ts";

const endpointId = newId("webhookEndpoint");

test("a slow endpoint is known until several attempts in a row were quick", () => {
  const slowness = createSlowness(() => 0);
  expect(slowness.has(endpointId)).toBe(false);
  for (let round = 0; round < 3; round += 1) {
    slowness.slow(endpointId);
    for (let quick = 1; quick < QUICK_ENOUGH; quick += 1) slowness.quick(endpointId);
    expect(slowness.has(endpointId)).toBe(true);
  }
  slowness.quick(endpointId);
  expect(slowness.has(endpointId)).toBe(false);
});

test("or until it was slow long ago", () => {
  let now = 0;
  const slowness = createSlowness(() => now);
  slowness.slow(endpointId);
  now = SLOW_FOR_MS - 1;
  expect(slowness.has(endpointId)).toBe(true);
  now = SLOW_FOR_MS;
  expect(slowness.has(endpointId)).toBe(false);
});
