// The connections of a baseline to the database, wherever its transactions run.
import pg from "pg";
import type { BaselineName } from "./names.ts";

/** What batches are spared, baselines are spared, too: plans that were made for empty tables, and plans made again. */
const SESSION = [
  "plan_cache_mode=force_generic_plan",
  "enable_seqscan=off",
  "enable_hashjoin=off",
  "jit=off",
];

export const openBaselinePool = (name: BaselineName, databaseUrl: string, connections: number): pg.Pool =>
  new pg.Pool({
    connectionString: databaseUrl,
    application_name: `holdfast-bench-${name}`,
    max: connections,
    options: SESSION.map((setting) => `-c ${setting}`).join(" "),
  });
