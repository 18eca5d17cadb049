// Turns deadlines into `expire-due` commands. Ends no hold itself: only the event's own queue may.
import { openDatabaseClock, openPool } from "@holdfast/db";
import { expireDue } from "@holdfast/domain";
import {
  type Deadline,
  openPatientRedis,
  openRedis,
  openSender,
  startDeadlineWorker,
  untilReady,
} from "@holdfast/event-queue";
import { type Logger, type Metrics, newId, tellTrouble } from "@holdfast/runtime";
import { createExpiryMetrics } from "./metrics.ts";

/** Timers that are served side by side. */
const DEADLINES_AT_ONCE = 64;
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
  const redis = openRedis({ url: redisUrl, name, onError });
  const patient = openPatientRedis({ url: redisUrl, name, onError });
  await untilReady(redis);
  const clock = await openDatabaseClock(pool, onError);
  const sender = openSender({ redis, prefix, replyTo: null, onError });
  const metrics = createExpiryMetrics(options.metrics);

  async function expire(deadline: Deadline): Promise<void> {
    const { eventId, dueAt } = deadline;
    const sent = await sender.producer.enqueue(
      expireDue(newId("command"), eventId, { at: clock.now(), dueAt }),
    );
    // Timers come by the patient connection, which may be back before the one that sends.
    if (sent.kind !== "enqueued") throw new Error(`not sent: ${sent.kind}`);
    metrics.rung(deadline, clock.now());
  }

  const worker = startDeadlineWorker({
    redis: patient,
    prefix,
    concurrency: DEADLINES_AT_ONCE,
    now: () => clock.now(),
    onDue: expire,
    onGivenUp({ eventId }, { message: reason }) {
      metrics.givenUp();
      log.warn({ eventId, reason }, "a deadline was not sent: the sweep will");
    },
    onError,
  });

  return {
    async stop() {
      await worker.close();
      clock.stop();
      await sender.close();
      redis.disconnect();
      patient.disconnect();
      await pool.end();
    },
  };
}
