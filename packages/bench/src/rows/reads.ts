// What reads of a hot event cost its sale, and what a read costs: from memory, and from the tables.
import { setTimeout as sleep } from "node:timers/promises";
import { type EventId, SLOT_CAPACITY_MAX, type UserId } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createUsers } from "@holdfast/testkit/fixtures";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { OfKind } from "../load-generator/answers.ts";
import type { ReserveAndRead } from "../load-generator/scripts/reserve-and-read.ts";
import type { Findings, Row, RowRun, Table } from "../row.ts";
import { createEvents } from "./copied-events.ts";

const RESERVE_AND_READ = import.meta.resolve("../load-generator/scripts/reserve-and-read.ts");

const SOURCES = ["memory", "joined", "redis", "postgres"] as const;
type Source = (typeof SOURCES)[number];

interface Sizes {
  readonly rounds: number;
  /** Reserves a second, and reads between two of them. */
  readonly reservesPerSecond: number;
  readonly reads: number;
  readonly connections: number;
  /** Reads a second where nothing is sold. */
  readonly readsPerSecond: number;
  /** As many as are read once before the first comes again: it is forgotten by then. */
  readonly distinctEvents: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const FULL: Sizes = {
  rounds: 7,
  reservesPerSecond: 1_000,
  reads: 10,
  connections: 500,
  readsPerSecond: 2_000,
  distinctEvents: 5_000,
  warmUpSeconds: 10,
  seconds: 15,
};
const SMOKE: Sizes = {
  ...FULL,
  rounds: 1,
  reservesPerSecond: 100,
  connections: 50,
  readsPerSecond: 200,
  distinctEvents: 600,
  warmUpSeconds: 0.5,
  seconds: 1.5,
};

/** Every second read names the tag that was told last. */
const UNTAGGED_OF = 2;

/** What the sale's P99 may be beside reads, over what it is without. */
const TIMES_MAX = 1.2;

/** What a block asks for. */
type Mix = "sale" | "sale-and-reads" | "reads-of-one" | "reads-of-many";
const SALES = ["sale", "sale-and-reads"] as const satisfies readonly Mix[];
const READS = ["reads-of-one", "reads-of-many"] as const satisfies readonly Mix[];

interface World {
  readonly eventIds: readonly EventId[];
  readonly userIds: readonly UserId[];
}

/** With how many reads were answered from where. */
type ReadBlock = Block<Readonly<Record<Source, number>>>;

interface Round {
  readonly alone: ReadBlock;
  readonly beside: ReadBlock;
}

export const reads: Row = {
  name: "reads",
  title: "Reads of a hot event beside its sale",
  about:
    `One event sells ${FULL.reservesPerSecond} tickets a second in an open loop over ${FULL.connections} kept ` +
    `connections: alone, and beside ${FULL.reservesPerSecond * FULL.reads} reads a second of its detail and its ` +
    "availability in turn, every second of them with the tag that was told last. Judged by the P99 of the sale, over " +
    `that of the block beside it without reads. Then what a read costs by itself, at ${FULL.readsPerSecond} a second: ` +
    `of one event, and of ${FULL.distinctEvents} in turn, so that each is read from the tables as if nothing were kept.`,
  minutes: 9,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    return await withBench(run, async (bench) => {
      const rounds: Round[] = [];
      for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
        // In turn the first and the second: the machine's mood changes.
        const order = round % 2 === 1 ? SALES : SALES.toReversed();
        const blocks = new Map<Mix, ReadBlock>();
        for (const mix of order) blocks.set(mix, await measured(run, sizes, bench, round, mix));
        const [alone, beside] = SALES.map((mix) => blocks.get(mix));
        if (alone !== undefined && beside !== undefined) rounds.push({ alone, beside });
      }
      const byThemselves: ReadBlock[] = [];
      // Whether they are right is seen beside the sale.
      for (const mix of run.smoke ? [] : READS) byThemselves.push(await measured(run, sizes, bench, 1, mix));
      return findingsOf(sizes, rounds, byThemselves);
    });
  },
};

async function measured(
  run: RowRun,
  sizes: Sizes,
  bench: () => Promise<Bench>,
  round: number,
  mix: Mix,
): Promise<ReadBlock> {
  run.signal.throwIfAborted();
  const block = await run.block(`round-${round}-${mix}`, async () => pressed(await bench(), sizes, mix));
  const reserves = block.answers.kinds["reserve"];
  run.say(
    `round ${round}, ${mix}: ${reserves === undefined ? "" : `P99 of the sale ${reserves.window.p99Ms} ms, `}` +
      `P99 of reads ${worstOf(block, (kind) => kind.window.p99Ms)} ms`,
  );
  return block;
}

async function pressed(bench: Bench, sizes: Sizes, mix: Mix): Promise<ReadBlock> {
  const { reservesPerSecond, reads: between, connections, readsPerSecond, warmUpSeconds, seconds } = sizes;
  const sells = mix === "sale" || mix === "sale-and-reads";
  const template = await bench.stores.template<World>(
    `${sizes.distinctEvents} events to be read`,
    async (pool) => ({
      eventIds: await createEvents(pool, sizes.distinctEvents, { capacities: [SLOT_CAPACITY_MAX] }),
      userIds: await createUsers(pool, Math.ceil(reservesPerSecond * (warmUpSeconds + seconds + 2))),
    }),
  );
  const { eventIds, userIds } = template.world;
  const saleId = eventIds[0];
  if (saleId === undefined) throw new Error("there is nothing to sell");
  const args: ReserveAndRead = {
    secret: bench.jwtSecret,
    saleId,
    userIds: sells ? userIds : [],
    readIds: mix === "reads-of-many" ? eventIds : [saleId],
    reads: mix === "sale" ? 0 : between,
    untaggedOf: mix === "sale-and-reads" ? UNTAGGED_OF : 1,
  };
  const perSecond = sells ? reservesPerSecond * (1 + args.reads) : readsPerSecond;
  return await runBlock<Readonly<Record<Source, number>>>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: RESERVE_AND_READ, args },
    loop: { kind: "open", perSecond, connections },
    warmUpSeconds,
    seconds,
    commandKinds: sells ? ["reserve"] : ["event", "availability"],
    during: async ({ processes }) => {
      await sleep((warmUpSeconds + seconds) * 1_000);
      return await readsBySource(processes.get("gateway")?.metricsUrl ?? "");
    },
  });
}

async function readsBySource(metricsUrl: string): Promise<Readonly<Record<Source, number>>> {
  const text = await (await fetch(metricsUrl)).text();
  const of = (source: Source): number =>
    Number(
      new RegExp(`^holdfast_event_reads_total\\{source="${source}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? 0,
    );
  return { memory: of("memory"), joined: of("joined"), redis: of("redis"), postgres: of("postgres") };
}

const readKinds = ({ answers }: ReadBlock): OfKind[] =>
  ["event", "availability"].flatMap((kind) => answers.kinds[kind] ?? []);
const worstOf = (block: ReadBlock, figure: (kind: OfKind) => number): number =>
  Math.max(0, ...readKinds(block).map(figure));
const saleP99 = ({ answers }: ReadBlock): number => answers.kinds["reserve"]?.window.p99Ms ?? 0;

/** Reads a second that were answered while the clock ran, all or those of a status. */
const readRate = (block: ReadBlock, status?: string): number =>
  readKinds(block)
    .flatMap(({ answered }) => Object.entries(answered))
    .reduce((sum, [of, count]) => (status === undefined || of === status ? sum + count : sum), 0) /
  block.answers.seconds;

/** Of reads, those for which nothing was read from Redis or the tables. */
function sparedShare({ seen }: ReadBlock): number {
  if (seen === null) return 0;
  const all = SOURCES.reduce((sum, source) => sum + seen[source], 0);
  return (seen.memory + seen.joined) / Math.max(1, all);
}

function findingsOf(sizes: Sizes, rounds: readonly Round[], byThemselves: readonly ReadBlock[]): Findings {
  const alone = rounds.map((round) => round.alone);
  const beside = rounds.map((round) => round.beside);
  const of = (blocks: readonly ReadBlock[], figure: (block: ReadBlock) => number): number =>
    median(blocks.map(figure));
  return {
    goals: [
      {
        sentence: `P99 of a sale at ${sizes.reservesPerSecond} a second beside ${sizes.reservesPerSecond * sizes.reads} reads a second, over that without reads`,
        value: median(rounds.map((round) => saleP99(round.beside) / saleP99(round.alone))),
        unit: "×",
        direction: "at-most",
        floor: null,
        goal: TIMES_MAX,
      },
    ],
    tables: [
      {
        title: "The sale alone and beside reads, medians",
        columns: [
          "",
          "sold a second",
          "sale P50, ms",
          "sale P99, ms",
          "reads a second",
          "of them 304, %",
          "reads P50, ms",
          "reads P99, ms",
          "from memory, %",
          "idle share of the machine, %",
          "generator's share, %",
        ],
        rows: [["alone", alone] as const, ["beside reads", beside] as const].map(([name, blocks]) => [
          name,
          of(blocks, ({ perSecond }) => perSecond),
          of(blocks, ({ answers }) => answers.kinds["reserve"]?.window.p50Ms ?? 0),
          of(blocks, saleP99),
          of(blocks, (block) => readRate(block)),
          of(blocks, (block) => (100 * readRate(block, "304")) / Math.max(1, readRate(block))),
          of(blocks, (block) => worstOf(block, (kind) => kind.window.p50Ms)),
          of(blocks, (block) => worstOf(block, (kind) => kind.window.p99Ms)),
          of(blocks, (block) => 100 * sparedShare(block)),
          of(blocks, ({ shares }) => 100 * shares.idle),
          of(blocks, ({ shares }) => 100 * shares.generator),
        ]),
      },
      cpuTable(sizes, rounds, byThemselves),
    ],
    plots: [
      {
        name: "latency",
        title: "P99 of a sale at a thousand a second",
        kind: "bars",
        x: { label: "round" },
        y: { label: "ms" },
        series: [
          { name: "alone", points: alone.map((block, i) => ({ x: String(i + 1), y: saleP99(block) })) },
          {
            name: "beside reads",
            points: beside.map((block, i) => ({ x: String(i + 1), y: saleP99(block) })),
          },
        ],
      },
    ],
    notes: [
      "A read of what is sold goes to the tables some 25 times a second, for who was told of an outcome sees it; all " +
        "others are answered from memory, at most half a second old.",
      "CPU time of a read beside the sale is what all processes took more than in the block without reads, over the reads.",
    ],
    faults: [...alone, ...beside, ...byThemselves].flatMap(({ faults }) => faults),
  };
}

const PROCESSES = ["gateway", "postgres", "redis", "reservation-worker"] as const;

/** CPU microseconds of a read, by process. */
function cpuTable(sizes: Sizes, rounds: readonly Round[], byThemselves: readonly ReadBlock[]): Table {
  const besideSale = (micros: (block: ReadBlock) => number): number =>
    median(
      rounds.map(
        ({ alone, beside }) =>
          (micros(beside) * beside.perSecond - micros(alone) * alone.perSecond) /
          Math.max(1, readRate(beside)),
      ),
    );
  const names = ["one event, from memory", "many events, each from the tables"];
  return {
    title: "CPU time of a read, µs",
    columns: ["", ...PROCESSES, "all that serve", "reads P99, ms"],
    rows: [
      [
        `beside the sale, ${sizes.reservesPerSecond * sizes.reads} a second`,
        ...PROCESSES.map((name) => besideSale(({ cpuMicros }) => cpuMicros[name] ?? 0)),
        besideSale(({ cpuMicrosServing }) => cpuMicrosServing),
        median(rounds.map(({ beside }) => worstOf(beside, (kind) => kind.window.p99Ms))),
      ],
      ...byThemselves.map((block, i) => [
        `${names[i]}, ${sizes.readsPerSecond} a second`,
        ...PROCESSES.map((name) => block.cpuMicros[name] ?? 0),
        block.cpuMicrosServing,
        worstOf(block, (kind) => kind.window.p99Ms),
      ]),
    ],
  };
}
