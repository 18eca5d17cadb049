// Reads of an event that is sold, at two gateways that keep them: who has bought sees it at once, everybody else soon,
// and the tables are spared.
import { Availability } from "@holdfast/contracts";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEvent, createPeople } from "./population.ts";
import { type Gateway, START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

let system: System;
let here: Gateway;
let there: Gateway;

beforeAll(async () => {
  system = await startSystem({ gateways: 2, workers: 1 });
  const [first, second] = system.gateways;
  if (first === undefined || second === undefined) throw new Error("two gateways were asked for");
  [here, there] = [first, second];
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

async function heldAt({ client }: Gateway, path: string): Promise<number> {
  const { status, body } = await client.get(path);
  expect(status).toBe(200);
  return Availability.parse(body).slots[0]?.held ?? -1;
}

test("one's own reservation is seen at once where it was made, and at another gateway once it has looked again", async () => {
  const { eventId, reservePath } = await createEvent(system.pool, { capacity: 100 });
  const path = `/v1/events/${eventId}/availability`;
  const people = await createPeople(system.pool, 20);
  let held = 0;
  for (const { token } of people) {
    await Promise.all([heldAt(here, path), heldAt(there, path)]);
    const { status } = await here.client.post(reservePath, { token });
    expect(status).toBe(201);
    held += 1;
    expect(await heldAt(here, path)).toBe(held);
  }
  await until("the other gateway to see it", async () => (await heldAt(there, path)) === held);
});

test("a thousand who look at once cost the tables a handful of reads", async () => {
  const { eventId } = await createEvent(system.pool, { capacity: 100 });
  const path = `/v1/events/${eventId}`;
  const read = async (source: string): Promise<number> => {
    const text = await (await fetch(here.process.metricsUrl)).text();
    const sample = new RegExp(`^holdfast_event_reads_total\\{source="${source}"\\} (\\d+)$`, "m").exec(text);
    return Number(sample?.[1]);
  };
  const before = await read("postgres");
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => here.client.get(path)));
  const halfSeconds = Math.ceil((performance.now() - startedAt) / 500);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect((await read("postgres")) - before).toBeLessThanOrEqual(halfSeconds + 1);
});
