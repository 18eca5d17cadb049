// Timers for holds: one for each event and second, not one for each hold. Those of many events are set together.
import { setTimeout as sleep } from "node:timers/promises";
import { ceilToSecond, type EpochMs, EventId, SETTLE_GRACE_MS } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { z } from "zod";
import { DEADLINES } from "./names.ts";
import { openTimerQueue, TIMER_OPTIONS, type TimerKind } from "./timers.ts";

/** Timers that a process remembers to have set, so that a rush of holds in one second sets one. */
const REMEMBERED_MAX = 10_000;

/**
 * Milliseconds for which timers are gathered. Whoever waits for the next one to ring is woken by every one that is set:
 * so once for many, and not once for each hold of a thousand calm events.
 */
const GATHER_MS = 20;

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
  const gathered = new Map<string, { readonly deadline: Deadline; readonly delay: number }>();
  let setting: Promise<void> | null = null;

  async function setGathered(): Promise<void> {
    await sleep(GATHER_MS);
    setting = null; // who comes from here on rides in the next
    const timers = [...gathered];
    gathered.clear();
    await queue.addBulk(
      timers.map(([jobId, { deadline, delay }]) => ({
        name: "expire-due",
        data: deadline,
        opts: { ...TIMER_OPTIONS, jobId, delay },
      })),
    );
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    for (const [jobId] of timers) remembered.add(jobId);
  }

  return {
    async schedule(eventId, expiresAt, now) {
      const deadline = { eventId, dueAt: ceilToSecond(expiresAt) };
      const jobId = `expire-${eventId}-${deadline.dueAt / 1000}`;
      if (remembered.has(jobId)) return;
      gathered.set(jobId, { deadline, delay: Math.max(0, DEADLINE_TIMERS.ringsAt(deadline) - now) });
      setting ??= setGathered();
      await setting;
    },
    async close() {
      await setting?.catch(() => undefined); // whoever asked is told
      await queue.close();
    },
  };
}
