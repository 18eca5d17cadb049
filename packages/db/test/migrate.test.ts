// Migrations from nothing: by many at once, again, and after one was killed half-way.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { createDatabase, dropDatabase } from "../../testkit/src/database.ts";
import { urlOfDatabase } from "../../testkit/src/database-url.ts";
import { until } from "../../testkit/src/index.ts";
import "../../testkit/src/provided.ts";
import { migrate } from "../src/migrate.ts";

let name: string;
let url: string;
let pool: pg.Pool;

beforeEach(async () => {
  name = `holdfast_test_empty_${randomBytes(6).toString("hex")}`;
  await createDatabase(inject("databaseUrl"), name);
  url = urlOfDatabase(inject("databaseUrl"), name);
  pool = new pg.Pool({ connectionString: url, max: 3 });
  pool.on("error", () => undefined);
});
afterEach(async () => {
  await pool.end();
  await dropDatabase(inject("databaseUrl"), name);
});

const applied = async (): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM drizzle.__drizzle_migrations",
  );
  return rows[0]?.count ?? 0;
};
const tables = async (): Promise<string[]> => {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
  );
  return rows.map((row) => row.name);
};

const TABLES = [
  "accepted_commands",
  "event_lanes",
  "events",
  "outcomes",
  "refresh_tokens",
  "reservations",
  "sessions",
  "slots",
  "users",
  "waitlist_entries",
  "waitlist_stretches",
  "webhook_deliveries",
  "webhook_endpoints",
  "webhook_messages",
];

test("many at once migrate once, and again changes nothing", async () => {
  await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
  const once = await applied();
  expect(once).toBeGreaterThan(0);
  expect(await tables()).toEqual(TABLES);
  await migrate(url);
  expect(await applied()).toBe(once);
});

test("a migration that was killed half-way left nothing, and the next run completes it", async () => {
  // A lock that a later migration runs into: the killed process has made tables by then, and not committed them.
  const blocker = new pg.Client({ connectionString: url });
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("CREATE EXTENSION btree_gist");
  const source = fileURLToPath(new URL("../src/migrate.ts", import.meta.url));
  const script = `import { migrate } from ${JSON.stringify(source)}; await migrate(process.env.TARGET_URL);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    env: { ...process.env, TARGET_URL: url },
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const migrator = await until("the migrator to be stuck half-way", async () => {
    const { rows } = await pool.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
      WHERE application_name = 'holdfast-migrate' AND datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.pid;
  });
  child.kill("SIGKILL");
  await ended;
  await blocker.end();
  await until("its server process to be gone", async () => {
    const { rowCount } = await pool.query("SELECT FROM pg_stat_activity WHERE pid = $1 AND state <> 'idle'", [
      migrator,
    ]);
    return rowCount === 0;
  });
  await migrate(url);
  expect(await tables()).toEqual(TABLES);
  await migrate(url);
});

test("a database that cannot be reached is an error", async () => {
  await expect(migrate(urlOfDatabase(url, "holdfast_test_no_such_database"))).rejects.toThrow(
    "does not exist",
  );
});
