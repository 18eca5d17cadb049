// Twice as many commands as the system can carry out: what it carries out all the same, and how fast it refuses the rest.
import type { EventId, UserId } from "@holdfast/domain";
import { QUEUE_DEPTH_MAX, SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createEvent, createUsers } from "@holdfast/testkit/fixtures";
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
  /** Before the clock of an overload starts: the queue has to be full by then. */
  readonly fillSeconds: number;
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
  seconds: 1,
  refuses: false,
  users: 60_000,
};

/** How many times its capacity is asked of it. */
const OVERLOAD = 2;
const REFUSED = "503";
const ACCEPTED = "202";

interface World {
  readonly eventIds: readonly EventId[];
  readonly userIds: readonly UserId[];
}

type EndsBlock = Block<readonly Ends[]>;

interface Round {
  readonly peaks: readonly EndsBlock[];
  readonly overload: EndsBlock;
}

export const overload: Row = {
  name: "overload",
  title: "Twice its capacity",
  about:
    "The peak is the best goodput of closed loops on one hot event. Then twice as many reserves a second are asked for, " +
    "in an open loop and without waiting for outcomes (`Prefer: respond-async`), until the event's queue is full " +
    `(${QUEUE_DEPTH_MAX} commands) and for some seconds more. Goodput is what ended in the tables, succeeded or by the ` +
    "rules, in a second; what is refused is refused with 503 `queue-full`, and its time counts from the moment at which " +
    "it was to be asked. Peak and overload are of the same round.",
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
        overload: false,
      });
      run.say(`round ${round}, ${clients} clients: ${Math.round(goodputOf(peak))}/s`);
      peaks.push(peak);
    }
    const perSecond = Math.round(OVERLOAD * Math.max(...peaks.map(goodputOf)));
    const over = await block(`round-${round}-overload`, {
      loop: { kind: "open", perSecond, connections: sizes.connections },
      warmUpSeconds: sizes.fillSeconds,
      overload: true,
    });
    run.say(`round ${round}, ${perSecond}/s asked: ${Math.round(goodputOf(over))}/s`);
    rounds.push({ peaks, overload: over });
  }
  return rounds;
}

interface Loads {
  readonly template: Template<World>;
  readonly awaited: ReserveAmong;
  readonly overload: ReserveAmong;
}

/** What is asked, made once: a generator is sent the same thing once. */
async function loadsOf({ stores, jwtSecret: secret }: Bench, { users }: Sizes): Promise<Loads> {
  const template = await stores.template<World>(`one hot event, ${users} users`, async (pool) => {
    const { id } = await createEvent(pool, { capacities: [SLOT_CAPACITY_MAX] });
    return { eventIds: [id], userIds: await createUsers(pool, users) };
  });
  const awaited = { secret, kind: "reserve", ...template.world };
  return { template, awaited, overload: { ...awaited, overload: true } };
}

interface Asked {
  readonly loop: Loop;
  readonly warmUpSeconds: number;
  readonly overload: boolean;
}

const pressed = (
  bench: Bench,
  { seconds }: Sizes,
  loads: Loads,
  { loop, warmUpSeconds, overload: over }: Asked,
): Promise<EndsBlock> =>
  runBlock<readonly Ends[]>(bench, {
    variant: "holdfast",
    pool: null,
    template: loads.template,
    script: { module: RESERVE_AMONG, args: over ? loads.overload : loads.awaited },
    loop,
    warmUpSeconds,
    seconds,
    during: ({ pool }) => watchEnds(pool, warmUpSeconds, seconds),
    check: async (pool, { kinds }) => {
      const { statuses = {} } = kinds["reserve"] ?? {};
      const taken = (statuses["201"] ?? 0) + (statuses[ACCEPTED] ?? 0);
      const { rows } = await pool.query<{ ended: number }>("SELECT count(*)::int AS ended FROM outcomes");
      const ended = rows[0]?.ended ?? 0;
      return ended === taken ? [] : [`${taken} commands were taken, ${ended} ended`];
    },
  });

const goodputOf = ({ seen }: EndsBlock): number => perSecondOf(seen ?? []);
const refusedP99Of = ({ answers }: Block<unknown>): number =>
  answers.kinds["reserve"]?.byStatus[REFUSED]?.p99Ms ?? 0;

function findingsOf(rounds: readonly Round[], { refuses }: Sizes): Findings {
  const blocks = rounds.flatMap(({ peaks, overload: over }) => [...peaks, over]);
  const refusals = rounds.map(
    ({ overload: { answers } }) => answers.kinds["reserve"]?.answered[REFUSED] ?? 0,
  );
  const notFull = refuses && refusals.some((count) => count === 0);
  return {
    goals: [
      {
        sentence: "goodput at twice the capacity, over the peak of the same round",
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
        rows: blocks.map((block) => {
          const { answered = {} } = block.answers.kinds["reserve"] ?? {};
          const each = (status: string): number => (answered[status] ?? 0) / block.answers.seconds;
          const { loop } = block;
          return [
            loop.kind === "closed" ? `${loop.clients} clients` : `${loop.perSecond}/s offered`,
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
        rows: blocks.map((block) => [
          block.loop.kind === "closed"
            ? `${block.loop.clients} clients`
            : `${block.loop.perSecond}/s offered`,
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
        series: (rounds[0] === undefined ? [] : [...rounds[0].peaks, rounds[0].overload]).map((block) => ({
          name: block.loop.kind === "closed" ? `${block.loop.clients} clients` : "twice the peak",
          points: eachSecondOf(block.seen ?? []),
        })),
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

const MICROS_PER_SECOND = 1_000_000;

/** What a block tells "a command" is over those that were answered with their outcome: few, or none, in an overload. */
const coreShareOf = (micros: number, { perSecond, answers }: Block<unknown>): number =>
  (micros * Math.max(1, perSecond * answers.seconds)) / (answers.seconds * MICROS_PER_SECOND);

const eachSecondOf = (seen: readonly Ends[]): { x: number; y: number }[] =>
  seen.slice(1).map((_, i) => ({ x: i + 1, y: perSecondOf(seen.slice(i, i + 2)) }));
