// The worker, put together: connections, slots, courier, sweep. Holds no rule and no statement.
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabaseClock, openPool } from "@holdfast/db";
import type { WebhookEndpointId } from "@holdfast/domain";
import {
  openDeliveries,
  openDeliveryLeases,
  openPatientRedis,
  openRedis,
  startDeliverySlots,
  untilReady,
} from "@holdfast/event-queue";
import { type Logger, type Metrics, newId, tellTrouble } from "@holdfast/runtime";
import { type AllowedHosts, sealOfSecrets } from "@holdfast/webhooks";
import { type CarrierOptions, openCarrier } from "./attempt.ts";
import { createCourier } from "./courier.ts";
import { createWebhookMetrics, type WebhookMetrics } from "./metrics.ts";
import { SWEEP_EVERY_MS, type SweepDeps, type Swept, sweepOnce } from "./sweep.ts";

/** Connections to the database: statements are short, and attempts need none. */
const DATABASE_CONNECTIONS = 8;
/** Endpoints in trouble that have their turns side by side: they soon give their slots up. */
const TROUBLED_SLOTS = 8;

export interface WebhookWorkerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly encryptionKey: string;
  readonly allowed: AllowedHosts;
  /** Endpoints that have their turns side by side. */
  readonly slots: number;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** How the outside is reached, where that is another one than usual. */
  readonly carrier?: Omit<CarrierOptions, "allowed">;
}

export interface RunningWebhookWorker {
  /** Breaks off what is being sent, which counts as never tried. */
  stop(): Promise<void>;
}

export async function startWebhookWorker(options: WebhookWorkerOptions): Promise<RunningWebhookWorker> {
  const { databaseUrl, redisUrl, prefix, encryptionKey, allowed, slots, log } = options;
  const name = "holdfast-webhook-worker";
  const onError = tellTrouble(log, "connection trouble");
  const onLetGo = tellTrouble(log, "let an endpoint go");
  const pool = openPool({ url: databaseUrl, name, max: DATABASE_CONNECTIONS, onError, byIndex: true });
  const redis = openRedis({ url: redisUrl, name, onError });
  const patient = openPatientRedis({ url: redisUrl, name, onError });
  await untilReady(redis);
  const clock = await openDatabaseClock(pool, onError);

  const deliveries = openDeliveries(redis, prefix);
  const leases = openDeliveryLeases(redis, prefix, onError);
  const carrier = openCarrier({ ...options.carrier, allowed });
  const metrics = createWebhookMetrics(options.metrics);
  const stopping = new AbortController();
  const courier = createCourier({
    pool,
    leases,
    deliveries,
    carrier,
    seal: sealOfSecrets(encryptionKey),
    now: clock.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    newMessageId: () => newId("webhookMessage"),
    newDeliveryId: () => newId("delivery"),
    metrics,
    log,
    stopping: stopping.signal,
  });
  const serving = startDeliverySlots({
    redis: patient,
    prefix,
    slots,
    troubledSlots: TROUBLED_SLOTS,
    serve: courier.serve,
    onError: onLetGo,
  });
  const sweeping = keepSweeping({ pool, deliveries }, { metrics, log, stopping: stopping.signal });

  return {
    async stop() {
      stopping.abort();
      await serving.close();
      await courier.idle();
      await sweeping;
      clock.stop();
      leases.close();
      await Promise.all([deliveries.close(), carrier.close()]);
      redis.disconnect();
      patient.disconnect();
      await pool.end();
    },
  };
}

async function keepSweeping(
  deps: SweepDeps,
  { metrics, log, stopping }: { metrics: Pick<WebhookMetrics, "swept">; log: Logger; stopping: AbortSignal },
): Promise<void> {
  const onError = tellTrouble(log, "a sweep did not finish");
  let next: WebhookEndpointId | null = null;
  while (!stopping.aborted) {
    const swept: Swept | null = await sweepOnce(deps, next).catch((error: unknown) => {
      onError(error);
      return null;
    });
    metrics.swept(swept);
    if (swept !== null) next = swept.next; // not this one's turn: it goes on where it was
    await sleep(SWEEP_EVERY_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}
