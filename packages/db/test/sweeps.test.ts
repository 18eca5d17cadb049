// What the sweep finds in waitlists and events, and that it reads only what is in question.
import type { EventId, SlotId, WaitlistEntryId } from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { createEvent, createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  dueRechecks,
  eventsToWindDown,
  eventsWithVainWaiters,
  inTransaction,
  latePromotions,
  planByIndex,
  type Queryable,
} from "../src/index.ts";

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
});
beforeEach(async () => {
  await pool.query("TRUNCATE events, waitlist_entries CASCADE");
});
afterAll(() => database.close());

interface Made {
  readonly eventId: EventId;
  readonly slotId: SlotId;
}

interface Look {
  readonly capacity?: number;
  readonly startsInMs?: number;
  readonly closesBeforeSeconds?: number;
}

async function made({
  capacity = 10,
  startsInMs = 3_600_000,
  closesBeforeSeconds = 0,
}: Look = {}): Promise<Made> {
  const event = await createEvent(pool, { capacities: [capacity], startsAt: Date.now() + startsInMs });
  await pool.query(
    "UPDATE events SET waitlist = waitlist || jsonb_build_object('closesBeforeSeconds', $2::int) WHERE id = $1",
    [event.id, closesBeforeSeconds],
  );
  return { eventId: event.id, slotId: event.slotId };
}

/** Somebody who waits for the slot; parked, to be looked at again in so many milliseconds, when that is told. */
async function waiter(
  { eventId, slotId }: Made,
  { quantity = 1, recheckInMs = null }: { quantity?: number; recheckInMs?: number | null } = {},
): Promise<WaitlistEntryId> {
  const id = newId("waitlistEntry");
  const [user] = await createUsers(pool, 1);
  await pool.query(
    `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, recheck_at)
    SELECT $1, $2, $3, $4, $5, 'waiting', last_seq + 1, now(), now() + $6 * interval '1 millisecond'
    FROM slots WHERE id = $3`,
    [id, eventId, slotId, user, quantity, recheckInMs],
  );
  await pool.query(
    "UPDATE slots SET waiting = waiting + 1, parked = parked + $2, last_seq = last_seq + 1 WHERE id = $1",
    [slotId, recheckInMs === null ? 0 : 1],
  );
  return id;
}

const promoteAt = ({ slotId }: Made, inMs: number) =>
  pool.query("UPDATE slots SET promote_at = now() + $2 * interval '1 millisecond' WHERE id = $1", [
    slotId,
    inMs,
  ]);
const pause = ({ eventId }: Made) =>
  pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [eventId]);

test("slots whose waiters were to be looked at some time ago are found, the most overdue first, not of paused events", async () => {
  const [later, late, later2, halted, calm] = await Promise.all([made(), made(), made(), made(), made()]);
  await promoteAt(late, -900);
  await promoteAt(later, -5_000);
  await promoteAt(later2, 60_000); // when a collection runs out
  await promoteAt(halted, -9_000);
  await pause(halted);
  expect(calm).toBeDefined();
  expect(await latePromotions(pool, { lateMs: 700, limit: 10 })).toEqual([later, late]);
  expect(await latePromotions(pool, { lateMs: 2_000, limit: 10 })).toEqual([later]);
  expect(await latePromotions(pool, { lateMs: 700, limit: 1 })).toEqual([later]);
});

test("parked entries whose time has come are found by slot, the eldest first, not of paused or cancelled events", async () => {
  const [one, other, halted, cancelled] = await Promise.all([made(), made(), made(), made()]);
  const [second, first, third] = [
    await waiter(one, { recheckInMs: -1_000 }),
    await waiter(one, { recheckInMs: -5_000 }),
    await waiter(other, { recheckInMs: -3_000 }),
  ];
  await waiter(one);
  await waiter(one, { recheckInMs: 30_000 });
  await waiter(halted, { recheckInMs: -1_000 });
  await pause(halted);
  await waiter(cancelled, { recheckInMs: -1_000 });
  await pool.query("UPDATE events SET cancelled_at = now() WHERE id = $1", [cancelled.eventId]);
  expect(await dueRechecks(pool, { limit: 10 })).toEqual([
    { ...one, entries: [first, second] },
    { ...other, entries: [third] },
  ]);
  expect(await dueRechecks(pool, { limit: 2 })).toEqual([
    { ...one, entries: [first] },
    { ...other, entries: [third] },
  ]);
});

test("cancelled events that have something left to end are found, not paused ones", async () => {
  const [left, done, halted] = await Promise.all([made(), made(), made()]);
  await pool.query(
    "UPDATE events SET cancelled_at = now(), winding_down = true WHERE id = ANY ($1::text[])",
    [[left.eventId, halted.eventId]],
  );
  await pool.query("UPDATE events SET cancelled_at = now() WHERE id = $1", [done.eventId]);
  await pause(halted);
  expect(await eventsToWindDown(pool, { limit: 10 })).toEqual([left.eventId]);
});

test("events are found in which somebody waits in vain: behind the cutoff, when cancelled, or for too many", async () => {
  const open = await made({ closesBeforeSeconds: 3_500 }); // for another 100 s
  const closed = await made({ closesBeforeSeconds: 3_700 });
  const started = await made({ startsInMs: -1_000 });
  const cancelled = await made();
  const large = await made({ capacity: 2 });
  const halted = await made({ startsInMs: -1_000 });
  const empty = await made({ startsInMs: -1_000 });
  for (const one of [open, closed, closed, started, cancelled, halted]) await waiter(one);
  await waiter(large, { quantity: 2 });
  await pool.query("UPDATE events SET cancelled_at = now() WHERE id = $1", [cancelled.eventId]);
  await pause(halted);
  expect(empty).toBeDefined();
  const found = async () => new Set(await eventsWithVainWaiters(pool, { limit: 10 }));
  expect(await found()).toEqual(new Set([closed.eventId, started.eventId, cancelled.eventId]));
  await waiter(large, { quantity: 3 });
  expect((await found()).has(large.eventId)).toBe(true);
  await pool.query("UPDATE slots SET capacity = 3 WHERE id = $1", [large.slotId]);
  expect((await found()).has(large.eventId)).toBe(false);
  expect(await eventsWithVainWaiters(pool, { limit: 1 })).toEqual([started.eventId]); // the first to start
});

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Which index each statement reads of each table, as the sweep has it planned. */
async function indexesRead(): Promise<Record<string, string[]>> {
  const read: Record<string, string[]> = {};
  const explained = async (name: string, statement: (tx: Queryable) => Promise<unknown>) =>
    inTransaction(pool, async (tx) => {
      await planByIndex(tx);
      const query = async (sql: string, values: unknown[]) => {
        const { rows } = await tx.query<{ "QUERY PLAN": { Plan: Plan }[] }>(
          `EXPLAIN (FORMAT JSON, COSTS OFF) ${sql}`,
          values,
        );
        const nodes = rows[0]?.["QUERY PLAN"].flatMap(({ Plan: plan }) => nodesOf(plan)) ?? [];
        read[name] = nodes
          .filter((node) => node["Relation Name"] !== undefined)
          .map((node) => node["Index Name"] ?? `${node["Node Type"]} of ${node["Relation Name"]}`)
          .sort();
        return { rows: [] };
      };
      await statement({ query } as unknown as Queryable);
    });
  await explained("late", (tx) => latePromotions(tx, { lateMs: 700, limit: 1_000 }));
  await explained("parked", (tx) => dueRechecks(tx, { limit: 1_000 }));
  await explained("cancelled", (tx) => eventsToWindDown(tx, { limit: 1_000 }));
  await explained("vain", (tx) => eventsWithVainWaiters(tx, { limit: 1_000 }));
  return read;
}

const BY_INDEX = {
  late: ["event_lanes_pkey", "slots_promote_at_idx"],
  parked: ["event_lanes_pkey", "events_pkey", "waitlist_entries_recheck_idx"],
  cancelled: ["event_lanes_pkey", "events_winding_down_idx"],
  vain: ["event_lanes_pkey", "events_pkey", "slots_waiting_idx", "waitlist_entries_size_idx"],
};

/** So many events and slots with waiters, half of them to be looked at; a hundredth part of the waiters are parked. */
async function fill(from: number, to: number): Promise<void> {
  const [organizer] = await createUsers(pool, 1);
  await pool.query(
    `WITH made AS (
      INSERT INTO events (id, organizer_id, name, hold_seconds, offer_seconds, max_per_order, max_per_user,
        overlap_policy, cancel_cutoff_seconds, waitlist, starts_at, ends_at, winding_down)
      SELECT 'evt_' || n, $1, 'x', 300, 900, 10, 10, 'refuse', 0, '{"closesBeforeSeconds": 0}', '2031-01-01',
        '2031-01-02', n % 100 = 0
      FROM generate_series($2::int, $3::int) n RETURNING id
    ), lanes AS (
      INSERT INTO event_lanes (event_id) SELECT id FROM made
    ) INSERT INTO slots (id, event_id, starts_at, ends_at, capacity, waiting, last_seq, promote_at)
    SELECT 'slt_' || id, id, '2031-01-01', '2031-01-02', 1000, 5, 5, CASE WHEN random() < 0.5 THEN now() END FROM made`,
    [organizer, from, to],
  );
  await pool.query(
    `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, recheck_at)
    SELECT 'wle_' || n || '_' || seq, 'evt_' || n, 'slt_evt_' || n, 'usr_' || n || '_' || seq, 1, 'waiting', seq, now(),
      CASE WHEN (n + seq) % 100 = 0 THEN now() + interval '30 seconds' END
    FROM generate_series($1::int, $2::int) n, generate_series(1, 5) seq`,
    [from, to],
  );
}

test("plans go by the index of what is in question, whatever the tables hold and is known of them", async () => {
  expect(await indexesRead()).toEqual(BY_INDEX); // empty
  await fill(1, 300);
  expect(await indexesRead()).toEqual(BY_INDEX); // never analysed
  await pool.query("VACUUM ANALYZE");
  expect(await indexesRead()).toEqual(BY_INDEX);
  await fill(301, 5_000);
  expect(await indexesRead()).toEqual(BY_INDEX); // known to be small
  await pool.query("VACUUM ANALYZE");
  expect(await indexesRead()).toEqual(BY_INDEX);
});
