// What every other test relies on: real stores, apart for each file.
import { expect, test } from "vitest";
import { openTestDatabase, openTestRedis } from "../src/index.ts";

test("two test databases are migrated and see nothing of each other", async () => {
  const [one, other] = await Promise.all([openTestDatabase(), openTestDatabase()]);
  const tables = "select count(*)::int as count from information_schema.tables where table_schema = 'public'";
  expect((await one.pool.query<{ count: number }>(tables)).rows[0]?.count).toBeGreaterThan(0);
  await one.pool.query("create table only_here ()");
  const seen = await other.pool.query("select from information_schema.tables where table_name = 'only_here'");
  expect(seen.rowCount).toBe(0);
  await Promise.all([one.close(), other.close()]);
});

test("the database server is as durable and as limited as the product needs", async () => {
  const { pool, close } = await openTestDatabase();
  const { rows } = await pool.query<{ name: string; setting: string }>(
    "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'max_locks_per_transaction', 'server_encoding')",
  );
  expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toEqual({
    fsync: "on",
    synchronous_commit: "on",
    max_locks_per_transaction: "256",
    server_encoding: "UTF8",
  });
  await close();
});

test("closing a test Redis removes its own keys and no others", async () => {
  const [one, other] = await Promise.all([openTestRedis(), openTestRedis()]);
  await one.redis.set(`${one.prefix}:a`, "1");
  await other.redis.set(`${other.prefix}:a`, "1");
  await one.close();
  expect(await other.redis.exists(`${one.prefix}:a`)).toBe(0);
  expect(await other.redis.exists(`${other.prefix}:a`)).toBe(1);
  await other.close();
});
