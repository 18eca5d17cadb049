// Rebuilds what is kept beside the rows: counters of slots, and when somebody is to look at a waitlist. Rows are what
// people were told of and are never touched. The one exception to "one writer": it holds the event's lane meanwhile,
// so that no batch is under way, and batches load what it left.
import type { EventId, SlotId } from "@holdfast/domain";
import type pg from "pg";
import { COUNTERS, HAD_RESERVATIONS, SLOTS_BY_ROWS, WRONG_STRETCHES } from "./invariants/counters.ts";
import { inLook } from "./invariants/look.ts";
import { TURNS, UNSEEN_TURNS } from "./invariants/turns.ts";
import { inTransaction, type Queryable } from "./queryable.ts";

/** Milliseconds for which a repair waits for an event's lane at once. */
const LOCK_TIMEOUT_MS = 1_000;
/** How often it waits for the lane of an event that is busy. */
const TRIES_MAX = 5;
/** Milliseconds that a statement of a repair may take: all rows of one event are read. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** Milliseconds past that after which a silent server counts as gone. */
const SILENCE_MS = 1_000;

const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

export interface Repaired {
  readonly eventId: EventId;
  readonly slotId: SlotId;
  /** What was, and what is now. */
  readonly change: string;
}

export interface RepairReport {
  readonly repaired: readonly Repaired[];
  /** Events whose lane could not be had: they are as they were. */
  readonly busy: readonly EventId[];
}

const REPAIRABLE = { ...COUNTERS, ...TURNS };

/** Is this sentence one of those that hold again after a repair, as far as the rows let it? */
export const isRepairable = (sentence: string): boolean => Object.hasOwn(REPAIRABLE, sentence);

/** Repairs these events, or all: one after the other, in a transaction each. What is right is left alone. */
export async function repairCounters(
  pool: pg.Pool,
  { events, triesMax = TRIES_MAX }: { readonly events?: readonly EventId[]; readonly triesMax?: number } = {},
): Promise<RepairReport> {
  const repaired: Repaired[] = [];
  let left = await eventsToRepair(pool, events);
  for (let tries = 0; tries < triesMax && left.length > 0; tries += 1) {
    const busy: EventId[] = [];
    for (const eventId of left) {
      const done = await repairEvent(pool, eventId);
      if (done === null) busy.push(eventId);
      else repaired.push(...done);
    }
    left = busy;
  }
  return { repaired, busy: left };
}

async function eventsToRepair(pool: pg.Pool, events: readonly EventId[] | undefined): Promise<EventId[]> {
  const wrong = new Set<EventId>();
  await inLook(pool, async (ask) => {
    for (const statement of Object.values(REPAIRABLE)) {
      const rows = await ask<{ event_id: EventId | null }>(
        `SELECT DISTINCT event_id FROM (${statement}) AS found`,
        [events ?? null],
      );
      for (const { event_id } of rows) if (event_id !== null) wrong.add(event_id);
    }
  });
  return [...wrong].sort();
}

/** Null when the event is busy. */
async function repairEvent(pool: pg.Pool, eventId: EventId): Promise<Repaired[] | null> {
  try {
    return await inTransaction(pool, async (tx) => {
      await tx.query(
        `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
      );
      const lane = await tx.query("SELECT FROM event_lanes WHERE event_id = $1 FOR UPDATE", [eventId]);
      if (lane.rowCount === 0) return []; // without a lane nobody can be kept out
      const repaired: Repaired[] = [];
      // The look that is due is found by counters, so they come first.
      for (const statement of [REBUILD_COUNTERS, REBUILD_STRETCHES, LET_LOOK]) {
        repaired.push(...(await ask(tx, statement, eventId)));
      }
      return repaired;
    });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === LOCK_NOT_AVAILABLE || code === DEADLOCK) return null;
    throw error;
  }
}

async function ask(tx: Queryable, text: string, eventId: EventId): Promise<Repaired[]> {
  const asked = { text, values: [[eventId]], query_timeout: STATEMENT_TIMEOUT_MS + SILENCE_MS };
  const { rows } = await tx.query<{ slot_id: SlotId; change: string }>(asked);
  return rows.map((row) => ({ eventId, slotId: row.slot_id, change: row.change }));
}

/** Counters that a repair sets, each with what it should be. More than there is room for is left as it stands. */
const SHOULD_BE = {
  held: "CASE WHEN c.rows_held + c.rows_purchased > c.capacity THEN c.held ELSE c.rows_held END",
  purchased:
    "CASE WHEN c.rows_held + c.rows_purchased > c.capacity THEN c.purchased ELSE c.rows_purchased END",
  waiting: "c.rows_waiting",
  parked: "c.rows_parked",
  last_seq: "greatest(c.last_seq, c.greatest_seq, c.rows_waiting)",
  used: `c.used OR ${HAD_RESERVATIONS("c")}`,
} as const;

const columns = Object.keys(SHOULD_BE);

/** The inventory's number moves on with them: whoever has the event's old ETag is told the new counters. */
const REBUILD_COUNTERS = `
  WITH wrong AS (
    SELECT c.id, should.*, ${columns.map((column) => `c.${column} AS old_${column}`).join(", ")}
    FROM ${SLOTS_BY_ROWS} c CROSS JOIN LATERAL (
      SELECT ${Object.entries(SHOULD_BE)
        .map(([column, value]) => `${value} AS ${column}`)
        .join(", ")}
    ) should
    WHERE (${columns.map((column) => `c.${column}`).join(", ")}) IS DISTINCT FROM
      (${columns.map((column) => `should.${column}`).join(", ")})
  ), written AS (
    UPDATE slots s SET inventory = s.inventory + 1, ${columns.map((column) => `${column} = wrong.${column}`).join(", ")}
    FROM wrong WHERE s.id = wrong.id
  )
  SELECT id AS slot_id, concat_ws(', ', ${columns
    .map(
      (column) =>
        `CASE WHEN old_${column} <> ${column} THEN format('${column} %s → %s', old_${column}::text, ${column}::text) END`,
    )
    .join(", ")}) AS change
  FROM wrong ORDER BY id`;

const REBUILD_STRETCHES = `
  WITH wrong AS (${WRONG_STRETCHES}), written AS (
    INSERT INTO waitlist_stretches (slot_id, stretch, waiting) SELECT slot_id, stretch, counted FROM wrong
    ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = excluded.waiting
  )
  SELECT slot_id, format('waiting in stretch %s %s → %s', stretch, kept, counted) AS change
  FROM wrong ORDER BY slot_id, stretch`;

/** The sweep finds it. */
const LET_LOOK = `
  WITH unseen AS (${UNSEEN_TURNS}), written AS (
    UPDATE slots s SET promote_at = date_trunc('milliseconds', clock_timestamp()) FROM unseen WHERE s.id = unseen.slot_id
  )
  SELECT slot_id, 'a look at its waitlist is due now' AS change FROM unseen ORDER BY slot_id`;
