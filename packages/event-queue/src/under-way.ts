// What goes on a piece at a time, a look through a long waitlist or the ending of a cancelled event: noted with each
// piece, so that the sweep does not begin it anew meanwhile. A note that nobody renews ends by itself.
import type { EventId, SlotId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { underWayKey } from "./names.ts";

/** Milliseconds for which a piece is awaited before what it belongs to counts as lost; less than a sweep's pause. */
export const PIECE_MS = 1_900;

export interface UnderWay {
  note(what: EventId | SlotId): Promise<void>;
  /** Of these, what is not under way. */
  idle<What extends EventId | SlotId>(asked: readonly What[]): Promise<ReadonlySet<What>>;
}

export const openUnderWay = (redis: Redis, prefix: string): UnderWay => ({
  note: async (what) => void (await redis.set(underWayKey(prefix, what), 1, "PX", PIECE_MS)),
  async idle(asked) {
    if (asked.length === 0) return new Set();
    const notes = await redis.mget(asked.map((what) => underWayKey(prefix, what)));
    return new Set(asked.filter((_, i) => notes[i] === null));
  },
});
