// The reservation worker: the one writer of inventory. Opens its stores, drains event queues, sweeps, stops.
import { runService } from "@holdfast/runtime";
import { ReservationWorkerConfig } from "./config.ts";
import { startReservationWorker } from "./worker.ts";

await runService("reservation-worker", ReservationWorkerConfig, ({ config, log, metrics }) =>
  startReservationWorker({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    drainSlots: config.DRAIN_SLOTS,
    insistOnDurability: config.HOLDFAST_MODE === "production",
    metrics,
    log,
  }),
);
