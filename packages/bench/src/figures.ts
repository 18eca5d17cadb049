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
export function goalsOf(blocks: readonly RoundBlock[]): Goal[] {
  const goals: Goal[] = [];
  for (const { clients, over, atLeast } of FLOORS) {
    const seen = ratios(blocks, over, clients);
    if (seen.length === 0) continue;
    const value = median(seen);
    const sentence = `${clients} clients: at least ${atLeast} × ${over.toUpperCase()}`;
    goals.push({ sentence, value, bound: atLeast, met: value >= atLeast });
  }
  const shares = ratios(blocks, "b0", CPU_CLIENTS, (block) => block.cpuMicrosServing);
  if (shares.length > 0) {
    const value = median(shares);
    const sentence = `${CPU_CLIENTS} clients: at most ${CPU_SHARE_OF_B0_MAX} of B0's CPU a command`;
    goals.push({ sentence, value, bound: CPU_SHARE_OF_B0_MAX, met: value <= CPU_SHARE_OF_B0_MAX });
  }
  const rush = blocksOf(blocks, "holdfast", CPU_CLIENTS);
  if (rush.length > 0) {
    const value = median(rush.map((block) => block.cpuMicrosServing));
    const sentence = `${CPU_CLIENTS} clients: at most ${CPU_MICROS_MAX} µs of CPU a command, without the generator`;
    goals.push({ sentence, value, bound: CPU_MICROS_MAX, met: value <= CPU_MICROS_MAX });
  }
  return goals;
}
