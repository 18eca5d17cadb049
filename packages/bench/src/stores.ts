// Private stores for a benchmark, with the settings that the product starts its own with, and databases that are
// clones of one template: migrated, one event on sale, many users, nothing reserved. Measures nothing.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@holdfast/db/migrate";
import type { EventId, UserId } from "@holdfast/domain";
import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { dataDirFrom, openStores, prepareDataDir, removeDataDir } from "@holdfast/local/stores";
import { urlOfDatabase } from "@holdfast/testkit/database-url";
import { createEvent, createUsers } from "@holdfast/testkit/fixtures";
import { Redis } from "ioredis";
import pg from "pg";

const TEMPLATE = "bench_template";

export interface BenchStores {
  readonly dataDir: string;
  readonly redisUrl: string;
  /** Connected to the server, not to a block's database. */
  readonly server: pg.Pool;
  readonly redis: Redis;
  /** The one event of every database, and the people who may ask for it. */
  readonly eventId: EventId;
  readonly userIds: readonly UserId[];
  /** A database on which nothing has happened yet, and a Redis without a key. One at a time. */
  fresh(): Promise<FreshDatabase>;
  close(): Promise<void>;
}

export interface FreshDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  drop(): Promise<void>;
}

export interface StoresWish {
  readonly users: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function openBenchStores({ users, log, signal }: StoresWish): Promise<BenchStores> {
  const dataDir = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  // Never servers given by URL: what is measured is what everybody gets. A fetched Redis program is kept for others.
  const env = { PATH: process.env["PATH"] };
  const cacheDir = prepareDataDir(dataDirFrom(process.env));
  const stores = await openStores({ dataDir, cacheDir, env, log, signal }).catch((error: unknown) => {
    removeDataDir(dataDir);
    throw error;
  });
  const server = openPool(stores.databaseUrl);
  const redis = new Redis(stores.redisUrl);
  redis.on("error", () => {}); // shows in what is asked of it
  let opened = 0;

  const close = async (): Promise<void> => {
    redis.disconnect();
    await server.end();
    await stores.stop();
    removeDataDir(dataDir);
  };
  const fresh = async (): Promise<FreshDatabase> => {
    opened += 1;
    const name = `bench_${opened}`;
    // Copied as files: nothing of it is left in the write-ahead log for the block to carry.
    await server.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY FILE_COPY`);
    await redis.flushall();
    const url = urlOfDatabase(stores.databaseUrl, name);
    const pool = openPool(url);
    const drop = async (): Promise<void> => {
      await pool.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    };
    return { url, pool, drop };
  };
  try {
    log(`making a template database with ${users} users`);
    await server.query(`CREATE DATABASE ${TEMPLATE}`);
    const template = await fillTemplate(urlOfDatabase(stores.databaseUrl, TEMPLATE), users);
    return { dataDir, redisUrl: stores.redisUrl, server, redis, ...template, fresh, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fillTemplate(url: string, users: number): Promise<{ eventId: EventId; userIds: UserId[] }> {
  await migrate(url);
  const pool = openPool(url);
  try {
    const { id: eventId } = await createEvent(pool, { capacities: [SLOT_CAPACITY_MAX] });
    const userIds = await createUsers(pool, users);
    await pool.query("VACUUM users"); // so that no autovacuum of the clone runs while the clock does
    return { eventId, userIds };
  } finally {
    await pool.end();
  }
}

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on("error", () => {}); // the next query says what is wrong
  return pool;
}
