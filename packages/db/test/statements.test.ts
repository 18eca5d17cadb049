// The hot statements: their text is looked at when it changes, and their plans go by index whatever the tables hold.
import {
  type AnyCommand,
  applyBatch,
  reservationIdOf,
  type UserId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  addSlot,
  cancel,
  cancelEvent,
  createEndpoint,
  createEvent,
  createUsers,
  editEvent,
  joinWaitlist,
  leaveWaitlist,
  openTestDatabase,
  promote,
  purchase,
  removeSlot,
  reserve,
  setCapacity,
  type TestDatabase,
  windDown,
} from "../../testkit/src/index.ts";
import { type LaneClaim, loadBatch, writeBatch } from "../src/inventory.ts";
import { openBatchPool } from "../src/pool.ts";

let database: TestDatabase;
let batches: pg.Pool;
let statements: Map<string, string>;

beforeAll(async () => {
  database = await openTestDatabase();
  batches = openBatchPool({ url: database.url, name: "test-batches", max: 1, onError: () => undefined });
  statements = await recordStatements();
});
afterAll(async () => {
  await batches.end();
  await database.close();
});

/** Runs batches that need every statement, and keeps what was sent. */
async function recordStatements(): Promise<Map<string, string>> {
  const sent = new Map<string, string>();
  const event = await createEvent(database.pool, { capacities: [1, 1], waitlist: {} });
  const [ann, bob, cid] = (await createUsers(database.pool, 3)) as [UserId, UserId, UserId];
  await createEndpoint(database.pool, event.organizerId);
  const client = await batches.connect();
  const tx = new Proxy(client, {
    get: (target, name) => {
      if (name !== "query") return Reflect.get(target, name, target);
      return (given: string | pg.QueryConfig) => {
        if (typeof given !== "string" && given.name !== undefined) sent.set(given.name, given.text);
        return target.query(given);
      };
    },
  });
  const run = async (commands: readonly AnyCommand[], claim: LaneClaim) => {
    const loaded = await loadBatch(tx, event.id, claim, commands, Date.now());
    const result = applyBatch(commands, {
      ...loaded,
      logicalAt: loaded.lane.logicalAt,
      notices: loaded.lane,
      onFault: () => undefined,
    });
    const notice = result.notices[0];
    const to = loaded.subscribers.map(({ id: endpointId }) => ({
      id: newId("delivery"),
      endpointId,
      missed: false,
    }));
    await writeBatch(tx, {
      eventId: event.id,
      lane: loaded.lane,
      exclusive: true,
      ...result,
      messages: notice === undefined ? [] : [{ id: newId("webhookMessage"), notice, deliveries: to }],
      now: loaded.now,
      promised: true,
    });
    return loaded.lane.fence;
  };
  try {
    const by = event.organizerId;
    const { slotId } = event;
    const hold = reserve(event.id, ann, { key: "k", slotId });
    const waits = joinWaitlist(event.id, bob, slotId);
    const also = joinWaitlist(event.id, cid, slotId);
    const fence = await run([hold, waits, also], { owner: "test", after: 0 });
    await run([purchase(event.id, ann, reservationIdOf(hold.id)), reserve(event.id, bob, { slotId })], {
      fence,
    });
    await run(
      [
        leaveWaitlist(event.id, cid, waitlistEntryIdOf(also.id)),
        cancel(event.id, by, reservationIdOf(hold.id), { role: "organizer" }),
        promote(event.id, slotId),
        editEvent(event.id, by, { name: "Another", maxPerUser: 100 }),
        addSlot(event.id, by),
        setCapacity(event.id, by, slotId, 2),
        removeSlot(event.id, by, event.slots[1]?.id ?? slotId),
        cancelEvent(event.id, by),
      ],
      { fence },
    );
    await run([windDown(event.id)], { fence });
  } finally {
    client.release();
  }
  return sent;
}

test("the statements of a batch are these", () => {
  expect([...statements.keys()].sort()).toEqual([
    "delete-accepted",
    "delete-slots",
    "end-batch",
    "end-wind-down",
    "find-owners",
    "find-parked",
    "find-strangers",
    "hold-lane",
    "insert-deliveries",
    "insert-entries",
    "insert-messages",
    "insert-reservations",
    "insert-slots",
    "load-claims",
    "load-details",
    "load-entries",
    "load-event",
    "load-keys",
    "load-left-entries",
    "load-left-reservations",
    "load-lines",
    "load-live-entries",
    "load-outcomes",
    "load-reservations",
    "load-slots",
    "load-stamps",
    "load-subscribers",
    "lock-users-and-load-due",
    "recheck-limited",
    "take-lane",
    "update-entries",
    "update-event",
    "update-lines",
    "update-reservations",
    "update-slots",
  ]);
});

test("their SQL is the SQL that was read and measured", async () => {
  const text = [...statements].sort().map(([name, sql]) => `-- ${name}\n${sql};\n`);
  await expect(text.join("\n")).toMatchFileSnapshot("./statements.sql");
});

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** The nodes of every statement's generic plan, as a batch's connection makes it. */
async function plans(pool: pg.Pool): Promise<Map<string, Plan[]>> {
  const nodes = new Map<string, Plan[]>();
  for (const [name, sql] of statements) {
    const { rows } = await pool.query<{ "QUERY PLAN": { Plan: Plan }[] }>(
      `EXPLAIN (GENERIC_PLAN, FORMAT JSON, COSTS OFF) ${sql}`,
    );
    nodes.set(name, rows[0]?.["QUERY PLAN"].flatMap(({ Plan: plan }) => nodesOf(plan)) ?? []);
  }
  return nodes;
}

/** Each index with the column that it begins with. */
async function firstColumns(): Promise<Map<string, string>> {
  const { rows } = await database.pool.query<{ index: string; column: string }>(
    `SELECT indexrelid::regclass::text AS index, attname::text AS column FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]`,
  );
  return new Map(rows.map(({ index, column }) => [index, column]));
}

/** A partial index that holds just those who are asked for: admins, who hear of everything. */
const WANTED_WHOLE = "users_admins_idx";

/** Of each statement, the nodes that read a whole table or index, or skip through one from value to value. */
async function wholeTables(pool: pg.Pool): Promise<string[]> {
  const found: string[] = [];
  const columns = await firstColumns();
  for (const [name, nodes] of await plans(pool)) {
    for (const node of nodes) {
      const {
        "Node Type": type,
        "Relation Name": table,
        "Index Name": index,
        "Index Cond": condition = "",
      } = node;
      const column = columns.get(index ?? "") ?? "";
      if (/^Seq Scan|Hash Join|Merge Join/.test(type)) found.push(`${name}: ${type} of ${table}`);
      // Of no matter for events, which are few as long as they count as tiny.
      if (table === "events" || index === WANTED_WHOLE) continue;
      if (index !== undefined && !condition.includes(`(${column} `) && !condition.includes(`(ROW(${column},`))
        found.push(`${name}: ${type} of all ${index}`);
    }
  }
  return found;
}

/** By which indexes statements may find entries: partial ones, that ended entries are not in, but for what is named. */
const ENTRIES_BY = {
  "find-parked": ["waitlist_entries_parked_idx"],
  "load-entries": ["waitlist_entries_pkey"],
  "load-left-entries": ["waitlist_entries_place_idx", "waitlist_entries_size_idx"],
  "load-lines": ["waitlist_entries_pkey", "waitlist_entries_turn_idx"],
  "load-live-entries": ["waitlist_entries_one_live_key"],
  "recheck-limited": ["waitlist_entries_place_idx", "waitlist_entries_size_idx"],
  "update-entries": ["waitlist_entries_pkey"],
};

/** By which indexes statements find reservations: not by the lists of an event or user, when ids or states are asked for. */
const RESERVATIONS_BY = {
  "delete-slots": ["reservations_event_id_idx"],
  "find-owners": ["reservations_pkey"],
  "load-claims": ["reservations_one_active_key", "reservations_unpaid_idx"],
  "load-left-reservations": ["reservations_event_id_idx"],
  "load-reservations": ["reservations_pkey"],
  "load-slots": ["reservations_release_idx"],
  "lock-users-and-load-due": ["reservations_release_idx"],
  "update-reservations": ["reservations_pkey"],
};

/** Statements that find rows by other indexes than these: by such as hold what ended long ago, or may not be had now. */
async function detours(pool: pg.Pool): Promise<string[]> {
  const found: string[] = [];
  const nodes = await plans(pool);
  for (const [table, by] of Object.entries({ waitlist_entries: ENTRIES_BY, reservations: RESERVATIONS_BY })) {
    for (const [name, used] of nodes) {
      const allowed: readonly string[] = Object.entries(by).find(([key]) => key === name)?.[1] ?? [];
      for (const { "Index Name": index = "" } of used) {
        if (index.startsWith(`${table}_`) && !allowed.includes(index)) found.push(`${name}: ${index}`);
      }
    }
  }
  return found;
}

async function expectByIndex(): Promise<void> {
  expect(await wholeTables(batches)).toEqual([]);
  expect(await detours(batches)).toEqual([]);
}

test("plans made while the tables were empty, and never analysed, go by index (F9)", async () => {
  await expectByIndex();
});

test("plans made while the tables were known to be empty go by index (F9)", async () => {
  const empty = await openTestDatabase();
  onTestFinished(() => empty.close());
  await empty.pool.query("VACUUM ANALYZE");
  const pool = openBatchPool({ url: empty.url, name: "test-batches", max: 1, onError: () => undefined });
  onTestFinished(() => pool.end());
  expect(await wholeTables(pool)).toEqual([]);
  // No other index begins with the user alone: the user's own entries it is, which are few.
  expect(await detours(pool)).toEqual(["find-parked: waitlist_entries_user_id_idx"]);
});

test("plans made while the tables were known to be tiny go by index: they are kept while the tables grow (F9)", async () => {
  await database.pool.query("VACUUM ANALYZE");
  await expectByIndex();
});

test("plans go by index when the tables are full and known to be (F9)", async () => {
  const [organizer] = await createUsers(database.pool, 1);
  await database.pool.query(
    `WITH made AS (
      INSERT INTO events (id, organizer_id, name, hold_seconds, offer_seconds, max_per_order, max_per_user,
        overlap_policy, cancel_cutoff_seconds, waitlist, starts_at, ends_at)
      SELECT 'evt_' || n, $1, 'x', 300, 900, 10, 10, 'refuse', 0, '{}', '2031-01-01', '2031-01-02'
      FROM generate_series(1, 300) n RETURNING id
    ) INSERT INTO slots (id, event_id, starts_at, ends_at, capacity)
    SELECT 'slt_' || id, id, '2031-01-01', '2031-01-02', 1000 FROM made`,
    [organizer],
  );
  await database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
      exclusive)
    SELECT 'rsv_' || n, 'evt_' || n % 300 + 1, 'slt_evt_' || n % 300 + 1, u.id, 1, 'held', 'public', now(), now(),
      tstzrange('2031-01-01', '2031-01-02'), false
    FROM generate_series(1, 300) n, (SELECT id FROM users LIMIT 1) u`,
  );
  await database.pool.query("VACUUM ANALYZE");
  await expectByIndex();
});

test("plans go by index when one slot is known to have all holds (F9)", async () => {
  await database.pool.query("DELETE FROM reservations");
  await database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
      exclusive)
    SELECT 'rsv_hot_' || n, 'evt_1', 'slt_evt_1', 'usr_hot_' || n, 1, 'held', 'public',
      now() + n * interval '1 second', now(), tstzrange('2031-01-01', '2031-01-02'), false
    FROM generate_series(1, 20000) n`,
  );
  await database.pool.query("VACUUM ANALYZE");
  await expectByIndex();
});

describe("a line of which nearly all have ended, and of the others nearly all are parked", () => {
  const SLOT = "slt_evt_2";

  beforeAll(async () => {
    await database.pool.query("ALTER TABLE waitlist_entries SET (autovacuum_enabled = false)");
    await database.pool.query(
      `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, ended_at, end_reason,
        recheck_at)
      SELECT 'wle_' || n, 'evt_2', $1, 'usr_' || n, 1, w.status, n, now(),
        CASE WHEN w.status = 'left' THEN now() END, CASE WHEN w.status = 'left' THEN 'user' END,
        CASE WHEN w.status = 'waiting' AND n % 100 <> 0 THEN now() END
      FROM generate_series(1, 100000) n, LATERAL (SELECT CASE WHEN n % 10 = 0 THEN 'waiting' ELSE 'left' END) w(status)`,
      [SLOT],
    );
  });

  /** How many entries a look from the head reads, of which it gives back how many. */
  async function lookAt(): Promise<{ read: number; given: number }> {
    const client = await batches.connect();
    try {
      const { rows } = await client.query<{ "QUERY PLAN": { Plan: ActualPlan }[] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${statements.get("load-lines")}`,
        [[SLOT], [0], 128, []],
      );
      const plan = rows[0]?.["QUERY PLAN"][0]?.Plan;
      if (plan === undefined) throw new Error("nothing is explained");
      const scans = actualNodesOf(plan).filter((node) => node["Relation Name"] === "waitlist_entries");
      const read = scans.map((node) => node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0));
      return { read: read.reduce((sum, each) => sum + each, 0), given: plan["Actual Rows"] };
    } finally {
      client.release();
    }
  }

  test.each(["never analysed", "analysed", "vacuumed"])(
    "is looked at by its eligible ones alone: %s",
    async (how) => {
      if (how === "analysed") await database.pool.query("ANALYZE waitlist_entries");
      if (how === "vacuumed") await database.pool.query("VACUUM ANALYZE");
      await expectByIndex();
      expect(await lookAt()).toEqual({ read: 129, given: 129 });
    },
  );
});

interface ActualPlan extends Plan {
  "Actual Rows": number;
  "Rows Removed by Filter"?: number;
  Plans?: ActualPlan[];
}
const actualNodesOf = (plan: ActualPlan): ActualPlan[] => [
  plan,
  ...(plan.Plans ?? []).flatMap(actualNodesOf),
];
