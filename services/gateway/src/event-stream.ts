// Server-sent events over one connection, and all the streams that are open here: their places, heartbeats, ends. Knows
// nothing of what they tell.
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import type { UserRole } from "@holdfast/domain";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { GatewayMetrics } from "./metrics.ts";
import { later } from "./refused.ts";
import { retryAfterSeconds } from "./retry-after.ts";

export const STREAM_KINDS = ["command", "availability"] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];

/** Open streams of one user, and of one address that did not sign in (where addresses are counted). */
export const STREAMS_PER_USER_MAX = 20;
export const STREAMS_PER_ADDRESS_MAX = 100;
/** Open streams of each kind of a gateway: who looks on keeps nobody from following a command. */
export const STREAMS_MAX = 10_000;
/** Milliseconds of silence after which something is said, for whoever is between and would take it for dead. */
export const HEARTBEAT_MS = 15_000;
/** Milliseconds between two of the timer's strokes: at each of them it is the turn of some streams. */
const STROKE_MS = 1_000;
/** Bytes that wait for a reader, from which on it is told nothing that will be out of date. */
export const STREAM_BUFFER_BYTES_MAX = 64 * 1024;
/** Milliseconds for which as much may wait before its stream is cut. */
export const STREAM_SLOW_MS = 10_000;
/** Milliseconds that a stream lives, a little more or less: connections move to new gateways, and tokens end. */
export const STREAM_AGE_MS = 600_000;
/** Milliseconds after which a client comes back by itself: from the first to the second number. */
const RECONNECT_MS = [1_000, 4_000] as const;
/** Streams that are told something in one go. */
const TOLD_AT_ONCE = 250;

export interface StreamLimits {
  readonly perUser: number;
  /** Null: addresses are not counted. */
  readonly perAddress: number | null;
  readonly all: number;
  readonly heartbeatMs: number;
  readonly slowMs: number;
  readonly bufferBytes: number;
  readonly ageMs: number;
}

export const STREAM_LIMITS: StreamLimits = {
  perUser: STREAMS_PER_USER_MAX,
  perAddress: STREAMS_PER_ADDRESS_MAX,
  all: STREAMS_MAX,
  heartbeatMs: HEARTBEAT_MS,
  slowMs: STREAM_SLOW_MS,
  bufferBytes: STREAM_BUFFER_BYTES_MAX,
  ageMs: STREAM_AGE_MS,
};

export interface OpenStreamsDeps {
  readonly metrics: Pick<GatewayMetrics, "requestAnswered" | "streams" | "streamCut">;
  /** Does the request's token still count, for that role? */
  readonly mayStay: (request: FastifyRequest, needed: UserRole | null) => boolean;
  readonly limits?: Partial<StreamLimits>;
  readonly random?: () => number;
}

export interface Opening {
  readonly kind: StreamKind;
  /** Whose streams are counted together; null: nobody's. */
  readonly who: string | null;
  /** The role that it takes to see this; null: any, or none. */
  readonly needs: UserRole | null;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly cacheControl: string;
}

/** What a stream does for the one who feeds it. */
export interface Feed {
  /** At each heartbeat: time to look whether something was missed. */
  check(): void;
  /** Nothing more can be told. Called once. */
  ended(): void;
}

/** One event as it is sent. `data` is one line. */
export const frameOf = (event: string, id: string, data: string): Buffer =>
  Buffer.from(`event: ${event}\nid: ${id}\ndata: ${data}\n\n`);

const HEARTBEAT = Buffer.from(":\n\n");

/** Calls `tell` for each stream, in pieces: others want to be answered between them. */
export async function tellAll<Stream>(
  streams: Iterable<Stream>,
  tell: (stream: Stream) => void,
): Promise<void> {
  let told = 0;
  for (const stream of [...streams]) {
    if (told > 0 && told % TOLD_AT_ONCE === 0) await turn();
    told += 1;
    tell(stream);
  }
}

export class EventStream {
  readonly opening: Opening;
  readonly #raw: ServerResponse;
  readonly #bufferBytes: number;
  #feed: Feed | null = null;
  #saidSomething = true;
  #isOver = false;
  /** Since when more waits for the reader than may, or all of it was told. */
  #behindSince: number | null = null;

  constructor(opening: Opening, bufferBytes: number) {
    this.opening = opening;
    this.#raw = opening.reply.raw;
    this.#bufferBytes = bufferBytes;
  }

  /** Nothing more is told. */
  get isOver(): boolean {
    return this.#isOver;
  }

  feed(feed: Feed): void {
    this.#feed = feed;
    if (this.#isOver) this.#endFeed(); // it went before anybody fed it
  }

  /** False when the reader is too far behind: then nothing was told. */
  tell(frame: Buffer): boolean {
    if (this.#isOver || this.#isBehind()) return false;
    this.#raw.write(frame);
    this.#saidSomething = true;
    return true;
  }

  /** The last event, whatever waits before it, or just the end. */
  end(frame?: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#behindSince = performance.now();
    if (frame === undefined) this.#raw.end();
    else this.#raw.end(frame);
    this.#endFeed();
  }

  /** The end, and that of the connection: nobody else must be answered on it. */
  endConnection(): void {
    const { socket } = this.#raw;
    this.#raw.once("finish", () => socket?.destroySoon());
    this.end();
  }

  /** The connection is gone, or has its answer. */
  closed(): void {
    this.#isOver = true;
    this.#endFeed();
  }

  /** At its stroke: false when the reader does not take what waits for it. */
  visit(now: number, slowMs: number): boolean {
    if (this.#isBehind() || this.#isOver) {
      this.#behindSince ??= now;
      return now - this.#behindSince < slowMs;
    }
    this.#behindSince = null;
    if (!this.#saidSomething) this.#raw.write(HEARTBEAT);
    this.#saidSomething = false;
    this.#feed?.check();
    return true;
  }

  cut(): void {
    this.#raw.destroy();
  }

  #isBehind(): boolean {
    return this.#raw.writableLength > this.#bufferBytes;
  }

  #endFeed(): void {
    const feed = this.#feed;
    this.#feed = null;
    feed?.ended();
  }
}

/** One for a gateway. */
export class OpenStreams {
  readonly #deps: OpenStreamsDeps;
  readonly #limits: StreamLimits;
  readonly #random: () => number;
  readonly #endsAt = new Map<EventStream, number>();
  readonly #of = new Map<string, number>();
  readonly #counts: Record<StreamKind, number> = { command: 0, availability: 0 };
  /** Streams by the stroke at which it is their turn. */
  readonly #turns: Set<EventStream>[];
  #next = 0;
  #stroke = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(deps: OpenStreamsDeps) {
    this.#deps = deps;
    this.#limits = { ...STREAM_LIMITS, ...deps.limits };
    this.#random = deps.random ?? Math.random;
    const strokes = Math.max(1, Math.round(this.#limits.heartbeatMs / STROKE_MS));
    this.#turns = Array.from({ length: strokes }, () => new Set());
    deps.metrics.streams((kind) => this.#counts[kind]);
  }

  get size(): number {
    return this.#endsAt.size;
  }

  /** How many addresses may have open; null: they are not counted. */
  get perAddress(): number | null {
    return this.#limits.perAddress;
  }

  /** Throws `Refused` when there is no room. Then nothing has been answered yet. */
  open(opening: Opening): EventStream {
    const { kind, who, request, reply, cacheControl } = opening;
    const { all, ageMs, bufferBytes } = this.#limits;
    if (this.#isStopped || this.#counts[kind] >= all)
      throw later("unavailable", retryAfterSeconds(null, this.#random));
    if (who !== null && (this.#of.get(who) ?? 0) >= this.#mostOf(kind)) {
      throw later("rate-limited", retryAfterSeconds(null, this.#random));
    }
    const stream = new EventStream(opening, bufferBytes);
    const turns = this.#turns[this.#next % this.#turns.length] as Set<EventStream>;
    this.#next += 1;
    turns.add(stream);
    this.#endsAt.set(stream, performance.now() + ageMs * (0.8 + this.#random() * 0.4));
    this.#counts[kind] += 1;
    if (who !== null) this.#of.set(who, (this.#of.get(who) ?? 0) + 1);
    this.#timer ??= setInterval(() => this.#strike(), Math.min(STROKE_MS, this.#limits.heartbeatMs));

    reply.hijack();
    this.#deps.metrics.requestAnswered(request, reply);
    const { raw } = reply;
    const gone = (): void => {
      turns.delete(stream);
      this.#forget(stream);
      stream.closed();
    };
    raw.once("close", gone);
    raw.on("error", () => undefined); // "close" follows
    raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      "content-type": "text/event-stream",
      "cache-control": cacheControl,
      "x-accel-buffering": "no",
    });
    const [from, to] = RECONNECT_MS;
    // A line of the first event, whatever that will be: not everybody takes well to one without data.
    raw.write(`retry: ${Math.round(from + this.#random() * (to - from))}\n`);
    if (raw.destroyed) gone(); // it hung up before
    if (request.raw.method === "HEAD") stream.end();
    return stream;
  }

  /** Ends all of them, and lets none be opened. Clients come back, to another gateway. */
  stop(): void {
    this.#isStopped = true;
    for (const stream of this.#endsAt.keys()) stream.endConnection();
  }

  #mostOf(kind: StreamKind): number {
    switch (kind) {
      case "command":
        return this.#limits.perUser;
      case "availability":
        return this.#limits.perAddress ?? Number.POSITIVE_INFINITY;
    }
  }

  #forget(stream: EventStream): void {
    if (!this.#endsAt.delete(stream)) return;
    const { kind, who } = stream.opening;
    this.#counts[kind] -= 1;
    if (who !== null) {
      const left = (this.#of.get(who) ?? 1) - 1;
      if (left === 0) this.#of.delete(who);
      else this.#of.set(who, left);
    }
    if (this.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #strike(): void {
    const now = performance.now();
    this.#stroke += 1;
    for (const stream of this.#turns[this.#stroke % this.#turns.length] ?? []) {
      if (!stream.visit(now, this.#limits.slowMs)) {
        this.#deps.metrics.streamCut(stream.opening.kind);
        stream.cut();
      } else if (now >= (this.#endsAt.get(stream) ?? 0) || !this.#mayStay(stream)) stream.end();
    }
  }

  #mayStay({ opening }: EventStream): boolean {
    return opening.request.identity === null || this.#deps.mayStay(opening.request, opening.needs);
  }
}
