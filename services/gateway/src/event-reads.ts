// Reads of events, which thousands want at once: from memory, from what another gateway has read, from the tables; and of
// pages of events, from memory or the tables. What is told of an event is at most a second behind the commit, whatever
// news got lost (docs/decisions/0019).
import { type EventRecord, findEvent } from "@holdfast/db";
import type { EpochMs, EventId } from "@holdfast/domain";
import type { SharedViews } from "@holdfast/event-queue";
import type pg from "pg";
import { forgetOldest } from "./bounded.ts";
import { EventView } from "./event-view.ts";
import type { ReadSource } from "./metrics.ts";
import { OwnChanges } from "./own-changes.ts";
import { RECENT_MS, type Read, type ReadWish, RecentReads } from "./recent-reads.ts";

/** Milliseconds from the beginning of a read for which other gateways may take it: `RECENT_MS` later it is told no more. */
export const SHARED_MS = 400;
/** Milliseconds for which Redis is not asked after it did not answer. */
const REDIS_REST_MS = 1_000;
/** What is kept in memory at most. */
const EVENTS_MAX = 10_000;
const EVENT_BYTES_MAX = 64 * 1024 * 1024;
const PAGES_MAX = 1_000;
const PAGE_BYTES_MAX = 32 * 1024 * 1024;
/** Events of which it is remembered that something here changed them. */
const CHANGED_MAX = 10_000;
/** Counts the ways in which a record was written down: what another version has shared is not read. */
const SHARED_FORMAT = 1;

export interface EventPage extends Read {
  readonly body: string;
  readonly tag: string;
  /** The `Link` field. */
  readonly link: string;
}

export interface EventReads {
  /** At once when it is in memory; null when there is no such event. */
  event(id: EventId): EventView | Promise<EventView | null>;
  /** The page that this path and query name, read by `read` unless it was a moment ago. */
  page(url: string, read: () => Promise<PageRead>): EventPage | Promise<EventPage | null>;
  /** Somebody here was told of a change, or made it: who looks next at this gateway sees it. */
  changed(id: EventId): void;
  /** The same, when what is told happened a moment ago; of what is older, anybody is told anyway. */
  told(id: EventId, happenedAt: EpochMs): void;
}

export interface PageRead extends Omit<EventPage, keyof Read> {
  /** Database time at which time alone may change it. */
  readonly changesAt: EpochMs;
}

export interface EventReadsDeps {
  readonly pool: pg.Pool;
  readonly shared: SharedViews;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly monotonicMs: () => number;
  readonly onRead: (of: "event" | "page", source: ReadSource) => void;
  readonly onError: (error: unknown) => void;
}

export function createEventReads(deps: EventReadsDeps): EventReads {
  const { pool, shared, now, monotonicMs, onRead, onError } = deps;
  const events = new RecentReads<EventId, EventView>({
    monotonicMs,
    readsMax: EVENTS_MAX,
    bytesMax: EVENT_BYTES_MAX,
    onSpared: (by) => onRead("event", by),
  });
  const pages = new RecentReads<string, EventPage>({
    monotonicMs,
    readsMax: PAGES_MAX,
    bytesMax: PAGE_BYTES_MAX,
    onSpared: (by) => onRead("page", by),
  });
  const changes = new Map<EventId, OwnChanges>();
  const anyChanges = new OwnChanges();
  let redisRestsUntil = Number.NEGATIVE_INFINITY;

  async function readEvent(id: EventId, { beganAt, fromTables, again }: ReadWish): Promise<EventView | null> {
    // An event that nobody looked at lately costs Redis nothing.
    const found = fromTables || !again ? null : await lookAtShared(id);
    if (found !== null && found.kind === "view") {
      onRead("event", "redis");
      return found.view;
    }
    const readAt = now();
    // The mark stands: only what is read from here on may be shared.
    const asOf = found === null ? beganAt : monotonicMs();
    onRead("event", "postgres");
    const event = await findEvent(pool, id);
    if (event === null) return null;
    const json = JSON.stringify([SHARED_FORMAT, readAt, event]);
    if (found !== null) share(id, found.mark, json, SHARED_MS - (now() - readAt));
    return new EventView(event, json.length, { asOf, until: asOf + RECENT_MS });
  }

  /** Null when Redis does not answer, or somebody else is reading. */
  async function lookAtShared(
    id: EventId,
  ): Promise<{ kind: "view"; view: EventView } | { kind: "mark"; mark: string } | null> {
    if (monotonicMs() < redisRestsUntil) return null;
    try {
      const found = await shared.look(id);
      if (found.kind === "none") return found.mark === null ? null : { kind: "mark", mark: found.mark };
      const view = readShared(found.text);
      return view === null ? null : { kind: "view", view };
    } catch (error) {
      restRedis(error);
      return null;
    }
  }

  function readShared(text: string): EventView | null {
    const [format, readAt, event] = JSON.parse(text) as [number, EpochMs, EventRecord];
    const age = Math.max(0, now() - readAt);
    if (format !== SHARED_FORMAT || age >= SHARED_MS) return null;
    const arrived = monotonicMs();
    return new EventView(event, text.length, { asOf: arrived - age, until: arrived + RECENT_MS });
  }

  /** Nobody waits for it. */
  function share(id: EventId, mark: string, json: string, ms: number): void {
    if (ms >= 1) shared.keep(id, mark, json, Math.floor(ms)).catch(restRedis);
  }

  function restRedis(error: unknown): void {
    redisRestsUntil = monotonicMs() + REDIS_REST_MS;
    onError(error);
  }

  async function readPage(read: () => Promise<PageRead>, { beganAt }: ReadWish): Promise<EventPage> {
    onRead("page", "postgres");
    const { changesAt, ...page } = await read();
    const until = Math.min(beganAt + RECENT_MS, monotonicMs() + (changesAt - now()));
    return { ...page, asOf: beganAt, until, bytes: 2 * (page.body.length + page.link.length) };
  }

  function changed(id: EventId): void {
    const at = monotonicMs();
    anyChanges.at = at;
    const known = changes.get(id);
    if (known !== undefined) {
      known.at = at;
      return;
    }
    const first = new OwnChanges();
    first.at = at;
    changes.set(id, first);
    forgetOldest(changes, CHANGED_MAX);
  }

  return {
    event: (id) => events.ask(id, changes.get(id), (wish) => readEvent(id, wish)),
    page: (url, read) => pages.ask(url, anyChanges, (wish) => readPage(read, wish)),
    changed,
    told(id, happenedAt) {
      if (now() - happenedAt < RECENT_MS + SHARED_MS) changed(id);
    },
  };
}
