// A private Redis server in the data directory: configures it, starts or adopts it, stops it. Knows no key.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { messageOf } from "./message-of.ts";
import { isListening, LOOPBACK, pickPort } from "./ports.ts";
import { commandLine, endProcess, isAlive, processIdentity, signalProcess } from "./process.ts";
import {
  canFetchPackages,
  fetchedRedis,
  fetchRedis,
  type RedisProgram,
  redisEnvironment,
  redisOnPath,
} from "./redis-binary.ts";
import {
  CONTAINER_DIR,
  containerEnd,
  dockerAnswers,
  killContainer,
  startContainer,
  stopContainer,
} from "./redis-docker.ts";
import { startServerProcess } from "./server-process.ts";
import { readState, updateState } from "./state.ts";
import type { OpenedStore } from "./store-keeper.ts";
import { REDIS_SETTINGS } from "./store-settings.ts";
import type { StorePlace } from "./stores.ts";

/** How long a server may take to answer; loading a large append-only file counts too. */
const READY_MS = 60_000;
const POLL_MS = 25;
const PROBE_TIMEOUT_MS = 1_000;

export interface RedisServer extends OpenedStore {
  /** Undefined when it runs in a container. */
  pid: number | undefined;
  /** Ends it without a warning, for those who want to see what survives that. */
  kill(): Promise<void>;
}

interface Place extends StorePlace {
  directory: string;
  logFile: string;
}

/** Starts the data directory's server, or adopts the one that an earlier, killed start left running. */
export async function openRedis(wanted: StorePlace): Promise<RedisServer> {
  const { dataDir } = wanted;
  const place: Place = {
    ...wanted,
    directory: join(dataDir, "redis"),
    logFile: join(dataDir, "logs", "redis.log"),
  };
  mkdirSync(place.directory, { recursive: true, mode: 0o700 });
  const server = (await adoptRunning(place)) ?? (await startAny(place));
  updateState(dataDir, { redisSource: server.source });
  return server;
}

/** Stops the server that runs on this data directory, if one does. Returns whether there was one. */
export async function stopLeftoverRedis(dataDir: string): Promise<boolean> {
  const directory = join(dataDir, "redis");
  const left = runningRedis(dataDir);
  if (left !== undefined) await stopServer(left.pid, directory);
  const stopped = await stopContainer(dataDir);
  return left !== undefined || stopped;
}

/** The pid and port of the server program running on this data directory, if one does. */
export function runningRedis(dataDir: string): { pid: number; port: number } | undefined {
  const directory = join(dataDir, "redis");
  const pid = Number(readText(pidFile(directory)));
  const port = Number(/^port "?(\d+)"?$/m.exec(readText(configFile(directory)))?.[1]);
  if (!Number.isInteger(pid) || pid <= 0 || !Number.isInteger(port) || !isAlive(pid)) return undefined;
  return /redis-server|valkey-server|redis-check-rdb/.test(commandLine(pid)) ? { pid, port } : undefined;
}

async function adoptRunning(place: Place): Promise<RedisServer | undefined> {
  const running = runningRedis(place.dataDir);
  if (running === undefined) return undefined;
  const ready = await untilAnswers(running.port, place, () =>
    isAlive(running.pid) ? undefined : "it ended",
  );
  if (ready !== undefined) {
    if (!isAlive(running.pid)) return undefined;
    throw new Error(`Redis (pid ${running.pid}) holds ${place.directory} but does not answer; end it first.`);
  }
  return serverOn(place, running.pid, running.port, "Redis still running, adopted");
}

async function startAny(place: Place): Promise<RedisServer> {
  const { env, cacheDir, log, signal } = place;
  const tried: string[] = ["no redis-server or valkey-server (6.2 or newer) on PATH"];
  const present = redisOnPath(env["PATH"]) ?? fetchedRedis(cacheDir);
  if (present !== undefined) return await startProgram(place, present);

  if (await dockerAnswers()) {
    try {
      return await startInDocker(place);
    } catch (error) {
      tried.push(`Docker answers, but: ${messageOf(error)}`);
    }
  } else {
    tried.push("Docker does not answer");
  }

  if (canFetchPackages(env["PATH"])) {
    try {
      return await startProgram(place, await fetchRedis(cacheDir, log, signal));
    } catch (error) {
      tried.push(`fetching the system's package failed: ${messageOf(error)}`);
    }
  } else {
    tried.push("no apt-get to fetch it with");
  }
  throw new Error(
    [
      "Holdfast needs a Redis server and found none:",
      ...tried.map((line) => `  - ${line}`),
      "Any one of these helps:",
      "  - give the address of a running one: REDIS_URL=redis://…",
      "  - install one: apt-get install redis-server · dnf install valkey · apk add redis · brew install redis",
      "  - start Docker",
    ].join("\n"),
  );
}

async function startProgram(place: Place, program: RedisProgram): Promise<RedisServer> {
  place.log(`starting Redis (${program.source})`);
  let remembered = readState(place.dataDir).redisPort;
  for (;;) {
    place.signal.throwIfAborted();
    const port = place.port ?? (await pickPort(remembered));
    writeConfig(place, port, {
      bind: LOOPBACK,
      dir: place.directory,
      pidfile: pidFile(place.directory),
    });
    const { child, ended, said } = startServerProcess(
      program.path,
      [configFile(place.directory)],
      place.logFile,
      { cwd: place.directory, env: redisEnvironment(program) },
    );
    const failure = await untilAnswers(port, place, () => {
      if (place.signal.aborted) child.kill("SIGTERM");
      return ended();
    });
    if (failure === undefined && child.pid !== undefined) {
      child.unref();
      updateState(place.dataDir, { redisPort: port });
      return serverOn(place, child.pid, port, `${program.source}, started`);
    }
    if (place.port !== undefined || !/address already in use/i.test(said())) {
      throw new Error(`Redis did not start (${failure}):\n${said()}`);
    }
    remembered = undefined; // somebody took the port in between
  }
}

async function startInDocker(place: Place): Promise<RedisServer> {
  const port = place.port ?? (await pickPort(readState(place.dataDir).redisPort));
  writeConfig(place, port, { bind: "*", dir: CONTAINER_DIR });
  await startContainer(place.dataDir, place.directory, port, place.log, place.signal);
  const failure = await untilAnswers(port, place, async () =>
    place.signal.aborted ? "stopped" : await containerEnd(place.dataDir),
  );
  if (failure !== undefined) {
    await stopContainer(place.dataDir);
    throw new Error(failure);
  }
  updateState(place.dataDir, { redisPort: port });
  return {
    url: redisUrl(port, place.password),
    pid: undefined,
    source: "Redis in Docker",
    isUp: () => isListening(port),
    kill: () => killContainer(place.dataDir),
    stop: async () => {
      await stopContainer(place.dataDir);
    },
  };
}

function serverOn(place: Place, pid: number, port: number, source: string): RedisServer {
  const identity = processIdentity(pid);
  return {
    url: redisUrl(port, place.password),
    pid,
    source,
    isUp: () => identity !== undefined && isAlive(pid, identity),
    kill: async () => signalProcess(pid, "SIGKILL"),
    stop: () => stopServer(pid, place.directory),
  };
}

/** `where` is what is not the same on this machine and in a container. */
function writeConfig(place: Place, port: number, where: Record<string, string>): void {
  const settings = { port, requirepass: place.password, ...REDIS_SETTINGS, daemonize: "no", ...where };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(String(value))}`);
  rmSync(configFile(place.directory), { force: true });
  writeFileSync(configFile(place.directory), `${lines.join("\n")}\n`, { mode: 0o600 });
}

/** Waits for our server's answer. Returns what went wrong: `gaveUp()`'s reason, or that it took too long. */
async function untilAnswers(
  port: number,
  place: Place,
  gaveUp: () => string | undefined | Promise<string | undefined>,
): Promise<string | undefined> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const reason = await gaveUp();
    if (reason !== undefined) return reason;
    if (await answers(port, place.password)) return undefined;
    if (performance.now() > deadline) return `no answer within ${READY_MS / 1_000} s`;
    await pause(POLL_MS);
  }
}

/** True when the server on the port takes our password (no other server has it) and has loaded its data. */
async function answers(port: number, password: string): Promise<boolean> {
  const redis = new Redis({
    host: LOOPBACK,
    port,
    password,
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: PROBE_TIMEOUT_MS,
    commandTimeout: PROBE_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on("error", () => {}); // shows in the rejections below
  try {
    await redis.connect();
    // A server without a password answers everybody; ours refuses who has none, so ask for the setting itself.
    const [, required] = (await redis.config("GET", "requirepass")) as string[];
    return (await redis.ping()) === "PONG" && required === password;
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

async function stopServer(pid: number, directory: string): Promise<void> {
  await endProcess(pid, [
    { signal: "SIGTERM", waitMs: 1_500 },
    { signal: "SIGKILL", waitMs: 500 },
  ]);
  rmSync(pidFile(directory), { force: true });
}

function configFile(directory: string): string {
  return join(directory, "redis.conf");
}

function pidFile(directory: string): string {
  return join(directory, "redis.pid");
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** The address of our server. */
export function redisUrl(port: number, password: string): string {
  return `redis://:${encodeURIComponent(password)}@${LOOPBACK}:${port}`;
}
