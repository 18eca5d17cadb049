// What the queues with fixed names have in common: how they are opened, how long whoever takes a job may be silent, and jobs
// that say "look at this", one for each thing, until somebody has.
import { type JobsOptions, Queue, type WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";
import { RECONNECT_DELAY_MAX_MS } from "./connection.ts";

/** Milliseconds that a dead worker's lease lasts. */
export const LEASE_MS = 800;
/** Milliseconds between looks for leases that ran out. */
export const LEASE_CHECK_MS = 250;
/** Milliseconds until what had to be let go is tried again. */
export const RETRY_DELAY_MS = 100;

const FOREVER = 1_000_000_000;
const STREAM_LENGTH_MAX = 100;

/** The connection stays the caller's. */
export function openStaticQueue<Data>(redis: Redis, prefix: string, name: string): Queue<Data> {
  const queue = new Queue<Data>(name, {
    connection: redis,
    prefix,
    skipVersionCheck: true, // a check that fails once, because Redis dies just then, would fail this queue for ever
    streams: { events: { maxLen: STREAM_LENGTH_MAX } },
  });
  queue.on("error", () => undefined); // the connection reports its own errors
  return queue;
}

/** Of a job that says "look at this": tried until somebody has. */
export const signalOptions = (about: string): JobsOptions => ({
  // The job's id is BullMQ's: with one of our own, a signal during a look would be lost.
  deduplication: { id: about, keepLastIfActive: true },
  attempts: FOREVER,
  backoff: { type: "fixed", delay: RETRY_DELAY_MS },
  stackTraceLimit: 1,
  removeOnComplete: true,
  removeOnFail: true,
});

/** Of who takes jobs of such a queue, over a patient connection: a dead one's jobs are handed on, however often. */
export const leaseOptions = (redis: Redis, prefix: string, concurrency: number): WorkerOptions => ({
  connection: redis,
  prefix,
  concurrency,
  lockDuration: LEASE_MS,
  stalledInterval: LEASE_CHECK_MS,
  maxStalledCount: FOREVER,
  runRetryDelay: RECONNECT_DELAY_MAX_MS,
});
