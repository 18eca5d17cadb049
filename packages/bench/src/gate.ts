// After every block: do the tables hold what was answered, and nothing that must not be? A block with one wrong row
// counts for nothing.
import { contradictionText, findContradictions } from "@holdfast/db/invariants";
import type { EventId } from "@holdfast/domain";
import type pg from "pg";
import type { Answers } from "./load-messages.ts";

/** Faults of one kind that are shown. */
const SHOWN_MAX = 5;

interface Rows {
  reservations: number;
  succeeded: number;
  outcomes: number;
}

/** What is wrong, in words. Empty when all is well. */
export async function findFaults(pool: pg.Pool, eventId: EventId, answers: Answers): Promise<string[]> {
  const { sent, statuses, errors, oddBody } = answers;
  const faults: string[] = [];
  const { "201": held = 0, ...others } = statuses;
  for (const [status, count] of Object.entries(others))
    faults.push(`${count} answers were ${status}, not 201`);
  if (oddBody !== null) faults.push(`the first of them said ${oddBody}`);
  if (errors > 0) faults.push(`${errors} requests broke or were not answered in time`);
  if (held === 0) faults.push("nothing was answered");
  if (held !== sent) faults.push(`${sent} requests were sent, ${held} succeeded`);

  await pool.query("ANALYZE"); // what follows joins whole tables
  const { rows } = await pool.query<Rows>(
    `SELECT (SELECT count(*)::int FROM reservations WHERE event_id = $1 AND status = 'held') AS reservations,
      (SELECT count(*)::int FROM outcomes WHERE event_id = $1 AND status = 'succeeded') AS succeeded,
      (SELECT count(*)::int FROM outcomes) AS outcomes`,
    [eventId],
  );
  for (const [what, count] of Object.entries(rows[0] ?? {})) {
    if (count !== held) faults.push(`${held} requests succeeded, ${what} in the tables: ${count}`);
  }
  const contradictions = await findContradictions(pool, { atRest: true });
  faults.push(...contradictions.slice(0, SHOWN_MAX).map(contradictionText));
  return faults;
}

/** Commands that ended in one transaction, on average. */
export async function commandsPerCommit(pool: pg.Pool, eventId: EventId): Promise<number> {
  const { rows } = await pool.query<{ mean: number }>(
    `SELECT coalesce(count(*)::float8 / nullif(count(DISTINCT xmin::text), 0), 0) AS mean
    FROM outcomes WHERE event_id = $1`,
    [eventId],
  );
  return rows[0]?.mean ?? 0;
}
