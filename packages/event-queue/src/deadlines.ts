// Timers for holds: one for each event and second, not one for each hold.
import { ceilToSecond, type EpochMs, EventId, SETTLE_GRACE_MS } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { z } from "zod";
import { DEADLINES } from "./names.ts";
import { openTimerQueue, TIMER_OPTIONS, type TimerKind } from "./timers.ts";

/** Timers that a process remembers to have set, so that a rush of holds in one second sets one. */
const REMEMBERED_MAX = 10_000;

const Deadline = z.object({ eventId: EventId, dueAt: z.int() });
export type Deadline = z.infer<typeof Deadline>;

/** They ring when the deadline and the grace are over. */
export const DEADLINE_TIMERS: TimerKind<Deadline> = {
  queue: DEADLINES,
  schema: Deadline,
  ringsAt: ({ dueAt }) => dueAt + SETTLE_GRACE_MS,
};

export interface Deadlines {
  /** Sees to it that an `expire-due` is sent when the hold's deadline and the grace are over. */
  schedule(eventId: EventId, expiresAt: EpochMs, now: EpochMs): Promise<void>;
  close(): Promise<void>;
}

export function openDeadlines(redis: Redis, prefix: string): Deadlines {
  const queue = openTimerQueue(redis, prefix, DEADLINE_TIMERS);
  const remembered = new Set<string>();

  return {
    async schedule(eventId, expiresAt, now) {
      const deadline = { eventId, dueAt: ceilToSecond(expiresAt) };
      const jobId = `expire-${eventId}-${deadline.dueAt / 1000}`;
      if (remembered.has(jobId)) return;
      const delay = Math.max(0, DEADLINE_TIMERS.ringsAt(deadline) - now);
      await queue.add("expire-due", deadline, { ...TIMER_OPTIONS, jobId, delay });
      if (remembered.size >= REMEMBERED_MAX) remembered.clear();
      remembered.add(jobId);
    },
    close: () => queue.close(),
  };
}
