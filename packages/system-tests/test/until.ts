// Waiting for something that only a look can tell, and for moments of the database's clock.
import { setTimeout as sleep } from "node:timers/promises";
import type { EpochMs } from "@holdfast/domain";
import type pg from "pg";

const LOOK_EVERY_MS = 20;

/** Looks until there is something; rejects after `withinMs` milliseconds. */
export async function until<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const endsAt = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(LOOK_EVERY_MS);
  }
}

export async function databaseNow(pool: pg.Pool): Promise<EpochMs> {
  const { rows } = await pool.query<{ now: number }>(
    "SELECT date_part('epoch', clock_timestamp()) * 1000 AS now",
  );
  return rows[0]?.now ?? 0;
}

/** Resolves when the database's clock has passed `at`. */
export async function untilDatabaseTime(pool: pg.Pool, at: EpochMs): Promise<void> {
  for (let left = at - (await databaseNow(pool)); left > 0; left = at - (await databaseNow(pool))) {
    await sleep(Math.ceil(left));
  }
}
