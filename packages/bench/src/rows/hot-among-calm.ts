// What calm events notice of hot ones: how long theirs take beside one, and beside more than there are drains.
import type { EventId, UserId } from "@holdfast/domain";
import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createUsers } from "@holdfast/testkit/fixtures";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import { faultsOfAnswers } from "../gate.ts";
import { type Generator, openGenerator, type ScriptWish } from "../generator.ts";
import type { Answers } from "../load-generator/answers.ts";
import type { ReserveAmong } from "../load-generator/scripts/reserve-among.ts";
import type { Findings, Row, RowRun } from "../row.ts";
import { createEvents } from "./copied-events.ts";

const RESERVE_AMONG = import.meta.resolve("../load-generator/scripts/reserve-among.ts");

interface Sizes {
  /** Hot events of a round's blocks: none, one, and more than a worker has drains (`DRAIN_SLOTS`, 16). */
  readonly hotEvents: readonly number[];
  readonly rounds: number;
  readonly calmEvents: number;
  readonly calmPerSecond: number;
  readonly calmConnections: number;
  /** Of a closed loop over all hot events together. */
  readonly hotClients: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly hotUsers: number;
}

const FULL: Sizes = {
  hotEvents: [0, 1, 100],
  rounds: 3,
  calmEvents: 1_000,
  calmPerSecond: 200,
  calmConnections: 1_000,
  hotClients: 400,
  warmUpSeconds: 6,
  seconds: 8,
  hotUsers: 250_000,
};
const SMOKE: Sizes = {
  hotEvents: [0, 20],
  rounds: 1,
  calmEvents: 50,
  calmPerSecond: 50,
  calmConnections: 100,
  hotClients: 100,
  warmUpSeconds: 0.5,
  seconds: 1,
  hotUsers: 30_000,
};

/** Milliseconds that the P99 of calm events may be, whatever it is without hot ones. */
const CALM_P99_MS_MAX = 500;

interface World {
  readonly calmIds: readonly EventId[];
  readonly hotIds: readonly EventId[];
  readonly calmUsers: readonly UserId[];
  readonly hotUsers: readonly UserId[];
}

/** The answers of hot events are null where there are none. */
type CalmBlock = Block<Answers | null>;
type Round = readonly CalmBlock[];

export const hotAmongCalm: Row = {
  name: "hot-among-calm",
  title: "Hot events among a thousand calm ones",
  about:
    `A thousand events get ${FULL.calmPerSecond} reserves a second together, in an open loop: alone; beside one hot ` +
    `event; beside a hundred, which is more than the worker drains side by side (16). Hot ones are kept busy by ` +
    `${FULL.hotClients} clients in a closed loop, from a load generator of their own. Judged by the P99 of calm ` +
    "commands, against the block of the same round in which they are alone.",
  minutes: 4,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const rounds = await withBench(run, async (bench) => {
      const hot = openGenerator();
      try {
        return await measureRounds(run, sizes, bench, hot);
      } finally {
        hot.close();
      }
    });
    return findingsOf(rounds, sizes);
  },
};

async function measureRounds(
  run: RowRun,
  sizes: Sizes,
  bench: () => Promise<Bench>,
  hotGenerator: Generator,
): Promise<Round[]> {
  const rounds: Round[] = [];
  let loads: ReturnType<typeof loadsOf> | undefined;
  for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
    const blocks: CalmBlock[] = [];
    for (const hotEvents of sizes.hotEvents) {
      run.signal.throwIfAborted();
      const block = await run.block(`round-${round}-hot-${hotEvents}`, async () => {
        const opened = await bench();
        loads ??= loadsOf(opened, sizes);
        return pressed(opened, sizes, await loads, { hotGenerator, hotEvents });
      });
      run.say(`round ${round}, ${hotEvents} hot: P99 of calm ones ${Math.round(p99Of(block))} ms`);
      blocks.push(block);
    }
    rounds.push(blocks);
  }
  return rounds;
}

/** What is asked, made once: a generator is sent the same thing once. */
async function loadsOf({ stores, jwtSecret: secret }: Bench, sizes: Sizes) {
  const calmUsers = Math.ceil(sizes.calmPerSecond * (sizes.warmUpSeconds + sizes.seconds + 1));
  const template = await stores.template<World>(
    `${sizes.calmEvents} calm events, ${Math.max(...sizes.hotEvents)} hot ones`,
    async (pool) => {
      const options = { capacities: [SLOT_CAPACITY_MAX] };
      return {
        calmIds: await createEvents(pool, sizes.calmEvents, options),
        hotIds: await createEvents(pool, Math.max(...sizes.hotEvents), options),
        calmUsers: await createUsers(pool, calmUsers),
        hotUsers: await createUsers(pool, sizes.hotUsers),
      };
    },
  );
  const { calmIds, hotIds, ...users } = template.world;
  const script = (args: ReserveAmong): ScriptWish => ({ module: RESERVE_AMONG, args });
  return {
    template,
    calm: script({ secret, kind: "calm", eventIds: calmIds, userIds: users.calmUsers }),
    hot: new Map(
      sizes.hotEvents
        .filter((count) => count > 0)
        .map((count) => [
          count,
          script({ secret, kind: "hot", eventIds: hotIds.slice(0, count), userIds: users.hotUsers }),
        ]),
    ),
  };
}

async function pressed(
  bench: Bench,
  { calmPerSecond, calmConnections, hotClients, warmUpSeconds, seconds }: Sizes,
  { template, calm, hot }: Awaited<ReturnType<typeof loadsOf>>,
  { hotGenerator, hotEvents }: { hotGenerator: Generator; hotEvents: number },
): Promise<CalmBlock> {
  const hotScript = hot.get(hotEvents);
  if (hotScript !== undefined) await hotGenerator.prepare(hotScript);
  const block = await runBlock<Answers | null>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: calm,
    loop: { kind: "open", perSecond: calmPerSecond, connections: calmConnections },
    warmUpSeconds,
    seconds,
    during: async ({ url }) => {
      if (hotScript === undefined) return null;
      const loop = { kind: "closed", clients: hotClients } as const;
      const { answers } = await hotGenerator.press({ url, loop, warmUpSeconds, seconds }, async () => null);
      return answers;
    },
  });
  const hotFaults = block.seen === null ? [] : faultsOfAnswers(block.seen);
  return { ...block, faults: [...block.faults, ...hotFaults] };
}

const calmOf = ({ answers }: CalmBlock) => answers.kinds["calm"];
const p99Of = (block: CalmBlock): number => calmOf(block)?.window.p99Ms ?? 0;

function findingsOf(rounds: readonly Round[], { hotEvents: counts }: Sizes): Findings {
  const blocks = rounds.flat();
  const at = (round: Round, hotEvents: number): CalmBlock[] =>
    round.filter((_, i) => counts[i] === hotEvents);
  const beside = (hotEvents: number): CalmBlock[] => rounds.flatMap((round) => at(round, hotEvents));
  const times = (hotEvents: number): number[] =>
    rounds.flatMap((round) => {
      const [alone] = at(round, 0);
      return alone === undefined ? [] : at(round, hotEvents).map((block) => p99Of(block) / p99Of(alone));
    });
  return {
    goals: counts
      .filter((count) => count > 0)
      .flatMap((count) => [
        {
          sentence: `P99 of calm commands beside ${count} hot, over that of calm ones alone`,
          value: median(times(count)),
          unit: "×",
          direction: "at-most" as const,
          floor: null,
          goal: 2,
        },
        {
          sentence: `P99 of calm commands beside ${count} hot`,
          value: median(beside(count).map(p99Of)),
          unit: "ms",
          direction: "at-most" as const,
          floor: null,
          goal: CALM_P99_MS_MAX,
        },
      ]),
    tables: [
      {
        title: "Calm events beside hot ones, medians",
        columns: [
          "hot events",
          "calm P50, ms",
          "calm P99, ms",
          "calm without an outcome in time",
          "hot a second",
          "hot P99, ms",
          "idle share of the machine, %",
        ],
        rows: counts.map((count) => {
          const those = beside(count);
          const of = (figure: (block: CalmBlock) => number): number => median(those.map(figure));
          return [
            count,
            of((block) => calmOf(block)?.window.p50Ms ?? 0),
            of(p99Of),
            of((block) => calmOf(block)?.byStatus["202"]?.count ?? 0),
            of(({ seen }) => (seen?.kinds["hot"]?.answered["201"] ?? 0) / (seen?.seconds ?? 1)),
            of(({ seen }) => seen?.kinds["hot"]?.window.p99Ms ?? 0),
            of(({ shares }) => shares.idle * 100),
          ];
        }),
      },
    ],
    plots: [
      {
        name: "latency",
        title: "P99 of calm commands",
        kind: "bars",
        x: { label: "hot events beside them" },
        y: { label: "ms" },
        series: [
          {
            name: "calm commands",
            points: counts.map((count) => ({ x: String(count), y: median(beside(count).map(p99Of)) })),
          },
        ],
      },
    ],
    notes: [
      "Beside hot events calm ones share two cores with a load that takes whatever is left: a part of what they notice " +
        "is that, and no queue.",
    ],
    faults: blocks.flatMap(({ faults }) => faults),
  };
}
