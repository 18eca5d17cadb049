// Looks through the tables, and through the list of busy events, for work that no job speaks of. In a healthy
// system it finds nothing: a job is a hint, state is the truth.

import {
  acceptedOf,
  dueRechecks,
  eventsToWindDown,
  eventsWithDueHolds,
  eventsWithVainWaiters,
  forgetEnded,
  latePromotions,
  overdueEvents,
  type ParkedEntries,
  planByIndex,
  type SlotOfEvent,
} from "@holdfast/db";
import {
  type CommandId,
  type EpochMs,
  type EventId,
  expireDue,
  promote,
  RECHECKED_AT_ONCE_MAX,
  type WaitlistEntryId,
  windDown,
} from "@holdfast/domain";
import {
  type Activations,
  forgetBusy,
  jobsOf,
  type Producer,
  someBusy,
  type UnderWay,
} from "@holdfast/event-queue";
import type { Logger } from "@holdfast/runtime";
import type { Redis } from "ioredis";
import type pg from "pg";

/** Milliseconds between sweeps of one worker. */
export const SWEEP_EVERY_MS = 2_000;
/** Milliseconds past its settling by which a hold is late: its timer is lost, or not served. */
export const HOLD_LATE_MS = 700;
/** Milliseconds past the time at which a slot's waiters were to be looked at by which that is late. */
export const PROMOTION_LATE_MS = 700;
/** Milliseconds for which an accepted command is surely on its way. */
const ACCEPTED_GRACE_MS = 2_000;
/** Milliseconds by which an event's logical time must have passed a command that cannot be in its queue any more. */
const PASSED_MS = 5_000;
/** Events, or slots, that one sweep looks after, of each kind. What is left waits for the next. */
const SWEEP_EVENTS_MAX = 1_000;
/** Commands of one event that one sweep sends again. */
const RESEND_MAX = 5_000;
/** Parked waitlist entries that one sweep has looked at again. */
const RECHECKS_MAX = 1_000;
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
  readonly underWay: UnderWay;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly newCommandId: () => CommandId;
  readonly log: Logger;
}

export interface Swept {
  readonly activated: number;
  readonly settled: number;
  /** Slots whose waiters are looked at late. */
  readonly promoted: number;
  /** Parked entries that are looked at again: nobody else keeps that time. */
  readonly rechecked: number;
  /** Events that are to end what nobody can have any more. */
  readonly woundDown: number;
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
    // Looked up first: the turn is this connection's, and may not wait for what is sent.
    await planByIndex(client);
    const overduePromotions = await latePromotions(client, {
      lateMs: PROMOTION_LATE_MS,
      limit: SWEEP_EVENTS_MAX,
    });
    const parked = await dueRechecks(client, { limit: RECHECKS_MAX });
    const leftovers = await eventsToWindDown(client, { limit: SWEEP_EVENTS_MAX });
    const vain = await eventsWithVainWaiters(client, { limit: SWEEP_EVENTS_MAX });
    const late = await settleLateHolds(deps);
    const promoted = await promoteLate(overduePromotions, deps);
    const rechecked = await recheckParked(parked, deps);
    const woundDown = await goOnWindingDown([...leftovers, ...vain], deps);
    const { resent, overdue } = await resendOverdue(deps);
    const asked = [...late, ...rechecked.events, ...promoted, ...woundDown, ...overdue];
    const activated = await activateForgotten(deps, asked);
    return {
      activated,
      settled: late.length,
      promoted: promoted.length,
      rechecked: rechecked.entries,
      woundDown: woundDown.length,
      resent,
      forgotten,
    };
  } finally {
    await client.query("ROLLBACK").then(
      () => client.release(),
      (error: Error) => client.release(error),
    );
  }
}

async function settleLateHolds({ pool, producer, now, newCommandId, log }: SweepDeps): Promise<EventId[]> {
  const events = await eventsWithDueHolds(pool, { lateMs: HOLD_LATE_MS, limit: SWEEP_EVENTS_MAX });
  for (const { eventId, dueAt, holds } of events) {
    log.info({ eventId, holds }, "holds are late: asked their event to settle them");
    await producer.enqueue(expireDue(newCommandId(), eventId, { at: now(), dueAt }));
  }
  return events.map(({ eventId }) => eventId);
}

async function recheckParked(
  due: readonly ParkedEntries[],
  deps: SweepDeps,
): Promise<{ entries: number; events: EventId[] }> {
  const idle = await deps.underWay.idle(due.map(({ slotId }) => slotId));
  const slots = due.filter(({ slotId }) => idle.has(slotId));
  for (const { eventId, slotId, entries } of slots) {
    for (let i = 0; i < entries.length; i += RECHECKED_AT_ONCE_MAX) {
      await look(deps, { eventId, slotId }, entries.slice(i, i + RECHECKED_AT_ONCE_MAX));
    }
  }
  return {
    entries: slots.reduce((sum, { entries }) => sum + entries.length, 0),
    events: slots.map(({ eventId }) => eventId),
  };
}

async function promoteLate(late: readonly SlotOfEvent[], deps: SweepDeps): Promise<EventId[]> {
  const idle = await deps.underWay.idle(late.map(({ slotId }) => slotId));
  const slots = late.filter(({ slotId }) => idle.has(slotId));
  for (const slot of slots) {
    deps.log.info({ ...slot }, "a slot's waiters were to be looked at: asked its event to");
    await look(deps, slot);
  }
  return slots.map(({ eventId }) => eventId);
}

async function look(
  { producer, underWay, now, newCommandId }: SweepDeps,
  { eventId, slotId }: SlotOfEvent,
  recheck: readonly WaitlistEntryId[] = [],
): Promise<void> {
  await producer.enqueue(promote(newCommandId(), { eventId, slotId, from: null, recheck }, now()));
  await underWay.note(slotId);
}

async function goOnWindingDown(events: readonly EventId[], deps: SweepDeps): Promise<EventId[]> {
  const { producer, underWay, now, newCommandId, log } = deps;
  const idle = await underWay.idle([...new Set(events)]);
  for (const eventId of idle) {
    log.info({ eventId }, "what nobody can have any more was left: asked its event to end it");
    await producer.enqueue(windDown(newCommandId(), eventId, { at: now(), after: null }));
    await underWay.note(eventId);
  }
  return [...idle];
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
