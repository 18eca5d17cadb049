// What a service asks of its database before it starts: that it is new enough, durable and writable.
import type pg from "pg";

/** Batches return both old and new values of the rows they write: PostgreSQL 18 has words for that. */
const POSTGRES_VERSION_MIN = 180_000;

/** Reasons why this database must not carry reservations. Empty when all is well. */
export async function databaseFaults(pool: Pick<pg.Pool, "query">): Promise<string[]> {
  const { rows } = await pool.query<{ version: number; fsync: string; recovering: boolean; commit: string }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
      current_setting('synchronous_commit') AS commit, pg_is_in_recovery() AS recovering`,
  );
  const seen = rows[0];
  const faults: string[] = [];
  if (seen === undefined) return ["it does not answer"];
  if (seen.version < POSTGRES_VERSION_MIN) faults.push("it is older than PostgreSQL 18");
  if (seen.fsync !== "on") faults.push("fsync is off: what was answered could be lost");
  if (seen.commit === "off") faults.push("synchronous_commit is off: what was answered could be lost");
  if (seen.recovering) faults.push("it is a read replica");
  return faults;
}

/** How many locks this database has room for. */
export async function lockTableRoom(pool: Pick<pg.Pool, "query">): Promise<number> {
  const { rows } = await pool.query<{ room: number }>(
    `SELECT current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int AS room`,
  );
  return rows[0]?.room ?? 0;
}
