// Statements about events for those who only look, and the one that makes an event. Counters are not written here.
import type { EventFacts, EventId, Slot, SlotId, UserId } from "@holdfast/domain";
import { ms } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";

/** Of a slot, what people are told; what its waitlist's promotion needs is not read. */
export interface SlotRecord
  extends Pick<
    Slot,
    "id" | "name" | "startsAt" | "endsAt" | "capacity" | "held" | "purchased" | "waiting" | "parked"
  > {
  /** Counts every change of the counters. */
  readonly inventory: number;
}

export interface EventRecord extends Omit<EventFacts, "slots"> {
  readonly pausedAt: number | null;
  readonly startsAt: number;
  /** By start, then id. */
  readonly slots: readonly SlotRecord[];
}

export type NewSlot = Pick<SlotRecord, "id" | "name" | "startsAt" | "endsAt" | "capacity">;
export type NewEvent = Omit<
  EventRecord,
  "cancelledAt" | "salesClosed" | "pausedAt" | "version" | "createdAt" | "updatedAt" | "startsAt" | "slots"
> & { readonly slots: readonly NewSlot[] };

/** Of each event `e`, with its lane and its slots, which are looked up for it alone. */
export const EVENT_COLUMNS = `e.id, e.organizer_id AS "organizerId", e.name, e.description, e.venue,
         ${ms("e.sales_open_at")} AS "salesOpenAt", ${ms("e.sales_close_at")} AS "salesCloseAt",
         e.sales_closed AS "salesClosed", e.hold_seconds AS "holdSeconds", e.offer_seconds AS "offerSeconds",
         e.max_per_order AS "maxPerOrder", e.max_per_user AS "maxPerUser",
         e.overlap_policy AS "overlapPolicy", e.cancel_cutoff_seconds AS "cancelCutoffSeconds", e.waitlist,
         ${ms("e.cancelled_at")} AS "cancelledAt", ${ms("l.paused_at")} AS "pausedAt", e.version,
         ${ms("e.created_at")} AS "createdAt", ${ms("e.updated_at")} AS "updatedAt",
         ${ms("e.starts_at")} AS "startsAt", s.slots`;
export const WITH_LANE_AND_SLOTS = `LEFT JOIN LATERAL (SELECT paused_at FROM event_lanes WHERE event_id = e.id OFFSET 0) l ON true
  CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object(
      'id', s.id, 'name', s.name, 'startsAt', ${ms("s.starts_at")}, 'endsAt', ${ms("s.ends_at")},
      'capacity', s.capacity, 'held', s.held, 'purchased', s.purchased, 'waiting', s.waiting, 'parked', s.parked,
      'inventory', s.inventory
    ) ORDER BY s.starts_at, s.id) AS slots
    FROM slots s WHERE s.event_id = e.id
  ) s`;

/** One statement: the event, its slots and its lane, all or none. */
export async function insertEvent(db: Queryable, event: NewEvent): Promise<void> {
  const { slots } = event;
  const time = (at: number | null) => (at === null ? null : new Date(at));
  await db.query(
    `WITH made_event AS (
       INSERT INTO events (id, organizer_id, name, description, venue, sales_open_at, sales_close_at, hold_seconds,
         offer_seconds, max_per_order, max_per_user, overlap_policy, cancel_cutoff_seconds, waitlist, starts_at, ends_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     ), made_lane AS (
       INSERT INTO event_lanes (event_id) VALUES ($1)
     )
     INSERT INTO slots (event_id, id, name, starts_at, ends_at, capacity)
     SELECT $1, * FROM unnest($17::text[], $18::text[], $19::timestamptz[], $20::timestamptz[], $21::int[])`,
    [
      event.id,
      event.organizerId,
      event.name,
      event.description,
      event.venue,
      time(event.salesOpenAt),
      time(event.salesCloseAt),
      event.holdSeconds,
      event.offerSeconds,
      event.maxPerOrder,
      event.maxPerUser,
      event.overlapPolicy,
      event.cancelCutoffSeconds,
      JSON.stringify(event.waitlist),
      new Date(Math.min(...slots.map((slot) => slot.startsAt))),
      new Date(Math.max(...slots.map((slot) => slot.endsAt))),
      slots.map((slot) => slot.id),
      slots.map((slot) => slot.name),
      slots.map((slot) => new Date(slot.startsAt)),
      slots.map((slot) => new Date(slot.endsAt)),
      slots.map((slot) => slot.capacity),
    ],
  );
}

export async function findEvent(db: Queryable, id: EventId): Promise<EventRecord | null> {
  const { rows } = await db.query<EventRecord>(
    `SELECT ${EVENT_COLUMNS} FROM events e ${WITH_LANE_AND_SLOTS} WHERE e.id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** Who made these events, of those that there are. */
export async function organizersOf(db: Queryable, ids: readonly EventId[]): Promise<Map<EventId, UserId>> {
  const { rows } = await db.query<{ id: EventId; organizer_id: UserId }>({
    name: "find-organizers",
    text: "SELECT id, organizer_id FROM events WHERE id = ANY ($1::text[])",
    values: [ids],
  });
  return new Map(rows.map((row) => [row.id, row.organizer_id]));
}

/** Of which events these slots are, of those that there are. */
export async function eventsOfSlots(db: Queryable, ids: readonly SlotId[]): Promise<Map<SlotId, EventId>> {
  const { rows } = await db.query<{ id: SlotId; event_id: EventId }>({
    name: "find-events-of-slots",
    text: "SELECT id, event_id FROM slots WHERE id = ANY ($1::text[])",
    values: [ids],
  });
  return new Map(rows.map((row) => [row.id, row.event_id]));
}

/**
 * Halts the event, or lets it go on; what it is already stays as it is. Waits for the batch that is under way: when
 * the event is halted, nothing more is applied. Whoever lets it go on activates it.
 */
export async function setPaused(db: Queryable, id: EventId, paused: boolean): Promise<void> {
  await db.query(
    `UPDATE event_lanes SET paused_at = CASE WHEN $2 THEN coalesce(paused_at, clock_timestamp()) END
     WHERE event_id = $1`,
    [id, paused],
  );
}
