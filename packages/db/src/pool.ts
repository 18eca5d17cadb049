// Connections to PostgreSQL: a pool for everybody, and the settings of the connections that carry batches.
import pg from "pg";

export interface PoolOptions {
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  readonly max: number;
  readonly onError: (error: Error) => void;
}

/** Milliseconds until a connection attempt is given up. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Milliseconds that any statement of a pool may take. */
const STATEMENT_TIMEOUT_MS = 10_000;

/** For statements that all go by index: a plan that was made while tables were empty would be kept while they grow. */
const BY_INDEX = ["-c enable_seqscan=off", "-c enable_hashjoin=off", "-c enable_mergejoin=off", "-c jit=off"];

export function openPool({
  url,
  name,
  max,
  onError,
  byIndex = false,
}: PoolOptions & { readonly byIndex?: boolean }): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + SILENCE_MS,
    ...(byIndex ? { options: BY_INDEX.join(" ") } : {}),
  });
  return survive(pool, onError);
}

/** Milliseconds past a statement's time limit after which a silent server counts as gone. */
const SILENCE_MS = 1_000;

/** A connection that breaks, idle or in use, is reported and replaced; unheard, it would end the process. */
function survive(pool: pg.Pool, onError: (error: Error) => void): pg.Pool {
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError));
  return pool;
}

/** Milliseconds that a batch waits for a lane or a user before it lets go. */
export const BATCH_LOCK_TIMEOUT_MS = 200;
/** Milliseconds after which the server ends a batch whose worker froze between its two round trips. */
export const BATCH_IDLE_TIMEOUT_MS = 1_000;
const BATCH_STATEMENT_TIMEOUT_MS = 5_000;

/**
 * The pool for batches: its connections pipeline, and keep plans that were made for any size of table. A plan made
 * while tables were empty would be kept for a table of millions; so sequential scans, and joins that read whole
 * tables, are ruled out for the batch's statements, which all go by index.
 */
export function openBatchPool({ url, name, max, onError }: PoolOptions): pg.Pool {
  const options = [
    `-c lock_timeout=${BATCH_LOCK_TIMEOUT_MS}`,
    `-c idle_in_transaction_session_timeout=${BATCH_IDLE_TIMEOUT_MS}`,
    "-c plan_cache_mode=force_generic_plan",
    ...BY_INDEX,
  ];
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: BATCH_STATEMENT_TIMEOUT_MS,
    query_timeout: BATCH_STATEMENT_TIMEOUT_MS + SILENCE_MS,
    options: options.join(" "),
    pipeline: true,
  });
  return survive(pool, onError);
}
