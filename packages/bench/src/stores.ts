// Private stores for a benchmark, with the settings that the product starts its own with, and databases that are
// clones of templates: migrated, and with whatever world a row wants. Measures nothing.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@holdfast/db/migrate";
import { dataDirFrom, openStores, prepareDataDir, removeDataDir } from "@holdfast/local/stores";
import { urlOfDatabase } from "@holdfast/testkit/database-url";
import { Redis } from "ioredis";
import pg from "pg";

export interface BenchStores {
  readonly dataDir: string;
  readonly redisUrl: string;
  /** Connected to the server, not to a block's database. */
  readonly server: pg.Pool;
  readonly redis: Redis;
  /**
   * A migrated database that is only copied. `fill` makes what is in it and says what that is; it is called once for
   * each name, so the name says everything that it depends on.
   */
  template<World>(name: string, fill: (pool: pg.Pool) => Promise<World>): Promise<Template<World>>;
  /** A copy on which nothing has happened yet, and a Redis without a key. One at a time. */
  fresh(template: Template<unknown>): Promise<FreshDatabase>;
  close(): Promise<void>;
}

export interface Template<World> {
  readonly database: string;
  readonly world: World;
}

export interface FreshDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  drop(): Promise<void>;
}

export interface StoresWish {
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function openBenchStores({ log, signal }: StoresWish): Promise<BenchStores> {
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
  const templates = new Map<string, Promise<Template<unknown>>>();
  let opened = 0;

  async function make<World>(
    name: string,
    database: string,
    fill: (pool: pg.Pool) => Promise<World>,
  ): Promise<Template<World>> {
    log(`making a template database: ${name}`);
    await server.query(`CREATE DATABASE ${database}`);
    const url = urlOfDatabase(stores.databaseUrl, database);
    await migrate(url);
    const pool = openPool(url);
    try {
      const world = await fill(pool);
      await pool.query("VACUUM"); // so that no autovacuum of a copy runs while the clock does
      return { database, world };
    } finally {
      await pool.end();
    }
  }

  return {
    dataDir,
    redisUrl: stores.redisUrl,
    server,
    redis,
    template<World>(name: string, fill: (pool: pg.Pool) => Promise<World>) {
      const known = templates.get(name) ?? make(name, `bench_template_${templates.size + 1}`, fill);
      templates.set(name, known);
      return known as Promise<Template<World>>; // a name stands for one way to fill it
    },
    async fresh({ database }) {
      opened += 1;
      const name = `bench_${opened}`;
      // Copied as files: nothing of it is left in the write-ahead log for the block to carry.
      await server.query(`CREATE DATABASE ${name} TEMPLATE ${database} STRATEGY FILE_COPY`);
      await redis.flushall();
      const url = urlOfDatabase(stores.databaseUrl, name);
      const pool = openPool(url);
      const drop = async (): Promise<void> => {
        await pool.end();
        await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      };
      return { url, pool, drop };
    },
    async close() {
      redis.disconnect();
      await server.end();
      await stores.stop();
      removeDataDir(dataDir);
    },
  };
}

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on("error", () => {}); // the next query says what is wrong
  return pool;
}
