// F9: what PostgreSQL planned while tables were empty must not slow the rush that fills them.
import { openTestDatabase, type TestDatabase } from "@holdfast/testkit";
import type pg from "pg";
import { afterAll, expect, test } from "vitest";
import { inParallel, median, report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type MadeEvent, type Person } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

const PEOPLE = 5_000;
/** Events that are filled before anything is measured: PEOPLE reservations each. */
const FILLED_EVENTS = 4;
const CLIENTS = 100;
const BLOCKS = 5;
const BLOCK_SLICES = 10;
const SLICE_REQUESTS = 200;
const BUYERS = BLOCKS * BLOCK_SLICES * SLICE_REQUESTS;
/** The rate of the system that was started on empty tables, over that of the one started on full ones (median). */
const RATE_SHARE_MIN = 0.9;
const PLANS_TIMEOUT_MS = 60_000;

const databases: TestDatabase[] = [];
const systems: System[] = [];

afterAll(async () => {
  await Promise.all(systems.map((system) => system.close()));
  await Promise.all(databases.map((database) => database.close()));
}, START_TIMEOUT_MS);

async function openDatabase(): Promise<TestDatabase> {
  const database = await openTestDatabase();
  databases.push(database);
  return database;
}

async function startOn(database: TestDatabase): Promise<System> {
  const system = await startSystemOn(database, {});
  systems.push(system);
  return system;
}

/** Writes the holds of an event's `people` and their outcomes as a worker would have left them. */
async function writeHolds(pool: pg.Pool, { eventId }: MadeEvent, people: readonly Person[]): Promise<void> {
  const users = people.map(({ userId }) => userId);
  await pool.query(
    `WITH made AS (
      SELECT '0' || left(md5(user_id || $1), 25) AS suffix, user_id, nth
      FROM unnest($2::text[]) WITH ORDINALITY AS given(user_id, nth)
    ), held AS (
      INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        during, exclusive)
      SELECT 'rsv_' || suffix, $1, s.id, user_id, 1, 'held', 'public', now() + interval '1 hour', now(),
        tstzrange(s.starts_at, s.ends_at), true
      FROM made JOIN slots s ON s.event_id = $1
    )
    INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    SELECT 'cmd_' || suffix, $1, nth, 'reserve', user_id, 'succeeded',
      jsonb_build_object('status', 'succeeded', 'reservation',
        jsonb_build_object('id', 'rsv_' || suffix, 'slotId', s.id, 'quantity', 1)), now(), now()
    FROM made JOIN slots s ON s.event_id = $1`,
    [eventId, users],
  );
  await pool.query("UPDATE slots SET held = $2, used = true WHERE event_id = $1", [eventId, people.length]);
  await pool.query("UPDATE event_lanes SET next_seq = $2 + 1 WHERE event_id = $1", [eventId, people.length]);
}

const createEvents = (pool: pg.Pool): Promise<MadeEvent[]> =>
  Promise.all(
    Array.from({ length: FILLED_EVENTS }, (_, day) =>
      createEvent(pool, { capacity: PEOPLE, inDays: 10 + day }),
    ),
  );

/** Milliseconds that the system takes for the reservations of `CLIENTS` clients who each wait for their answer. */
async function timeOf(
  system: System,
  { reservePath }: MadeEvent,
  buyers: readonly Person[],
): Promise<number> {
  const [client] = system.clients;
  if (client === undefined) throw new Error("there is no gateway");
  const startedAt = performance.now();
  const endings = await inParallel(buyers, CLIENTS, async ({ token }) =>
    endingOf(client, token, await client.post(reservePath, { token })),
  );
  const tookMs = performance.now() - startedAt;
  expect(tally(endings.map(wordOf))).toEqual({ held: buyers.length });
  return tookMs;
}

interface Contender {
  readonly system: System;
  readonly event: MadeEvent;
  /** Enough for all blocks: each asks once. */
  readonly buyers: readonly Person[];
}

async function contender(system: System): Promise<Contender> {
  return {
    system,
    event: await createEvent(system.pool, { capacity: BUYERS, inDays: 20 }),
    buyers: await createPeople(system.pool, BUYERS),
  };
}

/**
 * One block of requests for each, in slices that take turns, so that whatever else the machine does slows both
 * alike. Resolves with the rates of their median slices, in reservations a second.
 */
async function block(contenders: readonly [Contender, Contender], nth: number): Promise<[number, number]> {
  const took: [number[], number[]] = [[], []];
  for (let slice = 0; slice < BLOCK_SLICES; slice += 1) {
    const from = (nth * BLOCK_SLICES + slice) * SLICE_REQUESTS;
    for (const turn of slice % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const { system, event, buyers } = contenders[turn];
      took[turn].push(await timeOf(system, event, buyers.slice(from, from + SLICE_REQUESTS)));
    }
  }
  const rateOf = (times: readonly number[]): number => (SLICE_REQUESTS / median(times)) * 1_000;
  return [rateOf(took[0]), rateOf(took[1])];
}

test("F9: a system that was started on empty tables is as fast as one that is started on full, analysed ones", {
  timeout: PLANS_TIMEOUT_MS,
}, async () => {
  const early = await startOn(await openDatabase());
  const people = await createPeople(early.pool, PEOPLE);
  const filled = await createEvents(early.pool);
  const fillStartedAt = performance.now();
  await Promise.all(filled.map((event) => timeOf(early, event, people)));
  const fillSeconds = (performance.now() - fillStartedAt) / 1_000;
  report(`F9 filled ${PEOPLE * FILLED_EVENTS} at ${Math.round((PEOPLE * FILLED_EVENTS) / fillSeconds)}/s`);

  // As much of everything in another database, of which the planner knows: analysing the first would heal its plans.
  const full = await openDatabase();
  const others = await createPeople(full.pool, PEOPLE);
  for (const event of await createEvents(full.pool)) await writeHolds(full.pool, event, others);
  await full.pool.query("VACUUM ANALYZE");
  const late = await startOn(full);
  const warmUp = await createEvent(full.pool, { capacity: PEOPLE, inDays: 22 });
  await timeOf(late, warmUp, others); // as warm as the other one

  const contenders = [await contender(early), await contender(late)] as const;
  const rates: [number, number][] = [];
  for (let nth = 0; nth < BLOCKS; nth += 1) rates.push(await block(contenders, nth));
  const share = median(rates.map(([ofEarly, ofLate]) => ofEarly / ofLate));
  const [early50, late50] = [median(rates.map(([rate]) => rate)), median(rates.map(([, rate]) => rate))];
  report(`F9 blocks ${rates.map((pair) => pair.map(Math.round).join(":")).join(" ")}`);
  report(
    `F9 ${Math.round(early50)}/s started empty, ${Math.round(late50)}/s started full, share ${share.toFixed(2)}`,
  );
  expect(share).toBeGreaterThanOrEqual(RATE_SHARE_MIN);
  for (const { pool } of databases) expect(await checkInvariants(pool)).toEqual([]);
});
