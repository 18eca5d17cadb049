// What the webhook worker counts of its own work, under the names by which operators know it (docs/operations.md).
import type { EpochMs, WebhookDisabledReason } from "@holdfast/domain";
import { type Metrics, tallies } from "@holdfast/runtime";
import { Counter, Gauge, Histogram } from "prom-client";
import type { AttemptEnd } from "./attempt.ts";
import type { Swept } from "./sweep.ts";

const ATTEMPT_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
const FIRST_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60];

const RESULTS = ["success", "failure", "refused", "unreachable", "late", "broken-off"] as const;
const FINDINGS = ["signalled", "removed"] as const;

export interface WebhookMetrics {
  /** Follows an attempt to its end, which it passes on. */
  attempted(attempt: Promise<AttemptEnd>): Promise<AttemptEnd>;
  /** A delivery is tried for the first time at `now`. */
  first(delivery: { createdAt: EpochMs }, now: EpochMs): void;
  /** A delivery could not be put into words, or signed. */
  unworded(): void;
  gaveUp(deliveries: number): void;
  disabled(reason: WebhookDisabledReason): void;
  /** Null: another worker is at it. */
  swept(found: Swept | null): void;
}

export function createWebhookMetrics(metrics: Metrics): WebhookMetrics {
  const registers = [metrics];
  const results = tallies(metrics, {
    name: "holdfast_webhook_attempts_total",
    help: "Attempts to deliver a webhook, by how they ended: an answer of success or failure, or none.",
    label: "result",
    values: RESULTS,
  });
  const took = new Histogram({
    name: "holdfast_webhook_attempt_seconds",
    help: "Duration of an attempt to deliver a webhook.",
    buckets: ATTEMPT_SECONDS,
    registers,
  });
  const running = new Gauge({
    name: "holdfast_webhook_attempts_running",
    help: "Webhooks that this worker is sending now.",
    registers,
  });
  const late = new Histogram({
    name: "holdfast_webhook_first_attempt_seconds",
    help: "From what a webhook tells of to the first attempt to deliver it, in database time.",
    buckets: FIRST_SECONDS,
    registers,
  });
  const unworded = new Counter({
    name: "holdfast_webhook_deliveries_unworded_total",
    help: "Tries of deliveries that could not be worded, so that nothing was sent: a fault of ours, which the log tells.",
    registers,
  });
  const givenUp = new Counter({
    name: "holdfast_webhook_deliveries_failed_total",
    help: "Deliveries that are not tried any more: too often in vain, or their endpoint is disabled or gone.",
    registers,
  });
  const disabled = tallies(metrics, {
    name: "holdfast_webhook_endpoints_disabled_total",
    help: "Endpoints that were disabled, by why: they answered 410 (gone), or have failed for days (failing).",
    label: "reason",
    values: ["gone", "failing"],
  });
  const found = tallies(metrics, {
    name: "holdfast_webhook_sweep_found_total",
    help: "What the sweep of deliveries found to do: endpoints with deliveries due, retries included; old rows to remove.",
    label: "found",
    values: FINDINGS,
  });
  return {
    async attempted(attempt) {
      running.inc();
      const begun = performance.now();
      try {
        const end = await attempt;
        results[resultOf(end)].inc();
        took.observe((performance.now() - begun) / 1_000);
        return end;
      } finally {
        running.dec();
      }
    },
    first: ({ createdAt }, now) => late.observe(Math.max(0, now - createdAt) / 1_000),
    unworded: () => unworded.inc(),
    gaveUp: (deliveries) => givenUp.inc(deliveries),
    disabled: (reason) => disabled[reason].inc(),
    swept(swept) {
      if (swept === null) return;
      for (const kind of FINDINGS) found[kind].inc(swept[kind]);
    },
  };
}

function resultOf(end: AttemptEnd): (typeof RESULTS)[number] {
  switch (end.kind) {
    case "answered":
      return end.status >= 200 && end.status < 300 ? "success" : "failure";
    case "unanswered":
      return end.why;
    case "broken-off":
      return "broken-off";
  }
}
