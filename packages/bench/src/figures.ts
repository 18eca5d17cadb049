// From blocks to figures: medians, ratios of a round's blocks, and the goals that they are held against. Pure.
import { median } from "@holdfast/load";
import type { RoundBlock } from "./run.ts";
import type { VariantName } from "./variants.ts";

interface Floor {
  readonly clients: number;
  readonly over: "b0" | "b1";
  readonly atLeast: number;
}

/** How many times a baseline's throughput Holdfast's must be. */
const FLOORS: readonly Floor[] = [
  { clients: 100, over: "b0", atLeast: 4 },
  { clients: 100, over: "b1", atLeast: 1.8 },
  { clients: 1_000, over: "b0", atLeast: 6 },
  { clients: 1_000, over: "b1", atLeast: 2.5 },
];
const CPU_MICROS_MAX = 140;
/** The same bound, less dependent on the machine: where it was set, B0 takes 1,120 µs. See docs/decisions/0014. */
const CPU_SHARE_OF_B0_MAX = 1 / 8;
const CPU_CLIENTS = 1_000;

export interface Goal {
  readonly sentence: string;
  readonly value: number;
  readonly bound: number;
  readonly met: boolean;
}

/** Blocks of one variant with so many clients, but for those that count for nothing. */
export const blocksOf = (
  blocks: readonly RoundBlock[],
  variant: VariantName,
  clients: number,
): readonly RoundBlock[] =>
  blocks.filter(
    (block) => block.variant === variant && block.clients === clients && block.faults.length === 0,
  );

/** Of each round, how many times the baseline's figure (by default its throughput) Holdfast's was. */
export function ratios(
  blocks: readonly RoundBlock[],
  over: "b0" | "b1",
  clients: number,
  figure: (block: RoundBlock) => number = (block) => block.perSecond,
): number[] {
  const baseline = new Map(blocksOf(blocks, over, clients).map((block) => [block.round, figure(block)]));
  return blocksOf(blocks, "holdfast", clients).flatMap((block) => {
    const base = baseline.get(block.round);
    return base === undefined ? [] : [figure(block) / base];
  });
}

/** The goals that this run's blocks can be held against. */
export const goalsOf = (blocks: readonly RoundBlock[]): Goal[] => [
  ...FLOORS.flatMap(({ clients, over, atLeast }) =>
    goal(
      `${clients} clients: at least ${atLeast} × ${over.toUpperCase()}`,
      ratios(blocks, over, clients),
      atLeast,
      (value) => value >= atLeast,
    ),
  ),
  ...ceiling(
    `${CPU_CLIENTS} clients: at most ${CPU_SHARE_OF_B0_MAX} of B0's CPU a command`,
    ratios(blocks, "b0", CPU_CLIENTS, (block) => block.cpuMicrosServing),
    CPU_SHARE_OF_B0_MAX,
  ),
  ...ceiling(
    `${CPU_CLIENTS} clients: at most ${CPU_MICROS_MAX} µs of CPU a command, without the generator`,
    blocksOf(blocks, "holdfast", CPU_CLIENTS).map((block) => block.cpuMicrosServing),
    CPU_MICROS_MAX,
  ),
];

const ceiling = (sentence: string, seen: readonly number[], atMost: number): Goal[] =>
  goal(sentence, seen, atMost, (value) => value <= atMost);

/** None where nothing was seen. */
function goal(
  sentence: string,
  seen: readonly number[],
  bound: number,
  isMet: (value: number) => boolean,
): Goal[] {
  if (seen.length === 0) return [];
  const value = median(seen);
  return [{ sentence, value, bound, met: isMet(value) }];
}
