// What runs on a data directory, asked of the processes themselves and not only of the state file. Changes nothing.
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { Redis } from "ioredis";
import pg from "pg";
import { z } from "zod";
import { lockHolder } from "./lock.ts";
import { postgresUrl, runningPostgres } from "./postgres.ts";
import { isAlive } from "./process.ts";
import { redisUrl, runningRedis } from "./redis.ts";
import { openSecrets } from "./secrets.ts";
import type { LocalSettings } from "./settings.ts";
import { type LocalState, readState, type ServiceState } from "./state.ts";

const PROBE_MS = 2_000;

export interface StoreStatus {
  name: "PostgreSQL" | "Redis";
  /** Restarting: it is down, and the running start brings it back. */
  status: "running" | "given" | "restarting" | "no answer" | "stopped";
  pid: number | undefined;
  /** Host and port; never a password. */
  address: string | undefined;
  version: string | undefined;
  source: string | undefined;
}

export interface Inspection {
  running: boolean;
  launcherPid: number | undefined;
  startedAt: string | undefined;
  dataDir: string;
  versions: { holdfast: string; node: string };
  stores: StoreStatus[];
  services: ServiceState[];
}

/** The addresses with their passwords, for who asks the stores something; undefined where none is known. */
export interface KnownUrls {
  database: string | undefined;
  redis: string | undefined;
}

/** Looks at everything. Waits at most a few seconds for stores that do not answer. */
export async function inspect(settings: LocalSettings): Promise<Inspection> {
  const dataDir = existsSync(settings.dataDir) ? realpathSync(settings.dataDir) : settings.dataDir;
  const state = readState(dataDir);
  const holder = lockHolder(dataDir);
  const urls = knownUrls(settings, dataDir, state);
  const launcher = holder === undefined ? undefined : state.launcher;
  const [postgresVersion, redisVersion] = await Promise.all([
    urls.database === undefined ? undefined : versionOfPostgres(urls.database),
    urls.redis === undefined ? undefined : versionOfRedis(urls.redis),
  ]);
  return {
    running: holder !== undefined,
    launcherPid: holder?.pid,
    startedAt: holder === undefined ? undefined : state.launcher?.startedAt,
    dataDir,
    versions: { holdfast: ownVersion(), node: process.versions.node },
    stores: [
      {
        name: "PostgreSQL",
        status: statusOf(settings.databaseUrl, urls.database, postgresVersion, launcher?.databaseGiven),
        pid: runningPostgres(dataDir)?.pid,
        address: urls.database === undefined ? undefined : new URL(urls.database).host,
        version: postgresVersion,
        source: state.postgresSource,
      },
      {
        name: "Redis",
        status: statusOf(settings.redisUrl, urls.redis, redisVersion, launcher?.redisGiven),
        pid: runningRedis(dataDir)?.pid,
        address: urls.redis === undefined ? undefined : new URL(urls.redis).host,
        version: redisVersion,
        source: state.redisSource,
      },
    ],
    services: state.services.map((service) => {
      const alive = service.pid !== undefined && isAlive(service.pid, service.identity);
      const { identity: _identity, ...shown } = service;
      return alive || service.pid === undefined ? shown : { ...shown, status: "stopped" as const };
    }),
  };
}

/** Where the stores can be asked: given ones, else ours while they run. */
export function knownUrls(
  settings: LocalSettings,
  dataDir: string,
  state: LocalState = readState(dataDir),
): KnownUrls {
  const secrets = existsSync(`${dataDir}/secrets.json`) ? openSecrets(dataDir) : undefined;
  const postgres = runningPostgres(dataDir)?.port;
  const redis =
    runningRedis(dataDir)?.port ?? (state.redisSource?.includes("Docker") ? state.redisPort : undefined);
  return {
    database:
      settings.databaseUrl ??
      (secrets && postgres !== undefined ? postgresUrl(postgres, secrets.postgresPassword) : undefined),
    redis:
      settings.redisUrl ??
      (secrets && redis !== undefined ? redisUrl(redis, secrets.redisPassword) : undefined),
  };
}

/** The names of the stores at these addresses that do not answer within a few seconds. */
export async function silentStores(urls: { databaseUrl: string; redisUrl: string }): Promise<string[]> {
  const [postgres, redis] = await Promise.all([
    versionOfPostgres(urls.databaseUrl),
    versionOfRedis(urls.redisUrl),
  ]);
  return [...(postgres === undefined ? ["PostgreSQL"] : []), ...(redis === undefined ? ["Redis"] : [])];
}

/** Runs queries on a short-lived connection; undefined when the server does not answer. */
export async function askPostgres<T>(
  url: string,
  ask: (client: pg.Client) => Promise<T>,
): Promise<T | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: PROBE_MS,
    query_timeout: PROBE_MS,
  });
  client.on("error", () => {}); // shows in the rejection below
  try {
    await client.connect();
    return await ask(client);
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Runs commands on a short-lived connection; undefined when the server does not answer. */
export async function askRedis<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T | undefined> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: PROBE_MS,
    commandTimeout: PROBE_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on("error", () => {}); // shows in the rejection below
  try {
    await redis.connect();
    return await ask(redis);
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}

async function versionOfPostgres(url: string): Promise<string | undefined> {
  return await askPostgres(url, async (client) => {
    const { rows } = await client.query<{ server_version: string }>("show server_version");
    return rows[0]?.server_version;
  });
}

async function versionOfRedis(url: string): Promise<string | undefined> {
  return await askRedis(
    url,
    async (redis) => /(?:valkey|redis)_version:(\S+)/.exec(await redis.info("server"))?.[1],
  );
}

function statusOf(
  given: string | undefined,
  url: string | undefined,
  version: string | undefined,
  givenToStart: boolean | undefined,
): StoreStatus["status"] {
  if (url === undefined && givenToStart === true) return "given";
  if (url === undefined) return givenToStart === undefined ? "stopped" : "restarting";
  if (version === undefined) return "no answer";
  return given === undefined ? "running" : "given";
}

function ownVersion(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
