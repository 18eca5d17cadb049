// A whole system for a test file: a database and keys of its own, and real service processes that tests may
// start, freeze and kill. Knows how services are started, nothing of what they do.

import { type Client, openClient } from "@holdfast/load";
import {
  keysLike,
  openTestDatabase,
  openTestRedis,
  removeKeys,
  type ServiceProcess,
  spawnService,
  type TestRedis,
} from "@holdfast/testkit";
import type { Redis } from "ioredis";
import type pg from "pg";
import { JWT_SECRET, WEBHOOK_ENCRYPTION_KEY } from "./population.ts";

export interface Gateway {
  readonly process: ServiceProcess;
  readonly client: Client;
}

export interface System {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly redis: Redis;
  /** Clients of the gateways that were started first, in order. */
  readonly clients: readonly Client[];
  readonly gateways: readonly Gateway[];
  readonly workers: readonly ServiceProcess[];
  readonly expiryWorkers: readonly ServiceProcess[];
  readonly waitlistWorkers: readonly ServiceProcess[];
  readonly webhookWorkers: readonly ServiceProcess[];
  /** Resolve when the new process is ready. */
  startGateway(): Promise<Gateway>;
  startWorker(env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  startExpiryWorker(): Promise<ServiceProcess>;
  startWaitlistWorker(): Promise<ServiceProcess>;
  startWebhookWorker(): Promise<ServiceProcess>;
  /** Names of keys of this system that match, behind its prefix. */
  keysLike(pattern: string): Promise<string[]>;
  /** Removes all keys of this system: the Redis it knows was emptied. */
  loseRedis(): Promise<void>;
  /** Stops what still runs and drops everything. Throws when a service does not stop as promised. */
  close(): Promise<void>;
}

export interface SystemSize {
  readonly gateways?: number;
  readonly workers?: number;
  /** Events that each worker drains side by side; its own default unless told otherwise. */
  readonly drainSlots?: number;
  readonly expiryWorkers?: number;
  readonly waitlistWorkers?: number;
  readonly webhookWorkers?: number;
  /** Where webhooks may go beside public addresses: hosts, with commas. Nowhere unless told otherwise. */
  readonly webhookHosts?: string;
  /** Off unless told otherwise: a drill sends more than a user may. */
  readonly rateLimits?: "on" | "off";
}

/** Milliseconds that several processes may take to start, or to stop, on a busy machine with two cores. */
export const START_TIMEOUT_MS = 30_000;

export async function startSystem(size: SystemSize = {}): Promise<System> {
  const database = await openTestDatabase();
  const system = await startSystemOn(database, size);
  return {
    ...system,
    close: async () => {
      await system.close();
      await database.close();
    },
  };
}

/** As `startSystem`, on a database that outlives it, with keys of its own; on a Redis of the caller's when one is given. */
export async function startSystemOn(
  database: { readonly url: string; readonly pool: pg.Pool },
  size: SystemSize,
  given?: TestRedis,
): Promise<System> {
  const {
    gateways: gatewaysWanted = 1,
    workers: workersWanted = 1,
    expiryWorkers: expiryWanted = 0,
    waitlistWorkers: waitlistWanted = 0,
    webhookWorkers: webhookWanted = 0,
  } = size;
  const { url, prefix, redis, close: closeRedis } = given ?? (await openTestRedis());
  const env = { DATABASE_URL: database.url, REDIS_URL: url, REDIS_PREFIX: prefix, LOG_FORMAT: "text" };
  const gateways: Gateway[] = [];
  const workers: ServiceProcess[] = [];
  const expiryWorkers: ServiceProcess[] = [];
  const waitlistWorkers: ServiceProcess[] = [];
  const webhookWorkers: ServiceProcess[] = [];
  const ofWebhooks = {
    WEBHOOK_ENCRYPTION_KEY,
    ...(size.webhookHosts === undefined ? {} : { WEBHOOK_ALLOWED_HOSTS: size.webhookHosts }),
  };
  const running = new Set<ServiceProcess>();
  const started: ServiceProcess[] = [];

  async function start(
    name: Parameters<typeof spawnService>[0],
    more: Record<string, string> = {},
  ): Promise<ServiceProcess> {
    const service = spawnService(name, { ...env, ...more });
    running.add(service);
    started.push(service);
    void service.ended.then(() => running.delete(service));
    await service.ready;
    return service;
  }

  /** `SYSTEM_LOGS=1` shows what the services wrote. */
  function showLogs(): void {
    for (const { pid, logs } of started) for (const line of logs) process.stdout.write(`${pid} ${line}\n`);
  }

  const system: System = {
    pool: database.pool,
    databaseUrl: database.url,
    redis,
    gateways,
    workers,
    expiryWorkers,
    waitlistWorkers,
    webhookWorkers,
    get clients() {
      return gateways.map(({ client }) => client);
    },
    async startGateway() {
      const process = await start("gateway", {
        JWT_SECRET,
        ...ofWebhooks,
        PORT: "0",
        RATE_LIMITS: size.rateLimits ?? "off",
      });
      const gateway = { process, client: openClient(process.url) };
      gateways.push(gateway);
      return gateway;
    },
    async startWorker(more = {}) {
      const slots = size.drainSlots === undefined ? {} : { DRAIN_SLOTS: String(size.drainSlots) };
      const worker = await start("reservation-worker", { ...slots, ...more });
      workers.push(worker);
      return worker;
    },
    async startExpiryWorker() {
      const worker = await start("expiry-worker");
      expiryWorkers.push(worker);
      return worker;
    },
    async startWaitlistWorker() {
      const worker = await start("waitlist-worker");
      waitlistWorkers.push(worker);
      return worker;
    },
    async startWebhookWorker() {
      const worker = await start("webhook-worker", ofWebhooks);
      webhookWorkers.push(worker);
      return worker;
    },
    keysLike: (pattern) => keysLike(redis, `${prefix}:${pattern}`),
    loseRedis: () => removeKeys(redis, `${prefix}:*`),
    async close() {
      await Promise.all(gateways.map(({ client }) => client.close()));
      const ends = await Promise.all([...running].map((service) => service.stop()));
      await closeRedis();
      if (process.env["SYSTEM_LOGS"] !== undefined) showLogs();
      if (ends.some(({ code }) => code !== 0)) throw new Error(`services ended ${JSON.stringify(ends)}`);
    },
  };
  await Promise.all([
    ...Array.from({ length: gatewaysWanted }, system.startGateway),
    ...Array.from({ length: workersWanted }, system.startWorker),
    ...Array.from({ length: expiryWanted }, system.startExpiryWorker),
    ...Array.from({ length: waitlistWanted }, system.startWaitlistWorker),
    ...Array.from({ length: webhookWanted }, system.startWebhookWorker),
  ]);
  return system;
}
