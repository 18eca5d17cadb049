// A server and a clock that play what a test says. Time passes when nothing else is left to do, and only then.
import type { Clock } from "../src/clock.ts";
import type { Problem } from "../src/index.ts";
import type { Fetch } from "../src/transport.ts";

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

export interface PlayedClock extends Clock {
  /** Milliseconds of all pauses that came to their end, in order. */
  readonly pauses: readonly number[];
}

/** Jitter is nought, so that pauses are what was asked for. */
export function playClock(): PlayedClock {
  const timers = new Set<Timer>();
  const pauses: number[] = [];
  let now = 0;
  let looking = false;

  /** Promises settle before an immediate runs; then whoever is still waiting waits for the time. */
  function look(): void {
    if (looking || timers.size === 0) return;
    looking = true;
    setImmediate(() => {
      looking = false;
      const [next] = [...timers].sort((a, b) => a.at - b.at);
      if (next === undefined) return;
      timers.delete(next);
      now = Math.max(now, next.at);
      next.ring();
      look();
    });
  }

  return {
    pauses,
    now: () => now,
    random: () => 0,
    pause: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const timer: Timer = {
          at: now + ms,
          ring() {
            pauses.push(ms);
            resolve();
          },
        };
        timers.add(timer);
        signal?.addEventListener("abort", () => {
          timers.delete(timer);
          reject(signal.reason);
        });
        look();
      }),
  };
}

export interface Asked {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** When it came, in milliseconds from the start. */
  readonly at: number;
  /** Whether the client has hung up. */
  readonly signal: AbortSignal;
}

export type Reply = (request: Request) => Response | Promise<Response>;

export interface PlayedServer {
  readonly fetch: Fetch;
  readonly asked: readonly Asked[];
}

/** Answers one request after the other with the replies; one more is a mistake, of the client or of the test. */
export function playServer(clock: Clock, ...replies: Reply[]): PlayedServer {
  const asked: Asked[] = [];
  return {
    asked,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const text = await request.clone().text();
      asked.push({
        line: `${request.method} ${pathname}${search}`,
        headers: Object.fromEntries(request.headers),
        body: text === "" ? null : JSON.parse(text),
        at: clock.now(),
        signal: request.signal,
      });
      const reply = replies[asked.length - 1];
      if (reply === undefined) throw new Error(`nobody expects ${request.method} ${pathname}`);
      return reply(request);
    },
  };
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  () =>
    new Response(body === undefined ? null : JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", ...headers },
    });

export const problem = (
  status: number,
  code: Problem["code"],
  { headers = {}, ...members }: { headers?: Record<string, string> } & Record<string, unknown> = {},
): Reply =>
  json(status, problemOf(status, code, members), { "content-type": "application/problem+json", ...headers });

export const problemOf = (status: number, code: Problem["code"], members: object = {}): Problem => ({
  type: `/docs/problems#${code}`,
  title: code,
  status,
  detail: `${code}, in words`,
  code,
  instance: "/",
  requestId: "r1",
  ...members,
});

/** The connection breaks before an answer. */
export const lost: Reply = () => {
  throw new TypeError("fetch failed");
};

/** There is no answer, until the client hangs up. */
export const hang: Reply = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Text, or milliseconds in which nothing comes. */
type StreamPart = string | number;

/** A stream of these parts, behind which it ends, breaks, or stays open until the client hangs up. */
export const stream =
  (clock: Clock, parts: readonly StreamPart[], end: "ends" | "breaks" | "open" = "ends"): Reply =>
  ({ signal }) => {
    const left = parts.values();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        for (const part of left) {
          if (typeof part === "string") {
            controller.enqueue(encoder.encode(part));
            return;
          }
          await clock.pause(part, signal);
        }
        if (end === "ends") controller.close();
        if (end === "breaks") controller.error(new TypeError("terminated"));
        if (end === "open") {
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        }
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };

/** One event as a server words it. */
export const event = (type: string, data: unknown, id: string): string =>
  `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`;
