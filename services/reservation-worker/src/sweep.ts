// Looks through the tables, and through the list of busy events, for work that no job speaks of. In a healthy
// system it finds nothing: a job is a hint, state is the truth.

import { acceptedOf, eventsWithDueHolds, forgetEnded, overdueEvents } from "@holdfast/db";
import type { Command, EpochMs, EventId } from "@holdfast/domain";
import { type Activations, forgetBusy, jobsOf, type Producer, someBusy } from "@holdfast/event-queue";
import type { Logger } from "@holdfast/runtime";
import type { Redis } from "ioredis";
import type pg from "pg";

/** Milliseconds between sweeps of one worker. */
export const SWEEP_EVERY_MS = 2_000;
/** Milliseconds past its settling by which a hold is late: its timer is lost, or not served. */
export const HOLD_LATE_MS = 700;
/** Milliseconds for which an accepted command is surely on its way. */
const ACCEPTED_GRACE_MS = 2_000;
/** Milliseconds by which an event's logical time must have passed a command that cannot be in its queue any more. */
const PASSED_MS = 5_000;
/** Events that one sweep looks after, of each kind. What is left waits for the next. */
const SWEEP_EVENTS_MAX = 1_000;
/** Commands of one event that one sweep sends again. */
const RESEND_MAX = 5_000;
/** Milliseconds after which a sweeper that froze loses its turn. */
const TURN_IDLE_MS = 5_000;
/** Sweepers of all workers take turns on this advisory lock. */
const SWEEP_LOCK = 7_421_002;

export interface SweepDeps {
  readonly pool: pg.Pool;
  readonly redis: Redis;
  readonly prefix: string;
  readonly activations: Activations;
  readonly producer: Producer;
  readonly expireDue: (eventId: EventId, dueAt: EpochMs) => Command;
  readonly log: Logger;
}

export interface Swept {
  readonly activated: number;
  readonly settled: number;
  readonly resent: number;
  readonly forgotten: number;
}

/** One sweep. Null when another worker is at it. */
export async function sweepOnce(deps: SweepDeps): Promise<Swept | null> {
  const client = await deps.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query(`SET LOCAL idle_in_transaction_session_timeout = ${TURN_IDLE_MS}`);
    const { rows } = await client.query<{ mine: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS mine", [
      SWEEP_LOCK,
    ]);
    if (rows[0]?.mine !== true) return null;
    const forgotten = (await forgetEnded(deps.pool)).length;
    const late = await settleLateHolds(deps);
    const { resent, overdue } = await resendOverdue(deps);
    const activated = await activateForgotten(deps, [...late, ...overdue]);
    return { activated, settled: late.length, resent, forgotten };
  } finally {
    await client.query("ROLLBACK").then(
      () => client.release(),
      (error: Error) => client.release(error),
    );
  }
}

async function settleLateHolds({ pool, producer, expireDue, log }: SweepDeps): Promise<EventId[]> {
  const events = await eventsWithDueHolds(pool, { lateMs: HOLD_LATE_MS, limit: SWEEP_EVENTS_MAX });
  for (const { eventId, dueAt, holds } of events) {
    log.info({ eventId, holds }, "holds are late: asked their event to settle them");
    await producer.enqueue(expireDue(eventId, dueAt));
  }
  return events.map(({ eventId }) => eventId);
}

async function resendOverdue({
  pool,
  redis,
  prefix,
  producer,
  log,
}: SweepDeps): Promise<{ resent: number; overdue: EventId[] }> {
  const events = await overdueEvents(pool, {
    graceMs: ACCEPTED_GRACE_MS,
    passedMs: PASSED_MS,
    limit: SWEEP_EVENTS_MAX,
  });
  let resent = 0;
  for (const { eventId, passed } of events) {
    const { waiting, active } = await jobsOf(redis, prefix, eventId);
    const inQueue = waiting + active > 0;
    if (inQueue && !passed) continue;
    const commands = await acceptedOf(pool, eventId, {
      passedMs: inQueue ? PASSED_MS : null,
      limit: RESEND_MAX,
    });
    log.warn({ eventId, commands: commands.length }, "accepted commands were not in the queue: sent again");
    const sent = await Promise.all(commands.map((command) => producer.enqueue(command)));
    resent += sent.filter(({ kind }) => kind === "enqueued").length;
  }
  return { resent, overdue: events.map(({ eventId }) => eventId) };
}

/** Of the busy events, and of those given, activates what has jobs and no activation. */
async function activateForgotten(
  { pool, redis, prefix, activations, log }: SweepDeps,
  given: readonly EventId[],
): Promise<number> {
  const busy = await someBusy(redis, prefix, SWEEP_EVENTS_MAX);
  const idle = await activations.missing([...new Set([...busy, ...given])]);
  const halted = await pausedAmong(pool, idle);
  let activated = 0;
  for (const eventId of idle.filter((id) => !halted.has(id))) {
    const { waiting, active } = await jobsOf(redis, prefix, eventId);
    if (waiting + active === 0) {
      await forgetBusy(redis, prefix, eventId);
      continue;
    }
    // Seen once, it may only have been between two drains, or just added to.
    if ((await activations.missing([eventId])).length === 0) continue;
    log.warn({ eventId, waiting, active }, "an event had jobs and no activation");
    await activations.signal(eventId);
    activated += 1;
  }
  return activated;
}

export async function pausedAmong(pool: pg.Pool, events: readonly EventId[]): Promise<Set<EventId>> {
  const { rows } = await pool.query<{ event_id: EventId }>(
    "SELECT event_id FROM event_lanes WHERE event_id = ANY ($1::text[]) AND paused_at IS NOT NULL",
    [events],
  );
  return new Set(rows.map((row) => row.event_id));
}
