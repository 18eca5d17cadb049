// What a process tells about itself, and the small server that Prometheus asks for it. On a port of its own: what is
// told here is for operators, never for the public.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Counter, collectDefaultMetrics, Registry } from "prom-client";
import type { MetricsAddress } from "./config.ts";
import { urlOf } from "./listening.ts";

export const METRICS_PATH = "/metrics";
/** Connections at once: a handful of scrapers. */
const CONNECTIONS_MAX = 16;
/** Milliseconds for a request's head, for the whole of it, and for which an idle connection is kept. */
const HEADERS_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;
const HEADER_BYTES_MAX = 8 * 1024;

/** What this process measures. One for each process; no library's global one. */
export type Metrics = Registry;

/** A registry with what Node.js tells of any process: memory, CPU, event loop, garbage collection. */
export function createMetrics(): Metrics {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  return metrics;
}

export interface Tally {
  inc(by?: number): void;
}

interface Described {
  readonly name: string;
  readonly help: string;
}

/**
 * A counter that is kept in plain numbers and told when it is asked for: prom-client reckons the key of the labels anew
 * with each count, and a request is counted twice. Gives the tally of some labels; to be asked for once for each.
 */
export function counterOf<Label extends string>(
  metrics: Metrics,
  { labels, ...described }: Described & { labels: readonly Label[] },
): (of: Readonly<Record<Label, string>>) => Tally {
  const told: { readonly of: Readonly<Record<Label, string>>; count: number }[] = [];
  new Counter({
    ...described,
    labelNames: labels,
    registers: [metrics],
    collect() {
      this.reset();
      for (const { of, count } of told) this.inc(of, count);
    },
  });
  return (of) => {
    const tally = { of, count: 0 };
    told.push(tally);
    return {
      inc(by = 1) {
        tally.count += by;
      },
    };
  };
}

/** A counter of one label, with all the values it can have from the start: a rate then sees the first of a kind. */
export function tallies<Value extends string>(
  metrics: Metrics,
  { values, label, ...described }: Described & { label: string; values: readonly Value[] },
): Readonly<Record<Value, Tally>> {
  const tallyOf = counterOf(metrics, { ...described, labels: [label] });
  return Object.fromEntries(values.map((value) => [value, tallyOf({ [label]: value })])) as Record<
    Value,
    Tally
  >;
}

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Rejects with a sentence for people when the port cannot be had. */
export async function serveMetrics(
  metrics: Metrics,
  { host, port }: MetricsAddress,
  onError: (error: unknown) => void,
): Promise<MetricsServer> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => {
      answer(metrics, request, response).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) say(response, 500, "The metrics could not be told.");
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Error(
      `METRICS_PORT ${port} on ${host} cannot be listened on. Give another one, 0 for any free one, or off.`,
      { cause: error },
    );
  }
  server.on("error", onError);
  return {
    url: `${urlOf(server.address() as AddressInfo)}${METRICS_PATH}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(metrics: Metrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume(); // a body is nothing to us
  if (request.url?.split("?", 1)[0] !== METRICS_PATH)
    return say(response, 404, `Only ${METRICS_PATH} is here.`);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return say(response, 405, "Metrics are only read.");
  }
  const text = request.method === "HEAD" ? "" : await metrics.metrics();
  response.writeHead(200, { "content-type": metrics.contentType, "cache-control": "no-store" }).end(text);
}

function say(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${sentence}\n`);
}
