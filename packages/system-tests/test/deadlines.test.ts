// F5: holds end by themselves, in time, with and without the service that watches their deadlines.
import type { EventId } from "@holdfast/domain";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inParallel, report } from "./crowd.ts";
import { untilDatabaseTime } from "./database-time.ts";
import { type Ending, endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type MadeEvent, type Person } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

/** Milliseconds after its deadline by which a hold has ended, with nobody asking. */
const LATE_MAX_MS = 1_500;
/** Milliseconds after the deadline from which on an event's next command ends the hold first. */
const GRACE_MS = 500;
/** Milliseconds after its deadline by which the sweep alone has ended a hold: lateness it allows, its period, slack. */
const SWEPT_MAX_MS = 500 + 700 + 2_000 + 800;
const HOLDS_TIMEOUT_MS = 20_000;

let system: System;

beforeAll(async () => {
  system = await startSystem({ expiryWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

async function reserve({ reservePath }: MadeEvent, { token }: Person): Promise<Ending> {
  const client = system.gateways[0]?.client;
  if (client === undefined) throw new Error("there is no gateway");
  return endingOf(client, token, await client.post(reservePath, { token }));
}

/** How late each hold of these events ended, in milliseconds, once all of them have. Only looks at the tables. */
async function latenessOf(events: readonly MadeEvent[], holds: number): Promise<number[]> {
  const ended = async () => {
    const { rows } = await system.pool.query<{ late: number }>(
      `SELECT date_part('epoch', ended_at - expires_at) * 1000 AS late FROM reservations
      WHERE event_id = ANY ($1::text[]) AND status = 'expired' AND end_reason = 'deadline'`,
      [events.map(({ eventId }) => eventId)],
    );
    return rows.length === holds && rows.map(({ late }) => late);
  };
  return until(`${holds} holds to end`, ended, HOLDS_TIMEOUT_MS / 2);
}

/** Holds of 1, 2 and 3 seconds, made at different moments of a second. */
async function holdSome(): Promise<{ events: MadeEvent[]; holds: number }> {
  const events = await Promise.all(
    [1, 2, 3, 1, 2, 3].map((holdSeconds) => createEvent(system.pool, { capacity: 10, holdSeconds })),
  );
  const people = await createPeople(system.pool, 4 * events.length);
  const endings = await inParallel(people, 2, async (person, i) => {
    const event = events[i % events.length];
    if (event === undefined) throw new RangeError("no event");
    return reserve(event, person);
  });
  expect(new Set(endings.map(wordOf))).toEqual(new Set(["held"]));
  return { events, holds: endings.length };
}

test("F5: with nobody asking, a hold ends 0 to 1.5 s after its deadline", {
  timeout: HOLDS_TIMEOUT_MS,
}, async () => {
  const { events, holds } = await holdSome();
  const late = await latenessOf(events, holds);
  report(
    `F5 ${holds} holds ended ${Math.round(Math.min(...late))} to ${Math.round(Math.max(...late))} ms late`,
  );
  for (const ms of late) expect(ms).toBeGreaterThanOrEqual(0);
  for (const ms of late) expect(ms).toBeLessThanOrEqual(LATE_MAX_MS);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("F5: with the expiry worker stopped, the sweep ends it", { timeout: HOLDS_TIMEOUT_MS }, async () => {
  await Promise.all(system.expiryWorkers.map((worker) => worker.stop()));
  const { events, holds } = await holdSome();
  const late = await latenessOf(events, holds);
  report(`F5 swept: ${Math.round(Math.min(...late))} to ${Math.round(Math.max(...late))} ms late`);
  for (const ms of late) expect(ms).toBeGreaterThanOrEqual(0);
  for (const ms of late) expect(ms).toBeLessThanOrEqual(SWEPT_MAX_MS);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("F5: with the expiry worker stopped, the first command stamped 0.5 s past the deadline ends it", {
  timeout: HOLDS_TIMEOUT_MS,
}, async () => {
  const event = await createEvent(system.pool, { capacity: 1, holdSeconds: 1 });
  const [holder, ...others] = await createPeople(system.pool, 1_000);
  if (holder === undefined) throw new Error("nobody was made");
  const { reservation } = await reserve(event, holder);
  const deadline = Date.parse(reservation?.expiresAt ?? "");
  await untilDatabaseTime(system.pool, deadline);
  const asked: { word: string; late: number }[] = [];
  for (const other of others) {
    const ending = await reserve(event, other);
    asked.push({ word: wordOf(ending), late: (await stampOf(event.eventId, ending)) - deadline });
    if (wordOf(ending) === "held") break;
  }
  // Each by its own stamp: as long as the grace runs the ticket is held, and then the next one gets it.
  expect(asked).toEqual(asked.map(({ late }) => ({ word: late < GRACE_MS ? "all-held" : "held", late })));
  expect(asked.length).toBeGreaterThan(2);
  report(
    `F5 asked ${asked.length} times: ended by the command stamped ${asked.at(-1)?.late} ms past the deadline`,
  );
  expect(await checkInvariants(system.pool)).toEqual([]);
});

/** When a command was accepted, in milliseconds since 1970. */
async function stampOf(eventId: EventId, { commandId }: Ending): Promise<number> {
  const { rows } = await system.pool.query<{ at: number }>(
    "SELECT round(date_part('epoch', submitted_at) * 1000) AS at FROM outcomes WHERE command_id = $1 AND event_id = $2",
    [commandId, eventId],
  );
  return rows[0]?.at ?? Number.NaN;
}
