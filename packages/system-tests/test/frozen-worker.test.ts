// F6: a purchase counts from the moment it was accepted, however long the worker was away.
import { type Answer, readCommand } from "@holdfast/load";
import { afterAll, beforeAll, expect, test } from "vitest";
import { untilDatabaseTime } from "./database-time.ts";
import { type Ending, endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type Person } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const HOLD_SECONDS = 2;
const FREEZE_TIMEOUT_MS = 20_000;
/** Milliseconds past the deadline at which the worker wakes up: the holds would have ended by then. */
const WAKES_AFTER_MS = 1_500;

let system: System;

beforeAll(async () => {
  system = await startSystem({ expiryWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

interface Held {
  readonly buyer: Person;
  readonly deadline: number;
  readonly purchasePath: string;
}

test("F6, race 2: after the only worker was frozen over their deadlines, purchases accepted in time win, later ones lose", {
  timeout: FREEZE_TIMEOUT_MS,
}, async () => {
  const [worker] = system.workers;
  const [client] = system.clients;
  if (worker === undefined || client === undefined) throw new Error("the system is incomplete");
  const { reservePath } = await createEvent(system.pool, { capacity: 4, holdSeconds: HOLD_SECONDS });
  const hold = async (buyer: Person): Promise<Held> => {
    const { token } = buyer;
    const ending = await endingOf(client, token, await client.post(reservePath, { token }));
    expect(wordOf(ending)).toBe("held");
    const deadline = Date.parse(ending.reservation?.expiresAt ?? "");
    return { buyer, deadline, purchasePath: `/v1/reservations/${ending.reservation?.id}/purchase` };
  };
  const holds = await Promise.all((await createPeople(system.pool, 4)).map(hold));
  const deadline = Math.max(...holds.map((held) => held.deadline));
  const purchase = ({ buyer: { token }, purchasePath }: Held, prefer: string): Promise<Answer> =>
    client.post(purchasePath, { token, headers: { prefer } });
  const [first, second, third, fourth] = holds;
  if (!first || !second || !third || !fourth) throw new Error("four holds were made");

  worker.kill("SIGSTOP");
  let answering: Promise<Answer>[];
  try {
    // Promised at once, promised before it is sent, waited for across the deadline.
    answering = [purchase(first, "wait=0"), purchase(second, "respond-async"), purchase(third, "wait=10")];
    await untilDatabaseTime(system.pool, deadline);
    answering.push(purchase(fourth, "wait=0"));
    await untilDatabaseTime(system.pool, deadline + WAKES_AFTER_MS);
  } finally {
    worker.kill("SIGCONT");
  }
  const endings: Ending[] = await Promise.all(
    holds.map(async ({ buyer: { token } }, i) => {
      const answer = await answering[i];
      if (answer === undefined) throw new Error("an answer is missing");
      return endingOf(client, token, answer);
    }),
  );
  expect(endings.map(wordOf)).toEqual(["purchased", "purchased", "purchased", "hold-expired"]);
  for (const [i, { commandId }] of endings.entries()) {
    const told = await readCommand(client, holds[i]?.buyer.token ?? "", commandId);
    expect(Date.parse(told.submittedAt) < (holds[i]?.deadline ?? 0)).toBe(i < 3);
    expect(Date.parse(told.finishedAt ?? "")).toBeGreaterThan(deadline + WAKES_AFTER_MS);
  }
  expect(await checkInvariants(system.pool)).toEqual([]);
});
