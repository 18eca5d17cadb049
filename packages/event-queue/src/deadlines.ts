// Timers for holds: one delayed job for each event and second, not one for each hold. Only hints: the sweep finds
// in the tables what a lost timer would have said.
import { ceilToSecond, type EpochMs, EventId, SETTLE_GRACE_MS } from "@holdfast/domain";
import { DelayedError, type Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { z } from "zod";
import { RECONNECT_DELAY_MAX_MS } from "./connection.ts";
import { DEADLINES } from "./names.ts";

/** Timers that a process remembers to have set, so that a rush of holds in one second sets one. */
const REMEMBERED_MAX = 10_000;
/** Times that a timer rings before it is given up, and milliseconds to the second one: each pause is twice the last. */
const RINGS_MAX = 5;
const RING_AGAIN_MS = 100;
const STREAM_LENGTH_MAX = 100;

const Deadline = z.object({ eventId: EventId, dueAt: z.int() });
export type Deadline = z.infer<typeof Deadline>;

export interface Deadlines {
  /** Sees to it that an `expire-due` is sent when the hold's deadline and the grace are over. */
  schedule(eventId: EventId, expiresAt: EpochMs, now: EpochMs): Promise<void>;
  close(): Promise<void>;
}

export function openDeadlines(redis: Redis, prefix: string): Deadlines {
  const queue = new Queue<Deadline>(DEADLINES, {
    connection: redis,
    prefix,
    skipVersionCheck: true, // as in `openActivations`
    streams: { events: { maxLen: STREAM_LENGTH_MAX } },
  });
  queue.on("error", () => undefined); // the connection reports its own errors
  const remembered = new Set<string>();

  return {
    async schedule(eventId, expiresAt, now) {
      const dueAt = ceilToSecond(expiresAt);
      const jobId = `expire-${eventId}-${dueAt / 1000}`;
      if (remembered.has(jobId)) return;
      await queue.add(
        "expire-due",
        { eventId, dueAt },
        {
          jobId,
          delay: Math.max(0, dueAt + SETTLE_GRACE_MS - now),
          attempts: RINGS_MAX,
          backoff: { type: "exponential", delay: RING_AGAIN_MS },
          stackTraceLimit: 1,
          removeOnComplete: true,
          removeOnFail: true, // a failed one with this id would block its successor
        },
      );
      if (remembered.size >= REMEMBERED_MAX) remembered.clear();
      remembered.add(jobId);
    },
    close: () => queue.close(),
  };
}

export interface DeadlineWorkerOptions {
  readonly redis: Redis;
  readonly prefix: string;
  readonly concurrency: number;
  /** Database time: timers run by the clock of the process that set them, deadlines by this one. */
  readonly now: () => EpochMs;
  /** Rejects when the timer is to ring again. */
  readonly onDue: (deadline: Deadline) => Promise<void>;
  /** The timer has rung in vain for the last time. */
  readonly onGivenUp: (deadline: Deadline, error: Error) => void;
  readonly onError: (error: Error) => void;
}

/** Calls `onDue` for each timer, never before the deadline and the grace are over in database time. */
export function startDeadlineWorker(options: DeadlineWorkerOptions): Worker {
  const { redis, prefix, concurrency, now, onDue, onGivenUp, onError } = options;
  const worker = new Worker<Deadline>(
    DEADLINES,
    async (job: Job<Deadline>, token) => {
      const deadline = Deadline.parse(job.data);
      const early = deadline.dueAt + SETTLE_GRACE_MS - now();
      if (early > 0) {
        await job.moveToDelayed(Date.now() + early, token);
        throw new DelayedError();
      }
      await onDue(deadline);
    },
    { connection: redis, prefix, concurrency, runRetryDelay: RECONNECT_DELAY_MAX_MS },
  );
  worker.on("error", onError);
  worker.on("failed", (job, error) => {
    if (job !== undefined && job.attemptsMade >= (job.opts.attempts ?? 1)) onGivenUp(job.data, error);
  });
  return worker;
}
