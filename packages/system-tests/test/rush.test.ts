// F2: more people than tickets, at once.
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const CROWD = 5_000;
const RUSH_TIMEOUT_MS = 60_000;

let system: System;

beforeAll(async () => {
  system = await startSystem({ gateways: 1, workers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

/** Each person sends one request, all at once, spread over the gateways. Counts the words that they get. */
async function rush(crowd: number, capacity: number): Promise<Record<string, number>> {
  const people = await createPeople(system.pool, crowd);
  const { reservePath } = await createEvent(system.pool, { capacity });
  const startedAt = performance.now();
  const endings = await Promise.all(
    people.map(async ({ token }, i) => {
      const client = at(system.clients, i);
      return endingOf(client, token, await client.post(reservePath, { token }));
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const later = endings.filter(({ answer }) => answer.status === 202).length;
  report(`F2 ${crowd} for ${capacity}: ${Math.round(crowd / seconds)} answers/s, ${later} of them 202 first`);
  return tally(endings.map(wordOf));
}

test("F2: twenty people for ten tickets: ten hold one, ten are told that all are held", async () => {
  expect(await rush(20, 10)).toEqual({ held: 10, "all-held": 10 });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("F2, race 13: five thousand people for the last ticket: one holds it, nobody meets an error", {
  timeout: RUSH_TIMEOUT_MS,
}, async () => {
  expect(await rush(CROWD, 1)).toEqual({ held: 1, "all-held": CROWD - 1 });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("F2: the same with two workers and two gateways", { timeout: RUSH_TIMEOUT_MS }, async () => {
  await Promise.all([system.startGateway(), system.startWorker()]);
  expect(await rush(CROWD, 1)).toEqual({ held: 1, "all-held": CROWD - 1 });
  expect(await checkInvariants(system.pool)).toEqual([]);
});
