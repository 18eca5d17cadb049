// How far an event's queue has come, how fast, and who left it before their turn: of it are made the positions and waits
// that people are told. Hints: after Redis was emptied they may be too small for a while.
import type { CommandId, EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { eventKeys } from "./names.ts";

/** Milliseconds of work from which the pace of a queue is told, and those by which they move on. */
export const PACE_WINDOW_MS = 2_000;
export const PACE_MARK_MS = 500;
/** Milliseconds without a settlement after which nothing is said of the pace. */
export const PACE_GAP_MS = 5_000;
/** Milliseconds between two settlements, at least, for anything to be said of the time between them. */
export const PACE_SPAN_MIN_MS = 250;

/** Withdrawn commands that are read of a queue, the first ones. Who is behind more of them is told too high a position. */
export const WITHDRAWN_READ_MAX = 1_000;

/**
 * KEYS count withdrawn · ARGV the most withdrawn ones
 * → the counters, then the tickets of those that were withdrawn and whose turn has not come, in order. Only reads.
 */
const READ_PACE = `
local counters = redis.call('HMGET', KEYS[1], 'enqueued', 'done', 'since', 'since-done', 'at')
if redis.call('EXISTS', KEYS[2]) == 0 then return {counters, {}} end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. (counters[2] or '0'), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local tickets = {}
for i = 2, #found, 2 do tickets[#tickets + 1] = found[i] end
return {counters, tickets}
`;

/**
 * Forgets those whose turn has come, too. Notes nothing of a queue that is gone: tickets of the next one begin anew.
 * KEYS count withdrawn · ARGV ticket, command
 */
const NOTE_WITHDRAWN = `
local counters = redis.call('HMGET', KEYS[1], 'enqueued', 'done')
local enqueued, done = tonumber(counters[1] or '0'), tonumber(counters[2] or '0')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', done)
local ticket = tonumber(ARGV[1])
if ticket > done and ticket <= enqueued then redis.call('ZADD', KEYS[2], ticket, ARGV[2]) end
`;

interface PacingRedis {
  hfReadPace(
    count: string,
    withdrawn: string,
    most: number,
  ): Promise<[counters: (string | null)[], tickets: string[]]>;
  hfNoteWithdrawn(count: string, withdrawn: string, ticket: number, commandId: CommandId): Promise<null>;
}

/** Teaches a connection these scripts, the first time. */
function withPace(redis: Redis): Redis & PacingRedis {
  if (!("hfReadPace" in redis)) {
    redis.defineCommand("hfReadPace", { numberOfKeys: 2, lua: READ_PACE });
    redis.defineCommand("hfNoteWithdrawn", { numberOfKeys: 2, lua: NOTE_WITHDRAWN });
  }
  return redis as Redis & PacingRedis;
}

export interface Pace {
  /** Commands since the queue was last empty. */
  readonly enqueued: number;
  readonly done: number;
  /** Milliseconds that a command takes in its turn; null when nothing has ended lately, as while the event is paused. */
  readonly msPerCommand: number | null;
  /** Tickets of those that were withdrawn and whose turn has not come, in order. */
  readonly withdrawn: readonly number[];
}

/** Of each event, in order. */
export async function readPaces(redis: Redis, prefix: string, eventIds: readonly EventId[]): Promise<Pace[]> {
  const pacing = withPace(redis);
  const [time, ...found] = await Promise.all([
    redis.time(),
    ...eventIds.map((eventId) => {
      const { count, withdrawn } = eventKeys(prefix, eventId);
      return pacing.hfReadPace(count, withdrawn, WITHDRAWN_READ_MAX);
    }),
  ]);
  const now = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
  return found.map(([counters, tickets]) => ({ ...paceOf(counters, now), withdrawn: tickets.map(Number) }));
}

/** Notes that a command will not be applied when its turn comes, so that those behind it move up. */
export async function noteWithdrawn(
  redis: Redis,
  prefix: string,
  eventId: EventId,
  { id, ticket }: { readonly id: CommandId; readonly ticket: number },
): Promise<void> {
  const { count, withdrawn } = eventKeys(prefix, eventId);
  await withPace(redis).hfNoteWithdrawn(count, withdrawn, ticket, id);
}

function paceOf(fields: readonly (string | null)[], now: number): Omit<Pace, "withdrawn"> {
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
export function placeIn({ enqueued, done, msPerCommand, withdrawn }: Pace, ticket: number | null): Place {
  const gone = ticket === null ? withdrawn.length : countBefore(withdrawn, ticket);
  const position = Math.max(1, Math.min(ticket ?? enqueued, enqueued) - done - gone);
  return { position, estimatedWaitMs: msPerCommand === null ? null : Math.round(position * msPerCommand) };
}

/** How many of these numbers, which are in order, are smaller. */
function countBefore(numbers: readonly number[], limit: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? limit) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
