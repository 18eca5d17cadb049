// One block: a variant on a fresh database, pressed for some seconds, measured, and checked.

import { familyMicros, machineMicros, parentOf, processMicros } from "./cpu.ts";
import { commandsPerCommit, findFaults } from "./gate.ts";
import type { Generator } from "./generator.ts";
import type { Answers } from "./load-messages.ts";
import type { BenchStores } from "./stores.ts";
import type { VariantName } from "./variants.ts";
import { type Running, startVariant } from "./variants.ts";

export interface BlockWish {
  readonly variant: VariantName;
  /** Connections to the database that a baseline gets. */
  readonly pool: number | null;
  readonly clients: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface Block extends BlockWish {
  readonly answered: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU microseconds a command, of each process by name. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  /** Of all processes but the generator. */
  readonly cpuMicrosServing: number;
  readonly commandsPerCommit: number;
  /** Shares of all cores' time: nobody's, the generator's, and of processes that are none of the benchmark's. */
  readonly idleShare: number;
  readonly generatorShare: number;
  readonly othersShare: number;
  readonly statuses: Answers["statuses"];
  /** Why the block counts for nothing. Empty when it counts. */
  readonly faults: readonly string[];
}

export interface Bench {
  readonly stores: BenchStores;
  readonly generator: Generator;
  readonly jwtSecret: string;
}

export async function runBlock({ stores, generator, jwtSecret }: Bench, wish: BlockWish): Promise<Block> {
  const { variant, pool: connections, clients, warmUpSeconds, seconds } = wish;
  const database = await stores.fresh();
  try {
    const place = { databaseUrl: database.url, redisUrl: stores.redisUrl, jwtSecret };
    const running = await startVariant(variant, connections, place);
    try {
      const read = await cpuReader(stores, generator, running);
      const pressure = { url: running.url, clients, warmUpSeconds, seconds };
      const { answers, before, after } = await generator.press(pressure, read);
      const spent = spentBetween(before, after, answers.window.answered);
      const { answered } = answers.window;
      const faults = await findFaults(database.pool, stores.eventId, answers);
      if (faults.length > 0) faults.push(...lastWords(running));
      return {
        ...wish,
        answered,
        perSecond: answered / answers.window.seconds,
        meanMs: answers.window.meanMs,
        p50Ms: answers.window.p50Ms,
        p99Ms: answers.window.p99Ms,
        ...spent,
        commandsPerCommit: await commandsPerCommit(database.pool, stores.eventId),
        statuses: answers.statuses,
        faults,
      };
    } finally {
      await running.stop();
    }
  } finally {
    await database.drop();
  }
}

const lastWords = ({ processes }: Running): string[] =>
  [...processes].map(([name, { logs }]) => `${name} wrote last: ${logs.at(-1)}`);

interface CpuReading {
  readonly machine: ReturnType<typeof machineMicros>;
  readonly processes: Readonly<Record<string, number>>;
}

/** Knows where the CPU time of every process of a block is read. */
async function cpuReader(
  { server, redis }: BenchStores,
  generator: Generator,
  { processes }: Running,
): Promise<() => Promise<CpuReading>> {
  const { rows } = await server.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const postmaster = parentOf(rows[0]?.pid ?? 0);
  return async () => {
    const reading = {
      machine: machineMicros(),
      processes: {
        ...Object.fromEntries([...processes].map(([name, { pid }]) => [name, processMicros(pid)])),
        postgres: familyMicros(postmaster),
        generator: processMicros(generator.pid),
      },
    };
    const redisMicros = microsOf(await redis.info("cpu")); // it may run in a container, where its pid says nothing
    return { ...reading, processes: { ...reading.processes, redis: redisMicros } };
  };
}

const microsOf = (info: string): number =>
  [...info.matchAll(/^used_cpu_(?:sys|user)(?:_children)?:([\d.]+)/gm)].reduce(
    (sum, [, seconds]) => sum + Number(seconds) * 1_000_000,
    0,
  );

type Spent = Pick<Block, "cpuMicros" | "cpuMicrosServing" | "idleShare" | "generatorShare" | "othersShare">;

function spentBetween(before: CpuReading, after: CpuReading, commands: number): Spent {
  const spent = Object.entries(after.processes).map(
    ([name, micros]) => [name, micros - (before.processes[name] ?? 0)] as const,
  );
  const all = after.machine.all - before.machine.all;
  const idle = after.machine.idle - before.machine.idle;
  const ours = spent.reduce((sum, [, micros]) => sum + micros, 0);
  const generator = spent.find(([name]) => name === "generator")?.[1] ?? 0;
  return {
    cpuMicros: Object.fromEntries(spent.map(([name, micros]) => [name, micros / commands])),
    cpuMicrosServing: (ours - generator) / commands,
    idleShare: idle / all,
    generatorShare: generator / all,
    othersShare: Math.max(0, all - idle - ours) / all,
  };
}
