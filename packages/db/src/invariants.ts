// What must be true of the tables, as sentences with a statement each that finds what contradicts it. Looks at one
// moment and changes nothing, so that it may be asked while everything runs.
import type { EventId, SlotId } from "@holdfast/domain";
import type pg from "pg";
import { inSnapshot } from "./queryable.ts";

export interface Contradiction {
  /** The invariant, as it should be. */
  readonly sentence: string;
  /** Null when it is about no event. */
  readonly eventId: EventId | null;
  readonly slotId: SlotId | null;
  /** What is found instead, with the names of the rows. */
  readonly difference: string;
}

/** What statements about events take: $1 the events to look at, null for all. */
const ofEvents = (column: string): string => `($1::text[] IS NULL OR ${column} = ANY ($1::text[]))`;

const ACTIVE_TICKETS = `SELECT coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0) AS held,
    coalesce(sum(quantity) FILTER (WHERE status = 'purchased'), 0) AS purchased
  FROM reservations WHERE slot_id = s.id`;

/** True in every snapshot: what one of these compares is written in one transaction. */
const INVARIANTS = {
  "a slot's counters equal its rows": `
    SELECT s.event_id, s.id AS slot_id, format('held counts %s, its rows have %s; purchased counts %s, its rows have %s',
      s.held, r.held, s.purchased, r.purchased) AS difference
    FROM slots s CROSS JOIN LATERAL (${ACTIVE_TICKETS}) r
    WHERE (s.held, s.purchased) <> (r.held, r.purchased) AND ${ofEvents("s.event_id")}`,
  "0 ≤ held + purchased ≤ capacity": `
    SELECT s.event_id, s.id AS slot_id, format('%s held and %s purchased of %s', r.held, r.purchased, s.capacity)
      AS difference
    FROM slots s CROSS JOIN LATERAL (${ACTIVE_TICKETS}) r
    WHERE (r.held + r.purchased > s.capacity OR s.held < 0 OR s.purchased < 0) AND ${ofEvents("s.event_id")}`,
  "one active reservation for each user and slot": `
    SELECT event_id, slot_id, format('%s has %s', user_id, count(*)) AS difference FROM reservations
    WHERE status IN ('held', 'purchased') AND ${ofEvents("event_id")}
    GROUP BY event_id, slot_id, user_id HAVING count(*) > 1`,
  "no overlap among a user's active reservations": `
    SELECT a.event_id, a.slot_id, format('%s and %s of %s', a.id, b.id, a.user_id) AS difference
    FROM reservations a JOIN slots sa ON sa.id = a.slot_id JOIN events ea ON ea.id = a.event_id
    JOIN reservations b ON b.user_id = a.user_id AND b.id > a.id AND b.status IN ('held', 'purchased')
    JOIN slots sb ON sb.id = b.slot_id JOIN events eb ON eb.id = b.event_id
    WHERE a.status IN ('held', 'purchased') AND ea.overlap_policy = 'refuse' AND eb.overlap_policy = 'refuse'
      AND sa.starts_at < sb.ends_at AND sb.starts_at < sa.ends_at
      AND (${ofEvents("a.event_id")} OR ${ofEvents("b.event_id")})`,
  "a reservation's time is its slot's": `
    SELECT r.event_id, r.slot_id, format('%s: %s, not %s', r.id, r.during, tstzrange(s.starts_at, s.ends_at))
      AS difference
    FROM reservations r JOIN slots s ON s.id = r.slot_id
    WHERE r.during <> tstzrange(s.starts_at, s.ends_at) AND ${ofEvents("r.event_id")}`,
  "no hold ends before its deadline": `
    SELECT event_id, slot_id, format('%s ended %s, its deadline was %s', id, ended_at, expires_at) AS difference
    FROM reservations WHERE end_reason = 'deadline' AND ended_at < expires_at AND ${ofEvents("event_id")}`,
  "outcomes of an event are numbered from 1 without gap": `
    SELECT l.event_id, NULL AS slot_id, format('%s outcomes, numbered %s to %s; the next is %s', o.ended, o.first, o.last,
      l.next_seq) AS difference
    FROM event_lanes l CROSS JOIN LATERAL (
      SELECT count(*) AS ended, coalesce(min(seq), 1) AS first, coalesce(max(seq), 0) AS last
      FROM outcomes WHERE event_id = l.event_id
    ) o
    WHERE (o.first <> 1 OR o.last <> o.ended OR l.next_seq <> o.ended + 1) AND ${ofEvents("l.event_id")}`,
  "every reservation was made by one command that succeeded, as it answered, and every such command made one": `
    SELECT coalesce(r.event_id, o.event_id) AS event_id, r.slot_id, CASE
        WHEN r.id IS NULL THEN format('%s made none', o.command_id)
        WHEN o.command_id IS NULL THEN format('%s was made by none', r.id)
        ELSE format('%s is %s of %s for %s, its command answered %s', r.id, r.quantity, r.slot_id, r.user_id,
          o.outcome -> 'reservation')
      END AS difference
    FROM (SELECT * FROM reservations WHERE ${ofEvents("event_id")}) r
    FULL JOIN (
      SELECT * FROM outcomes WHERE type = 'reserve' AND status = 'succeeded' AND ${ofEvents("event_id")}
    ) o ON substr(o.command_id, 5) = substr(r.id, 5)
    WHERE r.id IS NULL OR o.command_id IS NULL
      OR (r.id, r.event_id, r.slot_id, r.user_id, r.quantity::text) IS DISTINCT FROM (
        o.outcome #>> '{reservation,id}', o.event_id, o.outcome #>> '{reservation,slotId}', o.user_id,
        o.outcome #>> '{reservation,quantity}')`,
  "a user's key belongs to one command": `
    SELECT min(event_id) AS event_id, NULL AS slot_id, format('%s: %s', user_id, idempotency_key) AS difference
    FROM outcomes WHERE idempotency_key IS NOT NULL AND ${ofEvents("event_id")}
    GROUP BY user_id, idempotency_key HAVING count(*) > 1`,
} as const satisfies Record<string, string>;

/** True when nothing is under way, and nothing went wrong on the way here. */
const AT_REST = {
  "every accepted command has ended, and is gone": `
    SELECT event_id, NULL AS slot_id, format('%s, accepted %s', command_id, accepted_at) AS difference
    FROM accepted_commands WHERE ${ofEvents("event_id")}`,
  "no command failed": `
    SELECT event_id, NULL AS slot_id, format('%s: %s', command_id, outcome) AS difference
    FROM outcomes WHERE status = 'failed' AND ${ofEvents("event_id")}`,
  "the database saw no deadlock": `
    SELECT NULL AS event_id, NULL AS slot_id, format('%s deadlocks', deadlocks) AS difference FROM pg_stat_database
    WHERE datname = current_database() AND deadlocks > 0 AND ($1::text[] IS NULL OR true)`,
} as const satisfies Record<string, string>;

/** Of one sentence: whoever wants to know more has found enough to look for the cause. */
const CONTRADICTIONS_PER_SENTENCE_MAX = 1_000;

export interface Examined {
  /** All, unless told otherwise. */
  readonly events?: readonly EventId[];
  /** Also what is true only when nothing is under way. */
  readonly atRest?: boolean;
}

/** Everything that contradicts an invariant, at one moment. Empty when all is well. */
export async function findContradictions(
  pool: pg.Pool,
  { events, atRest = false }: Examined = {},
): Promise<Contradiction[]> {
  const sentences = Object.entries({ ...INVARIANTS, ...(atRest ? AT_REST : {}) });
  return await inSnapshot(pool, async (tx) => {
    const found: Contradiction[] = [];
    for (const [sentence, statement] of sentences) {
      const { rows } = await tx.query<Omit<Contradiction, "sentence">>(
        `SELECT event_id AS "eventId", slot_id AS "slotId", difference
        FROM (${statement}) AS found LIMIT ${CONTRADICTIONS_PER_SENTENCE_MAX}`,
        [events ?? null],
      );
      found.push(...rows.map((row) => ({ sentence, ...row })));
    }
    return found;
  });
}

/** A contradiction as one line. */
export const contradictionText = ({ sentence, eventId, slotId, difference }: Contradiction): string =>
  `not so: ${sentence}: ${[eventId, slotId].filter((id) => id !== null).join(" ")}: ${difference}`;
