// Builds the application out of its parts. Does not listen: `server.ts` does.
import { randomUUID } from "node:crypto";
import { openTokenVerifier } from "@holdfast/access-token";
import type { Logger } from "@holdfast/runtime";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { Answer } from "./answer.ts";
import type { GatewayDeps } from "./deps.ts";
import { addDocumentation } from "./documentation.ts";
import { addEndpoint, type Doorkeeper, type Endpoint } from "./endpoint.ts";
import { checkHost } from "./host-header.ts";
import { Identities } from "./identity.ts";
import { BODY_BYTES_MAX, readJsonBody } from "./json-body.ts";
import { openApiOf } from "./openapi.ts";
import { operatorSessions } from "./ops/operator-sessions.ts";
import { addOps, type OpsOptions } from "./ops/ops.ts";
import { refuseTunnel, replyError, replyOnSocket, replyProblem } from "./problem-replies.ts";
import { readQuery } from "./query-string.ts";
import { addressKey, RATE_POLICIES, type RateLimiter, rateHeaders } from "./rate-limits.ts";
import { later, notFound, Refused } from "./refused.ts";
import { routeTable } from "./route-table.ts";
import { authEndpoints } from "./routes/auth.ts";
import { commandEndpoints } from "./routes/commands.ts";
import { eventEndpoints } from "./routes/events.ts";
import { healthEndpoints } from "./routes/health.ts";
import { organizingEndpoints } from "./routes/organizing.ts";
import { reservationEndpoints } from "./routes/reservations.ts";
import { userEndpoints } from "./routes/users.ts";
import { waitlistEndpoints } from "./routes/waitlist.ts";
import { webhookEndpoints } from "./routes/webhooks.ts";
import type { Standing } from "./standing.ts";

/** Milliseconds for a request's headers, and for the whole request. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 20_000;
/** Milliseconds that an idle connection is kept: longer than the proxies in front usually keep theirs. */
export const KEEP_ALIVE_MS = 72_000;
/** Milliseconds between looks for connections that are too slow. */
const TIMEOUT_CHECK_MS = 1_000;
export const HEADER_BYTES_MAX = 16 * 1024;
export const CONNECTIONS_MAX = 20_000;

export interface AppOptions extends GatewayDeps {
  readonly log: Logger;
  readonly jwtSecret: string;
  readonly standing: Standing;
  /** Null: nothing is limited. */
  readonly limiter: RateLimiter | null;
  /** Proxies whose word about the client's address is believed. */
  readonly trustProxy: readonly string[];
  readonly ops: Pick<OpsOptions, "queues" | "secureCookies">;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Milliseconds of `performance.now()`. */
    startedMs: number;
  }
}

/** All endpoints of the API, in the order of the documents. */
export const endpointsOf = (deps: GatewayDeps): Endpoint[] => [
  ...authEndpoints(deps),
  ...userEndpoints(deps),
  ...eventEndpoints(deps),
  ...organizingEndpoints(deps),
  ...reservationEndpoints(deps),
  ...waitlistEndpoints(deps),
  ...commandEndpoints(deps),
  ...webhookEndpoints(deps),
  ...healthEndpoints(deps),
];

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  /** Before anything else is done for a request, or said of it. */
  function receive(request: FastifyRequest, reply: FastifyReply): void {
    request.startedMs = performance.now();
    request.log = reply.log = options.log as FastifyBaseLogger;
    reply.header("x-request-id", request.id);
  }

  const app: FastifyInstance = fastify({
    // Requests get theirs in `receive`: with one of its own Fastify puts listeners on every response. It says of the
    // server itself nothing that we do not say.
    logger: false,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => harmlessId(headers["x-request-id"]) ?? randomUUID(),
    requestIdHeader: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { querystringParser: (search) => readQuery(search) as unknown as Record<string, unknown> },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    return503OnClosing: false, // what still gets in while it stops is answered
    trustProxy: options.trustProxy.length === 0 ? false : [...options.trustProxy],
    http: {
      ServerResponse: Answer,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      requireHostHeader: false, // Node's own answer is no problem: `checkHost` gives one
      shouldUpgradeCallback: () => false, // answered as the request that it is, whoever listens for upgrades
    },
    frameworkErrors: (error, request, reply) => {
      receive(request, reply);
      replyError(error, request, reply);
      options.metrics.requestAnswered(request, reply); // no hook runs for these
    },
    clientErrorHandler: replyOnSocket,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  app.server.on("connect", (_request, socket) => refuseTunnel(socket));

  app.decorateRequest("identity", null);
  app.decorateRequest("startedMs", 0);
  options.metrics.watch(app);
  const table = routeTable(app);
  app.addHook("onRequest", (request, reply, done) => {
    receive(request, reply);
    checkHost(request.raw);
    if (!request.is404) return done();
    const methods = table.methodsOf(request.url);
    if (methods === null) throw notFound();
    reply.header("allow", methods.join(", "));
    if (request.method === "OPTIONS") return void reply.code(204).send();
    throw new Refused({ code: "method-not-allowed" });
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    options.metrics.requestAnswered(request, reply);
    if (options.stopping.aborted) reply.header("connection", "close"); // a kept connection would hold up the stop
    done(null, payload);
  });
  app.setNotFoundHandler((request, reply) => replyProblem(request, reply, { code: "not-found" }));
  app.setErrorHandler(replyError);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (request, bytes, done) => {
    const { "content-type": contentType, "content-encoding": contentEncoding } = request.headers;
    const isPatch = request.method === "PATCH";
    try {
      done(null, readJsonBody({ contentType, contentEncoding, isPatch }, bytes as Buffer));
    } catch (error) {
      done(error as Error, undefined);
    }
  });

  const doorkeeper = doorkeeperOf(options);
  const endpoints = endpointsOf(options);
  for (const added of endpoints) addEndpoint(app, doorkeeper, added);
  await addDocumentation(app, openApiOf(endpoints));
  await addOps(app, {
    doorkeeper,
    sessions: operatorSessions(options.pool, options.signIn),
    ...options.ops,
  });
  return app;
}

function doorkeeperOf({ jwtSecret, limiter, roleNow, standing }: AppOptions): Doorkeeper {
  const identities = new Identities(openTokenVerifier(jwtSecret), standing);
  return {
    claim: (request) => identities.of(request.raw),
    roleNow,
    count:
      limiter === null
        ? () => undefined
        : async (rateClass, request, reply, claim) => {
            const who = claim === null || claim === "invalid" ? addressKey(request.ip) : claim.userId;
            const state = await limiter.count(rateClass, rateClass === "auth" ? addressKey(request.ip) : who);
            reply.headers(rateHeaders(rateClass, RATE_POLICIES[rateClass], state));
            if (state.exceeded) throw later("rate-limited", state.resetSeconds);
          },
  };
}

/** An id that somebody in front of us gave, when it is short and can do no harm in a log. */
const harmlessId = (given: string | string[] | undefined): string | null =>
  typeof given === "string" && /^[\w.:-]{1,64}$/.test(given) ? given : null;
