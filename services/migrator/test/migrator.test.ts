// The migrator as a process: what it leaves in the database, and how it ends.
import { openTestDatabase, spawnService, type TestDatabase } from "@holdfast/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

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

const run = (env: Record<string, string> = {}) =>
  spawnService("migrator", { DATABASE_URL: database.url, ...env });

async function countEvents(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>("SELECT count(*)::int AS count FROM events");
  return rows[0]?.count ?? 0;
}

test("makes the tables, and in local mode fills them", async () => {
  expect((await run().ended).code).toBe(0);
  expect(await countEvents()).toBeGreaterThan(0);
});

test("in production makes the tables and nothing else", async () => {
  expect((await run({ HOLDFAST_MODE: "production" }).ended).code).toBe(0);
  expect(await countEvents()).toBe(0);
});

test("ends with 1 and the reason when there is no such database", async () => {
  const migrator = run({ DATABASE_URL: `${database.url}_that_is_not_there` });
  expect((await migrator.ended).code).toBe(1);
  expect(migrator.logs.join("\n")).toContain("does not exist");
});
