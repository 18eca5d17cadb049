// What has been sent and answered so far: counted by kind and status, and how long it took. Sends nothing.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Answers, Latencies, OfKind } from "./answers.ts";
import type { LoadRequest } from "./script.ts";

const MICROS_PER_MS = 1_000;
const MS_PER_SECOND = 1_000;
/** Significant digits, and microseconds beyond which all is the same: ten minutes. */
const HISTOGRAM = { figures: 3, lowest: 1, highest: 600_000_000 };

/** When the clock runs, in milliseconds of `performance.now`. */
export interface Window {
  readonly begins: number;
  readonly ends: number;
}

export interface Tally {
  /** In a closed loop nothing is late. */
  sent(request: LoadRequest, lateMs: number): void;
  /**
   * `since` is when its latency began, `now` when it was answered. `countsAs` is the moment by which its latency is in the
   * window or not.
   */
  answered(request: LoadRequest, status: number, body: () => string, moments: Moments): void;
  broken(): void;
  answers(summary: unknown): Answers;
}

export interface Moments {
  readonly since: number;
  readonly now: number;
  readonly countsAs: number;
}

interface StatusTally {
  all: number;
  answered: number;
  readonly latencies: RecordableHistogram;
}

interface KindTally {
  sent: number;
  readonly byStatus: Map<number, StatusTally>;
}

export function createTally({ begins, ends }: Window): Tally {
  const kinds = new Map<string, KindTally>();
  const late = createHistogram(HISTOGRAM);
  const eachSecond = secondsOf(begins);
  let odd = 0;
  let oddBody: string | null = null;
  let errors = 0;

  const kindOf = (kind: string): KindTally => {
    const known = kinds.get(kind);
    if (known !== undefined) return known;
    const made = { sent: 0, byStatus: new Map<number, StatusTally>() };
    kinds.set(kind, made);
    return made;
  };
  const statusOf = ({ byStatus }: KindTally, status: number): StatusTally => {
    const known = byStatus.get(status);
    if (known !== undefined) return known;
    const made = { all: 0, answered: 0, latencies: createHistogram(HISTOGRAM) };
    byStatus.set(status, made);
    return made;
  };

  return {
    sent({ kind }, lateMs) {
      kindOf(kind).sent += 1;
      if (lateMs > 0) late.record(microsOf(lateMs));
    },
    answered({ kind, expects }, status, body, { since, now, countsAs }) {
      const tally = statusOf(kindOf(kind), status);
      tally.all += 1;
      if (!expects.includes(status)) {
        odd += 1;
        oddBody ??= `${status} to ${kind}: ${body()}`;
      }
      const micros = microsOf(now - since);
      if (countsAs >= begins && countsAs < ends) tally.latencies.record(micros);
      if (now < begins || now >= ends) return;
      tally.answered += 1;
      eachSecond.record(now, micros);
    },
    broken() {
      errors += 1;
    },
    answers: (summary) => ({
      kinds: Object.fromEntries([...kinds].map(([kind, tally]) => [kind, ofKind(tally)])),
      odd,
      oddBody,
      errors,
      seconds: (ends - begins) / MS_PER_SECOND,
      lateP99Ms: latenciesOf(late).p99Ms,
      eachSecond: eachSecond.until(ends),
      summary,
    }),
  };
}

const microsOf = (ms: number): number => Math.max(1, Math.round(ms * MICROS_PER_MS));

function ofKind({ sent, byStatus }: KindTally): OfKind {
  const window = createHistogram(HISTOGRAM);
  for (const { latencies } of byStatus.values()) window.add(latencies);
  const each = <Figure>(figure: (tally: StatusTally) => Figure): Record<string, Figure> =>
    Object.fromEntries([...byStatus].map(([status, tally]) => [status, figure(tally)]));
  return {
    sent,
    statuses: each(({ all }) => all),
    answered: each(({ answered }) => answered),
    window: latenciesOf(window),
    byStatus: each(({ latencies }) => latenciesOf(latencies)),
  };
}

function latenciesOf(histogram: RecordableHistogram): Latencies {
  if (histogram.count === 0) return { count: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 };
  const at = (percentile: number): number => histogram.percentile(percentile) / MICROS_PER_MS;
  return {
    count: histogram.count,
    meanMs: histogram.mean / MICROS_PER_MS,
    p50Ms: at(50),
    p95Ms: at(95),
    p99Ms: at(99),
    maxMs: histogram.max / MICROS_PER_MS,
  };
}

/** A series: one histogram is enough, for time does not go back. */
function secondsOf(begins: number) {
  const seconds: { answered: number; p99Ms: number }[] = [];
  const current = createHistogram(HISTOGRAM);
  const closeUntil = (second: number): void => {
    while (seconds.length < second) {
      const { count, p99Ms } = latenciesOf(current);
      seconds.push({ answered: count, p99Ms });
      current.reset();
    }
  };
  return {
    record(now: number, micros: number): void {
      closeUntil(Math.floor((now - begins) / MS_PER_SECOND));
      current.record(micros);
    },
    until(ends: number): typeof seconds {
      closeUntil(Math.ceil((ends - begins) / MS_PER_SECOND));
      return seconds;
    },
  };
}
