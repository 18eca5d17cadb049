// Timers: delayed jobs that say when something is to be asked of an event. What they say is its kind's matter. Only
// hints: the sweep finds in the tables what a lost timer would have said.
import type { EpochMs } from "@holdfast/domain";
import { DelayedError, type Job, type JobsOptions, type Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { z } from "zod";
import { leaseOptions, openStaticQueue } from "./static-queues.ts";

/** Times that a timer rings before it is given up, and milliseconds to the second one: each pause is twice the last. */
const RINGS_MAX = 5;
const RING_AGAIN_MS = 100;

/** One kind of timers, in a queue of their own. */
export interface TimerKind<Timer> {
  readonly queue: string;
  readonly schema: z.ZodType<Timer>;
  /** In database time: never before then. */
  readonly ringsAt: (timer: Timer) => EpochMs;
}

/** Of every timer's job. */
export const TIMER_OPTIONS = {
  attempts: RINGS_MAX,
  backoff: { type: "exponential", delay: RING_AGAIN_MS },
  stackTraceLimit: 1,
  removeOnComplete: true,
  removeOnFail: true, // a failed one would block its successor of the same name
} as const satisfies JobsOptions;

/** Where timers of the kind are set. The connection stays the caller's. */
export const openTimerQueue = <Timer>(
  redis: Redis,
  prefix: string,
  { queue }: TimerKind<Timer>,
): Queue<Timer> => openStaticQueue<Timer>(redis, prefix, queue);

export interface TimerWorkerOptions<Timer> {
  /** A patient one. */
  readonly redis: Redis;
  readonly prefix: string;
  readonly concurrency: number;
  /** Database time: timers run by the clock of the process that set them, and are judged by this one. */
  readonly now: () => EpochMs;
  /** Rejects when the timer is to ring again. */
  readonly onDue: (timer: Timer) => Promise<void>;
  /** The timer has rung in vain for the last time. */
  readonly onGivenUp: (timer: Timer, error: Error) => void;
  readonly onError: (error: Error) => void;
}

/** Calls `onDue` for each timer of the kind, never early by the database's clock. */
export function startTimerWorker<Timer>(
  { queue, schema, ringsAt }: TimerKind<Timer>,
  { redis, prefix, concurrency, now, onDue, onGivenUp, onError }: TimerWorkerOptions<Timer>,
): Worker {
  const worker = new Worker<Timer>(
    queue,
    async (job: Job<Timer>, token) => {
      const timer = schema.parse(job.data);
      const early = ringsAt(timer) - now();
      if (early > 0) {
        await job.moveToDelayed(Date.now() + early, token);
        throw new DelayedError();
      }
      await onDue(timer);
    },
    leaseOptions(redis, prefix, concurrency),
  );
  worker.on("error", onError);
  worker.on("failed", (job, error) => {
    if (job !== undefined && job.attemptsMade >= (job.opts.attempts ?? 1)) onGivenUp(job.data, error);
  });
  return worker;
}
