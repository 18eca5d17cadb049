// Both stores at once: given by URL, or private servers in the data directory. The only entry for other packages.
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

export { isAbandoned } from "./lock.ts";

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
}

/** What each store needs to know to be opened. */
export interface StorePlace {
  dataDir: string;
  cacheDir: string;
  password: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
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
    const place = { dataDir, cacheDir: options.cacheDir ?? dataDir, env, log, signal };
    const opened: OpenedStore[] = [];
    const keep = async (opening: Promise<OpenedStore>): Promise<OpenedStore> => {
      const store = await opening.catch((error: unknown) => {
        failed.abort(error); // the other one need not go on
        throw error;
      });
      opened.push(store);
      return store;
    };
    const attempts = await Promise.allSettled([
      keep(
        givenOr(env["DATABASE_URL"], "DATABASE_URL", () =>
          openPostgres({ ...place, password: secrets.postgresPassword }),
        ),
      ),
      keep(
        givenOr(env["REDIS_URL"], "REDIS_URL", () =>
          openRedis({ ...place, password: secrets.redisPassword }),
        ),
      ),
    ]);
    const [postgres, redis] = attempts;
    if (postgres.status === "rejected" || redis.status === "rejected" || signal.aborted) {
      await Promise.all(opened.map((store) => store.stop()));
      throw signal.reason;
    }
    return {
      databaseUrl: postgres.value.url,
      redisUrl: redis.value.url,
      postgresSource: postgres.value.source,
      redisSource: redis.value.source,
      stop: async () => {
        await Promise.all([postgres.value.stop(), redis.value.stop()]);
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

interface OpenedStore {
  url: string;
  source: string;
  stop(): Promise<void>;
}

async function givenOr(
  url: string | undefined,
  variable: string,
  open: () => Promise<OpenedStore>,
): Promise<OpenedStore> {
  if (url === undefined || url === "") return await open();
  return { url, source: `given as ${variable}`, stop: async () => {} };
}
