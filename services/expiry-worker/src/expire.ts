// Turns deadlines into `expire-due` commands. Ends no hold itself: only the event's own queue may.
import { openDatabaseClock, openPool } from "@holdfast/db";
import { expireDue } from "@holdfast/domain";
import { DEADLINE_TIMERS, serveTimers } from "@holdfast/event-queue";
import { type Logger, type Metrics, newId, tellTrouble } from "@holdfast/runtime";
import { createExpiryMetrics } from "./metrics.ts";

/** Connections for the database's clock. */
const CLOCK_CONNECTIONS = 1;

export interface ExpiryWorkerOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export async function startExpiryWorker(options: ExpiryWorkerOptions): Promise<{ stop(): Promise<void> }> {
  const { databaseUrl, redisUrl, prefix, log } = options;
  const name = "holdfast-expiry-worker";
  const onError = tellTrouble(log, "connection trouble");
  const pool = openPool({ url: databaseUrl, name, max: CLOCK_CONNECTIONS, onError });
  const clock = await openDatabaseClock(pool, onError);
  const metrics = createExpiryMetrics(options.metrics);

  const serving = await serveTimers(DEADLINE_TIMERS, {
    redisUrl,
    prefix,
    name,
    now: clock.now,
    commandOf: ({ eventId, dueAt }) => expireDue(newId("command"), eventId, { at: clock.now(), dueAt }),
    onSent: (deadline) => metrics.rung(deadline, clock.now()),
    onGivenUp({ eventId }, { message: reason }) {
      metrics.givenUp();
      log.warn({ eventId, reason }, "a deadline was not sent: the sweep will");
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
