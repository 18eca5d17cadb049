// A PostgreSQL and a Redis of a test's own that die when told to and come back at the same address, with the
// product's own settings. The run's shared stores know nothing of them.
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@holdfast/db/migrate";
import { openPostgres, type PostgresServer } from "@holdfast/local/postgres";
import { openRedis } from "@holdfast/local/redis";
import { dataDirFrom, prepareDataDir, removeDataDir, takeLock } from "@holdfast/local/stores";
import { Redis } from "ioredis";
import pg from "pg";
import type { TestDatabase } from "./database.ts";
import { until } from "./fixtures.ts";
import { DATA_DIR_PREFIX } from "./global-setup.ts";
import type { TestRedis } from "./redis.ts";

/** Milliseconds between looks at how long the append-only file is. */
const MEASURE_EVERY_MS = 20;
/** Milliseconds of lengths that are remembered. */
const REMEMBERED_MS = 5_000;

/** What the postmaster is sent: a fast shutdown, an immediate one, or no warning at all. */
export type PostgresDeath = "SIGINT" | "SIGQUIT" | "SIGKILL";

export interface MortalStores {
  readonly database: TestDatabase;
  readonly redis: TestRedis;
  /** Resolves when the server is gone. */
  killPostgres(death: PostgresDeath): Promise<void>;
  killRedis(): Promise<void>;
  /**
   * As a disk that lied about what it had written: the dead Redis loses what it wrote in its last `ms` milliseconds.
   * Gives the number of bytes.
   */
  loseLastOfRedis(ms: number): number;
  /** Resolve when the server answers again. */
  revivePostgres(): Promise<void>;
  reviveRedis(): Promise<void>;
  close(): Promise<void>;
}

export async function openMortalStores(): Promise<MortalStores> {
  const dataDir = mkdtempSync(join(tmpdir(), DATA_DIR_PREFIX));
  prepareDataDir(dataDir);
  const release = takeLock(dataDir);
  const over = new AbortController();
  const newPassword = (): string => randomBytes(32).toString("base64url");
  const passwords = { postgres: newPassword(), redis: newPassword() };
  const place = {
    dataDir,
    cacheDir: prepareDataDir(dataDirFrom(process.env)),
    env: process.env,
    log: () => undefined,
    signal: over.signal,
  };
  const startPostgres = (port?: number) => openPostgres({ ...place, port, password: passwords.postgres });
  const startRedis = (port?: number) => openRedis({ ...place, port, password: passwords.redis });
  let [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  await migrate(postgres.url);
  const appendOnly = watchAppendOnlyFile(join(dataDir, "redis", "appendonlydir"));

  const pool = new pg.Pool({ connectionString: postgres.url, max: 10 });
  pool.on("error", () => {}); // an idle connection that died with its server; the next query says what is wrong
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  connection.on("error", () => {}); // shows in what is asked
  return {
    database: { url: postgres.url, pool, close: async () => {} },
    redis: { url: redis.url, prefix: "drill", redis: connection, close: async () => {} },
    async killPostgres(death) {
      process.kill(postgres.pid, death);
      await untilDown(postgres);
    },
    async killRedis() {
      await redis.kill();
      await untilDown(redis);
      appendOnly.died();
    },
    loseLastOfRedis: (ms) => appendOnly.loseLast(ms),
    async revivePostgres() {
      postgres = await startPostgres(portOf(postgres));
    },
    async reviveRedis() {
      redis = await startRedis(portOf(redis));
      appendOnly.lives();
    },
    async close() {
      over.abort();
      appendOnly.died();
      connection.disconnect();
      await pool.end();
      await Promise.all([postgres, redis].map(async (store) => (await store.isUp()) && store.stop()));
      release();
      removeDataDir(dataDir);
    },
  };
}

type Server = Pick<PostgresServer, "url" | "isUp">;

const portOf = ({ url }: Server): number => Number(new URL(url).port);

const untilDown = (server: Server): Promise<true> =>
  until("the server to be gone", async () => !(await server.isUp()));

interface AppendOnlyFile {
  died(): void;
  lives(): void;
  loseLast(ms: number): number;
}

/** Remembers how long the file was, and when: so that it can be put back to a moment. */
function watchAppendOnlyFile(directory: string): AppendOnlyFile {
  let lengths: { at: number; path: string; bytes: number }[] = [];
  const measure = (): void => {
    const path = newest(directory);
    const at = performance.now();
    lengths = lengths.filter((length) => at - length.at < REMEMBERED_MS);
    lengths.push({ at, path, bytes: statSync(path).size });
  };
  let timer = setInterval(measure, MEASURE_EVERY_MS);
  return {
    died: () => clearInterval(timer),
    lives() {
      lengths = [];
      timer = setInterval(measure, MEASURE_EVERY_MS);
    },
    loseLast(ms) {
      const path = newest(directory);
      const { size } = statSync(path);
      const diedAt = lengths.at(-1)?.at ?? 0;
      const before = lengths.findLast((length) => length.path === path && length.at <= diedAt - ms);
      const kept = before?.bytes ?? 0; // a file that is younger than that had nothing in it
      truncateSync(path, kept);
      return size - kept;
    },
  };
}

/** The file that is appended to now; its number grows with each rewrite. */
function newest(directory: string): string {
  const numberOf = (name: string): number => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? -1);
  const [name] = readdirSync(directory)
    .filter((entry) => numberOf(entry) >= 0)
    .toSorted((a, b) => numberOf(b) - numberOf(a));
  if (name === undefined) throw new Error(`there is no append-only file in ${directory}`);
  return join(directory, name);
}
