// What a worker counts of its own work, under the names by which operators know it (docs/operations.md). Decides
// nothing. Batches are counted as a whole: what is done for each command is an addition.
import { type AnyCommand, type Applied, type EpochMs, isKnown, type Outcome } from "@holdfast/domain";
import { type Metrics, type Tally, tallies } from "@holdfast/runtime";
import { Counter, Gauge, Histogram } from "prom-client";
import type { Trouble } from "./database-errors.ts";
import type { DrainEnd } from "./drain.ts";
import type { Swept } from "./sweep.ts";

const WAIT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const APPLY_SECONDS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const DRAIN_ENDS = ["finished", "handed-over", "paused", "overtaken", "fenced", "let-go"] as const;
const DROP_REASONS = ["no-such-event", "unwritable", "unreadable"] as const;
const TROUBLES = ["locked", "slow", "transient", "overtaken", "contradiction"] as const;
const FINDINGS = [
  "activated",
  "settled",
  "promoted",
  "rechecked",
  "wound-down",
  "resent",
  "forgotten",
] as const;

export interface WorkerMetrics {
  /** A batch was committed at `now`, `ms` milliseconds after it was begun. */
  applied(batch: readonly Applied[], now: EpochMs, ms: number): void;
  retried(trouble: Trouble): void;
  tookOver(jobs: number): void;
  dropped(reason: (typeof DROP_REASONS)[number], commands: number): void;
  /** Follows a drain to its end, which it passes on. */
  drained(drain: Promise<DrainEnd>): Promise<void>;
  /** Null: another worker is at it. */
  swept(found: Swept | null): void;
}

export function createWorkerMetrics(metrics: Metrics): WorkerMetrics {
  const registers = [metrics];
  const outcomes = new Counter({
    name: "holdfast_outcomes_total",
    help: "Commands that ended, by type, status, and the code of a refusal or failure. Each command counts once.",
    labelNames: ["type", "status", "code"],
    registers,
  });
  const replayed = new Counter({
    name: "holdfast_commands_replayed_total",
    help: "Commands that came again after they had ended, and got the outcome that stood.",
    registers,
  });
  const waited = new Histogram({
    name: "holdfast_command_wait_seconds",
    help: "From a command's acceptance to the transaction that ended it, both in database time.",
    buckets: WAIT_SECONDS,
    registers,
  });
  const took = new Histogram({
    name: "holdfast_batch_apply_seconds",
    help: "Duration of a batch's transaction.",
    buckets: APPLY_SECONDS,
    registers,
  });
  const size = new Histogram({
    name: "holdfast_batch_commands",
    help: "Commands of a batch.",
    buckets: BATCH_SIZES,
    registers,
  });
  const retries = tallies(metrics, {
    name: "holdfast_batch_retries_total",
    help: "Batches that could not be applied and are tried again, by what was in the way.",
    label: "trouble",
    values: TROUBLES,
  });
  const ends = tallies(metrics, {
    name: "holdfast_drains_total",
    help: "Drains that ended, by how.",
    label: "end",
    values: DRAIN_ENDS,
  });
  const running = new Gauge({
    name: "holdfast_drains_running",
    help: "Events that this worker drains now.",
    registers,
  });
  const takenOver = new Counter({
    name: "holdfast_jobs_taken_over_total",
    help: "Jobs that a former owner of the event had in hand and did not settle.",
    registers,
  });
  const dropped = tallies(metrics, {
    name: "holdfast_commands_dropped_total",
    help: "Commands that can neither take effect nor end, by why.",
    label: "reason",
    values: DROP_REASONS,
  });
  const found = tallies(metrics, {
    name: "holdfast_sweep_found_total",
    help: "What the sweep found to do: events activated, asked to settle, to look at a slot's waiters, at parked ones again, to end what is left over; commands sent again, promises deleted that had ended.",
    label: "found",
    values: FINDINGS,
  });

  const endedAs = new Map<string, Tally>();
  const tallyOf = (kind: string): Tally => {
    const tally = endedAs.get(kind) ?? outcomes.labels(...kind.split(" "));
    endedAs.set(kind, tally);
    return tally;
  };

  return {
    applied(batch, now, ms) {
      took.observe(ms / 1_000);
      size.observe(batch.length);
      const kinds = new Map<string, number>();
      let repeats = 0;
      for (const one of batch) {
        if (one.replayed) {
          repeats += 1;
          continue;
        }
        waited.observe(Math.max(0, now - one.command.at) / 1_000);
        const kind = kindOf(one.command, one.outcome);
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      for (const [kind, count] of kinds) tallyOf(kind).inc(count);
      if (repeats > 0) replayed.inc(repeats);
    },
    retried: (trouble) => retries[trouble].inc(),
    tookOver: (jobs) => takenOver.inc(jobs),
    dropped: (reason, commands) => dropped[reason].inc(commands),
    async drained(drain) {
      running.inc();
      try {
        ends[await drain].inc();
      } catch (error) {
        ends["let-go"].inc();
        throw error;
      } finally {
        running.dec();
      }
    },
    swept(swept) {
      if (swept === null) return;
      const { woundDown, ...others } = swept;
      const counts = { ...others, "wound-down": woundDown };
      for (const kind of FINDINGS) found[kind].inc(counts[kind]);
    },
  };
}

/** Type, status and code, in one word each. A type that this version does not know could be any text: it is not told. */
function kindOf(command: AnyCommand, outcome: Outcome): string {
  const type = isKnown(command) ? command.type : "unknown";
  switch (outcome.status) {
    case "succeeded":
      return `${type} succeeded `;
    case "rejected":
      return `${type} rejected ${outcome.refusal.code}`;
    case "failed":
      return `${type} failed ${outcome.failure}`;
    case "withdrawn":
      return `${type} withdrawn `;
  }
}
