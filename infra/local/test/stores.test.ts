// What a killed start leaves behind, with real servers: adopted when they run, recovered when they do not.
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { runningPostgres } from "../src/postgres.ts";
import { signalProcess, waitForEnd } from "../src/process.ts";
import { runningRedis } from "../src/redis.ts";
import { dataDirFrom, openStores, removeDataDir, type Stores, stopLeftoverStores } from "../src/stores.ts";

const HOLDER = fileURLToPath(new URL("programs/hold-stores.ts", import.meta.url));
const TEST_MS = 60_000;
/** Where the run's Redis program was put, if one had to be fetched. */
const cacheDir = dataDirFrom(process.env);
const env = { ...process.env, DATABASE_URL: "", REDIS_URL: "" };

function temporaryDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), "holdfast-local-"));
  chmodSync(dataDir, 0o711);
  onTestFinished(async () => {
    await stopLeftoverStores(dataDir);
    removeDataDir(dataDir);
  });
  return dataDir;
}

/** Opens stores in a process of their own, and returns how to kill it. */
async function openElsewhere(
  dataDir: string,
): Promise<{ urls: Addresses; pid: number; kill(): Promise<void> }> {
  const child = spawn(process.execPath, [HOLDER, dataDir, cacheDir], {
    env,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [urls] = (await once(child, "message")) as [Addresses];
  return {
    urls,
    pid: child.pid ?? 0,
    kill: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

type Addresses = Pick<Stores, "databaseUrl" | "redisUrl">;

async function write({ databaseUrl, redisUrl }: Addresses): Promise<void> {
  await onDatabase(databaseUrl, "create table kept as select 42 as answer");
  await onRedis(redisUrl, (redis) => redis.set("kept", "42"));
}

async function read({ databaseUrl, redisUrl }: Addresses): Promise<unknown[]> {
  const rows = await onDatabase(databaseUrl, "select answer from kept");
  return [rows, await onRedis(redisUrl, (redis) => redis.get("kept"))];
}

async function onDatabase(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

async function onRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => {}); // shows in the rejections
  await redis.connect();
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

test("F1 servers that outlived a killed start are adopted: same processes, same ports, same data", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const first = await openElsewhere(dataDir);
  await write(first.urls);
  await expect(openStores({ dataDir, cacheDir, env, log: () => {} })).rejects.toThrow(`pid ${first.pid}`);
  await first.kill();
  const left = [runningPostgres(dataDir), runningRedis(dataDir)];
  expect(left).not.toContain(undefined);

  const second = await openStores({ dataDir, cacheDir, env, log: () => {} });
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual(left);
  expect(second).toMatchObject(first.urls);
  expect(await read(second)).toEqual([[{ answer: 42 }], "42"]);
  await second.stop();
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual([undefined, undefined]);
});

test("F1 servers that were killed together with their start recover with everything that was acknowledged", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const first = await openElsewhere(dataDir);
  await write(first.urls);
  const servers = [first.pid, runningPostgres(dataDir)?.pid ?? 0, runningRedis(dataDir)?.pid ?? 0];
  for (const pid of servers) signalProcess(pid, "SIGKILL");
  for (const pid of servers) expect(await waitForEnd(pid, 5_000)).toBe(true);

  const second = await openStores({ dataDir, cacheDir, env, log: () => {} });
  expect(await read(second)).toEqual([[{ answer: 42 }], "42"]);
  await second.stop();
});

test("F1 a server that dies under a running start is started again: same port, same data, as often as it dies", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const heard = new EventEmitter();
  const lines: string[] = [];
  const log = (line: string) => {
    lines.push(line);
    heard.emit(line);
  };
  const stores = await openStores({ dataDir, cacheDir, env, log, keepUp: true });
  await write(stores);
  const servers = [
    { name: "Redis", running: runningRedis },
    { name: "PostgreSQL", running: runningPostgres },
    { name: "Redis", running: runningRedis },
  ];
  for (const { name, running } of servers) {
    const before = running(dataDir);
    const back = once(heard, `${name} is back`);
    signalProcess(before?.pid ?? 0, "SIGKILL");
    await back;
    const after = running(dataDir);
    expect(after?.port).toBe(before?.port);
    expect(after?.pid).not.toBe(before?.pid);
    expect(await read(stores)).toEqual([[{ answer: 42 }], "42"]);
  }
  expect(lines.filter((line) => line.endsWith("died; starting it again"))).toHaveLength(servers.length);

  await stores.stop();
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual([undefined, undefined]);
});

test("an opening that is called off leaves no server and no lock", { timeout: TEST_MS }, async () => {
  const dataDir = temporaryDataDir();
  const calledOff = new AbortController();
  const opening = openStores({
    dataDir,
    cacheDir,
    env,
    signal: calledOff.signal,
    log: (line) => {
      if (line === "starting PostgreSQL") calledOff.abort();
    },
  });
  await expect(opening).rejects.toThrow("aborted");
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual([undefined, undefined]);
  const again = await openStores({ dataDir, cacheDir, env, log: () => {} });
  await again.stop();
});

test("servers are as durable as promised, and nobody gets in without the password", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const stores = await openStores({ dataDir, cacheDir, env, log: () => {} });
  const settings = await onRedis(stores.redisUrl, async (redis) => [
    await redis.config("GET", "appendonly"),
    await redis.config("GET", "appendfsync"),
    await redis.config("GET", "maxmemory-policy"),
    await redis.config("GET", "bind"),
  ]);
  expect(settings).toEqual([
    ["appendonly", "yes"],
    ["appendfsync", "always"],
    ["maxmemory-policy", "noeviction"],
    ["bind", "127.0.0.1"],
  ]);
  const rows = await onDatabase(
    stores.databaseUrl,
    "select datcollate, datlocale, current_setting('fsync') as fsync from pg_database where datname = 'holdfast'",
  );
  expect(rows).toEqual([{ datcollate: "C", datlocale: "C.UTF-8", fsync: "on" }]);

  const withoutPassword = (url: string) => url.replace(/:[^:@/]+@/, ":wrong@");
  await expect(onDatabase(withoutPassword(stores.databaseUrl), "select 1")).rejects.toThrow("password");
  await expect(onRedis(withoutPassword(stores.redisUrl), (redis) => redis.get("x"))).rejects.toThrow();
  const statement = readFileSync(join(dataDir, "state.json"), "utf8");
  expect(statement).not.toContain(new URL(stores.databaseUrl).password);
  await stores.stop();
});

test("stores that were given by URL are used and left alone", async () => {
  const dataDir = temporaryDataDir();
  const given = { DATABASE_URL: "postgres://somewhere/db", REDIS_URL: "redis://elsewhere" };
  const stores = await openStores({ dataDir, env: given, log: () => {} });
  expect(stores).toMatchObject({ databaseUrl: given.DATABASE_URL, redisUrl: given.REDIS_URL });
  await stores.stop();
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual([undefined, undefined]);
});
