// How long a reserve takes when requests come as they come, whatever is answered: an open loop over more and more
// connections.
import { withBench } from "../bench.ts";
import type { Block } from "../block.ts";
import type { Latencies } from "../load-generator/answers.ts";
import type { Findings, Goal, Row } from "../row.ts";
import {
  blockLine,
  blockTable,
  faultsOf,
  latenciesOf,
  medianOf,
  noiseNotes,
  type Repeated,
} from "./block-table.ts";
import { pressHotEvent } from "./hot-event-world.ts";

interface Sizes {
  readonly rounds: number;
  readonly perSecond: number;
  readonly connections: readonly number[];
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const FULL: Sizes = {
  rounds: 1,
  perSecond: 2_500,
  connections: [100, 1_000, 5_000],
  warmUpSeconds: 8,
  seconds: 10,
};
const SMOKE: Sizes = { ...FULL, perSecond: 300, connections: [10, 500], warmUpSeconds: 0.2, seconds: 0.5 };

/** Milliseconds from the moment at which a request was to leave. */
const BOUNDS: readonly (readonly [word: string, of: keyof Latencies, atMost: number])[] = [
  ["mean", "meanMs", 15],
  ["P95", "p95Ms", 30],
  ["P99", "p99Ms", 50],
];

export const openLoop: Row = {
  name: "open-loop",
  title: `${FULL.perSecond} reserves a second in an open loop`,
  about:
    `One hot event is asked for ${FULL.perSecond} times a second at even distances, whatever is answered, over 100, ` +
    "1,000 and 5,000 kept connections in turn. Latency counts from the moment at which a request was to leave; one that " +
    "finds no free connection waits for it, and none is left out. One error, and the block counts for nothing.",
  minutes: 1.5,
  core: true,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const { perSecond, warmUpSeconds, seconds } = sizes;
    const lines = await withBench(run, async (open) => {
      const blocks = new Map<number, Block[]>(sizes.connections.map((connections) => [connections, []]));
      for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
        for (const [connections, those] of blocks) {
          const block = await run.block(`round ${round} ${connections}`, async () =>
            pressHotEvent(run, await open(), {
              loop: { kind: "open", perSecond, connections },
              warmUpSeconds,
              seconds,
            }),
          );
          run.say(`round ${round}, ${connections} connections: ${blockLine(block)}`);
          those.push(block);
        }
      }
      return [...blocks].map(([connections, those]): Repeated => ({ about: [connections], blocks: those }));
    });
    return findingsOf(lines);
  },
};

const findingsOf = (lines: readonly Repeated[]): Findings => ({
  goals: lines.flatMap(({ about, blocks }) =>
    BOUNDS.map(
      ([word, of, atMost]): Goal => ({
        sentence: `${about.join()} connections: ${word}`,
        value: medianOf(blocks, (block) => latenciesOf(block)[of]),
        unit: "ms",
        direction: "at-most",
        floor: null,
        goal: atMost,
      }),
    ),
  ),
  tables: [
    blockTable("Medians of all rounds", ["connections"], lines),
    {
      title: "How late requests left, for want of a free connection or of the generator's time",
      columns: ["connections", "P99 ms"],
      rows: lines.map(({ about, blocks }) => [
        ...about,
        medianOf(blocks, ({ answers }) => answers.lateP99Ms),
      ]),
    },
  ],
  plots: [
    {
      name: "latency",
      title: "Latency from the moment at which a request was to leave",
      kind: "bars",
      x: { label: "connections" },
      y: { label: "ms" },
      series: BOUNDS.map(([word, of]) => ({
        name: word,
        points: lines.map(({ about, blocks }) => ({
          x: about.join(),
          y: medianOf(blocks, (block) => latenciesOf(block)[of]),
        })),
      })),
    },
  ],
  notes: noiseNotes(lines),
  faults: faultsOf(lines),
});
