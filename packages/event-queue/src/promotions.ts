// "Look at this slot's waiters": one timer for all who ask the same of a slot, so that a chain of cancellations is
// promoted once. Nothing that is asked while one rings is lost: another rings after it.
import { createHash } from "node:crypto";
import {
  ceilToSecond,
  type EpochMs,
  EventId,
  type Promotion,
  SlotId,
  WaitlistEntryId,
} from "@holdfast/domain";
import type { Redis } from "ioredis";
import { z } from "zod";
import { PROMOTIONS } from "./names.ts";
import { openTimerQueue, TIMER_OPTIONS, type TimerKind } from "./timers.ts";

/** Milliseconds for which a look at a line from its head waits for others who ask for it. */
const GATHER_MS = 15;

const PromotionTimer = z.object({
  eventId: EventId,
  slotId: SlotId,
  /** Not before then. */
  at: z.int(),
  from: z.object({ after: z.int().nonnegative(), since: z.int() }).nullable(),
  recheck: z.array(WaitlistEntryId),
});
export type PromotionTimer = Omit<Promotion, "kind">;

export const PROMOTION_TIMERS: TimerKind<PromotionTimer> = {
  queue: PROMOTIONS,
  schema: PromotionTimer,
  ringsAt: ({ at }) => at,
};

export interface Promotions {
  /** Sees to it that a `promote` is sent: soon, or when its time has come. */
  schedule(promotion: PromotionTimer, now: EpochMs): Promise<void>;
  close(): Promise<void>;
}

export function openPromotions(redis: Redis, prefix: string): Promotions {
  const queue = openTimerQueue(redis, prefix, PROMOTION_TIMERS);

  return {
    async schedule({ eventId, slotId, at, from, recheck }, now) {
      const isLater = at > now;
      const promotion = { eventId, slotId, at: isLater ? ceilToSecond(at) : at, from, recheck };
      const name = nameOf(promotion, isLater);
      const soon = name === slotId ? GATHER_MS : 0;
      await queue.add("promote", promotion, {
        ...TIMER_OPTIONS,
        // The job's id is BullMQ's: with one of our own, what is asked while it rings would be lost.
        deduplication: { id: name, keepLastIfActive: true },
        delay: isLater ? promotion.at - now : soon,
      });
    },
    close: () => queue.close(),
  };
}

/** Timers of one name ring as one; the slot's own is that of the next look from the head of its line. */
function nameOf({ slotId, at, from, recheck }: PromotionTimer, isLater: boolean): string {
  const parts: string[] = [slotId];
  if (from !== null) parts.push(`after-${from.after}-since-${from.since}`);
  if (recheck.length > 0) parts.push(`again-${digestOf(recheck)}`);
  if (isLater) parts.push(`at-${at / 1000}`);
  return parts.join("-");
}

const digestOf = (ids: readonly string[]): string =>
  createHash("sha256").update(ids.toSorted().join(" ")).digest("base64url");
