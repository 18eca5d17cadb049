// The waitlist worker: hears that tickets came free, and has their events offer them to who waits. Opens, waits, stops.
import { runService, StoresConfig } from "@holdfast/runtime";
import { startWaitlistWorker } from "./promote.ts";

await runService("waitlist-worker", StoresConfig, ({ config, log, metrics }) =>
  startWaitlistWorker({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    metrics,
    log,
  }),
);
