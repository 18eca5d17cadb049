// The worker, put together: connections, drain slots, follow-ups, sweep. Holds no rule and no statement.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { databaseFaults, lockTableRoom, openBatchPool, openDatabaseClock, openPool } from "@holdfast/db";
import { lookAtFence, USER_LOCKS_MAX } from "@holdfast/db/inventory";
import type { EventId } from "@holdfast/domain";
import {
  type Activations,
  createRecentCommands,
  depthOf,
  openDeadlines,
  openDeliveries,
  openEventQueue,
  openPatientRedis,
  openPromotions,
  openRedis,
  openSender,
  openUnderWay,
  publishProgress,
  publishReplies,
  redisFaults,
  startDrainSlots,
  turnOf,
  untilReady,
  withDrainScripts,
} from "@holdfast/event-queue";
import { type Logger, type Metrics, newId, tellTrouble } from "@holdfast/runtime";
import { createApply } from "./apply.ts";
import { tellBacklog } from "./backlog.ts";
import { drain } from "./drain.ts";
import { createFollowUp } from "./follow-ups.ts";
import { createWorkerMetrics, type WorkerMetrics } from "./metrics.ts";
import { createSolitude } from "./solitude.ts";
import { SWEEP_EVERY_MS, type SweepDeps, sweepOnce } from "./sweep.ts";
import { createTurnstile } from "./turnstile.ts";

/** Milliseconds for which the answer to "do other events wait?" is believed. */
const CROWD_BELIEVED_MS = 50;
/**
 * Deep events that one process drains side by side, and hot ones while others wait: more do not finish earlier, and
 * everybody else waits for them.
 */
const TURNSTILE_WIDTH = 4;
/** Connections for sweeps and readiness; batches have their own pool, one connection for each drain. */
const SWEEP_CONNECTIONS = 4;

export interface ReservationWorkerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly drainSlots: number;
  /** Local mode warns where production refuses to start. */
  readonly insistOnDurability: boolean;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export interface RunningWorker {
  /** Ends when every batch under way has been committed and told. */
  stop(): Promise<void>;
}

export async function startReservationWorker(options: ReservationWorkerOptions): Promise<RunningWorker> {
  const { databaseUrl, redisUrl, prefix, drainSlots, log } = options;
  const name = "holdfast-reservation-worker";
  const onError = tellTrouble(log, "connection trouble");
  const onLetGo = tellTrouble(log, "let an event go");
  const batches = openBatchPool({ url: databaseUrl, name, max: drainSlots, onError });
  const pool = openPool({ url: databaseUrl, name, max: SWEEP_CONNECTIONS, onError });
  const redis = withDrainScripts(openRedis({ url: redisUrl, name, onError }));
  const patient = openPatientRedis({ url: redisUrl, name, onError });
  await untilReady(redis);
  await checkStores({ ...options, pool, redis });
  const clock = await openDatabaseClock(pool, onError);

  const sender = openSender({ redis, prefix, replyTo: null, onError });
  const { activations, producer } = sender;
  const deadlines = openDeadlines(redis, prefix);
  const promotions = openPromotions(redis, prefix);
  const deliveries = openDeliveries(redis, prefix);
  const underWay = openUnderWay(redis, prefix);
  const newCommandId = () => newId("command");
  const commands = { producer, underWay, now: clock.now, newCommandId };
  const followUp = createFollowUp({ ...commands, deadlines, promotions, deliveries, onError });

  const stopping = new AbortController();
  const metrics = createWorkerMetrics(options.metrics);
  tellBacklog(options.metrics, {
    pool,
    redis,
    prefix,
    now: clock.now,
    monotonicMs: () => performance.now(),
    onError,
  });
  const apply = createApply({ pool: batches, metrics, log, pause: (ms) => sleep(ms) });
  const solitude = createSolitude();
  const running = new Map<EventId, { ended: Promise<void>; stop: AbortController }>();
  const crowd = watchCrowd(activations, onError);
  const recentCommands = createRecentCommands(() => performance.now());
  const turnstile = createTurnstile(TURNSTILE_WIDTH);

  /** One drain for each event in a process: a second activation ends the first drain before it begins. */
  async function drainAlone(eventId: EventId): Promise<void> {
    for (let former = running.get(eventId); former !== undefined; former = running.get(eventId)) {
      former.stop.abort();
      await former.ended.catch(() => undefined);
      if (running.get(eventId) === former) running.delete(eventId);
    }
    const stop = new AbortController();
    const draining = drain(eventId, {
      openQueue: (id, token) => openEventQueue(redis, prefix, id, token),
      newToken: randomUUID,
      fence: (id) => lookAtFence(batches, id),
      apply,
      solitude,
      activate: async (id) =>
        activations.signal(
          id,
          turnOf({ depth: await depthOf(redis, prefix, id), recent: recentCommands.note(id, 0) }),
        ),
      publish: (gateway, replies) => publishReplies(redis, prefix, gateway, replies),
      progress: (id, ended) => {
        recentCommands.note(id, ended.length);
        return publishProgress(redis, prefix, id, ended);
      },
      followUp,
      crowded: () => crowd() || turnstile.waiting > 0,
      stopping: AbortSignal.any([stopping.signal, stop.signal]),
      monotonicMs: () => performance.now(),
      pause: (ms) => sleep(ms),
      metrics,
      log,
    });
    const ended = metrics.drained(draining);
    const entry = { ended, stop };
    running.set(eventId, entry);
    try {
      await ended;
    } finally {
      if (running.get(eventId) === entry) running.delete(eventId);
    }
  }

  const slots = startDrainSlots({
    redis: patient,
    prefix,
    concurrency: drainSlots,
    drain: (eventId, turn) =>
      turn === "deep" || (turn === "hot" && crowd())
        ? turnstile.pass(() => drainAlone(eventId))
        : drainAlone(eventId),
    onError,
  });
  slots.on("failed", (_job, error) => onLetGo(error));
  const sweeping = keepSweeping(
    { ...commands, pool, redis, prefix, activations, log },
    metrics,
    stopping.signal,
  );

  return {
    async stop() {
      stopping.abort();
      await slots.close();
      await sweeping;
      clock.stop();
      await Promise.all([sender.close(), deadlines.close(), promotions.close(), deliveries.close()]);
      redis.disconnect();
      patient.disconnect();
      await Promise.all([batches.end(), pool.end()]);
    },
  };
}

async function checkStores({
  pool,
  redis,
  drainSlots,
  insistOnDurability,
  log,
}: ReservationWorkerOptions & {
  pool: Parameters<typeof databaseFaults>[0];
  redis: Parameters<typeof redisFaults>[0];
}): Promise<void> {
  const faults = [
    ...(await databaseFaults(pool)).map((fault) => `PostgreSQL: ${fault}`),
    ...(await redisFaults(redis)).map((fault) => `Redis: ${fault}`),
  ];
  const room = await lockTableRoom(pool);
  if (room < drainSlots * USER_LOCKS_MAX) {
    faults.push(
      `PostgreSQL: its lock table has room for ${room}, this worker may take ${drainSlots * USER_LOCKS_MAX}`,
    );
  }
  for (const fault of faults) log.warn(fault);
  if (faults.length > 0 && insistOnDurability)
    throw new Error(`The stores must not be used:\n${faults.join("\n")}`);
}

/**
 * Asks at most once in a while, in the background: drains want an answer at once. In a crowd it also sees to it that
 * hot and deep events get their turns.
 */
function watchCrowd(
  activations: Pick<Activations, "waiting" | "hurry">,
  onError: (error: unknown) => void,
): () => boolean {
  let crowded = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - askedAt > CROWD_BELIEVED_MS) {
      askedAt = now;
      activations
        .waiting()
        .then((count) => {
          crowded = count > 0;
          return crowded ? activations.hurry() : undefined;
        })
        .catch(onError);
    }
    return crowded;
  };
}

async function keepSweeping(
  deps: SweepDeps,
  metrics: Pick<WorkerMetrics, "swept">,
  stopping: AbortSignal,
): Promise<void> {
  const onError = tellTrouble(deps.log, "a sweep did not finish");
  while (!stopping.aborted) {
    await sweepOnce(deps).then(metrics.swept, onError);
    await sleep(SWEEP_EVERY_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}
