// Looks at a block again and again while its load is on: how fast commands end, what that costs, and how much memory
// every process has.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BlockPlace } from "../block.ts";
import { familyMicros, parentOf, processMicros } from "../cpu.ts";
import type { BenchStores } from "../stores.ts";
import { countEnds } from "./ends.ts";

export interface Sample {
  /** Since the clock started: the middle of the time that is told of. */
  readonly second: number;
  /** Commands that ended, since the look before. */
  readonly perSecond: number;
  /** Of all processes but the load generator. */
  readonly cpuMicros: number;
  /** Resident memory that is no file's, of each process; PostgreSQL's are taken together. */
  readonly memoryBytes: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
}

interface Look {
  readonly atMs: number;
  readonly ended: number;
  readonly micros: number;
  readonly memoryBytes: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
}

export async function watchSamples(
  { stores, place }: { stores: BenchStores; place: BlockPlace },
  { afterSeconds, seconds, everySeconds }: { afterSeconds: number; seconds: number; everySeconds: number },
  seen: (sample: Sample) => void,
): Promise<Sample[]> {
  const look = await looker(stores, place);
  const begun = performance.now();
  const samples: Sample[] = [];
  await sleep(afterSeconds * MS_PER_SECOND);
  const first = await look();
  let before = first;
  for (let due = everySeconds; due <= seconds; due += everySeconds) {
    await sleep(Math.max(0, begun + (afterSeconds + due) * MS_PER_SECOND - performance.now()));
    const now = await look();
    const ended = now.ended - before.ended;
    const sample = {
      second: ((before.atMs + now.atMs) / 2 - first.atMs) / MS_PER_SECOND,
      perSecond: (ended * MS_PER_SECOND) / (now.atMs - before.atMs),
      cpuMicros: (now.micros - before.micros) / Math.max(1, ended),
      memoryBytes: now.memoryBytes,
      databaseBytes: now.databaseBytes,
    };
    samples.push(sample);
    seen(sample);
    before = now;
  }
  return samples;
}

const MS_PER_SECOND = 1_000;
const MICROS_PER_SECOND = 1_000_000;
const BYTES_PER_KIB = 1_024;

async function looker(
  { server, redis }: BenchStores,
  { pool, processes }: BlockPlace,
): Promise<() => Promise<Look>> {
  const { rows } = await server.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const postmaster = parentOf(rows[0]?.pid ?? 0);
  const services = [...processes].map(([name, { pid }]) => [name, pid] as const);
  return async () => {
    const micros = services.reduce((sum, [, pid]) => sum + processMicros(pid), familyMicros(postmaster));
    const memoryBytes = {
      ...Object.fromEntries(services.map(([name, pid]) => [name, privateBytes(pid)])),
      postgres: familyBytes(postmaster),
    };
    const [ends, info, size] = await Promise.all([
      countEnds(pool),
      redis.info(),
      pool.query<{ bytes: number }>("SELECT pg_database_size(current_database())::float8 AS bytes"),
    ]);
    const figure = (name: string): number =>
      Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0);
    const redisSeconds = figure("used_cpu_sys") + figure("used_cpu_user");
    return {
      ...ends,
      micros: micros + redisSeconds * MICROS_PER_SECOND,
      memoryBytes: { ...memoryBytes, redis: figure("used_memory") },
      databaseBytes: size.rows[0]?.bytes ?? 0,
    };
  };
}

/** Resident bytes that are neither a file's nor shared: 0 when the process is gone. */
export function privateBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * BYTES_PER_KIB;
  } catch {
    return 0;
  }
}

/** Of a process and its children. */
function familyBytes(pid: number): number {
  return readdirSync("/proc")
    .map(Number)
    .filter((other) => Number.isInteger(other) && (other === pid || isChildOf(other, pid)))
    .reduce((sum, other) => sum + privateBytes(other), 0);
}

function isChildOf(pid: number, parent: number): boolean {
  try {
    return parentOf(pid) === parent;
  } catch {
    return false; // gone meanwhile
  }
}
