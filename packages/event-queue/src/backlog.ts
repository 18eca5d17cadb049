// How much waits in all event queues together, and since when: for whoever scales workers. Only reads.
import type { EpochMs, EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { askOfEach, countBusy, someBusy } from "./busy-events.ts";
import { eventKeys } from "./names.ts";
import { OLDEST } from "./scripts.ts";

/** Busy events that one look takes in. With more, they are as many by chance, and speak for the others. */
export const BACKLOG_EVENTS_MAX = 5_000;
/** Events that are asked about in one go: drains use this connection, too. */
const EVENTS_AT_ONCE = 100;

export interface Backlog {
  /** Events with a job that waits or is in hand, and the stamp of the oldest job's first command. */
  readonly waiting: readonly { readonly eventId: EventId; readonly since: EpochMs }[];
  /** For how many busy events each one that was looked at speaks: 1 unless there are more than the maximum. */
  readonly speaksFor: number;
}

export interface BacklogReader {
  /** Rejects when Redis does not answer. */
  read(): Promise<Backlog>;
}

interface ScriptedRedis {
  hfOldest(active: string, wait: string, jobs: string): Promise<string | null>;
}

/** Reads over the given connection, which stays the caller's. */
export function openBacklog(redis: Redis, prefix: string, eventsMax = BACKLOG_EVENTS_MAX): BacklogReader {
  redis.defineCommand("hfOldest", { numberOfKeys: 2, lua: OLDEST });
  const scripted = redis as Redis & ScriptedRedis;

  const oldestOf = async (eventId: EventId) => {
    const keys = eventKeys(prefix, eventId);
    const since = await scripted.hfOldest(keys.active, keys.wait, keys.jobs);
    return since === null ? [] : [{ eventId, since: Number(since) }];
  };

  return {
    async read() {
      const [busy, picked] = await Promise.all([
        countBusy(redis, prefix),
        someBusy(redis, prefix, eventsMax),
      ]);
      const waiting = (await askOfEach(picked, EVENTS_AT_ONCE, oldestOf)).flat();
      return { waiting, speaksFor: picked.length < eventsMax ? 1 : Math.max(1, busy / picked.length) };
    },
  };
}
