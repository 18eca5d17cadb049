// A private PostgreSQL server in the data directory: makes it, starts or adopts it, stops it. Knows no table.
import { spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { LOOPBACK, pickPort } from "./ports.ts";
import { runnableBinaries } from "./postgres-binaries.ts";
import { commandLine, endProcess, isAlive, processIdentity } from "./process.ts";
import { makeOwned, type ServerAccount, serverAccount, serverHome } from "./server-account.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";
import { readState, updateState } from "./state.ts";
import type { OpenedStore } from "./store-keeper.ts";
import { INITDB_OPTIONS, POSTGRES_SETTINGS, postgresArguments } from "./store-settings.ts";
import type { StorePlace } from "./stores.ts";

const DATABASE_NAME = "holdfast";
const SUPERUSER = "holdfast";
/** SQLSTATE invalid_password. */
const WRONG_PASSWORD = "28P01";

/** How long a crashed server's leftovers (lock file, shared memory) are waited for. */
const TAKEOVER_MS = 15_000;
/** How long a server may take to accept connections; recovery after a crash counts too. */
const READY_MS = 60_000;
const POLL_MS = 25;
const PROBE_TIMEOUT_MS = 2_000;

/** What a server on this machine is told besides. */
const LOCAL_SETTINGS = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: "",
  logging_collector: "off",
};

export interface PostgresServer extends OpenedStore {
  pid: number;
}

interface Cluster {
  dataDir: string;
  directory: string;
  binaries: string;
  account: ServerAccount | undefined;
  password: string;
  logFile: string;
  /** The only port that will do, when there is one. */
  port: number | undefined;
  signal: AbortSignal;
}

/** Starts the data directory's server, or adopts the one that an earlier, killed start left running. */
export async function openPostgres({
  dataDir,
  password,
  log,
  port,
  signal,
}: Omit<StorePlace, "env" | "cacheDir">): Promise<PostgresServer> {
  const account = serverAccount();
  const home = serverHome(dataDir, account, log);
  const cluster: Cluster = {
    dataDir,
    directory: join(home, "cluster"),
    binaries: runnableBinaries(home, account, log),
    account,
    password,
    logFile: join(dataDir, "logs", "postgres.log"),
    port,
    signal,
  };
  if (!existsSync(cluster.directory)) createCluster(cluster, home, log);
  const adopted = await adoptRunning(cluster);
  const running = adopted ?? (await startServer(cluster, log));
  const runs = account === undefined ? "" : `, running as ${account.name}`;
  const source = `PostgreSQL from npm ${adopted === undefined ? "started" : "still running, adopted"}${runs}`;
  updateState(dataDir, { postgresPort: running.port, postgresSource: source });
  await ensureDatabase(running.port, password);
  const identity = processIdentity(running.pid);
  return {
    url: postgresUrl(running.port, password),
    pid: running.pid,
    source,
    isUp: () => identity !== undefined && isAlive(running.pid, identity),
    stop: () => stopServer(running.pid),
  };
}

/** Stops the server that runs on this data directory, if one does. Returns whether there was one. */
export async function stopLeftoverPostgres(dataDir: string): Promise<boolean> {
  const directory = join(dataDir, "postgres", "cluster");
  const left = postmaster(directory);
  if (left === undefined) return false;
  await stopServer(left.pid);
  return true;
}

/** The pid and port of the server running on this data directory, if one does. */
export function runningPostgres(dataDir: string): { pid: number; port: number } | undefined {
  return postmaster(join(dataDir, "postgres", "cluster"));
}

function createCluster(cluster: Cluster, home: string, log: (line: string) => void): void {
  log("creating the PostgreSQL cluster");
  const unfinished = `${cluster.directory}.new`;
  const passwordFile = join(home, "initial-password");
  rmSync(unfinished, { recursive: true, force: true });
  makeOwned(unfinished, cluster.account);
  writeFileSync(passwordFile, `${cluster.password}\n`, { mode: 0o600 });
  if (cluster.account !== undefined) chownSync(passwordFile, cluster.account.uid, cluster.account.gid);
  const run = spawnSync(
    join(cluster.binaries, "bin", "initdb"),
    [
      `--pgdata=${unfinished}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      ...INITDB_OPTIONS,
      "--no-instructions",
    ],
    { ...asAccount(cluster.account), encoding: "utf8" },
  );
  rmSync(passwordFile, { force: true });
  if (run.status !== 0)
    throw new Error(`initdb failed: ${run.error?.message ?? `${run.stderr}${run.stdout}`.trim()}`);
  // Only a finished cluster gets the name: an interrupted first start is simply made again.
  renameSync(unfinished, cluster.directory);
}

/** The postmaster that holds the cluster. A pid file of a process that is gone, or is another program by now, is none. */
function postmaster(directory: string): { pid: number; port: number } | undefined {
  const lines = readPidFile(directory);
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  return commandLine(pid).includes("postgres") ? { pid, port } : undefined;
}

function readPidFile(directory: string): string[] {
  try {
    return readFileSync(join(directory, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return [];
  }
}

async function adoptRunning(cluster: Cluster): Promise<{ pid: number; port: number } | undefined> {
  const deadline = performance.now() + TAKEOVER_MS;
  for (;;) {
    const running = postmaster(cluster.directory);
    if (running === undefined) {
      // Whoever has that pid now is no PostgreSQL; the server itself would refuse to start because of it.
      rmSync(join(cluster.directory, "postmaster.pid"), { force: true });
      return undefined;
    }
    // It may be starting, recovering, or about to end.
    if (Number.isInteger(running.port) && (await probe(running.port, cluster)) === "ours") return running;
    if (performance.now() > deadline) {
      throw new Error(
        `PostgreSQL (pid ${running.pid}) holds ${cluster.directory} but does not answer; end it first.`,
      );
    }
    await pause(POLL_MS);
  }
}

async function startServer(
  cluster: Cluster,
  log: (line: string) => void,
): Promise<{ pid: number; port: number }> {
  const takeoverDeadline = performance.now() + TAKEOVER_MS;
  let remembered = readState(cluster.dataDir).postgresPort;
  log("starting PostgreSQL");
  for (;;) {
    cluster.signal.throwIfAborted();
    const port = cluster.port ?? (await pickPort(remembered));
    const server = spawnServer(cluster, port);
    const { child } = server;
    const failure = await untilReady(server, port, cluster);
    if (failure === undefined && child.pid !== undefined) {
      child.unref();
      return { pid: child.pid, port };
    }
    const said = server.said();
    if (cluster.port === undefined && /could not bind|could not create any TCP\/IP sockets/i.test(said)) {
      remembered = undefined; // somebody took the port in between
    } else if (!/lock file|shared memory block/i.test(said) || performance.now() > takeoverDeadline) {
      throw new Error(`PostgreSQL did not start (${failure}):\n${said}`);
    }
    await pause(POLL_MS);
  }
}

function spawnServer(cluster: Cluster, port: number): ServerProcess {
  const settings = { ...POSTGRES_SETTINGS, ...LOCAL_SETTINGS, port: String(port) };
  return startServerProcess(
    join(cluster.binaries, "bin", "postgres"),
    ["-D", cluster.directory, ...postgresArguments(settings)],
    cluster.logFile,
    asAccount(cluster.account),
  );
}

/** Waits for a server that answers. Returns what went wrong when it ended first or took too long. */
async function untilReady(
  { child, ended }: ServerProcess,
  port: number,
  cluster: Cluster,
): Promise<string | undefined> {
  const deadline = performance.now() + READY_MS;
  while (ended() === undefined) {
    const answer = await probe(port, cluster);
    if (answer === "ours") return undefined;
    if (answer === "refuses") {
      child.kill("SIGINT");
      return (
        `it does not take the password in secrets.json, which was lost or replaced: put it back, or remove ` +
        `${cluster.dataDir} to begin anew`
      );
    }
    if (performance.now() > deadline) {
      child.kill("SIGQUIT");
      return `no answer within ${READY_MS / 1_000} s`;
    }
    if (cluster.signal.aborted) child.kill("SIGINT");
    await pause(POLL_MS);
  }
  return ended();
}

/** Whether the server on the port takes our password and serves our cluster. */
async function probe(port: number, cluster: Cluster): Promise<"ours" | "refuses" | "silent"> {
  const client = new pg.Client({
    connectionString: urlOf(port, cluster.password, "postgres"),
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
  });
  client.on("error", () => {}); // a lost connection shows in the query's rejection
  try {
    await client.connect();
    const { rows } = await client.query<{ directory: string }>(
      "select current_setting('data_directory') as directory",
    );
    const directory = rows[0]?.directory;
    return directory !== undefined && realpathSync(directory) === realpathSync(cluster.directory)
      ? "ours"
      : "silent";
  } catch (error) {
    if ((error as { code?: unknown }).code === WRONG_PASSWORD) return "refuses";
    return "silent";
  } finally {
    await client.end().catch(() => {});
  }
}

async function ensureDatabase(port: number, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(port, password, "postgres") });
  await client.connect();
  try {
    const found = await client.query("select from pg_database where datname = $1", [DATABASE_NAME]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE_NAME}`);
  } finally {
    await client.end();
  }
}

/** A fast shutdown; a server that does not manage is ended hard and recovers at its next start. */
async function stopServer(pid: number): Promise<void> {
  await endProcess(pid, [
    { signal: "SIGINT", waitMs: 1_300 },
    { signal: "SIGQUIT", waitMs: 400 },
    { signal: "SIGKILL", waitMs: 500 },
  ]);
}

function asAccount(account: ServerAccount | undefined): {
  cwd: string;
  uid?: number;
  gid?: number;
  env: NodeJS.ProcessEnv;
} {
  // Nothing of the caller's PG* variables or locale may change what the server does.
  const environment = { cwd: "/", env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" } };
  return account === undefined ? environment : { ...environment, uid: account.uid, gid: account.gid };
}

/** The address of the product's database on our server. */
export function postgresUrl(port: number, password: string): string {
  return urlOf(port, password, DATABASE_NAME);
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${SUPERUSER}:${encodeURIComponent(password)}@${LOOPBACK}:${port}/${database}`;
}
