// Answers as a load generator gives them, for tests of whoever reads them.
import type { Answers, Latencies, OfKind } from "../src/load-generator/answers.ts";

export const LATENCIES: Latencies = { count: 1, meanMs: 1, p50Ms: 1, p95Ms: 1, p99Ms: 1, maxMs: 1 };

/** One kind, "reserve", answered so often with each status, all while the clock ran for a second. */
export function answersOf(
  statuses: Readonly<Record<string, number>>,
  { sent = Object.values(statuses).reduce((sum, count) => sum + count, 0) }: { sent?: number } = {},
): Answers {
  const reserve: OfKind = { sent, statuses, answered: statuses, window: LATENCIES, byStatus: {} };
  return {
    kinds: { reserve },
    odd: 0,
    oddBody: null,
    errors: 0,
    seconds: 1,
    lateP99Ms: 0,
    eachSecond: [],
    summary: null,
  };
}
