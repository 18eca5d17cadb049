// Both stores at once: given by URL, or private servers in the data directory.
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { takeLock } from "./lock.ts";
import { openPostgres, stopLeftoverPostgres } from "./postgres.ts";
import { openRedis, stopLeftoverRedis } from "./redis.ts";
import { openSecrets } from "./secrets.ts";
import { outsideHome } from "./server-account.ts";
import { keepUp, type OpenedStore } from "./store-keeper.ts";

export { isAbandoned, takeLock } from "./lock.ts";

export interface StoresOptions {
  /** Where private servers keep their files; made when missing. */
  dataDir: string;
  /** Where fetched programs are kept, when that is not the data directory. */
  cacheDir?: string;
  /** `DATABASE_URL` and `REDIS_URL` are used when they are there; `PATH` is searched for a Redis server. */
  env: NodeJS.ProcessEnv;
  /** Gets a line for each step that may take a while. */
  log: (line: string) => void;
  /** Ends the attempt: what was started by then is stopped, and the promise rejects. */
  signal?: AbortSignal;
  /** Start private servers again that die, on the same ports, until the signal or `stop`. */
  keepUp?: boolean;
}

/** What each store needs to know to be opened. */
export interface StorePlace {
  dataDir: string;
  cacheDir: string;
  password: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  /** The only port that will do, because others know the server by it; undefined when any will. */
  port: number | undefined;
  signal: AbortSignal;
}

export interface Stores {
  databaseUrl: string;
  redisUrl: string;
  /** How each was come by, for people. */
  postgresSource: string;
  redisSource: string;
  /** Ends what was started or adopted here; servers given by URL are left alone. */
  stop(): Promise<void>;
}

/**
 * Finds or starts PostgreSQL and Redis. Throws AlreadyRunning when another process holds the data directory, and an
 * error that names the ways out when a server can neither be found nor started.
 */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { env, log } = options;
  const dataDir = prepareDataDir(options.dataDir);
  const release = takeLock(dataDir);
  try {
    const secrets = openSecrets(dataDir);
    const failed = new AbortController();
    const signal = AbortSignal.any([
      failed.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ]);
    const place = { dataDir, cacheDir: options.cacheDir ?? dataDir, env, log };
    const opened: OpenedStore[] = [];
    const open = async (source: StoreSource): Promise<OpenedStore> => {
      const store = await openSource(source, signal).catch((error: unknown) => {
        failed.abort(error); // the other one need not go on
        throw error;
      });
      opened.push(store);
      return store;
    };
    const sources = {
      postgres: {
        name: "PostgreSQL",
        variable: "DATABASE_URL",
        given: env["DATABASE_URL"] ?? "",
        openOwn: (own: OwnPlace) => openPostgres({ ...place, ...own, password: secrets.postgresPassword }),
      },
      redis: {
        name: "Redis",
        variable: "REDIS_URL",
        given: env["REDIS_URL"] ?? "",
        openOwn: (own: OwnPlace) => openRedis({ ...place, ...own, password: secrets.redisPassword }),
      },
    };
    const [postgres, redis] = await Promise.allSettled([open(sources.postgres), open(sources.redis)]);
    if (postgres.status === "rejected" || redis.status === "rejected" || signal.aborted) {
      await Promise.all(opened.map((store) => store.stop()));
      throw signal.reason;
    }
    const kept = (source: StoreSource, store: OpenedStore) =>
      options.keepUp === true && source.given === ""
        ? keepUp({
            name: source.name,
            opened: store,
            reopen: (over) => source.openOwn({ port: Number(new URL(store.url).port), signal: over }),
            log,
            signal,
          })
        : store;
    const held = [kept(sources.postgres, postgres.value), kept(sources.redis, redis.value)];
    return {
      databaseUrl: postgres.value.url,
      redisUrl: redis.value.url,
      postgresSource: postgres.value.source,
      redisSource: redis.value.source,
      stop: async () => {
        await Promise.all(held.map((store) => store.stop()));
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Stops servers that a killed start left running on the data directory. Returns the names of those it stopped. */
export async function stopLeftoverStores(dataDir: string): Promise<string[]> {
  const [postgres, redis] = await Promise.all([stopLeftoverPostgres(dataDir), stopLeftoverRedis(dataDir)]);
  return [...(postgres ? ["PostgreSQL"] : []), ...(redis ? ["Redis"] : [])];
}

/** Removes a data directory whose servers are stopped, and what of it lies elsewhere. */
export function removeDataDir(dataDir: string): void {
  const outside = outsideHome(dataDir);
  if (outside !== undefined) rmSync(outside, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
}

/** `HOLDFAST_DATA_DIR`, or `.data` at the root of the repository. */
export function dataDirFrom(env: NodeJS.ProcessEnv): string {
  const given = env["HOLDFAST_DATA_DIR"] ?? "";
  return given === "" ? fileURLToPath(new URL("../../../.data", import.meta.url)) : resolve(given);
}

/** Makes the data directory when it is missing and returns its real path. Throws when it belongs to somebody else. */
export function prepareDataDir(wanted: string): string {
  mkdirSync(join(wanted, "logs"), { recursive: true, mode: 0o711 });
  const dataDir = realpathSync(wanted);
  const secrets = join(dataDir, "secrets.json");
  const owner = existsSync(secrets) ? statSync(secrets).uid : undefined;
  const self = process.getuid?.();
  if (owner !== undefined && self !== undefined && owner !== self) {
    throw new Error(
      `The data directory ${dataDir} was made by the user with id ${owner}, and this is user ${self}. ` +
        "Start as that user, or give a directory of your own: HOLDFAST_DATA_DIR=…",
    );
  }
  accessSync(dataDir, constants.W_OK);
  chmodSync(dataDir, 0o711); // the server's account may pass through; what must not be read is 0600 itself
  return dataDir;
}

type OwnPlace = Pick<StorePlace, "port" | "signal">;

interface StoreSource {
  name: string;
  /** The environment variable that may give its address, and what that says; empty when there is none. */
  variable: string;
  given: string;
  openOwn(own: OwnPlace): Promise<OpenedStore>;
}

async function openSource(source: StoreSource, signal: AbortSignal): Promise<OpenedStore> {
  if (source.given === "") return await source.openOwn({ port: undefined, signal });
  return { url: source.given, source: `given as ${source.variable}`, isUp: () => true, stop: async () => {} };
}
