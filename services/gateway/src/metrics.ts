// What the gateway counts of its own work, under the names by which operators know it (docs/operations.md). Requests
// are counted when their answer is ready to be sent; a connection that brings no readable request is not counted.
import { counterOf, type Metrics, type Tally, tallies } from "@holdfast/runtime";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Gauge, Histogram } from "prom-client";
import { STREAM_KINDS, type StreamKind } from "./event-stream.ts";
import type { SubmitRefused, Submitted } from "./submit.ts";

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const JOB_COMMANDS = [1, 2, 4, 8, 16, 32, 64, 128];

/** Instead of a path that no route has: what clients make up is not told. */
const NO_ROUTE = "none";

const ANSWERS = ["outcome", "accepted", "queue-full", "unavailable", "unknown-sender"] as const;

const READ_SOURCES = ["memory", "joined", "redis", "postgres"] as const;
/** Where a read was answered from; joined: another one's was under way. */
export type ReadSource = (typeof READ_SOURCES)[number];

export interface GatewayMetrics {
  /** From now on, routes that are added are counted by name. */
  watch(app: FastifyInstance): void;
  /** Counts a request whose answer is ready to be sent. */
  requestAnswered(request: FastifyRequest, reply: FastifyReply): void;
  /** How a command was answered. */
  answered(how: (Submitted | SubmitRefused)["kind"]): void;
  /** An event, or a page of events, was read. */
  read(of: "event" | "page", source: ReadSource): void;
  /** A job was sent with so many commands. */
  sent(commands: number): void;
  /** Asked for the number of requests that wait for an outcome. */
  waiting(count: () => number): void;
  /** Asked for the number of open streams. */
  streams(count: (kind: StreamKind) => number): void;
  /** A stream was cut: its reader was too slow. */
  streamCut(kind: StreamKind): void;
}

/** What is counted of one route: its tallies are looked up once, not for each request. */
type CountRequest = (status: number, ms: number) => void;

declare module "fastify" {
  interface FastifyContextConfig {
    countRequest?: CountRequest;
  }
}

export function createGatewayMetrics(metrics: Metrics): GatewayMetrics {
  const registers = [metrics];
  const requests = counterOf(metrics, {
    name: "holdfast_requests_total",
    help: "HTTP requests, by the pattern of their route, method and status.",
    labels: ["route", "method", "status"],
  });
  const took = new Histogram({
    name: "holdfast_request_seconds",
    help: "From the head of an HTTP request to its answer, with the wait that the client asked for.",
    labelNames: ["route"],
    buckets: REQUEST_SECONDS,
    registers,
  });
  const answers = tallies(metrics, {
    name: "holdfast_commands_answered_total",
    help: "Commands of clients, by how they were answered: with an outcome, a promise (202), or not taken.",
    label: "answer",
    values: ANSWERS,
  });
  const job = new Histogram({
    name: "holdfast_job_commands",
    help: "Commands that ride together in a job.",
    buckets: JOB_COMMANDS,
    registers,
  });

  const cuts = tallies(metrics, {
    name: "holdfast_streams_cut_total",
    help: "Streams that were cut because their reader was too slow, by what they tell of.",
    label: "kind",
    values: STREAM_KINDS,
  });

  const reads = {
    event: tallies(metrics, {
      name: "holdfast_event_reads_total",
      help: "Reads of an event or its availability, by where they were answered from; joined: another one's was under way.",
      label: "source",
      values: READ_SOURCES,
    }),
    page: tallies(metrics, {
      name: "holdfast_listing_reads_total",
      help: "Reads of a page of events, by where they were answered from; joined: another one's was under way.",
      label: "source",
      values: READ_SOURCES,
    }),
  };

  function countRequests(route: string, method: string): CountRequest {
    const statuses = new Map<number, Tally>();
    const seconds = took.labels(route);
    return (status, ms) => {
      let tally = statuses.get(status);
      if (tally === undefined) {
        tally = requests({ route, method, status: String(status) });
        statuses.set(status, tally);
      }
      tally.inc();
      seconds.observe(ms / 1_000);
    };
  }

  const unrouted = countRequests(NO_ROUTE, "any");

  return {
    watch(app) {
      app.addHook("onRoute", (route) => {
        route.config = { ...route.config, countRequest: countRequests(route.url, String(route.method)) };
      });
    },
    requestAnswered(request, reply) {
      const count = request.routeOptions.config.countRequest ?? unrouted;
      count(reply.statusCode, performance.now() - request.startedMs);
    },
    answered: (how) => answers[how === "ended" ? "outcome" : how === "queued" ? "accepted" : how].inc(),
    read: (of, source) => reads[of][source].inc(),
    sent: (commands) => job.observe(commands),
    streams(count) {
      new Gauge({
        name: "holdfast_streams_open",
        help: "Open streams of this gateway, by what they tell of.",
        labelNames: ["kind"],
        registers,
        collect() {
          for (const kind of STREAM_KINDS) this.set({ kind }, count(kind));
        },
      });
    },
    streamCut: (kind) => cuts[kind].inc(),
    waiting(count) {
      new Gauge({
        name: "holdfast_commands_waiting",
        help: "Requests of this gateway that wait for a command's outcome.",
        registers,
        collect() {
          this.set(count());
        },
      });
    },
  };
}
