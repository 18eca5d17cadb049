// "This event has work": one deduplicated job for each event. The job is the lease: BullMQ renews it while a drain
// runs, hands it on when a worker dies, and spreads events over workers.
import type { EventId } from "@holdfast/domain";
import { type Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { ACTIVATIONS, eventKeys } from "./names.ts";
import { gatherSignals } from "./signals.ts";
import { leaseOptions, openStaticQueue, signalOptions } from "./static-queues.ts";

/** Commands in an event's queue from which on it is deep. */
export const DEEP_COMMANDS = 64;
/** Commands that a process has seen of an event of late from which on it is hot, though its queue may be empty. */
export const HOT_COMMANDS = 8;
/** Milliseconds that a hot or deep event waits for its turn before calm ones give way. */
export const HOT_WAIT_MS = 1_000;

/** Hot and deep events take their turns after all calm ones. */
export type Turn = "calm" | "hot" | "deep";

/** `depth`: commands that wait, about. `recent`: those that were seen in the last seconds. */
export function turnOf({ depth, recent }: { depth: number; recent: number }): Turn {
  if (depth >= DEEP_COMMANDS) return "deep";
  return recent >= HOT_COMMANDS ? "hot" : "calm";
}

/** BullMQ takes jobs with a priority after all that have none, in the order in which they came. */
const AFTER_OTHERS = 1;

interface Activation {
  readonly eventId: EventId;
  /** How it takes its turn: calmly, when it does not say. */
  readonly turn?: Turn;
}

export interface Activations {
  /** Asks for a drain of the event, after its jobs were added. Many calls at once become few. */
  signal(eventId: EventId, turn?: Turn): Promise<void>;
  /** Of these events, those for which no activation waits, runs or is delayed. */
  missing(eventIds: readonly EventId[]): Promise<EventId[]>;
  /** How many events wait for a worker. */
  waiting(): Promise<number>;
  /** Lets the hot or deep event that has waited longest go first, when calm ones have kept it waiting for too long. */
  hurry(): Promise<void>;
  close(): Promise<void>;
}

export function openActivations(redis: Redis, prefix: string): Activations {
  const queue = openStaticQueue<Activation>(redis, prefix, ACTIVATIONS);
  const key = (type: string) => queue.toKey(type);

  const signal = gatherSignals((eventId: EventId, turn: Turn = "calm") =>
    queue.add(
      "drain",
      turn === "calm" ? { eventId } : { eventId, turn },
      turn === "calm" ? signalOptions(eventId) : { ...signalOptions(eventId), priority: AFTER_OTHERS },
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
      if (eldest === undefined || Date.now() - eldest.timestamp < HOT_WAIT_MS) return;
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
  /** Who was hurried takes its turn as a calm event. */
  readonly drain: (eventId: EventId, turn: Turn) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/** Takes activations and drains their events until closed. */
export function startDrainSlots({ redis, prefix, concurrency, drain, onError }: DrainSlots): Worker {
  const worker = new Worker<Activation>(
    ACTIVATIONS,
    ({ data: { eventId, turn = "calm" }, priority }: Job<Activation>) =>
      drain(eventId, priority === AFTER_OTHERS ? turn : "calm"),
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
