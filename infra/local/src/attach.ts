// The stores for a command that is not the start: given by URL, a running start's, or opened for the command alone.
import { openPool } from "@holdfast/db";
import type pg from "pg";
import { lockHolder } from "./lock.ts";
import { postgresUrl, runningPostgres } from "./postgres.ts";
import { redisUrl, runningRedis } from "./redis.ts";
import { openSecrets } from "./secrets.ts";
import type { LocalSettings } from "./settings.ts";
import { readState } from "./state.ts";
import { openStores, prepareDataDir } from "./stores.ts";

export interface AttachedStores {
  databaseUrl: string;
  redisUrl: string;
}

/** Runs `use` with both stores. What had to be started for it is stopped afterwards. */
export async function withStores<T>(
  settings: LocalSettings,
  use: (stores: AttachedStores) => Promise<T>,
): Promise<T> {
  const { databaseUrl, redisUrl } = settings;
  if (databaseUrl !== undefined && redisUrl !== undefined) return await use({ databaseUrl, redisUrl });
  const dataDir = prepareDataDir(settings.dataDir);
  if (lockHolder(dataDir) !== undefined) return await use(storesOfRunning(settings, dataDir));
  const stores = await openStores({
    dataDir,
    env: settings.env,
    log: (line) => process.stderr.write(`${line}\n`), // stdout is for what the command is asked for
  });
  try {
    return await use(stores);
  } finally {
    await stores.stop();
  }
}

/** A connection to the database alone, for commands that need no queue: a given database is enough. */
export async function withDatabase<T>(
  settings: LocalSettings,
  name: string,
  use: (pool: pg.Pool) => Promise<T>,
): Promise<T> {
  const connect = async (url: string): Promise<T> => {
    const pool = openPool({ url, name, max: 1, onError: () => {} }); // shows in what is asked of it
    try {
      return await use(pool);
    } finally {
      await pool.end();
    }
  };
  if (settings.databaseUrl !== undefined) return await connect(settings.databaseUrl);
  return await withStores(settings, (stores) => connect(stores.databaseUrl));
}

/** The stores of a system that runs: given by URL, or a running start's. Throws when there is none. */
export function runningStores(settings: LocalSettings): AttachedStores {
  const { databaseUrl, redisUrl } = settings;
  if (databaseUrl !== undefined && redisUrl !== undefined) return { databaseUrl, redisUrl };
  const dataDir = prepareDataDir(settings.dataDir);
  if (lockHolder(dataDir) === undefined)
    throw new Error("Holdfast is not running; start it with: pnpm start");
  return storesOfRunning(settings, dataDir);
}

/** The addresses of a running start's stores. Throws when that start was given one that this command was not. */
function storesOfRunning(settings: LocalSettings, dataDir: string): AttachedStores {
  const secrets = openSecrets(dataDir);
  const { launcher, redisPort } = readState(dataDir);
  const postgres = launcher?.databaseGiven === true ? undefined : runningPostgres(dataDir);
  const redis = launcher?.redisGiven === true ? undefined : (runningRedis(dataDir)?.port ?? redisPort);
  return {
    databaseUrl:
      settings.databaseUrl ??
      known("DATABASE_URL", postgres && postgresUrl(postgres.port, secrets.postgresPassword)),
    redisUrl: settings.redisUrl ?? known("REDIS_URL", redis && redisUrl(redis, secrets.redisPassword)),
  };
}

function known(variable: string, url: string | 0 | undefined): string {
  if (url === undefined || url === 0) {
    throw new Error(
      `The running start was given its ${variable}, or is not ready yet. Give the same ${variable} here, too.`,
    );
  }
  return url;
}
