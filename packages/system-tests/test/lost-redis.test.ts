// What was promised survives Redis: its keys are lost twice while a thousand commands wait.
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, inParallel, report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const COMMANDS = 1_000;
const CAPACITY = 100;
const EVENTS = 5;
const AT_ONCE = 100;
const RECOVERY_TIMEOUT_MS = 60_000;

let system: System;

beforeAll(async () => {
  system = await startSystem({ gateways: 2 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

test("race 10: a thousand promised commands all end, though Redis is emptied before and while they are applied", {
  timeout: RECOVERY_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, COMMANDS);
  const events = await Promise.all(
    Array.from({ length: EVENTS }, () => createEvent(system.pool, { capacity: CAPACITY })),
  );
  await Promise.all(system.workers.map((worker) => worker.stop()));
  const promised = await inParallel(people, AT_ONCE, async ({ token }, i) => {
    const headers = { prefer: "respond-async" };
    return at(system.clients, i).post(at(events, i).reservePath, { token, headers });
  });
  expect(tally(promised.map(({ status }) => String(status)))).toEqual({ 202: COMMANDS });

  await system.loseRedis();
  const lostAt = performance.now();
  await system.startWorker();
  await until("the first of them to end", async () => (await endedCommands()) > 0, RECOVERY_TIMEOUT_MS);
  await system.loseRedis();
  const endings = await Promise.all(
    people.map(({ token }, i) => {
      const answer = promised[i];
      if (answer === undefined) throw new Error("a promise is missing");
      return endingOf(at(system.clients, i), token, answer);
    }),
  );
  report(`Redis lost twice: ${COMMANDS} commands ended after ${Math.round(performance.now() - lostAt)} ms`);
  expect(tally(endings.map(wordOf))).toEqual({
    held: EVENTS * CAPACITY,
    "all-held": COMMANDS - EVENTS * CAPACITY,
  });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

async function endedCommands(): Promise<number> {
  const { rows } = await system.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM outcomes");
  return rows[0]?.n ?? 0;
}
