// Statements about waitlist entries for those who only look. They are written by the batch alone (`inventory`).
import type {
  EntryStatus,
  EpochMs,
  EventId,
  Reservation,
  SlotId,
  UserId,
  WaitlistEntry,
  WaitlistEntryId,
} from "@holdfast/domain";
import { ms } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";
import { RESERVATION_COLUMNS } from "./reservations.ts";
import { originsOf } from "./statement.ts";

/** Entries of a slot, by number, whose waiting ones are counted together in `waitlist_stretches`. */
export const STRETCH_ENTRIES = 512;

export interface WaitlistRecord extends WaitlistEntry {
  /** Its place among those who wait for the slot, from 1; null when it does not wait. */
  readonly position: number | null;
  /** The reservation that it was offered; null when it is not offered. */
  readonly offer: Reservation | null;
}

/**
 * Of the entry `e`: the stretches before its own are summed up, only those within its own are counted. They are read in
 * their order so that no plan takes an index by which the whole line would be read.
 */
const POSITION = `CASE WHEN e.status = 'waiting' THEN (
    (SELECT coalesce(sum(s.waiting), 0) FROM waitlist_stretches s
     WHERE s.slot_id = e.slot_id AND s.stretch < (e.seq - 1) / ${STRETCH_ENTRIES})
    + (SELECT count(*) FROM (
        SELECT FROM waitlist_entries w
        WHERE w.slot_id = e.slot_id AND w.status = 'waiting'
          AND w.seq > (e.seq - 1) / ${STRETCH_ENTRIES} * ${STRETCH_ENTRIES} AND w.seq <= e.seq
        ORDER BY w.seq LIMIT ${STRETCH_ENTRIES}
      ) stretch)
  )::int END`;

// An offer bears its entry's bits. OFFSET keeps the planner from reading all reservations for a page of entries.
const SELECT_ENTRIES = `
  SELECT e.id, e.event_id AS "eventId", e.slot_id AS "slotId", e.user_id AS "userId", e.quantity, e.status, e.seq,
         ${ms("e.created_at")} AS "createdAt", ${ms("e.offered_at")} AS "offeredAt", ${ms("e.ended_at")} AS "endedAt",
         e.end_reason AS "endReason", ${ms("e.recheck_at")} AS "recheckAt", e.last_passed_over AS "lastPassedOver",
         ${POSITION} AS position, row_to_json(o) AS offer
  FROM waitlist_entries e
  LEFT JOIN LATERAL (
    SELECT ${RESERVATION_COLUMNS} FROM reservations WHERE id = 'rsv_' || substr(e.id, 5) OFFSET 0
  ) o ON e.status = 'offered'`;

/** Null when there is none, or when it is somebody else's. */
export async function findEntryOf(
  db: Queryable,
  userId: UserId,
  id: WaitlistEntryId,
): Promise<WaitlistRecord | null> {
  const { rows } = await db.query<WaitlistRecord>(`${SELECT_ENTRIES} WHERE e.id = $1 AND e.user_id = $2`, [
    id,
    userId,
  ]);
  return rows[0] ?? null;
}

/** What never changes about an entry: whose it is, and of which event. */
export interface EntryOrigin {
  readonly eventId: EventId;
  readonly userId: UserId;
}

/** The origins of those that there are. */
export async function findEntryOrigins(
  db: Queryable,
  ids: readonly WaitlistEntryId[],
): Promise<Map<WaitlistEntryId, EntryOrigin>> {
  const { rows } = await db.query<EntryOrigin & { id: WaitlistEntryId }>({
    name: "find-waitlist-origins",
    text: originsOf("waitlist_entries"),
    values: [ids],
  });
  return new Map(rows.map(({ id, eventId, userId }) => [id, { eventId, userId }]));
}

export interface EntryListing {
  readonly userId: UserId;
  readonly eventId: EventId | null;
  readonly status: EntryStatus | null;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: { readonly createdAt: EpochMs; readonly id: WaitlistEntryId } | null;
}

/** A user's entries, the newest first by their times: ids of those that keyed commands made are hashes. */
export async function listEntries(
  db: Queryable,
  { userId, eventId, status, limit, after }: EntryListing,
): Promise<WaitlistRecord[]> {
  const values: unknown[] = [limit, userId];
  const value = (given: unknown) => `$${values.push(given)}`;
  const conditions = ["e.user_id = $2"];
  if (eventId !== null) conditions.push(`e.event_id = ${value(eventId)}`);
  if (status !== null) conditions.push(`e.status = ${value(status)}`);
  if (after !== null) {
    conditions.push(`(e.created_at, e.id) < (${value(new Date(after.createdAt))}, ${value(after.id)})`);
  }
  const { rows } = await db.query<WaitlistRecord>(
    `${SELECT_ENTRIES} WHERE ${conditions.join(" AND ")} ORDER BY e.created_at DESC, e.id DESC LIMIT $1`,
    values,
  );
  return rows;
}

export interface LineListing {
  readonly slotId: SlotId;
  readonly status: EntryStatus | null;
  readonly limit: number;
  /** The number of the last one of the page before; null for the first page. */
  readonly after: number | null;
}

/** A slot's entries in the order in which they are asked. */
export async function listLine(
  db: Queryable,
  { slotId, status, limit, after }: LineListing,
): Promise<WaitlistRecord[]> {
  const values: unknown[] = [limit, slotId, after ?? 0];
  const ofStatus = status === null ? "" : `AND e.status = $${values.push(status)}`;
  const { rows } = await db.query<WaitlistRecord>(
    `${SELECT_ENTRIES} WHERE e.slot_id = $2 AND e.seq > $3 ${ofStatus} ORDER BY e.seq LIMIT $1`,
    values,
  );
  return rows;
}
