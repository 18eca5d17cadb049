// What the waitlist worker counts of its own work, under the names by which operators know it (docs/operations.md).
import type { EpochMs } from "@holdfast/domain";
import type { PromotionTimer } from "@holdfast/event-queue";
import type { Metrics } from "@holdfast/runtime";
import { Counter, Histogram } from "prom-client";

const LATE_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface WaitlistMetrics {
  /** The promotion's event was told at `now`. */
  sent(promotion: PromotionTimer, now: EpochMs): void;
  givenUp(): void;
}

export function createWaitlistMetrics(metrics: Metrics): WaitlistMetrics {
  const registers = [metrics];
  const sent = new Counter({
    name: "holdfast_promotions_sent_total",
    help: "Times that an event was told to look at the waiters of a slot.",
    registers,
  });
  const late = new Histogram({
    name: "holdfast_promotion_late_seconds",
    help: "How long after a slot's waiters were to be looked at its event was told, in database time.",
    buckets: LATE_SECONDS,
    registers,
  });
  const givenUp = new Counter({
    name: "holdfast_promotions_given_up_total",
    help: "Promotions that could not be sent, however often that was tried: the sweep finds them.",
    registers,
  });
  return {
    sent({ at }, now) {
      sent.inc();
      late.observe(Math.max(0, now - at) / 1_000);
    },
    givenUp: () => givenUp.inc(),
  };
}
