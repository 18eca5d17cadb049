// Commands outside the queue: those that were promised to somebody and have not ended, and how the others ended.
// Used by gateways, which answer, and by sweeps, which send again. Changes no inventory.
import type {
  Command,
  CommandId,
  EpochMs,
  EventId,
  Outcome,
  OutcomeStatus,
  Seen,
  UserId,
} from "@holdfast/domain";
import { SETTLE_GRACE_MS } from "@holdfast/domain";
import pg from "pg";
import { ms, time } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";
import { byKey } from "./statement.ts";

export interface AcceptedCommand {
  readonly command: Command;
  /** Its number in the event's queue, when that is known. */
  readonly ticket: number | null;
}

/** A command as far as anybody can be told of it. */
export interface CommandRecord {
  readonly id: CommandId;
  readonly type: string;
  readonly eventId: EventId;
  readonly userId: UserId | null;
  readonly submittedAt: EpochMs;
  readonly finishedAt: EpochMs | null;
  /** Null while it has not ended. */
  readonly outcome: Outcome | null;
  /** Its number among the event's outcomes; null while it has none, and of one that was withdrawn. */
  readonly seq: number | null;
  /** What there was of the slot in question when it was decided; null when none was, or it has not ended. */
  readonly seen: Seen | null;
  readonly ticket: number | null;
}

/**
 * Keeps commands until they end. Those that have ended already, or are kept already, are left as they are; a race
 * with the worker may keep one that has just ended: the sweep sees to it.
 */
export async function acceptCommands(db: Queryable, given: readonly AcceptedCommand[]): Promise<void> {
  // In one order for all: gateways that keep the same commands at once must not wait for each other in a circle.
  const accepted = given.toSorted((a, b) => (a.command.id < b.command.id ? -1 : 1));
  await db.query({
    name: "accept-commands",
    text: `INSERT INTO accepted_commands (command_id, event_id, user_id, type, submitted_at, command, reservation_id,
        ticket)
      SELECT u.id, u.event_id, u.user_id, u.type, ${time("u.submitted_at")}, u.command::jsonb,
        u.reservation_id, u.ticket
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[], $8::bigint[])
        AS u(id, event_id, user_id, type, submitted_at, command, reservation_id, ticket)
      WHERE NOT EXISTS (SELECT FROM (SELECT FROM outcomes WHERE ${byKey("command_id", "u.id")}) known)
      ON CONFLICT (command_id) DO NOTHING`,
    values: [
      accepted.map(({ command }) => command.id),
      accepted.map(({ command }) => command.eventId),
      accepted.map(({ command }) => command.userId),
      accepted.map(({ command }) => command.type),
      accepted.map(({ command }) => command.at),
      accepted.map(({ command }) => JSON.stringify(command)),
      accepted.map(({ command }) => ("reservationId" in command.input ? command.input.reservationId : null)),
      accepted.map(({ ticket }) => ticket),
    ],
  });
}

/** True when a command could not be kept because its sender is not in the table. */
export const isUnknownSender = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.constraint === "accepted_commands_user_id_users_id_fk";

/**
 * Notes the tickets of kept commands that were not known yet. Those that have ended meanwhile need none. Each is found by
 * its key and written in its place, in order of ids: whoever takes long here holds up the worker that ends these commands.
 */
export async function noteTickets(
  db: Queryable,
  tickets: readonly { readonly id: CommandId; readonly ticket: number }[],
): Promise<void> {
  const noted = tickets.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  await db.query({
    name: "note-tickets",
    text: `UPDATE accepted_commands a SET ticket = u.ticket
      FROM unnest($1::text[], $2::bigint[]) AS u(id, ticket)
      CROSS JOIN LATERAL (
        SELECT ctid FROM accepted_commands WHERE ${byKey("command_id", "u.id")} FOR NO KEY UPDATE
      ) AS kept
      WHERE a.ctid = kept.ctid`,
    values: [noted.map(({ id }) => id), noted.map(({ ticket }) => ticket)],
  });
}

interface RecordRow {
  id: CommandId;
  type: string;
  event_id: EventId;
  user_id: UserId | null;
  submitted_at: number;
  finished_at: number | null;
  outcome: Outcome | null;
  seq: string | null;
  seen_available: number | null;
  seen_waiting: number | null;
  ticket: string | null;
}

const OUTCOME_COLUMNS = `command_id AS id, type, event_id, user_id, ${ms("submitted_at")} AS submitted_at,
  ${ms("finished_at")} AS finished_at, outcome, seq, seen_available, seen_waiting`;
const OUTCOME_RECORD = `SELECT ${OUTCOME_COLUMNS}, NULL::bigint AS ticket FROM outcomes`;
const ACCEPTED_RECORD = `SELECT command_id AS id, type, event_id, user_id, ${ms("submitted_at")} AS submitted_at,
  NULL::float8 AS finished_at, NULL::json AS outcome, NULL::bigint AS seq, NULL::int AS seen_available,
  NULL::int AS seen_waiting, ticket FROM accepted_commands`;

/** $1 commands */
const OF_EACH = (record: string): string => `SELECT r.* FROM unnest($1::text[]) AS asked(id)
  CROSS JOIN LATERAL (${record} WHERE ${byKey("command_id", "asked.id")}) r`;

const recordOf = (row: RecordRow): CommandRecord => ({
  id: row.id,
  type: row.type,
  eventId: row.event_id,
  userId: row.user_id,
  submittedAt: row.submitted_at,
  finishedAt: row.finished_at,
  outcome: row.outcome,
  seq: row.seq === null ? null : Number(row.seq),
  seen:
    row.seen_available === null || row.seen_waiting === null
      ? null
      : { available: row.seen_available, waitingAhead: row.seen_waiting },
  ticket: row.ticket === null ? null : Number(row.ticket),
});

/** Of these commands, those that somebody may be told of: ended ones as ended, promised ones as waiting. */
export async function findCommands(db: Queryable, ids: readonly CommandId[]): Promise<CommandRecord[]> {
  // Accepted first, ended second: a command that ends between the two reads is seen twice, never missed.
  const accepted = await db.query<RecordRow>({
    name: "find-accepted",
    text: OF_EACH(ACCEPTED_RECORD),
    values: [ids],
  });
  const ended = await db.query<RecordRow>({
    name: "find-outcomes",
    text: OF_EACH(OUTCOME_RECORD),
    values: [ids],
  });
  const found = new Map<CommandId, CommandRecord>();
  for (const row of [...accepted.rows, ...ended.rows]) found.set(row.id, recordOf(row));
  return [...found.values()];
}

export interface EndedCommand extends CommandRecord {
  readonly outcome: Outcome;
}

/** How all commands of an event ended, in the order in which they were applied; last those that never were. */
export async function listOutcomesOf(db: Queryable, eventId: EventId): Promise<EndedCommand[]> {
  const { rows } = await db.query<RecordRow & { outcome: Outcome }>(
    `${OUTCOME_RECORD} WHERE event_id = $1 ORDER BY seq`,
    [eventId],
  );
  return rows.map((row) => ({ ...recordOf(row), outcome: row.outcome }));
}

/** Tries to withdraw a command: its key may go to another command during the first, and is then kept by that one. */
const WITHDRAW_TRIES = 2;

/**
 * Ends a promised command of a user before it is applied; the record still has the ticket, when that was known. Null when
 * it had ended, or is not promised. The outcome first and the promise second, as a batch does it: whoever comes second
 * to the outcome holds nothing that the first waits for. One statement, so that no batch ever waits for a gateway.
 */
export async function withdrawCommand(db: Queryable, id: CommandId): Promise<EndedCommand | null> {
  for (let tries = 1; tries <= WITHDRAW_TRIES; tries += 1) {
    const { rows } = await db.query<RecordRow & { outcome: Outcome }>({
      name: "withdraw-command",
      text: `WITH withdrawn AS (
          INSERT INTO outcomes (command_id, event_id, type, user_id, idempotency_key, fingerprint, status, outcome,
            submitted_at, finished_at)
          SELECT a.command_id, a.event_id, a.type, a.user_id,
            CASE WHEN NOT EXISTS (
              SELECT FROM outcomes o
              WHERE o.user_id = a.user_id AND o.idempotency_key = a.command ->> 'idempotencyKey'
                AND o.idempotency_key IS NOT NULL OFFSET 0
            ) THEN a.command ->> 'idempotencyKey' END,
            a.command ->> 'fingerprint', 'withdrawn', '{"status":"withdrawn"}', a.submitted_at, clock_timestamp()
          FROM accepted_commands a WHERE a.command_id = $1 AND a.user_id IS NOT NULL
          ON CONFLICT DO NOTHING RETURNING *
        ), forgotten AS (
          DELETE FROM accepted_commands WHERE command_id = ANY (ARRAY(SELECT command_id FROM withdrawn))
          RETURNING ticket
        )
        SELECT ${OUTCOME_COLUMNS}, (SELECT ticket FROM forgotten) AS ticket FROM withdrawn`,
      values: [id],
    });
    const [row] = rows;
    if (row !== undefined) return { ...recordOf(row), outcome: row.outcome };
  }
  return null;
}

export interface CommandPage {
  readonly userId: UserId;
  readonly status: "queued" | OutcomeStatus | null;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: { readonly submittedAt: EpochMs; readonly id: CommandId } | null;
}

/** A user's commands, the newest first by their stamps: ids of keyed commands are hashes. */
export async function listCommands(db: Queryable, page: CommandPage): Promise<CommandRecord[]> {
  const { rows } = await db.query<RecordRow>(
    `SELECT * FROM (
      (${ACCEPTED_RECORD} a WHERE a.user_id = $1 AND $2 IN ('all', 'queued')
        AND ($4::timestamptz IS NULL OR (a.submitted_at, a.command_id) < ($4, $5))
        AND NOT EXISTS (SELECT FROM outcomes o WHERE o.command_id = a.command_id)
        ORDER BY a.submitted_at DESC, a.command_id DESC LIMIT $3)
      UNION ALL
      (${OUTCOME_RECORD} o WHERE o.user_id = $1 AND $2 IN ('all', o.status)
        AND ($4::timestamptz IS NULL OR (o.submitted_at, o.command_id) < ($4, $5))
        ORDER BY o.submitted_at DESC, o.command_id DESC LIMIT $3)
    ) commands ORDER BY submitted_at DESC, id DESC LIMIT $3`,
    [
      page.userId,
      page.status ?? "all",
      page.limit,
      page.after === null ? null : new Date(page.after.submittedAt),
      page.after?.id ?? null,
    ],
  );
  return rows.map(recordOf);
}

/**
 * Commands of one event that were promised and have not ended, the oldest stamp first: all of them, or those that
 * the event's logical time has passed by more than `passedMs`.
 */
export async function acceptedOf(
  db: Queryable,
  eventId: EventId,
  { passedMs, limit }: { passedMs: number | null; limit: number },
): Promise<Command[]> {
  const { rows } = await db.query<{ command: Command }>(
    `SELECT a.command FROM accepted_commands a JOIN event_lanes l USING (event_id)
    WHERE a.event_id = $1 AND ($2::int IS NULL OR l.logical_at > a.submitted_at + $2 * interval '1 millisecond')
    ORDER BY a.submitted_at, a.command_id LIMIT $3`,
    [eventId, passedMs, limit],
  );
  return rows.map((row) => row.command);
}

export interface OverdueEvent {
  readonly eventId: EventId;
  /** True when the event's logical time has left some of them behind: they cannot be in its queue any more. */
  readonly passed: boolean;
}

/**
 * Events with commands that were promised at least `graceMs` ago and have not ended, those of paused events left
 * alone. Whether they still wait in a queue is the caller's to find out, unless the event has `passed` them.
 */
export async function overdueEvents(
  db: Queryable,
  { graceMs, passedMs, limit }: { graceMs: number; passedMs: number; limit: number },
): Promise<OverdueEvent[]> {
  const { rows } = await db.query<{ event_id: EventId; passed: boolean }>(
    `SELECT a.event_id, bool_or(l.logical_at > a.submitted_at + $2 * interval '1 millisecond') AS passed
    FROM accepted_commands a JOIN event_lanes l USING (event_id)
    WHERE l.paused_at IS NULL AND a.accepted_at < clock_timestamp() - $1 * interval '1 millisecond'
    GROUP BY a.event_id ORDER BY min(a.accepted_at) LIMIT $3`,
    [graceMs, passedMs, limit],
  );
  return rows.map((row) => ({ eventId: row.event_id, passed: row.passed }));
}

/** A hold `r` in lane `l` whose deadline was $1 milliseconds ago or earlier, and which its event may settle. */
const IS_DUE = `r.status = 'held' AND l.paused_at IS NULL
  AND r.expires_at <= clock_timestamp() - $1 * interval '1 millisecond'
  AND NOT EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at
  )`;

/** Events with a hold that should have been ended `lateMs` ago or earlier, with the latest such deadline. */
export async function eventsWithDueHolds(
  db: Queryable,
  { lateMs, limit }: { lateMs: number; limit: number },
): Promise<{ eventId: EventId; dueAt: EpochMs; holds: number }[]> {
  const { rows } = await db.query<{ event_id: EventId; due_at: number; holds: number }>(
    `SELECT r.event_id, ${ms("max(r.expires_at)")} AS due_at, count(*)::int AS holds
    FROM reservations r JOIN event_lanes l USING (event_id)
    WHERE ${IS_DUE}
    GROUP BY r.event_id ORDER BY min(r.expires_at) LIMIT $2`,
    [SETTLE_GRACE_MS + lateMs, limit],
  );
  return rows.map((row) => ({ eventId: row.event_id, dueAt: row.due_at, holds: row.holds }));
}

/** Removes what is kept of commands that have ended: leftovers of a race between a gateway and a worker. */
export async function forgetEnded(db: Queryable): Promise<CommandId[]> {
  const { rows } = await db.query<{ command_id: CommandId }>(
    `DELETE FROM accepted_commands a USING outcomes o
    WHERE o.command_id = a.command_id AND a.accepted_at < clock_timestamp() - interval '1 second'
    RETURNING a.command_id`,
  );
  return rows.map((row) => row.command_id);
}

/** How many holds of these events have ended by their deadline since then. */
export async function countExpiredSince(
  db: Queryable,
  events: readonly EventId[],
  since: EpochMs,
): Promise<number> {
  const { rows } = await db.query<{ ended: number }>(
    `SELECT count(*)::int AS ended FROM reservations
    WHERE event_id = ANY ($1::text[]) AND status = 'expired' AND ended_at >= ${time("$2")}`,
    [events, since],
  );
  return rows[0]?.ended ?? 0;
}
