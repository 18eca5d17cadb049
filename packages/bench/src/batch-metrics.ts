// What a reservation worker tells of its batches, by the metrics that operators know (docs/operations.md): how long
// their transactions took, and how many commands were in them.
import type { Spent } from "./counters.ts";

const APPLY = "holdfast_batch_apply_seconds";
const COMMANDS = "holdfast_batch_commands";
const MS_PER_SECOND = 1_000;

export interface BatchMetrics {
  /** Transactions that took at most so many seconds, by that bound, the smallest first. The last bound is infinite. */
  readonly applied: readonly (readonly [bound: number, count: number])[];
  readonly batches: number;
  readonly commands: number;
}

export async function batchMetricsOf(metricsUrl: string): Promise<BatchMetrics> {
  const answer = await fetch(metricsUrl);
  return parseBatchMetrics(await answer.text());
}

export function parseBatchMetrics(text: string): BatchMetrics {
  const buckets = [...text.matchAll(new RegExp(`^${APPLY}_bucket\\{.*?le="([^"]+)".*?\\} (\\S+)$`, "gm"))];
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? 0);
  return {
    applied: buckets.map(([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), Number(count)]),
    batches: figure(`${COMMANDS}_count`),
    commands: figure(`${COMMANDS}_sum`),
  };
}

/** Of the batches between two looks. Nulls where nobody was looked at, or nothing happened. */
export function batchesBetween(
  before: BatchMetrics | null,
  after: BatchMetrics | null,
): Pick<Spent, "batchP99Ms" | "batchCommandsMean"> {
  if (before === null || after === null || after.batches === before.batches)
    return { batchP99Ms: null, batchCommandsMean: null };
  const applied = after.applied.map(
    ([bound, count], n) => [bound, count - (before.applied[n]?.[1] ?? 0)] as const,
  );
  return {
    batchP99Ms: quantileOf(applied, 0.99) * MS_PER_SECOND,
    batchCommandsMean: (after.commands - before.commands) / (after.batches - before.batches),
  };
}

/**
 * As Prometheus tells it: within a bucket, values are taken to lie evenly. What lies beyond the last bound is told as
 * that bound, so a quantile of the largest bound may be more.
 */
function quantileOf(buckets: BatchMetrics["applied"], quantile: number): number {
  const wanted = quantile * (buckets.at(-1)?.[1] ?? 0);
  let from = { bound: 0, count: 0 };
  for (const [bound, count] of buckets) {
    if (count >= wanted && bound !== Infinity)
      return from.bound + ((bound - from.bound) * (wanted - from.count)) / Math.max(1, count - from.count);
    if (bound !== Infinity) from = { bound, count };
  }
  return from.bound;
}
