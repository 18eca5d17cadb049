// A gateway that is told to stop under load: whoever was let in is answered, and it is gone within 5 s.

import { randomUUID } from "node:crypto";
import { type Answer, commandOf } from "@holdfast/load";
import { until } from "@holdfast/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { type Gateway, START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const CLIENTS = 100;
const PEOPLE = 6_000;
/** Answers after which the gateway is told to stop. */
const STOP_AFTER = 500;
const GONE_WITHIN_MS = 5_000;
const WAITING = 50;
const STOP_TIMEOUT_MS = 30_000;

let system: System;
let leaving: Gateway;
let staying: Gateway;

beforeEach(async () => {
  system = await startSystem({ gateways: 2 });
  const [first, second] = system.gateways;
  if (first === undefined || second === undefined) throw new Error("two gateways were asked for");
  [leaving, staying] = [first, second];
}, START_TIMEOUT_MS);
afterEach(() => system.close(), START_TIMEOUT_MS);

/** SIGTERM, and how long it took to be gone. */
async function stopGateway({ process }: Gateway): Promise<number> {
  const toldAt = performance.now();
  expect(await process.stop()).toEqual({ code: 0, signal: null });
  return performance.now() - toldAt;
}

test("a gateway that is stopped under load answers everybody whose command it took, and exits within 5 s", {
  timeout: STOP_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, PEOPLE);
  const { reservePath } = await createEvent(system.pool, { capacity: PEOPLE });
  const answered: { token: string; answer: Answer }[] = [];
  const unanswered: string[] = [];
  const line = people.entries();
  let gone = false;

  async function keepAsking(): Promise<void> {
    for (const [, { userId, token }] of line) {
      if (gone) return;
      try {
        const headers = { "idempotency-key": randomUUID() };
        answered.push({ token, answer: await leaving.client.post(reservePath, { token, headers }) });
      } catch {
        unanswered.push(userId);
      }
    }
  }
  const asking = Promise.all(Array.from({ length: CLIENTS }, keepAsking));
  await until("the load to run", () => answered.length >= STOP_AFTER, STOP_TIMEOUT_MS);
  const tookMs = await stopGateway(leaving);
  gone = true;
  await asking;

  const statuses = tally(answered.map(({ answer }) => String(answer.status)));
  report(
    `SIGTERM: gone after ${Math.round(tookMs)} ms; ${JSON.stringify(statuses)}, ${unanswered.length} unanswered`,
  );
  expect(tookMs).toBeLessThan(GONE_WITHIN_MS);
  expect(Object.keys(statuses).filter((status) => !["201", "202", "503"].includes(status))).toEqual([]);
  // Whoever got no answer was never let in: nothing of theirs is anywhere.
  const left = await system.pool.query<{ found: number }>(
    `SELECT (SELECT count(*) FROM outcomes WHERE user_id = ANY ($1::text[]))::int
      + (SELECT count(*) FROM accepted_commands WHERE user_id = ANY ($1::text[]))::int AS found`,
    [unanswered],
  );
  expect(left.rows[0]?.found).toBe(0);
  // What was promised is kept, and told by another gateway.
  const taken = answered.filter(({ answer }) => commandOf(answer) !== null);
  const endings = await Promise.all(
    taken.map(({ token, answer }) => endingOf(staying.client, token, answer)),
  );
  expect(tally(endings.map(wordOf))).toEqual({ held: taken.length });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("whoever waits at a gateway that is stopped gets a 202 at once, and the ending from another gateway", {
  timeout: STOP_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, WAITING);
  const { reservePath } = await createEvent(system.pool, { capacity: WAITING });
  const [worker] = system.workers;
  worker?.kill("SIGSTOP");
  let answers: { token: string; answer: Answer }[];
  let tookMs: number;
  try {
    const asking = Promise.all(
      people.map(async ({ token }) => {
        const answer = await leaving.client.post(reservePath, { token, headers: { prefer: "wait=10" } });
        return { token, answer };
      }),
    );
    await until("all commands to be queued", async () => (await queued()) === WAITING, STOP_TIMEOUT_MS);
    tookMs = await stopGateway(leaving);
    answers = await asking;
  } finally {
    worker?.kill("SIGCONT");
  }
  report(`SIGTERM with ${WAITING} waiting: gone after ${Math.round(tookMs)} ms`);
  expect(tookMs).toBeLessThan(GONE_WITHIN_MS);
  expect(tally(answers.map(({ answer }) => String(answer.status)))).toEqual({ 202: WAITING });
  const endings = await Promise.all(
    answers.map(({ token, answer }) => endingOf(staying.client, token, answer)),
  );
  expect(tally(endings.map(wordOf))).toEqual({ held: WAITING });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

/** How many commands were ever put into the queues of this system's events. */
async function queued(): Promise<number> {
  const counts = await system.keysLike("*:count");
  const numbers = await Promise.all(counts.map((key) => system.redis.hget(key, "enqueued")));
  return numbers.reduce((sum, number) => sum + Number(number ?? 0), 0);
}
