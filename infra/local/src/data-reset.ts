// Empties both stores and fills them again: what `pnpm reset` does. No service may be running meanwhile.
import { migrate } from "@holdfast/db/migrate";
import { seed } from "@holdfast/db/seed";
import { Redis } from "ioredis";
import pg from "pg";

const SCAN_COUNT = 1_000;

export type SeedSummary = Awaited<ReturnType<typeof seed>>;

export interface ResetOptions {
  databaseUrl: string;
  redisUrl: string;
  /** True for a Redis of our own: it is flushed. In one that was given, only the product's keys are removed. */
  ownRedis: boolean;
  /** What the product's keys start with. */
  prefix: string;
  log: (line: string) => void;
}

/** Drops everything, migrates, seeds. */
export async function resetData({
  databaseUrl,
  redisUrl,
  ownRedis,
  prefix,
  log,
}: ResetOptions): Promise<SeedSummary> {
  log("emptying PostgreSQL and Redis");
  await Promise.all([emptyDatabase(databaseUrl), emptyRedis(redisUrl, ownRedis, prefix)]);
  return await prepareData(databaseUrl, log);
}

/** Brings the schema up to date and seeds a database without events. */
export async function prepareData(databaseUrl: string, log: (line: string) => void): Promise<SeedSummary> {
  log("migrating the database");
  await migrate(databaseUrl);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  try {
    const summary = await seed(pool, { now: new Date() });
    if (summary.created) log(`seeded ${summary.users} users and ${summary.events} events`);
    return summary;
  } finally {
    await pool.end();
  }
}

async function emptyDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      "begin; drop schema if exists public cascade; drop schema if exists drizzle cascade; create schema public; commit",
    );
  } finally {
    await client.end();
  }
}

async function emptyRedis(url: string, own: boolean, prefix: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  await redis.connect();
  try {
    if (own) {
      await redis.flushall();
      return;
    }
    for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: SCAN_COUNT })) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
  } finally {
    redis.disconnect();
  }
}
