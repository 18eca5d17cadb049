// How much waits in the whole system, and for how long: told by every worker alike, for whoever starts and stops
// workers. Measured when somebody asks, and never for longer than they wait.
import { setTimeout as sleep } from "node:timers/promises";
import type { EpochMs } from "@holdfast/domain";
import { openBacklog } from "@holdfast/event-queue";
import type { Metrics } from "@holdfast/runtime";
import type { Redis } from "ioredis";
import type pg from "pg";
import { Gauge } from "prom-client";
import { pausedAmong } from "./sweep.ts";

/** Milliseconds for which a measurement is good: two gauges, and several scrapers, share one. */
export const BACKLOG_BELIEVED_MS = 1_000;
/** Milliseconds after which stores that have not answered leave the gauges empty. */
export const BACKLOG_TIMEOUT_MS = 1_000;

interface Measured {
  readonly events: number;
  readonly oldestAgeSeconds: number;
}

export interface BacklogDeps {
  readonly pool: pg.Pool;
  readonly redis: Redis;
  readonly prefix: string;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly monotonicMs: () => number;
  readonly onError: (error: unknown) => void;
}

/** Adds the two gauges. While the stores do not answer they have no value: an old one, or 0, would be believed. */
export function tellBacklog(metrics: Metrics, deps: BacklogDeps): void {
  const measured = sharing(measure(deps), deps);
  const gauge = (name: string, help: string, read: (of: Measured) => number) =>
    new Gauge({
      name,
      help,
      registers: [metrics],
      async collect() {
        const found = await measured();
        if (found === null) this.remove();
        else this.set(read(found));
      },
    });
  gauge(
    "holdfast_events_with_work",
    "Events of the whole system that have commands waiting or in hand and are not paused. Every worker tells the same.",
    ({ events }) => events,
  );
  gauge(
    "holdfast_oldest_waiting_command_age_seconds",
    "Age of the oldest command, of the whole system, that waits or is in hand. Every worker tells the same.",
    ({ oldestAgeSeconds }) => oldestAgeSeconds,
  );
}

function measure({ pool, redis, prefix, now }: BacklogDeps): () => Promise<Measured> {
  const backlog = openBacklog(redis, prefix);
  return async () => {
    const { waiting, speaksFor } = await backlog.read();
    const events = waiting.map(({ eventId }) => eventId);
    const halted = await pausedAmong(pool, events);
    const going = waiting.filter(({ eventId }) => !halted.has(eventId));
    const oldest = Math.min(...going.map(({ since }) => since));
    return {
      events: Math.round(going.length * speaksFor),
      oldestAgeSeconds: going.length === 0 ? 0 : Math.max(0, now() - oldest) / 1_000,
    };
  };
}

/** At most one measurement is under way. Null when it failed, or takes too long. */
function sharing(
  measureNow: () => Promise<Measured>,
  { monotonicMs, onError }: Pick<BacklogDeps, "monotonicMs" | "onError">,
): () => Promise<Measured | null> {
  let last: Promise<Measured | null> = Promise.resolve(null);
  let beganAt = Number.NEGATIVE_INFINITY;
  let underWay = false;
  return () => {
    if (!underWay && monotonicMs() - beganAt >= BACKLOG_BELIEVED_MS) {
      beganAt = monotonicMs();
      underWay = true;
      last = measureNow()
        .catch((error: unknown) => {
          onError(error);
          return null;
        })
        .finally(() => {
          underWay = false;
        });
    }
    return Promise.race([last, sleep(BACKLOG_TIMEOUT_MS, null, { ref: false })]);
  };
}
