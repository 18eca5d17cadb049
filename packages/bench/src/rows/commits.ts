// How many commits a command costs when one event gets more of them a second than a database commits one by one.
import { withBench } from "../bench.ts";
import type { Row } from "../row.ts";
import { blockLine, blockTable, faultsOf, medianOf, noiseNotes, type Repeated } from "./block-table.ts";
import { pressHotEvent } from "./hot-event-world.ts";

const FULL = { rounds: 3, perSecond: 5_000, connections: 1_000, warmUpSeconds: 8, seconds: 5 };
const SMOKE = { rounds: 1, perSecond: 500, connections: 100, warmUpSeconds: 0.2, seconds: 0.5 };
const COMMITS_A_COMMAND_MAX = 1 / 16;

export const commits: Row = {
  name: "commits",
  title: "Commits a command",
  about:
    `One event is asked for ${FULL.perSecond} times a second in an open loop. Counted are all transactions that wrote, ` +
    "of whatever process: those to which PostgreSQL gave an id while the clock ran.",
  minutes: 1.5,
  async measure(run) {
    const { rounds, perSecond, connections, warmUpSeconds, seconds } = run.smoke ? SMOKE : FULL;
    const blocks = await withBench(run, async (open) => {
      const those = [];
      for (let round = 1; round <= (run.rounds ?? rounds); round += 1) {
        const block = await run.block(`round ${round}`, async () =>
          pressHotEvent(run, await open(), {
            loop: { kind: "open", perSecond, connections },
            warmUpSeconds,
            seconds,
          }),
        );
        run.say(`round ${round}: ${blockLine(block)}`);
        those.push(block);
      }
      return those;
    });
    const lines: Repeated[] = [{ about: [perSecond], blocks }];
    return {
      goals: [
        {
          sentence: `Commits a command, one event at ${perSecond}/s`,
          value: medianOf(blocks, ({ commitsPerCommand }) => commitsPerCommand),
          unit: "",
          direction: "at-most",
          floor: COMMITS_A_COMMAND_MAX,
          goal: COMMITS_A_COMMAND_MAX,
        },
      ],
      tables: [blockTable("Medians of all rounds", ["asked a second"], lines)],
      plots: [],
      notes: noiseNotes(lines),
      faults: faultsOf(lines),
    };
  },
};
