// Pools, transactions, the database's clock, and what a service asks of its database before it starts.
import type pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { openFaultProxy, openTestDatabase, type TestDatabase, until } from "../../testkit/src/index.ts";
import {
  BATCH_IDLE_TIMEOUT_MS,
  databaseFaults,
  inTransaction,
  lockTableRoom,
  openBatchPool,
  openDatabaseClock,
  openPool,
} from "../src/index.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.pool.query("CREATE TABLE notes (text text)");
});
afterAll(() => database.close());

function open(how: typeof openPool, url = database.url) {
  const errors: Error[] = [];
  const pool = how({ url, name: "test-pool", max: 2, onError: (error) => void errors.push(error) });
  onTestFinished(() => pool.end());
  return { pool, errors };
}

const show = async (pool: pg.Pool, name: string): Promise<string> =>
  (await pool.query<Record<string, string>>(`SHOW ${name}`)).rows[0]?.[name] ?? "";

test("a batch's connections wait for nothing long, and plan for tables of any size", async () => {
  const { pool } = open(openBatchPool);
  const settings = {
    lock_timeout: "200ms",
    idle_in_transaction_session_timeout: "1s",
    plan_cache_mode: "force_generic_plan",
    enable_seqscan: "off",
    enable_hashjoin: "off",
    enable_mergejoin: "off",
    jit: "off",
    statement_timeout: "5s",
    application_name: "test-pool",
    default_transaction_isolation: "read committed",
  };
  for (const [name, value] of Object.entries(settings))
    expect([name, await show(pool, name)]).toEqual([name, value]);
});

test("a batch whose worker froze is ended by the server, and the pool goes on", async () => {
  const { pool, errors } = open(openBatchPool);
  const tx = await pool.connect();
  await tx.query("BEGIN");
  await tx.query("INSERT INTO notes VALUES ('frozen')");
  await until("the server to end it", () => errors.length > 0, BATCH_IDLE_TIMEOUT_MS + 2_000);
  await expect(tx.query("COMMIT")).rejects.toThrow();
  tx.release(true);
  expect((await pool.query("SELECT FROM notes WHERE text = 'frozen'")).rowCount).toBe(0);
});

test("an idle connection that is cut is replaced, and the process hears of it and lives", async () => {
  const proxy = await openFaultProxy(database.url);
  onTestFinished(() => proxy.close());
  const { pool, errors } = open(openPool, proxy.url);
  await pool.query("SELECT 1");
  proxy.cut();
  await until("the pool to tell", () => errors.length > 0);
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("a transaction commits what it did, or nothing", async () => {
  const { pool } = open(openPool);
  const write = (text: string) => async (tx: pg.PoolClient) => {
    await tx.query("INSERT INTO notes VALUES ($1)", [text]);
    if (text === "thrown") throw new Error("thrown");
    return text;
  };
  expect(await inTransaction(pool, write("kept"))).toBe("kept");
  await expect(inTransaction(pool, write("thrown"))).rejects.toThrow("thrown");
  const { rows } = await pool.query("SELECT text FROM notes WHERE text IN ('kept', 'thrown')");
  expect(rows).toEqual([{ text: "kept" }]);
});

test("a transaction that lost its connection throws it away", async () => {
  const { pool } = open(openPool);
  const cut = inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await database.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
    await tx.query("SELECT 1");
  });
  await expect(cut).rejects.toThrow();
  await until("the broken one to be gone", () => pool.totalCount === 0);
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

/** A server whose clock stands still, and answers that take the times given, one after the other. */
function slowServer(now: number, roundTripsMs: number[], connectMs = 0) {
  const clock = { ms: 0 };
  const asked = { times: 0 };
  const query = async () => {
    asked.times += 1;
    clock.ms += roundTripsMs.shift() ?? 0;
    return { rows: [{ now }] };
  };
  const connect = async () => {
    clock.ms += connectMs;
    return { query, release: () => undefined };
  };
  return { clock, asked, pool: { connect } as unknown as Pick<pg.Pool, "connect"> };
}

test("the database's clock is the reading with the shortest round trip, and runs on by the monotonic one", async () => {
  const { clock, pool } = slowServer(50_000, [100, 10, 60]);
  const database = await openDatabaseClock(
    pool,
    () => undefined,
    () => clock.ms,
  );
  onTestFinished(() => database.stop());
  // Read at 105 on a clock that says 50,000: the offset is 49,895; now it is 170.
  expect(database.now()).toBe(50_065);
  clock.ms += 1_000.7;
  expect(database.now()).toBe(51_065);
});

test("waiting for a connection does not put the database's clock ahead", async () => {
  const { clock, pool } = slowServer(50_000, [10, 20, 20], 400);
  const database = await openDatabaseClock(
    pool,
    () => undefined,
    () => clock.ms,
  );
  onTestFinished(() => database.stop());
  // Read at 405: the offset is 49,595; now it is 450.
  expect(database.now()).toBe(50_045);
});

test("a poorer measurement of the clock does not count, until the better one is old", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { clock, asked, pool } = slowServer(50_000, [10, 10, 10, 300, 300, 300, 300, 300, 300]);
  const database = await openDatabaseClock(
    pool,
    () => undefined,
    () => clock.ms,
  );
  onTestFinished(() => database.stop());
  expect(database.now()).toBe(50_025); // read at 5, now it is 30
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked.times).toBe(6);
  expect(database.now()).toBe(50_925); // the same offset at 930: the poor reading would have said less
  clock.ms = 61_000;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked.times).toBe(9);
  expect(database.now()).toBe(50_750); // read at 61,150, now it is 61,900: an old offset is worse than a poor one
});

test("the database's clock agrees with the database, and needs one that answers", async () => {
  const clock = await openDatabaseClock(database.pool, () => undefined);
  onTestFinished(() => clock.stop());
  const { rows } = await database.pool.query<{ now: number }>(
    "SELECT date_part('epoch', clock_timestamp()) * 1000 AS now",
  );
  expect(Math.abs(clock.now() - (rows[0]?.now ?? 0))).toBeLessThan(100);
  const dead = { connect: () => Promise.reject(new Error("gone")) } as unknown as pg.Pool;
  await expect(openDatabaseClock(dead, () => undefined)).rejects.toThrow("gone");
});

test("a clock that cannot be measured again runs on, and follows the database when it can", async () => {
  let answer: "well" | "not" | "later" = "well";
  let asked = 0;
  const query = async () => {
    asked += 1;
    if (answer === "not") throw new Error("gone");
    return { rows: [{ now: answer === "later" ? 2_000_000 : 1_000_000 }] };
  };
  const errors: unknown[] = [];
  const clock = await openDatabaseClock(
    { connect: async () => ({ query, release: () => undefined }) } as unknown as pg.Pool,
    (error) => void errors.push(error),
    () => 0,
  );
  onTestFinished(() => clock.stop());
  answer = "not";
  await until("a measurement to fail", () => errors.length > 0);
  expect(clock.now()).toBe(1_000_000);
  answer = "later";
  await until("the next measurement", () => clock.now() === 2_000_000);
  clock.stop();
  expect(asked).toBeGreaterThanOrEqual(7);
});

const saying = (rows: unknown[]): pg.Pool => ({ query: async () => ({ rows }) }) as unknown as pg.Pool;
const WELL = { version: 180_004, fsync: "on", commit: "on", recovering: false };

test.each([
  [WELL, []],
  [{ ...WELL, commit: "remote_apply" }, []],
  [{ ...WELL, version: 170_006 }, [/older than PostgreSQL 18/]],
  [{ ...WELL, fsync: "off" }, [/fsync is off/]],
  [{ ...WELL, commit: "off" }, [/synchronous_commit is off/]],
  [{ ...WELL, recovering: true }, [/read replica/]],
  [
    { version: 150_000, fsync: "off", commit: "off", recovering: true },
    [/older/, /fsync/, /commit/, /replica/],
  ],
])("a database that could lose what was answered is told by its settings: %j", async (settings, faults) => {
  expect(await databaseFaults(saying([settings]))).toEqual(
    faults.map((fault) => expect.stringMatching(fault)),
  );
});

test("the run's own database has no faults, and room for the locks of some workers", async () => {
  expect(await databaseFaults(database.pool)).toEqual([]);
  expect(await lockTableRoom(database.pool)).toBeGreaterThan(16 * 512);
  expect(await databaseFaults(saying([]))).toEqual(["it does not answer"]);
  expect(await lockTableRoom(saying([]))).toBe(0);
});
