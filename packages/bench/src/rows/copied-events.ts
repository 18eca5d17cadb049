// Many events for a row's template: copies of one, with ids of their own.
import type { EventId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { createEvent, type EventOptions } from "@holdfast/testkit/fixtures";
import type pg from "pg";

/** Copies that one statement makes. */
const AT_ONCE = 5_000;

/** So many events on sale, all alike, each with one slot. */
export async function createEvents(pool: pg.Pool, count: number, options: EventOptions): Promise<EventId[]> {
  const first = await createEvent(pool, options);
  const eventIds = [first.id];
  while (eventIds.length < count) {
    const made = Array.from({ length: Math.min(AT_ONCE, count - eventIds.length) }, () => newId("event"));
    await pool.query(
      `WITH given AS (SELECT * FROM unnest($2::text[], $3::text[]) AS given(event_id, slot_id)),
      made_events AS (
        INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('id', event_id))).*
        FROM given, events e WHERE e.id = $1
      ), made_lanes AS (
        INSERT INTO event_lanes (event_id) SELECT event_id FROM given
      )
      INSERT INTO slots SELECT (jsonb_populate_record(s, jsonb_build_object('id', slot_id, 'event_id', given.event_id))).*
      FROM given, slots s WHERE s.event_id = $1`,
      [first.id, made, made.map(() => newId("slot"))],
    );
    eventIds.push(...made);
  }
  return eventIds;
}
