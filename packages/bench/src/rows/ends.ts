// How many commands have ended, asked of the tables while a load is on: those whose answers nobody waited for count, too.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";

export interface Ends {
  /** Milliseconds, by the database's clock. */
  readonly atMs: number;
  /** All that have ended by then. */
  readonly ended: number;
}

export async function countEnds(pool: pg.Pool): Promise<Ends> {
  const { rows } = await pool.query<Ends>(
    `SELECT date_part('epoch', clock_timestamp()) * 1000 AS "atMs", sum(next_seq)::float8 AS ended FROM event_lanes`,
  );
  return rows[0] ?? { atMs: 0, ended: 0 };
}

/** Looks once a second, `seconds` times, once `afterSeconds` are over. */
export async function watchEnds(pool: pg.Pool, afterSeconds: number, seconds: number): Promise<Ends[]> {
  const begun = performance.now();
  const seen: Ends[] = [];
  for (let second = 0; second <= seconds; second += 1) {
    await sleep(Math.max(0, begun + (afterSeconds + second) * 1_000 - performance.now()));
    seen.push(await countEnds(pool));
  }
  return seen;
}

/** Between the first look and the last. */
export function perSecondOf(seen: readonly Ends[]): number {
  const [first, last] = [seen[0], seen.at(-1)];
  if (first === undefined || last === undefined || first.atMs === last.atMs) return 0;
  return ((last.ended - first.ended) * 1_000) / (last.atMs - first.atMs);
}
