// Moments of the database's clock, by which deadlines are judged.
import type { EpochMs } from "@holdfast/domain";
import { until } from "@holdfast/testkit";
import type pg from "pg";

/** Resolves when the database's clock has passed `at`, which must come within the time that `until` looks. */
export async function untilDatabaseTime(pool: pg.Pool, at: EpochMs): Promise<void> {
  await until("the database's clock", async () => {
    const { rows } = await pool.query<{ now: number }>(
      "SELECT date_part('epoch', clock_timestamp()) * 1000 AS now",
    );
    return (rows[0]?.now ?? 0) >= at;
  });
}
