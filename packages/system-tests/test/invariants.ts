// What must be true of the tables whenever no command is under way, whatever happened before. Looks, changes nothing.
import { until } from "@holdfast/testkit";
import type pg from "pg";

/** Each statement finds what contradicts its sentence, as one text column. */
const CONTRADICTIONS: Readonly<Record<string, string>> = {
  "a slot's counters equal its rows": `
    SELECT format('%s: held %s and %s, purchased %s and %s', s.id, s.held, r.held, s.purchased, r.purchased)
    FROM slots s CROSS JOIN LATERAL (
      SELECT coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0) AS held,
        coalesce(sum(quantity) FILTER (WHERE status = 'purchased'), 0) AS purchased
      FROM reservations WHERE slot_id = s.id
    ) r WHERE (s.held, s.purchased) <> (r.held, r.purchased)`,
  "0 ≤ held + purchased ≤ capacity": `
    SELECT format('%s: %s + %s of %s', s.id, r.held, r.purchased, s.capacity)
    FROM slots s CROSS JOIN LATERAL (
      SELECT coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0) AS held,
        coalesce(sum(quantity) FILTER (WHERE status = 'purchased'), 0) AS purchased
      FROM reservations WHERE slot_id = s.id
    ) r WHERE r.held + r.purchased > s.capacity OR s.held < 0 OR s.purchased < 0`,
  "one active reservation for each user and slot": `
    SELECT format('%s at %s: %s', user_id, slot_id, count(*)) FROM reservations
    WHERE status IN ('held', 'purchased') GROUP BY user_id, slot_id HAVING count(*) > 1`,
  "no overlap among a user's active reservations": `
    SELECT format('%s and %s of %s', a.id, b.id, a.user_id)
    FROM reservations a JOIN slots sa ON sa.id = a.slot_id JOIN events ea ON ea.id = a.event_id
    JOIN reservations b ON b.user_id = a.user_id AND b.id > a.id AND b.status IN ('held', 'purchased')
    JOIN slots sb ON sb.id = b.slot_id JOIN events eb ON eb.id = b.event_id
    WHERE a.status IN ('held', 'purchased') AND ea.overlap_policy = 'refuse' AND eb.overlap_policy = 'refuse'
      AND sa.starts_at < sb.ends_at AND sb.starts_at < sa.ends_at`,
  "outcomes of an event are numbered from 1 without gap": `
    SELECT format('%s: %s outcomes, %s to %s, next %s', l.event_id, o.ended, o.first, o.last, l.next_seq)
    FROM event_lanes l CROSS JOIN LATERAL (
      SELECT count(*) AS ended, coalesce(min(seq), 1) AS first, coalesce(max(seq), 0) AS last
      FROM outcomes WHERE event_id = l.event_id
    ) o WHERE o.first <> 1 OR o.last <> o.ended OR l.next_seq <> o.ended + 1`,
  "every reservation was made by one command that succeeded, and every such command made one": `
    SELECT format('%s and %s', r.id, o.command_id) FROM reservations r
    FULL JOIN (SELECT * FROM outcomes WHERE type = 'reserve' AND status = 'succeeded') o
      ON substr(o.command_id, 5) = substr(r.id, 5)
    WHERE r.id IS NULL OR o.command_id IS NULL OR o.outcome -> 'reservation' ->> 'id' <> r.id`,
  "a user's key belongs to one command": `
    SELECT format('%s: %s', user_id, idempotency_key) FROM outcomes
    WHERE idempotency_key IS NOT NULL GROUP BY user_id, idempotency_key HAVING count(*) > 1`,
  "no hold ends before its deadline": `
    SELECT format('%s: %s before %s', id, ended_at, expires_at) FROM reservations
    WHERE end_reason = 'deadline' AND ended_at < expires_at`,
  "no command failed": `SELECT format('%s: %s', command_id, outcome) FROM outcomes WHERE status = 'failed'`,
  "every accepted command has ended, and is gone": `
    SELECT format('%s, accepted %s', command_id, accepted_at) FROM accepted_commands`,
  "the database saw no deadlock": `
    SELECT format('%s deadlocks', deadlocks) FROM pg_stat_database
    WHERE datname = current_database() AND deadlocks > 0`,
};

const SHOWN_MAX = 5;
/** Milliseconds that the sweep may take to forget a command that ended while it was being accepted. */
const FORGOTTEN_WITHIN_MS = 5_000;

/** What contradicts an invariant, in words. Empty when all is well. */
export async function checkInvariants(pool: pg.Pool): Promise<string[]> {
  await untilEndedAreForgotten(pool);
  const found: string[] = [];
  for (const [sentence, statement] of Object.entries(CONTRADICTIONS)) {
    const { rows } = await pool.query<{ format: string }>(statement);
    for (const { format } of rows.slice(0, SHOWN_MAX)) found.push(`not so: ${sentence}: ${format}`);
  }
  return found;
}

/** A command that ends while a gateway accepts it leaves a row that only the sweep finds. */
async function untilEndedAreForgotten(pool: pg.Pool): Promise<void> {
  const areForgotten = async (): Promise<boolean> => {
    const { rowCount } = await pool.query(
      "SELECT FROM accepted_commands a JOIN outcomes o ON o.command_id = a.command_id LIMIT 1",
    );
    return rowCount === 0;
  };
  // What is left even then is told as a contradiction, with its name.
  await until("commands that have ended to be forgotten", areForgotten, FORGOTTEN_WITHIN_MS).catch(() => {});
}
