// Opens the stores, builds the application on them, listens, and says how all of it stops.
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { openTokenVerifier } from "@holdfast/access-token";
import { databaseFaults, findUser, openDatabaseClock, openPool } from "@holdfast/db";
import {
  openDashboardQueues,
  openDeliveries,
  openPatientRedis,
  openProgress,
  openRedis,
  openReplies,
  openSender,
  openSharedViews,
  publishProgress,
  redisFaults,
  untilReady,
} from "@holdfast/event-queue";
import { newId, type Opened, type Opening, tellTrouble, urlOf } from "@holdfast/runtime";
import { createResolve, sealOfSecrets } from "@holdfast/webhooks";
import { buildApp } from "./app.ts";
import type { GatewayConfig } from "./config.ts";
import { createEventReads } from "./event-reads.ts";
import { STREAMS_PER_ADDRESS_MAX } from "./event-stream.ts";
import { Identities } from "./identity.ts";
import { createLoginThrottle, noThrottle } from "./login-throttle.ts";
import { LongPolls } from "./long-polls.ts";
import { createGatewayMetrics } from "./metrics.ts";
import { Origins } from "./origins.ts";
import { Passwords } from "./passwords.ts";
import { Places } from "./places.ts";
import { RateLimiter } from "./rate-limits.ts";
import { WEBHOOK_PLACES } from "./routes/webhooks.ts";
import { SignIn } from "./sign-in.ts";
import { Standing } from "./standing.ts";
import { createStreams } from "./streams.ts";
import { type Commands, type CommandsDeps, createCommands } from "./submit.ts";
import { DeliveryEnds } from "./webhook-ends.ts";

const POOL_MAX = 10;
/** Connections that may wait to be accepted: a rush opens thousands at once. */
const LISTEN_BACKLOG = 4_096;
/** Milliseconds that a counter in Redis may take: then it is counted here. */
const COUNTERS_TIMEOUT_MS = 250;
/** Milliseconds in which both stores must answer for the gateway to be ready. */
const READY_TIMEOUT_MS = 1_000;
/** Milliseconds after which a stop cuts the connections that are still busy. */
const DRAIN_MS = 3_500;

/** How commands are carried out is an argument, so that a benchmark can put another way behind the same door. */
export async function startGateway(
  { config, log, metrics: registry }: Pick<Opening<GatewayConfig>, "config" | "log" | "metrics">,
  carryOut: (deps: CommandsDeps) => Commands = createCommands,
): Promise<Opened> {
  const onError = tellTrouble(log, "a store had trouble");
  const stopping = new AbortController();
  const prefix = config.REDIS_PREFIX;
  const limited = config.RATE_LIMITS === "on";

  const pool = openPool({
    url: config.DATABASE_URL,
    name: "holdfast-gateway",
    max: POOL_MAX,
    onError,
    byIndex: true,
  });
  const redis = openRedis({ url: config.REDIS_URL, name: "holdfast-gateway", onError });
  const listener = openPatientRedis({ url: config.REDIS_URL, name: "holdfast-gateway-replies", onError });
  const watcher = openPatientRedis({ url: config.REDIS_URL, name: "holdfast-gateway-progress", onError });
  const counters = openRedis({
    url: config.REDIS_URL,
    name: "holdfast-gateway-limits",
    onError,
    commandTimeoutMs: COUNTERS_TIMEOUT_MS,
  });

  const clock = await openDatabaseClock(pool, onError);
  await untilReady(redis);
  if (config.HOLDFAST_MODE === "production") {
    const faults = [...(await databaseFaults(pool)), ...(await redisFaults(redis))];
    if (faults.length > 0) throw new Error(`the stores must not be used: ${faults.join("; ")}`);
  }

  const gateway = newId("session");
  const replies = await openReplies(listener, prefix, gateway);
  const metrics = createGatewayMetrics(registry);
  const progress = openProgress(watcher, prefix);
  const longPolls = new LongPolls();
  metrics.waiting(() => replies.waiting + longPolls.taken);
  const sender = openSender({ redis, prefix, replyTo: gateway, onError, onJob: metrics.sent });
  const { activations, producer } = sender;
  const commands = carryOut({ pool, redis, prefix, producer, replies, progress, onError });

  const deliveries = openDeliveries(redis, prefix);
  const allowedHosts = config.WEBHOOK_ALLOWED_HOSTS;
  const standing = new Standing(pool, clock.now, log);
  await standing.start();
  const identities = new Identities(openTokenVerifier(config.JWT_SECRET), standing);
  const views = openSharedViews(counters, prefix);
  const monotonicMs = (): number => performance.now();
  const reads = createEventReads({
    pool,
    shared: views,
    now: clock.now,
    monotonicMs,
    onRead: metrics.read,
    onError,
  });
  const streams = createStreams({
    reads,
    pool,
    redis,
    prefix,
    progress,
    find: commands.find,
    now: clock.now,
    metrics,
    mayStay: ({ raw }, needed) => identities.mayStay(raw, needed),
    limits: { perAddress: limited ? STREAMS_PER_ADDRESS_MAX : null },
    onError,
  });
  const throttle = limited ? createLoginThrottle(counters, prefix) : noThrottle;
  const queues = openDashboardQueues({
    connect: () => openRedis({ url: config.REDIS_URL, name: "holdfast-gateway-dashboard", onError }),
    prefix,
    monotonicMs,
  });
  const app = await buildApp({
    log,
    pool,
    commands,
    now: clock.now,
    origins: new Origins(pool),
    signIn: new SignIn({ pool, secret: config.JWT_SECRET, passwords: new Passwords(), throttle, standing }),
    reads,
    longPolls,
    streams,
    metrics,
    webhooks: {
      seal: sealOfSecrets(config.WEBHOOK_ENCRYPTION_KEY),
      allowedHosts,
      resolve: createResolve(allowedHosts),
      signal: deliveries.signal,
      ends: new DeliveryEnds(pool, onError),
      places: new Places(WEBHOOK_PLACES),
    },
    jwtSecret: config.JWT_SECRET,
    standing,
    limiter: limited ? new RateLimiter(counters, prefix) : null,
    trustProxy: config.TRUST_PROXY ?? [],
    ops: { queues, secureCookies: config.HOLDFAST_MODE === "production" },
    stopping: stopping.signal,
    async roleNow({ userId }) {
      const user = await findUser(pool, userId);
      return user === null || user.disabled ? null : user.role;
    },
    activate: (eventId) => activations.signal(eventId),
    changed(eventId) {
      reads.changed(eventId);
      views.forget(eventId).catch(onError);
      publishProgress(redis, prefix, eventId, []).catch(onError);
    },
    storesAnswer: () => inTime(Promise.all([pool.query("SELECT 1"), redis.ping()])),
  });
  await app.listen({ host: config.HOST, port: config.PORT, backlog: LISTEN_BACKLOG });

  return {
    url: urlOf(app.server.address() as AddressInfo),
    async stop() {
      stopping.abort();
      commands.hurry();
      streams.stop();
      const cut = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
      await app.close();
      clearTimeout(cut);
      standing.stop();
      clock.stop();
      await sender.close().catch(() => undefined); // Redis may be gone
      await deliveries.close().catch(() => undefined);
      await queues.close();
      for (const connection of [redis, listener, watcher, counters]) connection.disconnect();
      await pool.end();
    },
  };
}

/** True when it succeeds within `READY_TIMEOUT_MS`. */
async function inTime(asked: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const late = sleep(READY_TIMEOUT_MS, false, { signal: over.signal }).catch(() => false);
  const succeeded = asked.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([succeeded, late]);
  } finally {
    over.abort();
  }
}
