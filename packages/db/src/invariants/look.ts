// How the tables are looked at: all statements see one moment, may take their time, and lock nothing.
import type pg from "pg";
import { inSnapshot } from "../queryable.ts";

/** Milliseconds that one statement may take: whole tables are read, and they may be large. */
const STATEMENT_TIMEOUT_MS = 600_000;
/** Milliseconds past that after which a silent server counts as gone. */
const SILENCE_MS = 1_000;
/** Milliseconds for which a look waits for tables that are being migrated. */
const LOCK_TIMEOUT_MS = 5_000;

export type Ask = <Row extends pg.QueryResultRow>(text: string, values: unknown[]) => Promise<Row[]>;

export function inLook<Result>(pool: pg.Pool, work: (ask: Ask) => Promise<Result>): Promise<Result> {
  return inSnapshot(pool, async (tx) => {
    await tx.query(
      `SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`,
    );
    return await work(async <Row extends pg.QueryResultRow>(text: string, values: unknown[]) => {
      const asked = { text, values, query_timeout: STATEMENT_TIMEOUT_MS + SILENCE_MS };
      const { rows } = await tx.query<Row>(asked);
      return rows;
    });
  });
}
