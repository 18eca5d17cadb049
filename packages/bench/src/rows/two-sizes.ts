// The same load on a small table and on a large one, in turn: pairs of blocks, and what they come to.
import { median } from "@holdfast/load";
import type { Block } from "../block.ts";
import type { Goal, RowRun, Table } from "../row.ts";

const SIZES = ["small", "large"] as const;
export type Size = (typeof SIZES)[number];

export type Pair<Seen> = Readonly<Record<Size, Block<Seen>>>;

/** Who comes first changes from round to round. What a size is pressed with is made once, for its first block. */
export async function inPairs<Load, Seen>(
  run: RowRun,
  rounds: number,
  make: (size: Size) => Promise<Load>,
  press: (load: Load) => Promise<Block<Seen>>,
): Promise<Pair<Seen>[]> {
  const loads = new Map<Size, Load>();
  const measure = async (size: Size): Promise<Block<Seen>> => {
    const load = loads.get(size) ?? (await make(size));
    loads.set(size, load);
    return press(load);
  };
  const pairs: Pair<Seen>[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const block = (size: Size): Promise<Block<Seen>> => {
      run.signal.throwIfAborted();
      return run.block(`${size}-${round}`, () => measure(size));
    };
    if (round % 2 === 1) {
      const small = await block("small");
      pairs.push({ small, large: await block("large") });
    } else {
      const large = await block("large");
      pairs.push({ small: await block("small"), large });
    }
  }
  return pairs;
}

const p99Of = (kind: string, { answers }: Block<unknown>): number => answers.kinds[kind]?.window.p99Ms ?? 0;

/** How many times its P99 on the small table a kind of request takes on the large one. */
export const shareOf = (pairs: readonly Pair<unknown>[], kind: string): number =>
  median(pairs.map(({ small, large }) => p99Of(kind, large) / p99Of(kind, small)));

export const shareGoal = (
  pairs: readonly Pair<unknown>[],
  { kind, sentence, atMost }: { kind: string; sentence: string; atMost: number },
): Goal => ({
  sentence,
  value: shareOf(pairs, kind),
  unit: "×",
  direction: "at-most",
  floor: null,
  goal: atMost,
});

/** Each block's times, so that it can be seen how far they differ from round to round. */
export const timesTable = (
  pairs: readonly Pair<unknown>[],
  { kinds, names }: { kinds: readonly string[]; names: Readonly<Record<Size, string>> },
): Table => ({
  title: "Milliseconds, of each block",
  columns: ["asked", "of", "round", "P50", "P95", "P99", "greatest", "sent late, P99"],
  rows: kinds.flatMap((kind) =>
    SIZES.flatMap((size) =>
      pairs.map((pair, round) => {
        const { answers } = pair[size];
        const { p50Ms = 0, p95Ms = 0, p99Ms = 0, maxMs = 0 } = answers.kinds[kind]?.window ?? {};
        return [kind, names[size], round + 1, p50Ms, p95Ms, p99Ms, maxMs, answers.lateP99Ms];
      }),
    ),
  ),
});

export const faultsOf = (pairs: readonly Pair<unknown>[]): string[] =>
  pairs.flatMap(({ small, large }) => [...small.faults, ...large.faults]);
