// Counters are rebuilt from the rows, and nothing but counters; nobody else writes meanwhile.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  createUsers,
  openTestDatabase,
  promote,
  reserve,
  type TestDatabase,
} from "../../testkit/src/index.ts";
import { findContradictions } from "../src/invariants.ts";
import { openPool } from "../src/pool.ts";
import { isRepairable, repairCounters } from "../src/repair.ts";
import { anEvening, type Evening } from "./fsck-evening.ts";
import { openTestWorker, type TestWorker } from "./fsck-worker.ts";

let database: TestDatabase;
let worker: TestWorker;
let evening: Evening;

beforeAll(async () => {
  database = await openTestDatabase();
  worker = openTestWorker(database.url);
  await sql("ALTER TABLE slots DROP CONSTRAINT slots_never_oversold, DROP CONSTRAINT slots_waiting_counts");
});
afterAll(async () => {
  await worker.close();
  await database.close();
});
beforeEach(async () => {
  evening = await anEvening(database.pool, worker);
});

const sql = (statement: string, ...values: unknown[]) => database.pool.query(statement, values);

const ofEvening = () => ({ events: [evening.eventId] });

/** Everything of the event but the inventory's number, which a repair moves on, and when looks are due. */
async function rowsOf(eventId: EventId): Promise<unknown> {
  const { rows } = await sql(
    `SELECT
      (SELECT jsonb_agg(to_jsonb(s) - 'inventory' - 'promote_at' ORDER BY id) FROM slots s WHERE event_id = $1) AS slots,
      (SELECT jsonb_agg(to_jsonb(st) ORDER BY slot_id, stretch) FROM waitlist_stretches st
        WHERE waiting > 0 AND slot_id IN (SELECT id FROM slots WHERE event_id = $1)) AS stretches,
      (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM reservations r WHERE event_id = $1) AS reservations,
      (SELECT jsonb_agg(to_jsonb(w) ORDER BY id) FROM waitlist_entries w WHERE event_id = $1) AS entries,
      (SELECT jsonb_agg(to_jsonb(o) ORDER BY seq) FROM outcomes o WHERE event_id = $1) AS outcomes,
      (SELECT to_jsonb(l) FROM event_lanes l WHERE event_id = $1) AS lane`,
    eventId,
  );
  return rows[0];
}

async function inventoryOf(slotId: string): Promise<number> {
  const { rows } = await sql("SELECT inventory::int FROM slots WHERE id = $1", slotId);
  return rows[0].inventory;
}

test.each<[fault: string, statement: string, change: string]>([
  ["held", "UPDATE slots SET held = held + 2 WHERE id = $1", "held 3 → 1"],
  ["purchased", "UPDATE slots SET purchased = 0 WHERE id = $1", "purchased 0 → 2"],
  ["waiting", "UPDATE slots SET waiting = 0, parked = 0 WHERE id = $1", "waiting 0 → 3, parked 0 → 1"],
  ["last_seq", "UPDATE slots SET last_seq = 3 WHERE id = $1", "last_seq 3 → 6"],
  ["used", "UPDATE slots SET used = false WHERE id = $1", "used false → true"],
  [
    "a stretch's waiting",
    "UPDATE waitlist_stretches SET waiting = 9 WHERE slot_id = $1",
    "waiting in stretch 0 9 → 3",
  ],
  ["a lost stretch", "DELETE FROM waitlist_stretches WHERE slot_id = $1", "waiting in stretch 0 0 → 3"],
  [
    "a stretch of nobody",
    "INSERT INTO waitlist_stretches (slot_id, stretch, waiting) VALUES ($1, 7, 2)",
    "waiting in stretch 7 2 → 0",
  ],
])("%s is rebuilt: everything is as it was before it was spoilt", async (_fault, statement, change) => {
  const { eventId, early: slotId } = evening;
  const before = await rowsOf(eventId);
  await sql(statement, slotId);
  const found = await findContradictions(database.pool, ofEvening());
  expect(found.filter(({ sentence }) => !isRepairable(sentence))).toEqual([]);
  expect(found).not.toEqual([]);
  expect(await repairCounters(database.pool, ofEvening())).toEqual({
    repaired: [{ eventId, slotId, change }],
    busy: [],
  });
  expect(await findContradictions(database.pool, ofEvening())).toEqual([]);
  expect(await rowsOf(eventId)).toEqual(before);
});

test("a rebuilt counter changes the event's ETag", async () => {
  const before = await inventoryOf(evening.late);
  await sql("UPDATE slots SET held = 0 WHERE id = $1", evening.late);
  await repairCounters(database.pool, ofEvening());
  expect(await inventoryOf(evening.late)).toBe(before + 1);
});

test("a look that is due is found by the counters as they are rebuilt, and the waiter gets the offer", async () => {
  const { eventId, early } = evening;
  // Two more tickets for eve, who comes first and wants two; the counters say that all are taken.
  await sql("UPDATE slots SET capacity = 5, purchased = 4 WHERE id = $1", early);
  const { repaired } = await repairCounters(database.pool, ofEvening());
  expect(repaired.map(({ change }) => change)).toEqual([
    "purchased 4 → 2",
    "a look at its waitlist is due now",
  ]);
  expect(await findContradictions(database.pool, ofEvening())).toEqual([]);
  const { rows } = await sql("SELECT promote_at <= clock_timestamp() AS due FROM slots WHERE id = $1", early);
  expect(rows).toEqual([{ due: true }]);
  await worker.apply(eventId, [promote(eventId, early)]);
  const offered = await sql(
    "SELECT quantity FROM waitlist_entries WHERE slot_id = $1 AND status = 'offered' ORDER BY seq",
    early,
  );
  expect(offered.rows).toEqual([{ quantity: 1 }, { quantity: 2 }]);
});

test("what is right is left alone, of all events and of other ones than those that are asked for", async () => {
  await repairCounters(database.pool); // what other tests have left
  const before = await rowsOf(evening.eventId);
  const inventory = await inventoryOf(evening.late);
  expect(await repairCounters(database.pool)).toEqual({ repaired: [], busy: [] });
  await sql("UPDATE slots SET held = 0 WHERE id = $1", evening.late);
  const other = await anEvening(database.pool, worker);
  expect(await repairCounters(database.pool, { events: [other.eventId] })).toEqual({
    repaired: [],
    busy: [],
  });
  expect((await repairCounters(database.pool)).repaired).toHaveLength(1);
  expect(await rowsOf(evening.eventId)).toEqual(before);
  expect(await inventoryOf(evening.late)).toBe(inventory + 1);
});

test("rows that people were told of are not touched, also where there are more than there is room for", async () => {
  const { eventId, late } = evening;
  await sql("UPDATE slots SET capacity = 3, held = 1 WHERE id = $1", late);
  const before = await rowsOf(eventId);
  expect(await repairCounters(database.pool, ofEvening())).toEqual({ repaired: [], busy: [] });
  expect(await rowsOf(eventId)).toEqual(before);
  const left = await findContradictions(database.pool, ofEvening());
  expect(left.map(({ sentence }) => sentence)).toEqual([
    "a slot's counters equal its rows",
    "0 ≤ held + purchased ≤ capacity",
  ]);
});

test("an event without a lane is left as it is", async () => {
  await sql("DELETE FROM event_lanes WHERE event_id = $1", evening.eventId);
  await sql("UPDATE slots SET held = 0 WHERE id = $1", evening.late);
  expect(await repairCounters(database.pool, ofEvening())).toEqual({ repaired: [], busy: [] });
});

test("an event that is busy is told, and the others are repaired", async () => {
  const { eventId, late } = evening;
  const other = await anEvening(database.pool, worker);
  await sql("UPDATE slots SET held = 0 WHERE id = ANY ($1)", [late, other.late]);
  const batch = await database.pool.connect();
  try {
    await batch.query("BEGIN");
    await batch.query("SELECT FROM event_lanes WHERE event_id = $1 FOR NO KEY UPDATE", [eventId]);
    const report = await repairCounters(database.pool, { events: [eventId, other.eventId], triesMax: 2 });
    expect(report).toEqual({
      repaired: [{ eventId: other.eventId, slotId: other.late, change: "held 0 → 4" }],
      busy: [eventId],
    });
  } finally {
    await batch.query("ROLLBACK");
    batch.release();
  }
});

test("while commands are applied, a repair takes its turn and loses none of their effects", async () => {
  const { eventId, late } = evening;
  const users = await createUsers(database.pool, 6);
  await sql("UPDATE slots SET held = 0, capacity = 100 WHERE id = $1", late);
  const pool = openPool({ url: database.url, name: "test-repair", max: 1, onError: () => undefined });
  try {
    const [report] = await Promise.all([
      repairCounters(pool, { events: [eventId] }),
      (async () => {
        for (const user of users) await worker.apply(eventId, [reserve(eventId, user, { slotId: late })]);
      })(),
    ]);
    expect(report.busy).toEqual([]);
    expect(await findContradictions(database.pool, { events: [eventId] })).toEqual([]);
    const { rows } = await sql("SELECT held FROM slots WHERE id = $1", late);
    expect(rows).toEqual([{ held: 10 }]);
  } finally {
    await pool.end();
  }
});
