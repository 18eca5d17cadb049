// What a block has cost by the time its clock stops: CPU time of every process, what both stores count themselves, what
// the worker tells of its batches. Each is read when the clock starts and when it stops.
import { readFileSync } from "node:fs";
import type pg from "pg";
import { type BatchMetrics, batchesBetween, batchMetricsOf } from "./batch-metrics.ts";
import { familyMicros, machineMicros, parentOf, processMicros } from "./cpu.ts";
import type { Generator } from "./generator.ts";
import type { BenchStores } from "./stores.ts";
import type { Running } from "./variants.ts";

export interface Spent {
  /** CPU microseconds a command, of each process by name. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  /** Of all processes but the generator. */
  readonly cpuMicrosServing: number;
  /**
   * Transactions that wrote, for each command: those that took a transaction id, whoever they are of. It is exact at the
   * moment at which it is asked for; `pg_stat_database` is told up to a second later, and counts what only reads, too.
   */
  readonly commitsPerCommand: number;
  /** Those that scripts call included. */
  readonly redisCommandsPerCommand: number;
  readonly walBytesPerCommand: number;
  /** Of the reservation worker's transactions; null where there is no such worker or no batch. */
  readonly batchP99Ms: number | null;
  readonly batchCommandsMean: number | null;
  /** Of the whole block. */
  readonly deadlocks: number;
  /** Shares of all cores' time: nobody's, the generator's, and of processes that are none of the benchmark's. */
  readonly shares: { readonly idle: number; readonly generator: number; readonly others: number };
  /** Resident bytes of each process when the clock stopped. */
  readonly memoryBytes: Readonly<Record<string, number>>;
}

export interface Reading {
  readonly machine: ReturnType<typeof machineMicros>;
  readonly processes: Readonly<Record<string, number>>;
  readonly memoryBytes: Readonly<Record<string, number>>;
  readonly transactions: number;
  readonly walBytes: number;
  readonly redisCommands: number;
  readonly batches: BatchMetrics | null;
}

export interface Counters {
  read(): Promise<Reading>;
  between(before: Reading, after: Reading, commands: number): Omit<Spent, "deadlocks">;
  /** Asked once the processes have ended: until then they have not told all. */
  deadlocks(): Promise<number>;
}

interface Counted {
  readonly stores: BenchStores;
  readonly generator: Generator;
  readonly running: Running;
  /** Of the block's database. */
  readonly pool: pg.Pool;
}

export async function openCounters({ stores, generator, running, pool }: Counted): Promise<Counters> {
  const { server, redis } = stores;
  const { rows } = await server.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const postmaster = parentOf(rows[0]?.pid ?? 0);
  const worker = running.processes.get("reservation-worker");
  const services = [...running.processes].map(([name, { pid }]) => [name, pid] as const);

  return {
    async read() {
      const machine = machineMicros();
      const processes = {
        ...Object.fromEntries(services.map(([name, pid]) => [name, processMicros(pid)])),
        postgres: familyMicros(postmaster),
        generator: processMicros(generator.pid),
      };
      const memoryBytes = Object.fromEntries(services.map(([name, pid]) => [name, residentBytes(pid)]));
      const [info, written, batches] = await Promise.all([
        redis.info(),
        writtenSoFar(server),
        worker === undefined ? null : batchMetricsOf(worker.metricsUrl),
      ]);
      return {
        machine,
        processes: { ...processes, redis: redisMicros(info) }, // it may run in a container, where its pid says nothing
        memoryBytes: { ...memoryBytes, redis: figureOf(info, "used_memory_rss") },
        redisCommands: figureOf(info, "total_commands_processed"),
        ...written,
        batches,
      };
    },
    between: spentBetween,
    async deadlocks() {
      const { rows: found } = await pool.query<{ deadlocks: number }>(
        "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()",
      );
      return found[0]?.deadlocks ?? 0;
    },
  };
}

async function writtenSoFar(server: pg.Pool): Promise<Pick<Reading, "transactions" | "walBytes">> {
  const { rows } = await server.query<{ transactions: number; walBytes: number }>(
    `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS transactions,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS "walBytes"`,
  );
  return rows[0] ?? { transactions: 0, walBytes: 0 };
}

const BYTES_PER_KIB = 1_024;

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * BYTES_PER_KIB;
}

const figureOf = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0);

const MICROS_PER_SECOND = 1_000_000;

const redisMicros = (info: string): number =>
  ["used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"].reduce(
    (sum, name) => sum + figureOf(info, name) * MICROS_PER_SECOND,
    0,
  );

function spentBetween(before: Reading, after: Reading, commands: number): Omit<Spent, "deadlocks"> {
  const each = Math.max(1, commands); // a block without a command counts for nothing: let it say so
  const spent = Object.entries(after.processes).map(
    ([name, micros]) => [name, micros - (before.processes[name] ?? 0)] as const,
  );
  const all = after.machine.all - before.machine.all;
  const idle = after.machine.idle - before.machine.idle;
  const ours = spent.reduce((sum, [, micros]) => sum + micros, 0);
  const generator = spent.find(([name]) => name === "generator")?.[1] ?? 0;
  return {
    cpuMicros: Object.fromEntries(spent.map(([name, micros]) => [name, micros / each])),
    cpuMicrosServing: (ours - generator) / each,
    commitsPerCommand: (after.transactions - before.transactions) / each,
    redisCommandsPerCommand: (after.redisCommands - before.redisCommands) / each,
    walBytesPerCommand: (after.walBytes - before.walBytes) / each,
    ...batchesBetween(before.batches, after.batches),
    shares: {
      idle: idle / all,
      generator: generator / all,
      others: Math.max(0, all - idle - ours) / all,
    },
    memoryBytes: after.memoryBytes,
  };
}
