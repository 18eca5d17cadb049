// Does throughput stand when there are fifty times as many clients? Closed loop, one hot event.
import { withBench } from "../bench.ts";
import type { Block } from "../block.ts";
import type { Findings, Row } from "../row.ts";
import { blockLine, blockTable, faultsOf, noiseNotes, type Repeated, ratioOf } from "./block-table.ts";
import { pressHotEvent } from "./hot-event-world.ts";

interface Sizes {
  readonly rounds: number;
  readonly few: number;
  readonly many: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const FULL: Sizes = { rounds: 3, few: 100, many: 5_000, warmUpSeconds: 10, seconds: 4 };
const SMOKE: Sizes = { rounds: 1, few: 10, many: 500, warmUpSeconds: 0.2, seconds: 0.5 };

export const manyClients: Row = {
  name: "many-clients",
  title: `${FULL.many} clients as well as ${FULL.few}`,
  about:
    `One hot event in a closed loop, alternately with ${FULL.few} clients and with ${FULL.many}, each with a kept ` +
    "connection. Judged by the median of the rounds' ratios of throughput.",
  minutes: 2.5,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const few: Block[] = [];
    const many: Block[] = [];
    await withBench(run, async (open) => {
      for (let round = 1; round <= (run.rounds ?? sizes.rounds); round += 1) {
        const order = round % 2 === 1 ? [few, many] : [many, few];
        for (const blocks of order) {
          const clients = blocks === few ? sizes.few : sizes.many;
          const block = await run.block(`round ${round} ${clients}`, async () =>
            pressHotEvent(run, await open(), {
              loop: { kind: "closed", clients },
              warmUpSeconds: sizes.warmUpSeconds,
              seconds: sizes.seconds,
            }),
          );
          run.say(`round ${round}, ${clients} clients: ${blockLine(block)}`);
          blocks.push(block);
        }
      }
    });
    return findingsOf(sizes, few, many);
  },
};

function findingsOf(sizes: Sizes, few: readonly Block[], many: readonly Block[]): Findings {
  const lines: Repeated[] = [
    { about: [sizes.few], blocks: few },
    { about: [sizes.many], blocks: many },
  ];
  return {
    goals: [
      {
        sentence: `Throughput at ${sizes.many} clients over that at ${sizes.few}`,
        value: ratioOf(many, few),
        unit: "×",
        direction: "at-least",
        floor: 1,
        goal: 1.5,
      },
    ],
    tables: [blockTable("Medians of all rounds", ["clients"], lines)],
    plots: [],
    notes: noiseNotes(lines),
    faults: faultsOf(lines),
  };
}
