// The webhook worker: delivers what happened to who wants to hear of it. Opens its stores, delivers, sweeps, stops.
import { runService } from "@holdfast/runtime";
import { WebhookWorkerConfig } from "./config.ts";
import { startWebhookWorker } from "./worker.ts";

await runService("webhook-worker", WebhookWorkerConfig, ({ config, log, metrics }) =>
  startWebhookWorker({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    encryptionKey: config.WEBHOOK_ENCRYPTION_KEY,
    allowed: config.WEBHOOK_ALLOWED_HOSTS,
    slots: config.DELIVERY_SLOTS,
    metrics,
    log,
  }),
);
