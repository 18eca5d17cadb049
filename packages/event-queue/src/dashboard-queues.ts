// The queues that people look at: the static ones and the deepest event queues. Only reads, and only when asked:
// there is no timer. All handles share one connection, which is opened at the first look.
import { once } from "node:events";
import type { EventId } from "@holdfast/domain";
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { z } from "zod";
import { depthOf } from "./activations.ts";
import { askOfEach, someBusy } from "./busy-events.ts";
import {
  ACTIVATIONS,
  DEADLINES,
  DELIVERIES,
  DELIVERIES_TROUBLED,
  eventQueueName,
  PROMOTIONS,
} from "./names.ts";
import { readCommand } from "./wire.ts";

/** The queues that always exist. */
export const STATIC_QUEUES = [ACTIVATIONS, DEADLINES, PROMOTIONS, DELIVERIES, DELIVERIES_TROUBLED] as const;
/** Event queues that are shown. */
export const EVENT_QUEUES_SHOWN_MAX = 50;
/** Busy events whose depth is read in one look. With more, each look takes others by chance and keeps the deepest. */
export const BUSY_EVENTS_READ_MAX = 2_000;
/** Depths that are read in one go: others use this process and this Redis, too. */
const DEPTHS_AT_ONCE = 200;
/** Milliseconds in which the connection must be there. */
const CONNECT_MS = 1_000;
/** Milliseconds for which a look is as good as new. */
const LOOK_BELIEVED_MS = 2_000;
/** Commands of a job that are shown. */
const COMMANDS_SHOWN_MAX = 20;

export interface WatchedQueue {
  readonly queue: Queue;
  /** Commands that wait or are in hand; null for a static queue. */
  readonly depth: number | null;
}

export interface DashboardQueues {
  /** The static queues, then event queues, the deepest first. Rejects when Redis does not answer. */
  look(): Promise<readonly WatchedQueue[]>;
  close(): Promise<void>;
}

interface Depth {
  readonly eventId: EventId;
  readonly depth: number;
}

export interface DashboardQueuesOptions {
  /** Called at the first look. */
  readonly connect: () => Redis;
  readonly prefix: string;
  readonly monotonicMs: () => number;
  /** Instead of `BUSY_EVENTS_READ_MAX`. */
  readonly eventsReadMax?: number;
}

export function openDashboardQueues({
  connect,
  prefix,
  monotonicMs,
  eventsReadMax = BUSY_EVENTS_READ_MAX,
}: DashboardQueuesOptions): DashboardQueues {
  let redis: Redis | undefined;
  let door: Queue | undefined;
  let deepest: readonly Depth[] = [];
  let looking: Promise<readonly WatchedQueue[]> | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;

  /** BullMQ asks the server for its version once for each connection: a door that could not is thrown away. */
  async function openDoor(connection: Redis): Promise<Queue> {
    const opened = new Queue(ACTIVATIONS, { connection, prefix, skipMetasUpdate: true });
    opened.on("error", () => undefined); // the connection reports its own errors
    await opened.waitUntilReady();
    return opened;
  }

  async function lookNow(): Promise<readonly WatchedQueue[]> {
    redis ??= connect();
    await readySoon(redis);
    door ??= await openDoor(redis);
    deepest = await deepestOf(redis, prefix, deepest, eventsReadMax);
    const backend = door.getBackend();
    const watched = (name: string, depth: number | null): WatchedQueue => ({
      queue: new Queue(
        name,
        { connection: {}, prefix, skipMetasUpdate: true },
        () => backend.forQueue(name, prefix) as typeof backend, // on the door's connection
      ),
      depth,
    });
    return [
      ...STATIC_QUEUES.map((name) => watched(name, null)),
      ...deepest.map(({ eventId, depth }) => watched(eventQueueName(eventId), depth)),
    ];
  }

  return {
    look() {
      if (looking === undefined || monotonicMs() - lookedAt > LOOK_BELIEVED_MS) {
        lookedAt = monotonicMs();
        looking = lookNow();
        looking.catch(() => {
          looking = undefined;
        });
      }
      return looking;
    },
    async close() {
      await door?.close().catch(() => undefined); // Redis may be gone
      redis?.disconnect();
    },
  };
}

async function readySoon(redis: Redis): Promise<void> {
  if (redis.status === "ready") return;
  await once(redis, "ready", { signal: AbortSignal.timeout(CONNECT_MS) }).catch((cause: unknown) => {
    throw new Error("the dashboard's connection is closed", { cause });
  });
}

/** The deepest of a bounded number of busy events, and of those that were the deepest before. */
async function deepestOf(
  redis: Redis,
  prefix: string,
  before: readonly Depth[],
  readMax: number,
): Promise<Depth[]> {
  const busy = await someBusy(redis, prefix, readMax);
  const eventIds = [...new Set([...before.map(({ eventId }) => eventId), ...busy])];
  const found = await askOfEach(eventIds, DEPTHS_AT_ONCE, async (eventId) => ({
    eventId,
    depth: await depthOf(redis, prefix, eventId),
  }));
  return found
    .filter(({ depth }) => depth > 0)
    .sort((a, b) => b.depth - a.depth || (a.eventId < b.eventId ? -1 : 1))
    .slice(0, EVENT_QUEUES_SHOWN_MAX);
}

const JobData = z.object({ commands: z.array(z.unknown()) });

export interface ShownJob {
  /** A line for each command. */
  readonly commands: readonly string[];
  /** How many commands more it carries. */
  readonly more: number;
}

/** What people may see of an event queue's job: who asked for what, and nothing that a client wrote. */
export function showJob(data: unknown): ShownJob {
  const commands = JobData.safeParse(data).data?.commands ?? [];
  return {
    commands: commands.slice(0, COMMANDS_SHOWN_MAX).map((written) => {
      const command = readCommand(written);
      if (command === null) return "unreadable";
      const { id, type, userId } = command;
      return userId === null ? `${type} (${id})` : `${type} by ${userId} (${id})`;
    }),
    more: Math.max(0, commands.length - COMMANDS_SHOWN_MAX),
  };
}
