// What every commit is held against: how dear a command is beside B1's in the same minute, and what it asks of the stores.
// Short, so that it can be a test; no figure of it is for the report.
import { withBench } from "./bench.ts";
import { type Block, runBlock } from "./block.ts";
import type { RowRun } from "./row.ts";
import { hotEvent, reserveFaults } from "./rows/hot-event-world.ts";

const ROUNDS = 2;
/** Where others take the machine, a window holds a few cold batches and tells nothing: then there are more rounds. */
const ROUNDS_MAX = 5;
/** Of the machine's time, what others may take in a round that tells something. */
const OTHERS_MAX = 0.3;
/** Two batches of them, so that one can be filled while the other is under way. */
const CLIENTS = 512;
const WARM_UP_SECONDS = 3;
const SECONDS = 2;
const B1_POOL = 8;
/** What the services ask of Redis in a second in which nobody asks anything of them, about. It is no command's fault. */
const IDLE_REDIS_COMMANDS = 140;
/** More than are asked for by the fastest machine that we can imagine: 20,000 a second. */
const USERS = 100_000;

export interface Dearness {
  /** CPU time a command of all processes but the generator, over B1's. */
  readonly cpuOverB1: number;
  readonly commitsPerCommand: number;
  readonly redisCommandsPerCommand: number;
  readonly faults: readonly string[];
}

/**
 * One hot event, closed loop, in alternating blocks. Of each figure the least of its rounds is taken: what a busy machine
 * does to them is never less than nothing.
 */
export const measureDearness = (run: RowRun): Promise<Dearness> =>
  withBench(run, async (open) => {
    const bench = await open();
    const { template, script } = await hotEvent(bench, { users: USERS });
    const press = (variant: "holdfast" | "b1"): Promise<Block> =>
      runBlock(bench, {
        variant,
        pool: variant === "b1" ? B1_POOL : null,
        template,
        script,
        loop: { kind: "closed", clients: CLIENTS },
        warmUpSeconds: WARM_UP_SECONDS,
        seconds: SECONDS,
        check: reserveFaults,
      });
    const rounds: { readonly holdfast: Block; readonly b1: Block }[] = [];
    const isCalm = (): boolean => rounds.some(({ holdfast, b1 }) => others(holdfast, b1) <= OTHERS_MAX);
    for (let round = 1; round <= ROUNDS || (round <= ROUNDS_MAX && !isCalm()); round += 1) {
      const b1First = round % 2 === 0 ? await press("b1") : null;
      const holdfast = await press("holdfast");
      const b1 = b1First ?? (await press("b1"));
      run.say(
        `round ${round}: ${lineOf(holdfast)}; B1 ${lineOf(b1)}; others ${others(holdfast, b1).toFixed(2)} of the machine`,
      );
      rounds.push({ holdfast, b1 });
    }
    const least = (variant: "holdfast" | "b1", figure: (block: Block) => number): number =>
      Math.min(...rounds.map((round) => figure(round[variant])));
    const cpu = ({ cpuMicrosServing }: Block): number => cpuMicrosServing;
    return {
      cpuOverB1: least("holdfast", cpu) / least("b1", cpu),
      commitsPerCommand: least("holdfast", ({ commitsPerCommand }) => commitsPerCommand),
      redisCommandsPerCommand: least(
        "holdfast",
        ({ redisCommandsPerCommand, perSecond }) =>
          redisCommandsPerCommand - IDLE_REDIS_COMMANDS / Math.max(1, perSecond),
      ),
      faults: rounds.flatMap(({ holdfast, b1 }) => [...holdfast.faults, ...b1.faults]),
    };
  });

const others = (...blocks: readonly Block[]): number =>
  Math.max(...blocks.map(({ shares }) => shares.others));

const lineOf = ({ perSecond, cpuMicrosServing, commitsPerCommand, redisCommandsPerCommand }: Block): string =>
  `${Math.round(perSecond)}/s, ${Math.round(cpuMicrosServing)} µs, 1 commit for ${(1 / commitsPerCommand).toFixed(1)}, ` +
  `${redisCommandsPerCommand.toFixed(3)} Redis commands`;
