// The expiry worker: waits for holds' deadlines and tells their events. Opens, waits, stops.
import { runService } from "@holdfast/runtime";
import { ExpiryWorkerConfig } from "./config.ts";
import { startExpiryWorker } from "./expire.ts";

await runService("expiry-worker", ExpiryWorkerConfig, ({ config, log }) =>
  startExpiryWorker({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    log,
  }),
);
