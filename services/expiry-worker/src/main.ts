// The expiry worker: waits for holds' deadlines and tells their events. Opens, waits, stops.
import { runService, StoresConfig } from "@holdfast/runtime";
import { startExpiryWorker } from "./expire.ts";

await runService("expiry-worker", StoresConfig, ({ config, log, metrics }) =>
  startExpiryWorker({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    metrics,
    log,
  }),
);
