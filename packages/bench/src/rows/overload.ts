// Twice as many commands as the system can carry out: what it carries out all the same, and how fast it refuses the rest.
import type { EventId, UserId } from "@holdfast/domain";
import { QUEUE_DEPTH_MAX, SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createEvent, createUsers, until } from "@holdfast/testkit/fixtures";
import type pg from "pg";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { Loop } from "../load-generator/answers.ts";
import type { ReserveAmong } from "../load-generator/scripts/reserve-among.ts";
import type { Findings, Row, RowRun } from "../row.ts";
import type { Template } from "../stores.ts";
import { type Ends, perSecondOf, watchEnds } from "./ends.ts";

const RESERVE_AMONG = import.meta.resolve("../load-generator/scripts/reserve-among.ts");

interface Sizes {
  readonly rounds: number;
  /** Of the closed loops of which the best is the peak. */
  readonly clients: readonly number[];
  readonly connections: number;
  readonly warmUpSeconds: number;
  /** Before the clock of an overload starts: by then the queue is full, and drained again. */
  readonly fillSeconds: number;
  /** Commands in the queue with which it counts as full: nothing ends before. */
  readonly fullAt: number;
  readonly seconds: number;
  /** The queue is to be so deep that commands are refused; a smoke run has no time for that. */
  readonly refuses: boolean;
  readonly users: number;
}

const FULL: Sizes = {
  rounds: 2,
  clients: [100, 1_000],
  connections: 1_000,
  warmUpSeconds: 8,
  fillSeconds: 20,
  fullAt: QUEUE_DEPTH_MAX - 1_000,
  seconds: 8,
  refuses: true,
  users: 800_000,
};
const SMOKE: Sizes = {
  rounds: 1,
  clients: [10],
  connections: 50,
  warmUpSeconds: 0.5,
  fillSeconds: 0.5,
  fullAt: 10,
  seconds: 1,
  refuses: false,
  users: 60_000,
};

/** How many times its capacity is asked of it. */
const OVERLOAD = 2;
const MS_PER_SECOND = 1_000;
const REFUSED = "503";
const ACCEPTED = "202";

interface World {
  readonly eventIds: readonly EventId[];
  readonly userIds: readonly UserId[];
}

type EndsBlock = Block<readonly Ends[]>;

interface Round {
  /** Outcomes are awaited. */
  readonly peaks: readonly EndsBlock[];
  /** They are promised, as in the overload. */
  readonly promised: EndsBlock;
  readonly overload: EndsBlock;
}

export const overload: Row = {
  name: "overload",
  title: "Twice its capacity",
  about:
    "The peak is the best goodput of closed loops on one hot event. Then twice as many reserves a second are asked for, " +
    "in an open loop and without waiting for outcomes (`Prefer: respond-async`). Its lane is locked until the queue is " +
    `full (${QUEUE_DEPTH_MAX} commands), then it is drained while the load goes on. Goodput is what ended in the ` +
    "tables, succeeded or by the rules, in a second; what is refused is refused with 503 `queue-full`, and its time counts " +
    "from the moment at which it was to be asked. Peaks and overload are of the same round. A command for which nobody " +
    "waits costs a promise, too, a row that is written and removed: so there is a peak of those, in a closed loop.",
  minutes: 4,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const rounds = await withBench(run, (bench) => measureRounds(run, sizes, bench));
    return findingsOf(rounds, sizes);
  },
};

async function measureRounds(run: RowRun, sizes: Sizes, bench: () => Promise<Bench>): Promise<Round[]> {
  const rounds: Round[] = [];
  let loads: Promise<Loads> | undefined;
  const block = (key: string, asked: Asked): Promise<EndsBlock> => {
    run.signal.throwIfAborted();
    return run.block(key, async () => {
      const opened = await bench();
      loads ??= loadsOf(opened, sizes);
      return pressed(opened, sizes, await loads, asked);
    });
  };
  for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
    const peaks: EndsBlock[] = [];
    for (const clients of sizes.clients) {
      const peak = await block(`round-${round}-peak-${clients}`, {
        loop: { kind: "closed", clients },
        warmUpSeconds: sizes.warmUpSeconds,
        kind: "awaited",
      });
      run.say(`round ${round}, ${clients} clients: ${Math.round(goodputOf(peak))}/s`);
      peaks.push(peak);
    }
    const promised = await block(`round-${round}-promised`, {
      loop: { kind: "closed", clients: Math.max(...sizes.clients) },
      warmUpSeconds: sizes.warmUpSeconds,
      kind: "promised",
    });
    run.say(`round ${round}, promised: ${Math.round(goodputOf(promised))}/s`);
    const perSecond = Math.round(OVERLOAD * Math.max(...peaks.map(goodputOf)));
    const over = await block(`round-${round}-overload`, {
      loop: { kind: "open", perSecond, connections: sizes.connections },
      warmUpSeconds: sizes.fillSeconds,
      kind: "overload",
    });
    run.say(`round ${round}, ${perSecond}/s asked: ${Math.round(goodputOf(over))}/s`);
    rounds.push({ peaks, promised, overload: over });
  }
  return rounds;
}

interface Loads {
  readonly template: Template<World>;
  readonly awaited: ReserveAmong;
  readonly promised: ReserveAmong;
}

/** What is asked, made once: a generator is sent the same thing once. */
async function loadsOf({ stores, jwtSecret: secret }: Bench, { users }: Sizes): Promise<Loads> {
  const template = await stores.template<World>(`one hot event, ${users} users`, async (pool) => {
    const { id } = await createEvent(pool, { capacities: [SLOT_CAPACITY_MAX] });
    return { eventIds: [id], userIds: await createUsers(pool, users) };
  });
  const awaited = { secret, kind: "reserve", ...template.world };
  return { template, awaited, promised: { ...awaited, overload: true } };
}

interface Asked {
  readonly loop: Loop;
  readonly warmUpSeconds: number;
  readonly kind: "awaited" | "promised" | "overload";
}

const pressed = (
  bench: Bench,
  { seconds, fullAt }: Sizes,
  loads: Loads,
  { loop, warmUpSeconds, kind }: Asked,
): Promise<EndsBlock> =>
  runBlock<readonly Ends[]>(bench, {
    variant: "holdfast",
    pool: null,
    template: loads.template,
    script: { module: RESERVE_AMONG, args: kind === "awaited" ? loads.awaited : loads.promised },
    loop,
    warmUpSeconds,
    seconds,
    during: async ({ pool }) => {
      const watched = watchEnds(pool, warmUpSeconds, seconds);
      if (kind === "overload") await drainOnceFull(pool, fullAt, warmUpSeconds);
      return await watched;
    },
    check: async (pool, { kinds }) => {
      const { statuses = {} } = kinds["reserve"] ?? {};
      const taken = (statuses["201"] ?? 0) + (statuses[ACCEPTED] ?? 0);
      const { rows } = await pool.query<{ ended: number }>("SELECT count(*)::int AS ended FROM outcomes");
      const ended = rows[0]?.ended ?? 0;
      return ended === taken ? [] : [`${taken} commands were taken, ${ended} ended`];
    },
  });

/** Holds the lane, as a slow store would, so that nothing ends: before the first command of the load could. */
async function drainOnceFull(pool: pg.Pool, fullAt: number, withinSeconds: number): Promise<void> {
  const isFull = async (): Promise<boolean> => {
    const { rows } = await pool.query<{ waiting: number }>(
      "SELECT count(*)::int AS waiting FROM accepted_commands",
    );
    return (rows[0]?.waiting ?? 0) >= fullAt;
  };
  const holder = await pool.connect();
  try {
    await holder.query("BEGIN");
    await holder.query("SELECT FROM event_lanes FOR UPDATE");
    await until("a queue to be full", isFull, withinSeconds * MS_PER_SECOND);
  } finally {
    await holder.query("ROLLBACK");
    holder.release();
  }
}

const goodputOf = ({ seen }: EndsBlock): number => perSecondOf(seen ?? []);
const refusedP99Of = ({ answers }: Block<unknown>): number =>
  answers.kinds["reserve"]?.byStatus[REFUSED]?.p99Ms ?? 0;

function findingsOf(rounds: readonly Round[], { refuses }: Sizes): Findings {
  const named = rounds.flatMap(namedBlocks);
  const blocks = named.map(({ block }) => block);
  const refusals = rounds.map(
    ({ overload: { answers } }) => answers.kinds["reserve"]?.answered[REFUSED] ?? 0,
  );
  const notFull = refuses && refusals.some((count) => count === 0);
  return {
    goals: [
      {
        sentence: "goodput at twice the capacity, over the peak of promised commands",
        value: median(rounds.map(({ promised, overload: over }) => goodputOf(over) / goodputOf(promised))),
        unit: "×",
        direction: "at-least",
        floor: null,
        goal: 0.9,
      },
      {
        sentence: "goodput at twice the capacity, over the peak of awaited ones",
        value: median(
          rounds.map(({ peaks, overload: over }) => goodputOf(over) / Math.max(...peaks.map(goodputOf))),
        ),
        unit: "×",
        direction: "at-least",
        floor: null,
        goal: 0.9,
      },
      {
        sentence: "P99 of what is refused",
        value: median(rounds.map(({ overload: over }) => refusedP99Of(over))),
        unit: "ms",
        direction: "at-most",
        floor: null,
        goal: 50,
      },
    ],
    tables: [
      {
        title: "What was asked, and what came of it, a second",
        columns: [
          "load",
          "goodput",
          "answered 201",
          "accepted 202",
          "refused 503",
          "P99 of refusals, ms",
          "sent late, P99, ms",
        ],
        rows: named.map(({ name, block }) => {
          const { answered = {} } = block.answers.kinds["reserve"] ?? {};
          const each = (status: string): number => (answered[status] ?? 0) / block.answers.seconds;
          return [
            name,
            goodputOf(block),
            each("201"),
            each(ACCEPTED),
            each(REFUSED),
            refusedP99Of(block),
            block.answers.lateP99Ms,
          ];
        }),
      },
      {
        title: "Shares of one core that each process took",
        columns: ["load", ...Object.keys(blocks[0]?.cpuMicros ?? {})],
        rows: named.map(({ name, block }) => [
          name,
          ...Object.values(block.cpuMicros).map((micros) => coreShareOf(micros, block)),
        ]),
      },
    ],
    plots: [
      {
        name: "goodput",
        title: "Commands that ended, each second",
        kind: "lines",
        x: { label: "seconds" },
        y: { label: "ended a second" },
        series: rounds
          .slice(0, 1)
          .flatMap(namedBlocks)
          .map(({ name, block }) => ({ name, points: eachSecondOf(block.seen ?? []) })),
      },
    ],
    notes: [
      "Processes, stores and load generator share the machine: at twice the capacity the generator takes twice its " +
        "share, and what it takes the serving side does not have.",
    ],
    faults: [
      ...blocks.flatMap(({ faults }) => faults),
      ...(notFull ? ["a queue never got so full that commands were refused"] : []),
    ],
  };
}

function namedBlocks({ peaks, promised, overload: over }: Round): { name: string; block: EndsBlock }[] {
  const nameOf = ({ loop }: EndsBlock): string =>
    loop.kind === "closed" ? `${loop.clients} clients` : `${loop.perSecond}/s offered`;
  return [
    ...peaks.map((block) => ({ name: nameOf(block), block })),
    { name: `${nameOf(promised)}, promised`, block: promised },
    { name: nameOf(over), block: over },
  ];
}

const MICROS_PER_SECOND = 1_000_000;

/** What a block tells "a command" is over those that were answered with their outcome: few, or none, in an overload. */
const coreShareOf = (micros: number, { perSecond, answers }: Block<unknown>): number =>
  (micros * Math.max(1, perSecond * answers.seconds)) / (answers.seconds * MICROS_PER_SECOND);

const eachSecondOf = (seen: readonly Ends[]): { x: number; y: number }[] =>
  seen.slice(1).map((_, i) => ({ x: i + 1, y: perSecondOf(seen.slice(i, i + 2)) }));
