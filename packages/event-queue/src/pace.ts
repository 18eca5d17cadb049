// How far an event's queue has come, and how fast: of it are made the positions and waits that people are told. Hints:
// after Redis was emptied they may be too small for a while.
import type { EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { eventKeys } from "./names.ts";

/** Milliseconds of work from which the pace of a queue is told, and those by which they move on. */
export const PACE_WINDOW_MS = 2_000;
export const PACE_MARK_MS = 500;
/** Milliseconds without a settlement after which nothing is said of the pace. */
export const PACE_GAP_MS = 5_000;
/** Milliseconds between two settlements, at least, for anything to be said of the time between them. */
export const PACE_SPAN_MIN_MS = 250;

export interface Pace {
  /** Commands since the queue was last empty. */
  readonly enqueued: number;
  readonly done: number;
  /** Milliseconds that a command takes in its turn; null when nothing has ended lately, as while the event is paused. */
  readonly msPerCommand: number | null;
}

/** Of each event, in order. */
export async function readPaces(redis: Redis, prefix: string, eventIds: readonly EventId[]): Promise<Pace[]> {
  const [time, ...counts] = await Promise.all([
    redis.time(),
    ...eventIds.map((eventId) =>
      redis.hmget(eventKeys(prefix, eventId).count, "enqueued", "done", "since", "since-done", "at"),
    ),
  ]);
  const now = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
  return counts.map((fields) => paceOf(fields, now));
}

function paceOf(fields: readonly (string | null)[], now: number): Pace {
  const [enqueued, done] = [Number(fields[0] ?? 0), Number(fields[1] ?? 0)];
  const [since, sinceDone, at] = fields.slice(2).map((field) => (field === null ? null : Number(field)));
  if (since == null || sinceDone == null || at == null || now - at > PACE_GAP_MS) {
    return { enqueued, done, msPerCommand: null };
  }
  const isTold = at - since >= PACE_SPAN_MIN_MS && done > sinceDone;
  return { enqueued, done, msPerCommand: isTold ? (at - since) / (done - sinceDone) : null };
}

/** Where somebody stands in a queue. */
export interface Place {
  /** Counts from 1. */
  readonly position: number;
  readonly estimatedWaitMs: number | null;
}

/** One without a known number counts as the last. */
export function placeIn({ enqueued, done, msPerCommand }: Pace, ticket: number | null): Place {
  const position = Math.max(1, Math.min(ticket ?? enqueued, enqueued) - done);
  return { position, estimatedWaitMs: msPerCommand === null ? null : Math.round(position * msPerCommand) };
}
