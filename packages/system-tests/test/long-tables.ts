// Thousands of reservations and waiters of one slot at once, with the outcomes of the commands that made them: rows as
// a worker would have left them, which no invariant contradicts.

import { STRETCH_ENTRIES } from "@holdfast/db";
import type { UserId } from "@holdfast/domain";
import type { TestEvent } from "@holdfast/testkit";
import type pg from "pg";

/** Ids out of what is to be told apart, and outcomes numbered behind those that the event has. */
const MADE = `made AS (
    SELECT '0' || left(md5(user_id || $1 || $4), 25) AS suffix, user_id, nth::int, s.id AS slot_id, s.starts_at, s.ends_at
    FROM unnest($3::text[]) WITH ORDINALITY AS given(user_id, nth) JOIN slots s ON s.id = $2
  ), numbered AS (
    SELECT made.*, l.next_seq + nth - 1 AS outcome_seq FROM made JOIN event_lanes l ON l.event_id = $1
  ), moved AS (
    UPDATE event_lanes SET next_seq = next_seq + cardinality($3::text[]) WHERE event_id = $1
  )`;

const OUTCOME_COLUMNS =
  "command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at";

/** One ticket each, made now: held for another hour, or bought. */
export async function writeReservations(
  pool: pg.Pool,
  { id, slotId }: TestEvent,
  users: readonly UserId[],
  status: "held" | "purchased",
): Promise<void> {
  await pool.query(
    `WITH ${MADE}, reserved AS (
      INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        purchased_at, during, exclusive)
      SELECT 'rsv_' || suffix, $1, slot_id, user_id, 1, $4, 'public',
        CASE WHEN $4 = 'held' THEN date_trunc('second', now()) + interval '1 hour' END, now(),
        CASE WHEN $4 = 'purchased' THEN now() END, tstzrange(starts_at, ends_at), true
      FROM made
    ), counted AS (
      UPDATE slots SET used = true, held = held + CASE WHEN $4 = 'held' THEN cardinality($3::text[]) ELSE 0 END,
        purchased = purchased + CASE WHEN $4 = 'purchased' THEN cardinality($3::text[]) ELSE 0 END
      WHERE id = $2
    )
    INSERT INTO outcomes (${OUTCOME_COLUMNS})
    SELECT 'cmd_' || suffix, $1, outcome_seq, 'reserve', user_id, 'succeeded', jsonb_build_object('status', 'succeeded',
        'reservation', jsonb_build_object('id', 'rsv_' || suffix, 'slotId', slot_id, 'quantity', 1)),
      now(), now()
    FROM numbered`,
    [id, slotId, users, status],
  );
}

export interface Line {
  /** Of whom every so many'th is parked; none unless told otherwise. */
  readonly parkedEvery?: number;
}

/** They wait, in this order, for one ticket each, and stand behind all who have. */
export async function writeLine(
  pool: pg.Pool,
  { id, slotId }: TestEvent,
  users: readonly UserId[],
  { parkedEvery = 0 }: Line = {},
): Promise<void> {
  await pool.query(
    `WITH ${MADE}, joined AS (
      SELECT numbered.*, s.last_seq + nth AS entry_seq, $5 > 0 AND nth % nullif($5, 0) = 0 AS parked
      FROM numbered JOIN slots s ON s.id = slot_id
    ), waiting AS (
      INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, recheck_at,
        last_passed_over)
      SELECT 'wle_' || suffix, $1, slot_id, user_id, 1, 'waiting', entry_seq, now(),
        CASE WHEN parked THEN now() + interval '1 hour' END,
        CASE WHEN parked THEN json_build_object('at', floor(date_part('epoch', now()) * 1000), 'reason', 'overlap',
          'limit', NULL, 'reservationId', NULL) END
      FROM joined
    ), stretched AS (
      INSERT INTO waitlist_stretches AS st (slot_id, stretch, waiting)
      SELECT slot_id, (entry_seq - 1) / ${STRETCH_ENTRIES}, count(*) FROM joined GROUP BY 1, 2
      ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = st.waiting + excluded.waiting
    ), counted AS (
      UPDATE slots SET waiting = waiting + cardinality($3::text[]), last_seq = last_seq + cardinality($3::text[]),
        parked = parked + (SELECT count(*) FROM joined WHERE joined.parked)
      WHERE id = $2
    )
    INSERT INTO outcomes (${OUTCOME_COLUMNS})
    SELECT 'cmd_' || suffix, $1, outcome_seq, 'join-waitlist', user_id, 'succeeded',
      jsonb_build_object('status', 'succeeded', 'reservation', NULL, 'entry',
        jsonb_build_object('id', 'wle_' || suffix, 'slotId', slot_id, 'quantity', 1, 'seq', entry_seq)),
      now(), now()
    FROM joined`,
    [id, slotId, users, "waiting", parkedEvery],
  );
}

/** The first ones who wait for the slot are offered a ticket each, for another hour. */
export async function offerTo(pool: pg.Pool, { id, slotId }: TestEvent, count: number): Promise<void> {
  await pool.query(
    `WITH offered AS (
      UPDATE waitlist_entries SET status = 'offered', offered_at = now()
      WHERE id IN (
        SELECT id FROM waitlist_entries WHERE slot_id = $2 AND status = 'waiting' AND recheck_at IS NULL
        ORDER BY seq LIMIT $3
      )
      RETURNING id, user_id, seq
    ), stretched AS (
      UPDATE waitlist_stretches st SET waiting = st.waiting - gone.count
      FROM (SELECT (seq - 1) / ${STRETCH_ENTRIES} AS stretch, count(*) AS count FROM offered GROUP BY 1) gone
      WHERE st.slot_id = $2 AND st.stretch = gone.stretch
    ), counted AS (
      UPDATE slots SET used = true, waiting = waiting - $3, held = held + $3 WHERE id = $2
    )
    INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
      exclusive)
    SELECT 'rsv_' || substr(offered.id, 5), $1, $2, user_id, 1, 'held', 'waitlist',
      date_trunc('second', now()) + interval '1 hour', now(), tstzrange(starts_at, ends_at), true
    FROM offered JOIN slots s ON s.id = $2`,
    [id, slotId, count],
  );
}
