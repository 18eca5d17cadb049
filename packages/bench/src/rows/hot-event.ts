// The hot event beside its opponents, closed loop: who carries out more reserves a second, and what one costs.
import { withBench } from "../bench.ts";
import { type Block, type BlockWish, runBlock } from "../block.ts";
import type { Findings, Goal, Row, RowRun } from "../row.ts";
import { VARIANTS, type VariantName } from "../variants.ts";
import {
  blockLine,
  blockTable,
  faultsOf,
  latenciesOf,
  medianOf,
  noiseNotes,
  processTable,
  type Repeated,
  ratioOf,
} from "./block-table.ts";
import { type HotEvent, hotEvent, reserveFaults, usersOf, writtenFaults } from "./hot-event-world.ts";

interface Sizes {
  readonly rounds: number;
  /** By number of clients, who is compared. */
  readonly compared: readonly (readonly [clients: number, variants: readonly VariantName[]])[];
  /**
   * A worker does most of its work once a batch, some forty times a second, and V8 compiles with all its art what ran
   * some 500 times: see docs/decisions/0014. Baselines do all of theirs once a request.
   */
  readonly warmUpSeconds: number;
  readonly baselineWarmUpSeconds: number;
  readonly seconds: number;
  /** Pools are tried with the most clients. */
  readonly trialSeconds: number;
}

const FULL: Sizes = {
  rounds: 3,
  compared: [
    [100, ["holdfast", "b0", "b1", "b2", "b3"]],
    [1_000, ["holdfast", "b0", "b1", "b3"]],
  ],
  warmUpSeconds: 7,
  baselineWarmUpSeconds: 2.5,
  seconds: 3,
  trialSeconds: 1.5,
};
/** Seconds are few and clients are few: only good for what the gate says. */
const SMOKE: Sizes = {
  rounds: 1,
  compared: [[20, ["holdfast", "b0", "b1", "b2", "b3"]]],
  warmUpSeconds: 0.2,
  baselineWarmUpSeconds: 0.2,
  seconds: 0.6,
  trialSeconds: 0,
};

const CPU_CLIENTS = 1_000;
/** A bound in microseconds is a bound for one machine; where it was set, B0 takes 1,120 µs. See docs/decisions/0014. */
const CPU_MICROS = { floor: 140, goal: 100 };
const B0_CPU_MICROS = 1_120;

interface Bound {
  readonly clients: number;
  readonly over: VariantName;
  readonly floor: number | null;
  readonly goal: number;
}

const BOUNDS: readonly Bound[] = [
  { clients: 100, over: "b0", floor: 4, goal: 6 },
  { clients: 100, over: "b1", floor: 1.8, goal: 2.5 },
  { clients: 100, over: "b2", floor: 5, goal: 8 },
  { clients: 1_000, over: "b0", floor: 6, goal: 8 },
  { clients: 1_000, over: "b1", floor: 2.5, goal: 3.5 },
  { clients: 1_000, over: "b3", floor: null, goal: 0.5 },
];

/** The blocks of a variant with so many clients, round by round. */
type Measured = ReadonlyMap<string, readonly Block[]>;
const placeOf = (variant: VariantName, clients: number): string => `${variant} ${clients}`;

export const hotEventRow: Row = {
  name: "hot-event",
  title: "One hot event beside its opponents",
  about:
    "Everybody wants one ticket of the same slot, each request comes from another user, and there are enough tickets. " +
    "A closed loop of 100 and of 1,000 clients, in rounds of alternating blocks, each on a database of its own. Ratios " +
    "are those of one round; what is told is their median. B0 and B1 get the best of 4, 8 and 16 connections.",
  minutes: 4.5,
  core: true,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const measured = await withBench(run, async (open) => {
      const pressed = async (wish: Wish): Promise<Block> => {
        const bench = await open();
        const event = await hotEvent(bench, { users: usersOf(run) });
        return runBlock(bench, blockWish(wish, sizes, event));
      };
      const pools = await tryPools(run, sizes, pressed);
      return measureRounds(run, sizes, (variant, clients) =>
        pressed({ variant, clients, pool: pools.get(variant) ?? null, seconds: sizes.seconds }),
      );
    });
    return findingsOf(sizes, measured);
  },
};

interface Wish {
  readonly variant: VariantName;
  readonly clients: number;
  readonly pool: number | null;
  readonly seconds: number;
}
type Press = (wish: Wish) => Promise<Block>;

function blockWish(wish: Wish, sizes: Sizes, { template, script }: HotEvent): BlockWish {
  const { variant, clients, pool, seconds } = wish;
  const { baseline, writes } = VARIANTS[variant];
  return {
    variant,
    pool,
    template,
    script,
    loop: { kind: "closed", clients },
    warmUpSeconds: baseline === null ? sizes.warmUpSeconds : sizes.baselineWarmUpSeconds,
    seconds,
    check: writes ? reserveFaults : writtenFaults,
  };
}

/** The pool with the greatest throughput for each baseline. */
async function tryPools(
  run: RowRun,
  { compared, trialSeconds }: Sizes,
  press: Press,
): Promise<ReadonlyMap<VariantName, number>> {
  const best = new Map<VariantName, number>();
  const clients = Math.max(...compared.map(([count]) => count));
  for (const variant of new Set(compared.flatMap(([, variants]) => variants))) {
    let most = -1;
    const pools: readonly number[] = VARIANTS[variant].pools;
    const [first] = pools;
    if (first !== undefined) best.set(variant, first);
    if (pools.length < 2 || trialSeconds === 0) continue;
    for (const pool of pools) {
      const { perSecond, faults } = await run.block(`trial ${variant} ${pool}`, () =>
        press({ variant, clients, pool, seconds: trialSeconds }),
      );
      run.say(`pool of ${pool} for ${VARIANTS[variant].title}: ${Math.round(perSecond)}/s`);
      if (faults.length > 0 || perSecond <= most) continue;
      most = perSecond;
      best.set(variant, pool);
    }
  }
  return best;
}

async function measureRounds(
  run: RowRun,
  { rounds, compared }: Sizes,
  press: (variant: VariantName, clients: number) => Promise<Block>,
): Promise<Measured> {
  const measured = new Map<string, Block[]>();
  for (let round = 1; round <= (run.rounds ?? rounds); round += 1) {
    for (const [clients, variants] of compared) {
      for (const variant of turned(variants, round - 1)) {
        const place = placeOf(variant, clients);
        const block = await run.block(`round ${round} ${place}`, () => press(variant, clients));
        run.say(`round ${round}, ${clients} clients, ${VARIANTS[variant].title}: ${blockLine(block)}`);
        measured.set(place, [...(measured.get(place) ?? []), block]);
      }
    }
  }
  return measured;
}

/** Who comes first changes from round to round. */
const turned = <T>(items: readonly T[], by: number): T[] => [
  ...items.slice(by % items.length),
  ...items.slice(0, by % items.length),
];

function findingsOf({ compared }: Sizes, measured: Measured): Findings {
  const of = (variant: VariantName, clients: number): readonly Block[] =>
    measured.get(placeOf(variant, clients)) ?? [];
  const lines = compared.flatMap(([clients, variants]) =>
    variants.map(
      (variant): Repeated => ({
        about: [clients, VARIANTS[variant].title],
        blocks: of(variant, clients),
      }),
    ),
  );
  const about = ["clients", "variant"];
  return {
    goals: [...BOUNDS.flatMap((bound) => ratioGoal(bound, of)), ...cpuGoals(of)],
    tables: [
      blockTable("Medians of all rounds", about, lines),
      processTable("CPU µs a command, by process", about, lines),
    ],
    plots: [
      {
        name: "throughput",
        title: "Reserves a second of one event",
        kind: "bars",
        x: { label: "clients" },
        y: { label: "reserves a second" },
        series: seriesOf(compared, of, ({ perSecond }) => perSecond),
      },
      {
        name: "p99",
        title: "P99 of a reserve, closed loop",
        kind: "bars",
        x: { label: "clients" },
        y: { label: "ms" },
        series: seriesOf(compared, of, (block) => latenciesOf(block).p99Ms),
      },
    ],
    notes: noiseNotes(lines),
    faults: faultsOf(lines),
  };
}

type Of = (variant: VariantName, clients: number) => readonly Block[];

function ratioGoal({ clients, over, floor, goal }: Bound, of: Of): Goal[] {
  const others = of(over, clients);
  if (others.length === 0) return [];
  const value = ratioOf(of("holdfast", clients), others);
  const sentence = `${clients} clients: throughput over ${VARIANTS[over].title}`;
  return [{ sentence, value, unit: "×", direction: "at-least", floor, goal }];
}

function cpuGoals(of: Of): Goal[] {
  const [ours, b0] = [of("holdfast", CPU_CLIENTS), of("b0", CPU_CLIENTS)];
  if (ours.length === 0) return [];
  const micros = ({ cpuMicrosServing }: Block): number => cpuMicrosServing;
  return [
    {
      sentence: `${CPU_CLIENTS} clients: CPU a command, all processes without the generator`,
      value: medianOf(ours, micros),
      unit: "µs",
      direction: "at-most",
      ...CPU_MICROS,
    },
    {
      sentence: `${CPU_CLIENTS} clients: CPU a command over B0's`,
      value: ratioOf(ours, b0, micros),
      unit: "×",
      direction: "at-most",
      floor: CPU_MICROS.floor / B0_CPU_MICROS,
      goal: CPU_MICROS.goal / B0_CPU_MICROS,
    },
  ];
}

const seriesOf = (compared: Sizes["compared"], of: Of, figure: (block: Block) => number) =>
  [...new Set(compared.flatMap(([, variants]) => variants))].map((variant) => ({
    name: VARIANTS[variant].title,
    points: compared.flatMap(([clients, variants]) =>
      variants.includes(variant) ? [{ x: String(clients), y: medianOf(of(variant, clients), figure) }] : [],
    ),
  }));
