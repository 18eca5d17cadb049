// What was read a moment ago, kept in memory for those who ask next. Of the same thing there is one read at a time;
// things and bytes are bounded, and what nobody read lately is forgotten with the next read. Knows nothing of what it
// keeps. Times are milliseconds of a monotonic clock.
import type { OwnChanges } from "./own-changes.ts";

/** Milliseconds for which a read is told to others, and within which one that is under way may be joined. */
export const RECENT_MS = 500;
/** Milliseconds after which it is forgotten that something was read at all. */
const REMEMBERED_MS = 2_000;

export interface Read {
  /** When the read began: all that was committed by then is in it. */
  readonly asOf: number;
  /** Until when it may be told. */
  readonly until: number;
  /** What it takes in memory, about. */
  readonly bytes: number;
}

interface UnderWay<Found> {
  readonly beganAt: number;
  readonly found: Promise<Found | null>;
}

export interface RecentReadsOptions {
  readonly monotonicMs: () => number;
  readonly readsMax: number;
  readonly bytesMax: number;
  /** Told when nothing had to be read. */
  readonly onSpared: (by: "memory" | "joined") => void;
}

/** How a read is to be made. */
export interface ReadWish {
  readonly beganAt: number;
  /** Nothing but the tables will do: somebody here was told of a change, and is to see it. */
  readonly fromTables: boolean;
  /** It was read before, a moment ago. */
  readonly again: boolean;
}

export class RecentReads<Key, Found extends Read> {
  readonly #options: RecentReadsOptions;
  /** Those that were read last come last. */
  readonly #kept = new Map<Key, Found>();
  readonly #underWay = new Map<Key, UnderWay<Found>>();
  #bytes = 0;

  constructor(options: RecentReadsOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** At once when it is there. Null is what `read` found, and is not kept. */
  ask(
    key: Key,
    changes: OwnChanges | undefined,
    read: (wish: ReadWish) => Promise<Found | null>,
  ): Found | Promise<Found | null> {
    const { monotonicMs, onSpared } = this.#options;
    const now = monotonicMs();
    const changedAt = changes?.at ?? Number.NEGATIVE_INFINITY;
    const kept = this.#kept.get(key);
    const isRecent = kept !== undefined && now < kept.until;
    if (isRecent && kept.asOf > changedAt) {
      onSpared("memory");
      return kept;
    }
    const underWay = this.#underWay.get(key);
    const mayJoin = underWay !== undefined && now - underWay.beganAt < RECENT_MS;
    if (mayJoin && underWay.beganAt > changedAt) {
      onSpared("joined");
      return underWay.found;
    }
    // A change that is older is in whatever may be told.
    const fromTables = now - changedAt < RECENT_MS && changes?.takeRead(now) === true;
    if (!fromTables && isRecent) {
      onSpared("memory");
      return kept;
    }
    if (!fromTables && mayJoin) {
      onSpared("joined");
      return underWay.found;
    }
    return this.#begin(key, read, {
      beganAt: now,
      fromTables,
      again: kept !== undefined && now - kept.asOf < REMEMBERED_MS,
    });
  }

  #begin(key: Key, read: (wish: ReadWish) => Promise<Found | null>, wish: ReadWish): Promise<Found | null> {
    const found = read(wish).then(
      (done) => {
        this.#end(key, begun);
        if (done !== null) this.#keep(key, done);
        return done;
      },
      (error: unknown) => {
        this.#end(key, begun);
        throw error;
      },
    );
    const begun = { beganAt: wish.beganAt, found };
    this.#underWay.set(key, begun);
    return found;
  }

  #end(key: Key, ended: UnderWay<Found>): void {
    if (this.#underWay.get(key) === ended) this.#underWay.delete(key);
  }

  #keep(key: Key, found: Found): void {
    const before = this.#kept.get(key);
    if (before !== undefined && before.asOf > found.asOf) return; // one that began later was faster
    this.#forget(key);
    this.#kept.set(key, found);
    this.#bytes += found.bytes;
    const { monotonicMs, readsMax, bytesMax } = this.#options;
    const forgotten = monotonicMs() - REMEMBERED_MS;
    for (const [oldest, { asOf }] of this.#kept) {
      if (asOf >= forgotten && this.#kept.size <= readsMax && this.#bytes <= bytesMax) return;
      this.#forget(oldest);
    }
  }

  #forget(key: Key): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}
