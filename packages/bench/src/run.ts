// The whole run: which pool suits each baseline, then rounds of alternating blocks.
import { randomBytes } from "node:crypto";
import { type Bench, type Block, runBlock } from "./block.ts";
import { openGenerator } from "./generator.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import { openBenchStores } from "./stores.ts";
import { VARIANTS, type VariantName } from "./variants.ts";

export interface RunWish {
  readonly variants: readonly VariantName[];
  readonly clients: readonly number[];
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Tried for each baseline, for `trialSeconds`, before the rounds; with one size nothing is tried. */
  readonly poolSizes: readonly number[];
  readonly trialSeconds: number;
}

export interface RoundBlock extends Block {
  readonly round: number;
}

export interface RunResult {
  readonly wish: RunWish;
  readonly machine: Machine;
  /** How each pool size did when it was tried. */
  readonly trials: readonly Block[];
  readonly blocks: readonly RoundBlock[];
}

export interface Watcher {
  /** A step that may take a while. */
  step(line: string): void;
  begun(machine: Machine): void;
  tried(trial: Block): void;
  done(block: RoundBlock): void;
}

/** Until then V8 compiles most of what a worker does once for a batch: see docs/decisions/0014. */
const WARM_UP_SECONDS = 10;

export const FULL: RunWish = {
  variants: ["holdfast", "b0", "b1"],
  clients: [100, 1_000],
  rounds: 3,
  warmUpSeconds: WARM_UP_SECONDS,
  seconds: 4,
  poolSizes: [4, 8, 16],
  trialSeconds: 2,
};

/** Seconds are few and clients are few: only good for what the gate says. */
export const SMOKE: RunWish = {
  ...FULL,
  clients: [20],
  rounds: 1,
  warmUpSeconds: 0.2,
  seconds: 1,
  poolSizes: [4],
};

const TRIAL_WARM_UP_SECONDS = 3;
/** Users that ask in a second of the fastest block that we can imagine on the machine that we know. */
const USERS_PER_SECOND = 16_000;

/** Runs it all on private stores, which are gone afterwards. Rejects when the signal is aborted. */
export async function run(wish: RunWish, watcher: Watcher, signal: AbortSignal): Promise<RunResult> {
  const trialSeconds = wish.poolSizes.length > 1 ? TRIAL_WARM_UP_SECONDS + wish.trialSeconds : 0;
  const longest = Math.max(wish.warmUpSeconds + wish.seconds, trialSeconds);
  const users = Math.ceil(USERS_PER_SECOND * longest) + Math.max(...wish.clients);
  const stores = await openBenchStores({ users, log: watcher.step, signal });
  const generator = openGenerator();
  const giveUp = (): void => generator.close(); // a block without load ends at once, and cleans up
  signal.addEventListener("abort", giveUp);
  try {
    const jwtSecret = randomBytes(32).toString("hex");
    watcher.step("building requests");
    await generator.prepare({
      userIds: stores.userIds,
      path: `/v1/events/${stores.eventId}/reserve`,
      secret: jwtSecret,
    });
    const machine = await inspectMachine(stores);
    watcher.begun(machine);
    const bench = { stores, generator, jwtSecret };
    const { trials, best } = await tryPools(bench, wish, watcher, signal);
    const blocks: RoundBlock[] = [];
    for (let round = 1; round <= wish.rounds; round += 1) {
      for (const clients of wish.clients) {
        for (const variant of turned(wish.variants, round - 1)) {
          signal.throwIfAborted();
          const { warmUpSeconds, seconds } = wish;
          const pool = best.get(variant) ?? null;
          const block = await runBlock(bench, { variant, pool, clients, warmUpSeconds, seconds });
          blocks.push({ ...block, round });
          watcher.done({ ...block, round });
        }
      }
    }
    return { wish, machine, trials, blocks };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", giveUp);
    generator.close();
    await stores.close();
  }
}

/** The pool size with the greatest throughput for each baseline, tried with the most clients. */
async function tryPools(
  bench: Bench,
  { variants, clients, poolSizes, trialSeconds }: RunWish,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<{ trials: Block[]; best: Map<VariantName, number> }> {
  const trials: Block[] = [];
  const best = new Map<VariantName, number>();
  for (const variant of variants.filter((name) => VARIANTS[name].baseline !== null)) {
    const [only, ...more] = poolSizes;
    if (only !== undefined && more.length === 0) {
      best.set(variant, only);
      continue;
    }
    const tried: Block[] = [];
    for (const pool of poolSizes) {
      signal.throwIfAborted();
      const trial = await runBlock(bench, {
        variant,
        pool,
        clients: Math.max(...clients),
        warmUpSeconds: TRIAL_WARM_UP_SECONDS,
        seconds: trialSeconds,
      });
      tried.push(trial);
      watcher.tried(trial);
    }
    const winner = tried.toSorted((a, b) => b.perSecond - a.perSecond)[0];
    if (winner !== undefined && winner.pool !== null) best.set(variant, winner.pool);
    trials.push(...tried);
  }
  return { trials, best };
}

/** Who comes first changes from round to round. */
const turned = <T>(items: readonly T[], by: number): T[] => [
  ...items.slice(by % items.length),
  ...items.slice(0, by % items.length),
];
