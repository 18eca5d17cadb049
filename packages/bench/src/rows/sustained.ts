// Half an hour of the same: does it get slower, does it need more and more memory?
import type { EventId, UserId } from "@holdfast/domain";
import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { createEvent, createUsers } from "@holdfast/testkit/fixtures";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { PurchaseCycle } from "../load-generator/scripts/purchase-cycle.ts";
import type { Findings, Goal, Row, RowRun } from "../row.ts";
import { type Sample, watchSamples } from "./samples.ts";
import { gathered, type Point, riseOf } from "./trend.ts";

const PURCHASE_CYCLE = import.meta.resolve("../load-generator/scripts/purchase-cycle.ts");

const MINUTES = 30;
const SECONDS_PER_MINUTE = 60;
const CLIENTS = 100;
const WARM_UP_SECONDS = 60;
const SMOKE_SECONDS = 2;
/** Seconds between two looks, of which those of half a minute become one point. */
const SAMPLE_SECONDS = 10;
const SMOKE_SAMPLE_SECONDS = 0.5;
const POINT_SECONDS = 30;

/** Percent by which throughput may fall, or CPU time a command rise, from the beginning to the end. */
const SLOPE_PERCENT_MAX = 3;
/** Of the run, what is left out before memory is judged: until then caches and heaps fill. */
const MEMORY_FILLS_SHARE = 1 / 3;
/** Percent of its mean by which a process's memory may rise after that: less than heaps breathe. */
const MEMORY_RISE_PERCENT_MAX = 5;

type SustainedBlock = Block<readonly Sample[]>;

/** `minutes` on the clock, behind the minute to warm up. */
export const sustainedFor = (minutes: number): Row => ({
  name: "sustained",
  title: `${minutes} minutes without a pause`,
  about:
    `${CLIENTS} users reserve, purchase and cancel, over and over, in a closed loop on one event. A straight line ` +
    `(least squares) through the means of half minutes tells how much throughput, and CPU time a command, change from ` +
    "the beginning to the end. Memory (what is resident and no file) is flat when the line through the last two thirds " +
    `rises by at most ${MEMORY_RISE_PERCENT_MAX} % of its mean, for each process.`,
  minutes: minutes + 4,
  async measure(run) {
    const block = await withBench(run, (bench) =>
      run.block(`sustained-${run.smoke ? "smoke" : minutes}`, async () =>
        pressed(run, await bench(), minutes),
      ),
    );
    return findingsOf(block, run.smoke);
  },
});

export const sustained = sustainedFor(MINUTES);

async function pressed(run: RowRun, bench: Bench, minutes: number): Promise<SustainedBlock> {
  const { stores, jwtSecret: secret } = bench;
  const template = await stores.template<{ eventId: EventId; userIds: UserId[] }>(
    "one event",
    async (pool) => {
      const { id } = await createEvent(pool, { capacities: [SLOT_CAPACITY_MAX] });
      return { eventId: id, userIds: await createUsers(pool, CLIENTS) };
    },
  );
  const args: PurchaseCycle = { secret, ...template.world };
  const warmUpSeconds = run.smoke ? 0.5 : WARM_UP_SECONDS;
  const seconds = run.smoke ? SMOKE_SECONDS : minutes * SECONDS_PER_MINUTE;
  const everySeconds = run.smoke ? SMOKE_SAMPLE_SECONDS : SAMPLE_SECONDS;
  return runBlock<readonly Sample[]>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: PURCHASE_CYCLE, args },
    loop: { kind: "closed", clients: CLIENTS },
    warmUpSeconds,
    seconds,
    during: (place) =>
      watchSamples({ stores, place }, { afterSeconds: warmUpSeconds, seconds, everySeconds }, (sample) =>
        run.say(`${Math.round(sample.second)} s: ${Math.round(sample.perSecond)}/s`),
      ),
  });
}

function findingsOf(block: SustainedBlock, smoke: boolean): Findings {
  const samples = block.seen ?? [];
  const width = smoke ? SMOKE_SAMPLE_SECONDS : POINT_SECONDS;
  const line = (of: (sample: Sample) => number): Point[] =>
    gathered(
      samples.map((sample) => ({ x: sample.second, y: of(sample) })),
      width,
    );
  const throughput = line(({ perSecond }) => perSecond);
  const cpu = line(({ cpuMicros }) => cpuMicros);
  const names = Object.keys(samples[0]?.memoryBytes ?? {});
  const memory = new Map(
    names.map((name) => [name, line(({ memoryBytes }) => (memoryBytes[name] ?? 0) / MIB)]),
  );
  const judged = (points: readonly Point[]): Point[] =>
    points.slice(Math.floor(points.length * MEMORY_FILLS_SHARE));
  const atMost = (sentence: string, value: number, goal: number): Goal => ({
    sentence,
    value: value * 100,
    unit: "%",
    direction: "at-most",
    floor: null,
    goal,
  });
  return {
    goals: [
      atMost("throughput falls, from the beginning to the end", -riseOf(throughput), SLOPE_PERCENT_MAX),
      atMost("CPU time a command rises, from the beginning to the end", riseOf(cpu), SLOPE_PERCENT_MAX),
      ...names.map((name) =>
        atMost(
          `memory of ${name} rises, over the last two thirds`,
          riseOf(judged(memory.get(name) ?? [])),
          MEMORY_RISE_PERCENT_MAX,
        ),
      ),
    ],
    tables: [
      {
        title: "At the beginning, in the middle, at the end",
        columns: [
          "second",
          "a second",
          "CPU µs a command",
          ...names.map((name) => `${name}, MiB`),
          "tables, MiB",
        ],
        rows: [0, Math.floor((samples.length - 1) / 2), samples.length - 1].flatMap((i) => {
          const sample = samples[i];
          if (sample === undefined) return [];
          const { second, perSecond, cpuMicros, memoryBytes, databaseBytes } = sample;
          const each = names.map((name) => (memoryBytes[name] ?? 0) / MIB);
          return [[second, perSecond, cpuMicros, ...each, databaseBytes / MIB]];
        }),
      },
    ],
    plots: [
      timePlot("throughput", "Commands that ended", "a second", [{ name: "commands", points: throughput }]),
      timePlot("cpu", "CPU time a command, without the load generator", "µs", [
        { name: "all processes", points: cpu },
      ]),
      timePlot(
        "memory",
        "Memory of each process",
        "MiB",
        names.map((name) => ({ name, points: memory.get(name) ?? [] })),
      ),
    ],
    notes: [],
    faults: block.faults,
  };
}

const MIB = 1_048_576;

const timePlot = (
  name: string,
  title: string,
  label: string,
  series: Findings["plots"][number]["series"],
) => ({
  name,
  title,
  kind: "lines" as const,
  x: { label: "seconds" },
  y: { label },
  series,
});
