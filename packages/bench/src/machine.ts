// On what a run was measured: versions, what durability costs here, and what the stores were told about it.
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { median } from "@holdfast/load";
import type { BenchStores } from "./stores.ts";

const POSTGRES_SETTINGS = ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method"];
const REDIS_SETTINGS = ["appendonly", "appendfsync"];
/** As PostgreSQL writes its log: 8 kB, then a wait for the disk. */
const SYNC_BYTES = 8_192;
const SYNC_TIMES = 200;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  /** Milliseconds of a write of 8 kB with fdatasync in the data directory, median. */
  readonly syncMs: number;
}

export async function inspectMachine({ dataDir, server, redis }: BenchStores): Promise<Machine> {
  const settings: Record<string, string> = {};
  const { rows } = await server.query<{ name: string; value: string }>(
    "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)",
    [POSTGRES_SETTINGS],
  );
  for (const { name, value } of rows) settings[name] = value;
  for (const name of REDIS_SETTINGS) {
    const [, value] = (await redis.config("GET", name)) as string[];
    settings[name] = value ?? "?";
  }
  const { rows: versions } = await server.query<{ server_version: string }>("SHOW server_version");
  return {
    cpu: cpus()[0]?.model ?? "?",
    cores: cpus().length,
    versions: {
      node: process.versions.node,
      postgres: versions[0]?.server_version ?? "?",
      redis: /redis_version:(\S+)/.exec(await redis.info("server"))?.[1] ?? "?",
      bullmq: versionOf("bullmq", "@holdfast/event-queue"),
    },
    settings,
    syncMs: medianSyncMs(dataDir),
  };
}

/** The version of a library as a package of this repository sees it. */
function versionOf(library: string, seenFrom: string): string {
  const folder = seenFrom.replace("@holdfast/", "");
  const file = new URL(`../../${folder}/node_modules/${library}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function medianSyncMs(directory: string): number {
  const path = join(directory, "sync-probe");
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(SYNC_BYTES, 1);
  try {
    return median(
      Array.from({ length: SYNC_TIMES }, () => {
        const begun = performance.now();
        writeSync(file, bytes, 0, bytes.length, 0);
        fdatasyncSync(file);
        return performance.now() - begun;
      }),
    );
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
