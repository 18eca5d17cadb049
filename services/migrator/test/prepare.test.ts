// What the migrator leaves in a database that had nothing in it.
import { createLogger, loadConfig } from "@holdfast/runtime";
import { openTestDatabase, type TestDatabase } from "@holdfast/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { MigratorConfig } from "../src/config.ts";
import { prepareDatabase } from "../src/prepare.ts";

const log = createLogger({ level: "fatal", format: "json", service: "migrator" });

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

beforeEach(async () => {
  await database.pool.query(
    "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS drizzle CASCADE; CREATE SCHEMA public",
  );
});

const prepare = (env: Record<string, string>) =>
  prepareDatabase(loadConfig(MigratorConfig, { DATABASE_URL: database.url, ...env }), log);

async function countEvents(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>("SELECT count(*)::int AS count FROM events");
  return rows[0]?.count ?? 0;
}

test("in local mode: the tables, filled once", async () => {
  await prepare({ HOLDFAST_MODE: "local" });
  const seeded = await countEvents();
  expect(seeded).toBeGreaterThan(0);
  await prepare({ HOLDFAST_MODE: "local" });
  expect(await countEvents()).toBe(seeded);
});

test("in production: the tables and nothing in them", async () => {
  await prepare({});
  expect(await countEvents()).toBe(0);
});

test("needs no Redis", () => {
  expect(loadConfig(MigratorConfig, { DATABASE_URL: database.url }).HOLDFAST_MODE).toBe("production");
});
