// A thousand events at once, none of them hot: how long commands take, how many of them a second are too many, and what
// an event costs that nobody asks for.
import type { EventId, UserId } from "@holdfast/domain";
import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createUsers } from "@holdfast/testkit/fixtures";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { Loop } from "../load-generator/answers.ts";
import type { ReserveAmong } from "../load-generator/scripts/reserve-among.ts";
import type { Findings, Row, RowRun } from "../row.ts";
import type { Template } from "../stores.ts";
import { VARIANTS } from "../variants.ts";
import { createEvents } from "./copied-events.ts";
import { type Footprint, type Footprints, measureFootprints } from "./footprints.ts";

const RESERVE_AMONG = import.meta.resolve("../load-generator/scripts/reserve-among.ts");

export interface Sizes {
  readonly rounds: number;
  /** Active ones. */
  readonly events: number;
  readonly perSecond: number;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Of the closed loop that saturates. */
  readonly clients: number;
  readonly users: number;
  /** How many events have been asked for once, in turn; the last number is of all. */
  readonly idle: readonly number[];
}

const FULL: Sizes = {
  rounds: 3,
  events: 1_000,
  perSecond: 2_500,
  connections: 1_000,
  warmUpSeconds: 10,
  seconds: 10,
  clients: 1_000,
  users: 100_000,
  idle: [10, 1_000, 10_000],
};
const SMOKE: Sizes = {
  rounds: 1,
  events: 100,
  perSecond: 100,
  connections: 100,
  warmUpSeconds: 0.5,
  seconds: 1,
  clients: 100,
  users: 10_000,
  idle: [10, 100],
};

/** Milliseconds. */
const P99_MAX = 100;
/** Connections of the opponent: the most that it is tried with for a hot event. */
const ONE_CALL_POOL = 16;
const HELD = "201";

interface World {
  readonly eventIds: readonly EventId[];
  readonly userIds: readonly UserId[];
}

type Loads = { readonly template: Template<World>; readonly args: ReserveAmong };

export const calmEvents: Row = {
  name: "calm-events",
  title: "A thousand calm events",
  about:
    `${FULL.perSecond} reserves a second in an open loop, over ${FULL.events} events in turn. Then a closed loop of ` +
    `${FULL.clients} clients over the same events: the rate at which they saturate, and that of B1. Then what an idle event costs: in ` +
    "one life of the processes 10, 1,000 and 10,000 events are asked for once, and after each step connections, " +
    "timers and memory are counted.",
  minutes: 4,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    return withBench(run, async (bench) => {
      let loads: Promise<Loads> | undefined;
      const block = (key: string, loop: Loop, variant: Compared = "holdfast"): Promise<Block> => {
        run.signal.throwIfAborted();
        return run.block(key, async () => {
          const opened = await bench();
          loads ??= loadsOf(opened, sizes);
          return pressed(opened, sizes, await loads, { loop, variant });
        });
      };
      const offered: Block[] = [];
      for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
        const { perSecond, connections } = sizes;
        const one = await block(`offered-${round}`, { kind: "open", perSecond, connections });
        run.say(
          `round ${round}: P99 ${Math.round(p99Of(one))} ms, ${withoutOutcome(one)} without an outcome in time`,
        );
        offered.push(one);
      }
      const saturated = await block("saturated", { kind: "closed", clients: sizes.clients });
      run.say(`saturated at ${Math.round(saturated.perSecond)}/s`);
      const oneCall = await block("saturated-b1", { kind: "closed", clients: sizes.clients }, "b1");
      run.say(`${VARIANTS.b1.title}: saturated at ${Math.round(oneCall.perSecond)}/s`);
      run.signal.throwIfAborted();
      const footprints = await run.block("idle", async () => measureFootprints(await bench(), sizes.idle));
      return findingsOf({ offered, saturated, oneCall, footprints }, run);
    });
  },
};

async function loadsOf({ stores, jwtSecret: secret }: Bench, { events, users }: Sizes): Promise<Loads> {
  const template = await stores.template<World>(`${events} calm events`, async (pool) => ({
    eventIds: await createEvents(pool, events, { capacities: [SLOT_CAPACITY_MAX] }),
    userIds: await createUsers(pool, users),
  }));
  return { template, args: { secret, kind: "calm", ...template.world } };
}

/** Beside which it is set: what the database alone makes of as many events. */
type Compared = "holdfast" | "b1";

const pressed = (
  bench: Bench,
  { warmUpSeconds, seconds }: Sizes,
  { template, args }: Loads,
  { loop, variant }: { readonly loop: Loop; readonly variant: Compared },
): Promise<Block> =>
  runBlock(bench, {
    variant,
    pool: variant === "b1" ? ONE_CALL_POOL : null,
    template,
    script: { module: RESERVE_AMONG, args },
    loop,
    warmUpSeconds,
    seconds,
    check: async (pool, { kinds }) => {
      const { statuses = {} } = kinds["calm"] ?? {};
      const taken = Object.values(statuses).reduce((sum, count) => sum + count, 0);
      const { rows } = await pool.query<{ held: number }>("SELECT count(*)::int AS held FROM reservations");
      const held = rows[0]?.held ?? 0;
      return held === taken ? [] : [`${taken} were answered, ${held} reservations are there`];
    },
  });

const p99Of = ({ answers }: Block): number => answers.kinds["calm"]?.window.p99Ms ?? 0;

/** Of what was asked while the clock ran: promised only, sent back or broken. */
const withoutOutcome = ({ answers }: Block): number => {
  const { window, byStatus } = answers.kinds["calm"] ?? {};
  return (window?.count ?? 0) - (byStatus?.[HELD]?.count ?? 0) + answers.errors;
};

interface Measured {
  readonly offered: readonly Block[];
  readonly saturated: Block;
  readonly oneCall: Block;
  readonly footprints: Footprints;
}

function findingsOf({ offered, saturated, oneCall, footprints }: Measured, { smoke }: RowRun): Findings {
  const of = (figure: (block: Block) => number): number => median(offered.map(figure));
  const { idle } = footprints;
  const [first, last] = [idle[0], idle.at(-1)];
  const more = (figure: (seen: Footprint) => number): number =>
    first === undefined || last === undefined ? 0 : figure(last) - figure(first);
  const events = more((seen) => seen.events);
  const { perSecond } = smoke ? SMOKE : FULL;
  return {
    goals: [
      {
        sentence: `commands without an outcome in time, of ${perSecond} a second offered`,
        value: Math.max(...offered.map(withoutOutcome)),
        unit: "",
        direction: "at-most",
        floor: null,
        goal: 0,
      },
      {
        sentence: `P99 at ${perSecond} a second offered`,
        value: of(p99Of),
        unit: "ms",
        direction: "at-most",
        floor: null,
        goal: P99_MAX,
      },
      {
        sentence: `connections to the stores that ${events} more idle events take`,
        value: more((seen) => seen.connections),
        unit: "",
        direction: "at-most",
        floor: null,
        goal: 0,
      },
      {
        sentence: `timers that ${events} more idle events take`,
        value: more((seen) => seen.timers),
        unit: "",
        direction: "at-most",
        floor: null,
        goal: 0,
      },
    ],
    tables: [
      {
        title: "Load over active events",
        columns: [
          "load",
          "answered with an outcome, a second",
          "P50, ms",
          "P99, ms",
          "CPU µs a command",
          "commits a command",
        ],
        rows: [
          [
            `${perSecond}/s offered, medians`,
            of((block) => block.perSecond),
            of(({ answers }) => answers.kinds["calm"]?.window.p50Ms ?? 0),
            of(p99Of),
            of((block) => block.cpuMicrosServing),
            of((block) => block.commitsPerCommand),
          ],
          ...[["saturated", saturated] as const, [`${VARIANTS.b1.title}, saturated`, oneCall] as const].map(
            ([load, block]) => [
              load,
              block.perSecond,
              block.answers.kinds["calm"]?.window.p50Ms ?? 0,
              p99Of(block),
              block.cpuMicrosServing,
              block.commitsPerCommand,
            ],
          ),
        ],
      },
      {
        title: "CPU µs a command, of each process",
        columns: ["load", ...Object.keys(saturated.cpuMicros)],
        rows: [
          [
            "offered",
            ...Object.keys(saturated.cpuMicros).map((name) => of(({ cpuMicros }) => cpuMicros[name] ?? 0)),
          ],
          ["saturated", ...Object.values(saturated.cpuMicros)],
          [
            `${VARIANTS.b1.title}, saturated`,
            ...Object.keys(saturated.cpuMicros).map((name) => oneCall.cpuMicros[name] ?? 0),
          ],
        ],
      },
      {
        title: "Idle events: what there is once so many have been asked for",
        columns: ["events", "connections", "timers", "gateway heap, KiB", "worker heap, KiB", "Redis, KiB"],
        rows: idle.map((seen) => [
          seen.events,
          seen.connections,
          seen.timers,
          seen.gatewayBytes / KIB,
          seen.workerBytes / KIB,
          seen.redisBytes / KIB,
        ]),
      },
      {
        title: "Bytes an event",
        columns: ["event", "gateway", "worker", "Redis"],
        rows: [
          [
            "idle",
            more((seen) => seen.gatewayBytes) / events,
            more((seen) => seen.workerBytes) / events,
            more((seen) => seen.redisBytes) / events,
          ],
          [
            "active, with a command under way",
            footprints.active.gatewayBytes,
            "",
            footprints.active.redisBytes,
          ],
        ],
      },
    ],
    plots: [
      {
        name: "latency",
        title: `P99 each second, ${perSecond} a second offered`,
        kind: "lines",
        x: { label: "seconds" },
        y: { label: "ms" },
        series: offered.map(({ answers }, i) => ({
          name: `round ${i + 1}`,
          points: answers.eachSecond.map(({ p99Ms }, second) => ({ x: second + 1, y: p99Ms })),
        })),
      },
    ],
    notes: [
      "Heaps are counted after a collection. An idle event is one of which commands have ended, here by the rules, and " +
        "nothing is outstanding. Of an active one the gateway and Redis keep what waits; a worker keeps what its drains " +
        "have in hand, however many events are active.",
    ],
    faults: [...[...offered, saturated, oneCall].flatMap(({ faults }) => faults), ...footprints.faults],
  };
}

const KIB = 1_024;
