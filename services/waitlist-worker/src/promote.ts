// Turns promotions into `promote` commands. Offers nothing itself: only the event's own queue may.
import { openDatabaseClock, openPool } from "@holdfast/db";
import { promote } from "@holdfast/domain";
import { PROMOTION_TIMERS, serveTimers } from "@holdfast/event-queue";
import { type Logger, type Metrics, newId, tellTrouble } from "@holdfast/runtime";
import { createWaitlistMetrics } from "./metrics.ts";

/** Connections for the database's clock. */
const CLOCK_CONNECTIONS = 1;

export interface WaitlistWorkerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export async function startWaitlistWorker(
  options: WaitlistWorkerOptions,
): Promise<{ stop(): Promise<void> }> {
  const { databaseUrl, redisUrl, prefix, log } = options;
  const name = "holdfast-waitlist-worker";
  const onError = tellTrouble(log, "connection trouble");
  const pool = openPool({ url: databaseUrl, name, max: CLOCK_CONNECTIONS, onError });
  const clock = await openDatabaseClock(pool, onError);
  const metrics = createWaitlistMetrics(options.metrics);

  const serving = await serveTimers(PROMOTION_TIMERS, {
    redisUrl,
    prefix,
    name,
    now: clock.now,
    commandOf: (promotion) => promote(newId("command"), promotion, clock.now()),
    onSent: (promotion) => metrics.sent(promotion, clock.now()),
    onGivenUp({ eventId, slotId }, { message: reason }) {
      metrics.givenUp();
      log.warn({ eventId, slotId, reason }, "a promotion was not sent: the sweep will");
    },
    onError,
  });

  return {
    async stop() {
      await serving.stop();
      clock.stop();
      await pool.end();
    },
  };
}
