// What a worker does whose timers become commands: waits for them to ring, and puts a command for each into its event's
// queue. Decides nothing, and changes no inventory: only the event's own queue may.
import type { Command, EpochMs } from "@holdfast/domain";
import { openPatientRedis, openRedis, untilReady } from "./connection.ts";
import { openSender } from "./sender.ts";
import { startTimerWorker, type TimerKind } from "./timers.ts";

/** Timers that are served side by side. */
const TIMERS_AT_ONCE = 64;

export interface ServeTimersOptions<Timer> {
  readonly redisUrl: string;
  readonly prefix: string;
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly commandOf: (timer: Timer) => Command;
  /** The timer's command is in its event's queue. */
  readonly onSent: (timer: Timer) => void;
  /** It could not be sent, however often that was tried. */
  readonly onGivenUp: (timer: Timer, error: Error) => void;
  readonly onError: (error: unknown) => void;
}

/** Resolves when Redis is there, however long that takes. */
export async function serveTimers<Timer>(
  kind: TimerKind<Timer>,
  { redisUrl: url, prefix, name, now, commandOf, onSent, onGivenUp, onError }: ServeTimersOptions<Timer>,
): Promise<{ stop(): Promise<void> }> {
  const redis = openRedis({ url, name, onError });
  const patient = openPatientRedis({ url, name, onError });
  await untilReady(redis);
  const sender = openSender({ redis, prefix, replyTo: null, onError });

  const worker = startTimerWorker(kind, {
    redis: patient,
    prefix,
    concurrency: TIMERS_AT_ONCE,
    now,
    async onDue(timer) {
      const sent = await sender.producer.enqueue(commandOf(timer));
      // Timers come by the patient connection, which may be back before the one that sends.
      if (sent.kind !== "enqueued") throw new Error(`not sent: ${sent.kind}`);
      onSent(timer);
    },
    onGivenUp,
    onError,
  });

  return {
    async stop() {
      await worker.close();
      await sender.close();
      redis.disconnect();
      patient.disconnect();
    },
  };
}
