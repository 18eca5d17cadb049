// F3: the same person in two places at the same time, ten thousand times, decided by two workers.
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const PAIRS = 10_000;
const PAIRS_TIMEOUT_MS = 90_000;

let system: System;

beforeAll(async () => {
  system = await startSystem({ gateways: 2, workers: 2 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

test("F3, race 5: of two overlapping slots, asked for at once by ten thousand people, each gets exactly one", {
  timeout: PAIRS_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, PAIRS);
  const events = [
    await createEvent(system.pool, { capacity: PAIRS }),
    await createEvent(system.pool, { capacity: PAIRS }),
  ];
  const startedAt = performance.now();
  const pairs = await Promise.all(
    people.map(({ token }, i) =>
      Promise.all(
        // Half of them ask for the one event first, half for the other; the two requests go through two gateways.
        [i, i + 1].map(async (turn, n) => {
          const client = at(system.clients, (i >> 1) + n);
          return endingOf(client, token, await client.post(at(events, turn).reservePath, { token }));
        }),
      ),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  report(`F3 ${PAIRS} pairs: ${Math.round((2 * PAIRS) / seconds)} answers/s`);

  expect(tally(pairs.map((pair) => pair.map(wordOf).sort().join(" and ")))).toEqual({
    "held and overlap": PAIRS,
  });
  for (const pair of pairs) {
    const [held] = pair.flatMap(({ reservation }) => reservation ?? []);
    const [refused] = pair.flatMap(({ problem }) => problem ?? []);
    expect(refused?.["reservationId"]).toBe(held?.id);
  }
  // Both events were drained by whoever came first: neither won everything.
  const { rows } = await system.pool.query<{ held: number }>("SELECT held FROM slots ORDER BY held");
  expect(rows[0]?.held).toBeGreaterThan(0);
  expect(await checkInvariants(system.pool)).toEqual([]);
});
