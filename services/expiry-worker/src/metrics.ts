// What the expiry worker counts of its own work, under the names by which operators know it (docs/operations.md).
import { type EpochMs, SETTLE_GRACE_MS } from "@holdfast/domain";
import type { Deadline } from "@holdfast/event-queue";
import type { Metrics } from "@holdfast/runtime";
import { Counter, Histogram } from "prom-client";

const LATE_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ExpiryMetrics {
  /** The deadline's event was told at `now`. */
  rung(deadline: Deadline, now: EpochMs): void;
  givenUp(): void;
}

export function createExpiryMetrics(metrics: Metrics): ExpiryMetrics {
  const registers = [metrics];
  const rung = new Counter({
    name: "holdfast_timers_rung_total",
    help: "Timers that told their event to settle the holds of their second.",
    registers,
  });
  const late = new Histogram({
    name: "holdfast_timer_late_seconds",
    help: "How long after the deadline and the grace a timer's word was sent, in database time.",
    buckets: LATE_SECONDS,
    registers,
  });
  const givenUp = new Counter({
    name: "holdfast_timers_given_up_total",
    help: "Timers that rang in vain for the last time: the sweep finds what they would have said.",
    registers,
  });
  return {
    rung({ dueAt }, now) {
      rung.inc();
      late.observe(Math.max(0, now - dueAt - SETTLE_GRACE_MS) / 1_000);
    },
    givenUp: () => givenUp.inc(),
  };
}
