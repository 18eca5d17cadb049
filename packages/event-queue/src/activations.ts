// "This event has work": one deduplicated job for each event. The job is the lease: BullMQ renews it while a drain
// runs, hands it on when a worker dies, and spreads events over workers.
import type { EventId } from "@holdfast/domain";
import { type Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { ACTIVATIONS, eventKeys } from "./names.ts";
import { gatherSignals } from "./signals.ts";
import { leaseOptions, openStaticQueue, signalOptions } from "./static-queues.ts";

/** Commands in an event's queue from which on it is busy. */
export const DEEP_COMMANDS = 64;
/** Commands that a process has sent to an event of late from which on it is busy, though its queue may be empty. */
export const BUSY_COMMANDS = 8;
/** Milliseconds that a busy event waits for its turn before the others give way. */
export const BUSY_WAIT_MS = 1_000;

/** The turn of a busy event comes after those of all calm ones. */
export type Turn = "calm" | "busy";

/** `depth`: commands that wait, about. `recent`: those that were sent in the last seconds. */
export const turnOf = ({ depth, recent }: { depth: number; recent: number }): Turn =>
  depth >= DEEP_COMMANDS || recent >= BUSY_COMMANDS ? "busy" : "calm";

/** BullMQ takes jobs with a priority after all that have none, in the order in which they came. */
const AFTER_OTHERS = 1;

export interface Activations {
  /** Asks for a drain of the event, after its jobs were added. Many calls at once become few. */
  signal(eventId: EventId, turn?: Turn): Promise<void>;
  /** Of these events, those for which no activation waits, runs or is delayed. */
  missing(eventIds: readonly EventId[]): Promise<EventId[]>;
  /** How many events wait for a worker. */
  waiting(): Promise<number>;
  /** Lets the busy event that has waited longest go first, when calm ones have kept it waiting for too long. */
  hurry(): Promise<void>;
  close(): Promise<void>;
}

export function openActivations(redis: Redis, prefix: string): Activations {
  const queue = openStaticQueue<{ eventId: EventId }>(redis, prefix, ACTIVATIONS);
  const key = (type: string) => queue.toKey(type);

  const signal = gatherSignals((eventId: EventId, turn: Turn = "calm") =>
    queue.add(
      "drain",
      { eventId },
      { ...signalOptions(eventId), ...(turn === "calm" ? {} : { priority: AFTER_OTHERS }) },
    ),
  );

  return {
    signal,
    async missing(eventIds) {
      const jobs = await Promise.all(eventIds.map((eventId) => redis.get(key(`de:${eventId}`))));
      const exists = await Promise.all(jobs.map(async (id) => (id === null ? 0 : redis.exists(key(id)))));
      return eventIds.filter((_, i) => exists[i] === 0);
    },
    async waiting() {
      const [calm, others] = await Promise.all([redis.llen(key("wait")), redis.zcard(key("prioritized"))]);
      return calm + others;
    },
    async hurry() {
      if ((await redis.llen(key("wait"))) === 0) return;
      const [eldest] = await queue.getJobs(["prioritized"], 0, 0, true);
      if (eldest === undefined || Date.now() - eldest.timestamp < BUSY_WAIT_MS) return;
      await eldest.changePriority({ lifo: true }).catch(() => undefined); // taken meanwhile
    },
    close: () => queue.close(),
  };
}

export interface DrainSlots {
  readonly redis: Redis;
  readonly prefix: string;
  /** Events that this process drains side by side. */
  readonly concurrency: number;
  /** `busy`: it takes its turn as a busy event, after others. Who was hurried does not. */
  readonly drain: (eventId: EventId, busy: boolean) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/** Takes activations and drains their events until closed. */
export function startDrainSlots({ redis, prefix, concurrency, drain, onError }: DrainSlots): Worker {
  const worker = new Worker<{ eventId: EventId }>(
    ACTIVATIONS,
    (job: Job<{ eventId: EventId }>) => drain(job.data.eventId, job.priority === AFTER_OTHERS),
    leaseOptions(redis, prefix, concurrency),
  );
  worker.on("error", onError);
  return worker;
}

/** How many jobs of an event wait, and how many a drain has in hand. */
export async function jobsOf(
  redis: Redis,
  prefix: string,
  eventId: EventId,
): Promise<{ waiting: number; active: number }> {
  const keys = eventKeys(prefix, eventId);
  const [waiting, active] = await Promise.all([redis.llen(keys.wait), redis.llen(keys.active)]);
  return { waiting, active };
}

/** About how many commands of an event wait or are in hand. */
export async function depthOf(redis: Redis, prefix: string, eventId: EventId): Promise<number> {
  const [enqueued, done] = await redis.hmget(eventKeys(prefix, eventId).count, "enqueued", "done");
  return Math.max(0, Number(enqueued ?? 0) - Number(done ?? 0));
}
