// What the sweep looks for in waitlists and events: state that says that something is to be done, and nobody does it.
// Paused events are left alone. Each statement goes by a partial index that holds only what is in question; OFFSET
// keeps its joins look-ups, and `planByIndex` its scan one of that index, whatever the statistics say.
import type { EventId, SlotId, WaitlistEntryId } from "@holdfast/domain";
import type { Queryable } from "./queryable.ts";

/** For the rest of the transaction: on small tables, or such as were never analysed, reading all of it looks cheapest. */
export async function planByIndex(tx: Queryable): Promise<void> {
  await tx.query("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off");
}

/** For a row with an `event_id`. */
const isNotPaused = (row: string): string =>
  `EXISTS (SELECT FROM event_lanes l WHERE l.event_id = ${row}.event_id AND l.paused_at IS NULL OFFSET 0)`;

export interface SlotOfEvent {
  readonly eventId: EventId;
  readonly slotId: SlotId;
}

/** Slots whose waiters were to be looked at `lateMs` ago or earlier, the most overdue first. */
export async function latePromotions(
  tx: Queryable,
  { lateMs, limit }: { lateMs: number; limit: number },
): Promise<SlotOfEvent[]> {
  const { rows } = await tx.query<SlotOfEvent>(
    `SELECT s.event_id AS "eventId", s.id AS "slotId" FROM slots s
    WHERE s.promote_at <= statement_timestamp() - $1 * interval '1 millisecond' AND ${isNotPaused("s")}
    ORDER BY s.promote_at LIMIT $2`,
    [lateMs, limit],
  );
  return rows;
}

export interface ParkedEntries extends SlotOfEvent {
  readonly entries: readonly WaitlistEntryId[];
}

/** Parked entries whose time to be looked at again has come, by slot; those that waited longest for it first. */
export async function dueRechecks(tx: Queryable, { limit }: { limit: number }): Promise<ParkedEntries[]> {
  const { rows } = await tx.query<ParkedEntries>(
    `SELECT due.event_id AS "eventId", due.slot_id AS "slotId",
      array_agg(due.id ORDER BY due.recheck_at, due.id) AS entries
    FROM (
      SELECT w.id, w.event_id, w.slot_id, w.recheck_at FROM waitlist_entries w
      WHERE w.recheck_at <= statement_timestamp() AND ${isNotPaused("w")}
        AND EXISTS (SELECT FROM events e WHERE e.id = w.event_id AND e.cancelled_at IS NULL OFFSET 0)
      ORDER BY w.recheck_at LIMIT $1
    ) due
    GROUP BY due.event_id, due.slot_id ORDER BY min(due.recheck_at)`,
    [limit],
  );
  return rows;
}

/** Cancelled events that still have reservations or waitlist entries to end. */
export async function eventsToWindDown(tx: Queryable, { limit }: { limit: number }): Promise<EventId[]> {
  const { rows } = await tx.query<{ id: EventId }>(
    `SELECT e.id FROM events e
    WHERE e.winding_down AND EXISTS (
      SELECT FROM event_lanes l WHERE l.event_id = e.id AND l.paused_at IS NULL OFFSET 0
    )
    ORDER BY e.id LIMIT $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

/** Events of slots, at most so many, for which somebody waits in vain: too late, or for more than the slot has. */
export async function eventsWithVainWaiters(tx: Queryable, { limit }: { limit: number }): Promise<EventId[]> {
  const { rows } = await tx.query<{ event_id: EventId }>(
    `SELECT s.event_id FROM slots s
    CROSS JOIN LATERAL (
      SELECT cancelled_at IS NOT NULL AS cancelled,
        (waitlist ->> 'closesBeforeSeconds')::int * interval '1 second' AS closes_before
      FROM events WHERE id = s.event_id OFFSET 0
    ) e
    WHERE s.waiting > 0 AND ${isNotPaused("s")}
      AND (
        e.cancelled OR s.starts_at - e.closes_before <= statement_timestamp()
        OR EXISTS (
          SELECT FROM waitlist_entries w
          WHERE w.slot_id = s.id AND w.status = 'waiting' AND w.quantity > s.capacity OFFSET 0
        )
      )
    ORDER BY s.starts_at LIMIT $1`,
    [limit],
  );
  return [...new Set(rows.map((row) => row.event_id))];
}
