// N6: what those who wait are told of their wait, against how long they wait. The load is steady because the way to
// PostgreSQL is made so long that nearly all of a batch's time is spent on it, whatever else the machine does.
import { setTimeout as pause } from "node:timers/promises";
import { Command } from "@holdfast/contracts";
import type { CommandId } from "@holdfast/domain";
import { readCommand } from "@holdfast/load";
import { createUsers, type FaultProxy, openFaultProxy, reserve, until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, median, quantile, report } from "./crowd.ts";
import { createEvent, createPeople } from "./population.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";

/** Commands to which the queue is filled up at each look: at first, and at most. */
const FIRST_DEPTH = 4_000;
const DEPTH_MAX = 45_000;
/** Seconds that a command shall wait, once it is known how fast they end. */
const WAIT_SECONDS = 3.5;
/** Milliseconds by which each of a batch's round trips is longer; 0 shows what the machine can do. */
const ROUND_TRIP_MS = Number(process.env["ROUND_TRIP_MS"] ?? 30);
/** Seconds for which that is measured. */
const MEASURED_SECONDS = 2;
const LOOK_EVERY_MS = 20;
/** Looks at which somebody asks through the door, one for each of these many looks. */
const ASKED_EVERY_LOOKS = 3;
const ASKED = 60;
/** Waits that count. */
const WAIT_MIN_MS = 2_000;
const MEDIAN_ERROR_MAX = 0.1;
const ENDING_MS = 30_000;
const DRILL_TIMEOUT_MS = 60_000;

let running: SystemWithDoor;
let wayToDatabase: FaultProxy;

beforeAll(async () => {
  running = await startSystemWithDoor({ gateways: 1, workers: 0 });
  wayToDatabase = await openFaultProxy(running.system.databaseUrl);
  await running.system.startWorker({ DATABASE_URL: wayToDatabase.url });
  wayToDatabase.delay(ROUND_TRIP_MS);
}, START_TIMEOUT_MS);
afterAll(async () => {
  wayToDatabase.delay(0);
  await running.close();
  await wayToDatabase.close();
}, START_TIMEOUT_MS);

test("N6: under a steady load the wait that is told is the wait that comes, for half of all within a tenth", {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  const { system, door, pool } = running;
  const { eventId, reservePath } = await createEvent(pool, { capacity: 1 });
  const crowd = await createUsers(pool, 500);
  const people = await createPeople(pool, ASKED);
  const asked = at(system.clients, 0);

  let isOver = false;
  let sent = 0;
  let fullAt = FIRST_DEPTH;
  const depthNow = async (): Promise<number> => (await door.depthsOf([eventId]))[0] ?? 0;
  async function keepFull(): Promise<void> {
    while (!isOver) {
      const missing = Math.max(0, fullAt - (await depthNow()));
      await Promise.all(
        Array.from({ length: missing }, () => {
          sent += 1;
          return door.send(reserve(eventId, at(crowd, sent)));
        }),
      );
      await pause(LOOK_EVERY_MS);
    }
  }
  const filling = keepFull();
  const done = async (): Promise<number> => sent - (await depthNow());
  await until("the worker to be warm", async () => (await done()) > FIRST_DEPTH, ENDING_MS);
  const [doneBefore, before] = [await done(), performance.now()];
  await pause(MEASURED_SECONDS * 1_000);
  const perSecond = ((await done()) - doneBefore) / ((performance.now() - before) / 1_000);
  fullAt = Math.min(DEPTH_MAX, Math.round(perSecond * WAIT_SECONDS));
  await until("the queue to be full", async () => (await depthNow()) > fullAt * 0.9, ENDING_MS);
  await pause(MEASURED_SECONDS * 1_000); // until the load is as steady as it will be

  async function wait(token: string, id: CommandId, estimatedMs: number, toldAt: number) {
    const hasEnded = async () => (await readCommand(asked, token, id, 25)).status !== "queued";
    await until("a command to end", hasEnded, ENDING_MS);
    return { estimatedMs, actualMs: performance.now() - toldAt };
  }
  const waiting: ReturnType<typeof wait>[] = [];
  for (const { token } of people) {
    const answer = await asked.post(reservePath, { token, headers: { prefer: "respond-async" } });
    const { id, estimatedWaitMs } = Command.parse(answer.body);
    if (estimatedWaitMs === null) throw new Error(`${id}: nobody knows how long it waits`);
    waiting.push(wait(token, id, estimatedWaitMs, performance.now()));
    await pause(LOOK_EVERY_MS * ASKED_EVERY_LOOKS);
  }
  const waits = await Promise.all(waiting);
  isOver = true;
  await filling;

  const long = waits.filter(({ actualMs }) => actualMs >= WAIT_MIN_MS);
  const errors = long.map(({ estimatedMs, actualMs }) => Math.abs(estimatedMs - actualMs) / actualMs);
  report(
    `N6 ${long.length} waits of ${Math.round(median(long.map(({ actualMs }) => actualMs)))} ms: told with an error of ` +
      `${(median(errors) * 100).toFixed(1)} % (median), ${(quantile(errors, 0.9) * 100).toFixed(1)} % (p90)`,
  );
  expect(long.length).toBeGreaterThan(ASKED / 2);
  expect(median(errors)).toBeLessThanOrEqual(MEDIAN_ERROR_MAX);
});
