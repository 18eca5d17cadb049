// What is outstanding in a row's template: holds, and people who wait, with the outcomes of the commands that made them.
// Rows as a worker would have left them, which no invariant contradicts.
import { STRETCH_ENTRIES } from "@holdfast/db";
import type { SlotId, UserId, WaitlistEntryId } from "@holdfast/domain";
import type { TestEvent } from "@holdfast/testkit/fixtures";
import type pg from "pg";
import { inBulk } from "./bulk.ts";

/** Users of whom `$1` is the crowd and `n` the number, as text. */
const user = (n: string): string => `'usr_0' || left(md5($1 || ' ' || ${n}), 25)`;

const INSERT_CROWD = `INSERT INTO users (id, email, name, password_hash)
  SELECT ${user("n")}, $1 || n || '@example.com', 'Somebody', 'none' FROM generate_series(1, $2::int) n`;

/** Behind what the event has: its lane counts on. */
const INSERT_OUTCOMES = `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at,
    finished_at)
  SELECT 'cmd_' || substr(made.id, 5), $1, l.next_seq + made.nth - 1, $2, made.user_id, 'succeeded', made.outcome,
    made.created_at, made.created_at`;
const MOVE_LANE = "UPDATE event_lanes SET next_seq = next_seq + $2, logical_at = now() WHERE event_id = $1";

export interface HoldsWish {
  /** Each has a hold of one ticket in each of the slots. */
  readonly users: number;
  readonly slotIds: readonly SlotId[];
  /** From now until the deadline of all of them. Not more than 0: they are due. */
  readonly seconds: number;
}

export async function createHolds(
  pool: pg.Pool,
  { id }: Pick<TestEvent, "id">,
  { users, slotIds, seconds }: HoldsWish,
): Promise<void> {
  const crowd = `holder of ${id}`;
  await inBulk(pool, ["users", "reservations", "outcomes"], async (tx) => {
    await tx.query(INSERT_CROWD, [crowd, users]);
    await tx.query(
      `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
        exclusive)
      SELECT 'rsv_0' || left(md5(s.id || ' ' || n), 25), $2, s.id, ${user("n")}, 1, 'held', 'public',
        date_trunc('second', now()) + make_interval(secs => $5), now() - interval '1 hour',
        tstzrange(s.starts_at, s.ends_at), true
      FROM slots s, generate_series(1, $3::int) n WHERE s.id = ANY ($4::text[])`,
      [crowd, id, users, slotIds, seconds],
    );
    await tx.query(
      `${INSERT_OUTCOMES} FROM (
        SELECT id, user_id, created_at, row_number() OVER () AS nth, json_build_object('status', 'succeeded',
          'reservation', json_build_object('id', id, 'slotId', slot_id, 'quantity', 1)) AS outcome
        FROM reservations WHERE event_id = $1 AND status = 'held'
      ) made, event_lanes l WHERE l.event_id = $1`,
      [id, "reserve"],
    );
    await tx.query(MOVE_LANE, [id, users * slotIds.length]);
    await tx.query("UPDATE slots SET used = true, held = $2 WHERE id = ANY ($1::text[])", [slotIds, users]);
  });
}

export interface Waiter {
  readonly userId: UserId;
  readonly entryId: WaitlistEntryId;
}

/** So many wait for the event's slot, for one ticket each. Gives those whose numbers are multiples of `every`. */
export async function createLine(
  pool: pg.Pool,
  { id, slotId }: Pick<TestEvent, "id" | "slotId">,
  { length, every }: { length: number; every: number },
): Promise<Waiter[]> {
  const crowd = `waiter of ${slotId}`;
  await inBulk(pool, ["users", "waitlist_entries", "outcomes"], async (tx) => {
    await tx.query(INSERT_CROWD, [crowd, length]);
    await tx.query(
      `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at)
      SELECT 'wle_0' || left(md5($3 || ' ' || n), 25), $2, $3, ${user("n")}, 1, 'waiting', n, now() - interval '1 hour'
      FROM generate_series(1, $4::int) n`,
      [crowd, id, slotId, length],
    );
    await tx.query(
      `INSERT INTO waitlist_stretches (slot_id, stretch, waiting)
      SELECT $1, (n - 1) / ${STRETCH_ENTRIES}, count(*) FROM generate_series(1, $2::int) n GROUP BY 2`,
      [slotId, length],
    );
    await tx.query(
      `${INSERT_OUTCOMES} FROM (
        SELECT id, user_id, created_at, seq AS nth, json_build_object('status', 'succeeded', 'reservation', NULL, 'entry',
          json_build_object('id', id, 'slotId', slot_id, 'quantity', 1, 'seq', seq)) AS outcome
        FROM waitlist_entries WHERE event_id = $1
      ) made, event_lanes l WHERE l.event_id = $1`,
      [id, "join-waitlist"],
    );
    await tx.query(MOVE_LANE, [id, length]);
    await tx.query("UPDATE slots SET waiting = $2, last_seq = $2 WHERE id = $1", [slotId, length]);
  });
  const { rows } = await pool.query<Waiter>(
    `SELECT user_id AS "userId", id AS "entryId" FROM waitlist_entries WHERE slot_id = $1 AND seq % $2 = 0 ORDER BY seq`,
    [slotId, every],
  );
  return rows;
}

/** Somebody has bought all tickets of the slot: whoever comes must wait. */
export async function sellOut(
  pool: pg.Pool,
  { id, slotId }: Pick<TestEvent, "id" | "slotId">,
  buyer: UserId,
): Promise<void> {
  await pool.query(
    `WITH bought AS (
      INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, created_at, purchased_at, during,
        exclusive)
      SELECT 'rsv_0' || left(md5(id), 25), $1, id, $3, capacity, 'purchased', 'public', now() - interval '2 hours',
        now() - interval '2 hours', tstzrange(starts_at, ends_at), true
      FROM slots WHERE id = $2 RETURNING id, slot_id, quantity, created_at
    ), counted AS (
      UPDATE slots SET used = true, purchased = capacity WHERE id = $2
    ), moved AS (
      UPDATE event_lanes SET next_seq = next_seq + 1 WHERE event_id = $1
    )
    INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    SELECT 'cmd_' || substr(b.id, 5), $1, l.next_seq, 'reserve', $3, 'succeeded', json_build_object('status', 'succeeded',
        'reservation', json_build_object('id', b.id, 'slotId', b.slot_id, 'quantity', b.quantity)), b.created_at, b.created_at
    FROM bought b JOIN event_lanes l ON l.event_id = $1`,
    [id, slotId, buyer],
  );
}
