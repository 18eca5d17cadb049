// A database whose clock stands still and is set by hand. All deadlines of the product follow the database's clock, so
// that a system on such a database lives through hours in a moment, and each command falls on the very millisecond.
import type { EpochMs } from "@holdfast/domain";
import { until } from "@holdfast/testkit";
import pg from "pg";

/** The advisory lock by which sweeps of all workers take turns (services/reservation-worker/src/sweep.ts). */
const SWEEP_LOCK = 7_421_002;

const CLOCKS = ["clock_timestamp", "statement_timestamp", "transaction_timestamp", "now"];

export interface StoppedClock {
  set(at: EpochMs): Promise<void>;
  /** Until then no worker sweeps: a sweep would find late whatever a test has just moved time past. */
  letSweep(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Stops the clock of a database to which nobody is connected yet: connections that are opened from now on find
 * functions of ours before those of the system.
 */
export async function stopClock(databaseUrl: string, at: EpochMs): Promise<StoppedClock> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`
    CREATE SCHEMA stopped;
    CREATE TABLE stopped.clock (at timestamptz NOT NULL);
    INSERT INTO stopped.clock VALUES ('epoch');
    ${CLOCKS.map(
      (name) => `CREATE FUNCTION stopped.${name}() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        AS 'SELECT at FROM stopped.clock';`,
    ).join("\n")}
    DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET search_path = stopped, pg_catalog, public', current_database());
    END $$`);
  const holdsTurn = async (): Promise<boolean> => {
    const { rows } = await client.query<{ mine: boolean }>("SELECT pg_try_advisory_lock($1) AS mine", [
      SWEEP_LOCK,
    ]);
    return rows[0]?.mine === true;
  };
  await until("the sweeps' turn", holdsTurn);
  const set = async (to: EpochMs): Promise<void> => {
    await client.query("UPDATE stopped.clock SET at = to_timestamp($1 / 1000.0)", [to]);
  };
  await set(at);
  return {
    set,
    letSweep: async () => void (await client.query("SELECT pg_advisory_unlock($1)", [SWEEP_LOCK])),
    close: () => client.end(),
  };
}
