// Streams of what events have left. All streams of an event share its reads and its frames: it is read when its workers
// say that something moved, and what only time changes is seen by looking at the clock.
import { eventTag, presentAvailability } from "@holdfast/contracts";
import type { EventRecord } from "@holdfast/db";
import type { EpochMs, EventId } from "@holdfast/domain";
import type { Progress } from "@holdfast/event-queue";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type EventStream, frameOf, type OpenStreams, tellAll } from "./event-stream.ts";
import { addressKey } from "./rate-limits.ts";
import { notFound } from "./refused.ts";

/** Milliseconds between two looks at clock and news. */
const LOOK_EVERY_MS = 250;
/** Milliseconds between two reads of an event, at least: what moves meanwhile is told together. */
export const AVAILABILITY_EVERY_MS = 500;
/** Milliseconds after which an event is read though nothing was said of it: the news may have been lost. */
export const AVAILABILITY_SAFETY_MS = 5_000;

export interface AvailabilityStreamsDeps {
  readonly open: OpenStreams;
  readonly findEvent: (id: EventId) => Promise<EventRecord | null>;
  readonly progress: Pick<Progress, "ofEvent">;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly onError: (error: unknown) => void;
}

interface Viewer {
  readonly stream: EventStream;
  /** The tag of what it was last told. */
  knows: string | null;
}

/** An event that somebody watches. */
interface Watched {
  readonly id: EventId;
  readonly viewers: Set<Viewer>;
  /** The newest read; the first one while there is none. */
  event: EventRecord | null;
  reading: Promise<EventRecord | null> | null;
  /** Milliseconds of `performance.now()` at which the newest read began. */
  readAt: number;
  /** Something moved since. */
  isStale: boolean;
  /** What is told at the moment, and its tag. */
  tag: string;
  frame: Buffer | null;
  /** What all viewers know who could be told; null when some could not. */
  told: string | null;
  isTelling: boolean;
  /** Requests that wait for the first read. */
  coming: number;
  readonly leave: () => void;
}

export class AvailabilityStreams {
  readonly #deps: AvailabilityStreamsDeps;
  readonly #watched = new Map<EventId, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: AvailabilityStreamsDeps) {
    this.#deps = deps;
  }

  /** Answers with a stream. Throws `Refused` when there is no such event, or no room. */
  async watch(eventId: EventId, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const watched = this.#watch(eventId);
    watched.coming += 1;
    try {
      // A read that is older would tell of what has passed.
      const isFresh = performance.now() - watched.readAt < AVAILABILITY_EVERY_MS;
      const event = isFresh && watched.event !== null ? watched.event : await this.#read(watched);
      if (event === null) throw notFound();
      const { open } = this.#deps;
      const who = open.perAddress === null ? null : addressKey(request.ip);
      const stream = open.open({
        kind: "availability",
        who,
        needs: null,
        request,
        reply,
        cacheControl: "no-store",
      });
      const viewer: Viewer = { stream, knows: request.headers["last-event-id"]?.toString() ?? null };
      watched.viewers.add(viewer);
      stream.feed({
        check: () => undefined,
        ended: () => {
          watched.viewers.delete(viewer);
          this.#leaveEmpty(watched);
        },
      });
      this.#present(watched, event);
      if (!this.#tell(watched, viewer)) watched.told = null;
      return reply;
    } finally {
      watched.coming -= 1;
      this.#leaveEmpty(watched);
    }
  }

  #watch(id: EventId): Watched {
    const known = this.#watched.get(id);
    if (known !== undefined) return known;
    const watched: Watched = {
      id,
      viewers: new Set(),
      event: null,
      reading: null,
      readAt: Number.NEGATIVE_INFINITY,
      isStale: false,
      tag: "",
      frame: null,
      told: null,
      isTelling: false,
      coming: 0,
      leave: this.#deps.progress.ofEvent(id, () => {
        watched.isStale = true;
      }),
    };
    this.#watched.set(id, watched);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    return watched;
  }

  #leaveEmpty(watched: Watched): void {
    if (watched.coming > 0 || watched.viewers.size > 0) return;
    if (this.#watched.get(watched.id) !== watched) return;
    watched.leave();
    this.#watched.delete(watched.id);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One read for all who ask while it is under way. */
  #read(watched: Watched): Promise<EventRecord | null> {
    watched.reading ??= this.#readNow(watched).finally(() => {
      watched.reading = null;
    });
    return watched.reading;
  }

  async #readNow(watched: Watched): Promise<EventRecord | null> {
    watched.readAt = performance.now();
    watched.isStale = false; // what moves from here on is read again
    const event = await this.#deps.findEvent(watched.id);
    if (event !== null) watched.event = event;
    return event;
  }

  #look(): void {
    const now = performance.now();
    for (const watched of this.#watched.values()) {
      const age = now - watched.readAt;
      const isDue = (watched.isStale && age >= AVAILABILITY_EVERY_MS) || age >= AVAILABILITY_SAFETY_MS;
      const read = isDue ? this.#read(watched) : Promise.resolve(watched.event);
      read
        .then((event) => (event === null ? undefined : this.#tellViewers(watched, event)))
        .catch((error: unknown) => {
          watched.isStale = true;
          this.#deps.onError(error);
        });
    }
  }

  /** Words it anew when there is something new, at the time that it is. */
  #present(watched: Watched, event: EventRecord): void {
    const at = this.#deps.now();
    const tag = eventTag(event, at).replaceAll('"', "");
    if (tag === watched.tag && watched.frame !== null) return;
    watched.tag = tag;
    watched.frame = frameOf("availability", tag, JSON.stringify(presentAvailability(event, at)));
  }

  async #tellViewers(watched: Watched, event: EventRecord): Promise<void> {
    if (watched.isTelling) return;
    watched.isTelling = true;
    try {
      this.#present(watched, event);
      const { tag } = watched;
      if (watched.told === tag) return;
      let isLate = false;
      await tellAll(watched.viewers, (viewer) => {
        if (!this.#tell(watched, viewer)) isLate = true;
      });
      watched.told = isLate ? null : tag;
    } finally {
      watched.isTelling = false;
    }
  }

  /** False when the viewer is behind: another time. */
  #tell({ tag, frame }: Watched, viewer: Viewer): boolean {
    if (frame === null || viewer.knows === tag) return true;
    if (!viewer.stream.tell(frame)) return viewer.stream.isOver;
    viewer.knows = tag;
    return true;
  }
}
