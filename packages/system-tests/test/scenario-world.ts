// A scenario's events and people in the tables of a running system, and the tables as the rules' own player reads them.
import { findEvent, insertEvent, ms, RESERVATION_COLUMNS } from "@holdfast/db";
import type { Command, EventId, Reservation, Slot, WaitlistEntry } from "@holdfast/domain";
import type { Scenario } from "@holdfast/testkit";
import type pg from "pg";
import { idOf } from "../../domain/test/names.ts";
import { eventRow } from "../../domain/test/play-commands.ts";
import type { World } from "../../domain/test/world.ts";

export async function createPeople(pool: pg.Pool, { events, steps }: Scenario): Promise<void> {
  const names = new Set([...events.map(({ organizer }) => organizer), ...steps.map(({ who }) => who)]);
  const ids = [...names].map((name) => idOf("user", name));
  await pool.query(
    `INSERT INTO users (id, email, name, password_hash)
    SELECT id, id || '@example.com', 'Somebody', 'none' FROM unnest($1::text[]) AS given(id)`,
    [ids],
  );
}

export async function createEvents(pool: pg.Pool, { events }: Scenario): Promise<void> {
  for (const event of events) {
    const { terms, slots } = eventRow(event);
    await insertEvent(pool, { name: "An evening", description: null, venue: null, ...terms, slots });
    if (terms.salesClosed)
      await pool.query("UPDATE events SET sales_closed = true WHERE id = $1", [terms.id]);
  }
}

export const slotsOf = (world: World): { eventId: EventId; slot: Slot }[] =>
  [...world.slots].flatMap(([eventId, slots]) => [...slots.values()].map((slot) => ({ eventId, slot })));

/** Reads what only organizers change. */
export async function loadTerms(pool: pg.Pool, world: World): Promise<void> {
  for (const event of await Promise.all([...world.terms.keys()].map((id) => findEvent(pool, id)))) {
    if (event === null) throw new Error("an event is gone");
    world.terms.set(event.id, event);
    world.details.set(event.id, event);
  }
}

/** Reads what anybody's commands change. Rows that it knows keep their place, new ones come last. */
export async function loadWorld(pool: pg.Pool, world: World): Promise<void> {
  const events = [...world.terms.keys()];
  const [winding, slots, reservations, entries] = await Promise.all([
    pool.query<{ id: EventId }>("SELECT id FROM events WHERE winding_down AND id = ANY ($1::text[])", [
      events,
    ]),
    pool.query<SlotRow>(
      `SELECT id, event_id AS "eventId", name, ${ms("starts_at")} AS "startsAt", ${ms("ends_at")} AS "endsAt", capacity,
        held, purchased, used, waiting, parked, last_seq AS "lastSeq", coalesce(passers, '{}') AS passers,
        CASE WHEN collecting_for IS NOT NULL THEN
          json_build_object('for', collecting_for, 'until', ${ms("collecting_until")})
        END AS collecting, ${ms("promote_at")} AS "promoteAt"
      FROM slots WHERE event_id = ANY ($1::text[]) ORDER BY starts_at, id`,
      [events],
    ),
    pool.query<Reservation>(
      `SELECT ${RESERVATION_COLUMNS} FROM reservations WHERE event_id = ANY ($1::text[]) ORDER BY created_at, id`,
      [events],
    ),
    pool.query<WaitlistEntry>(
      `SELECT id, event_id AS "eventId", slot_id AS "slotId", user_id AS "userId", quantity, status, seq,
        ${ms("created_at")} AS "createdAt", ${ms("offered_at")} AS "offeredAt", ${ms("ended_at")} AS "endedAt",
        end_reason AS "endReason", ${ms("recheck_at")} AS "recheckAt", last_passed_over AS "lastPassedOver"
      FROM waitlist_entries WHERE event_id = ANY ($1::text[]) ORDER BY created_at, seq`,
      [events],
    ),
  ]);
  world.windingDown.clear();
  for (const { id } of winding.rows) world.windingDown.add(id);
  for (const id of events) world.slots.set(id, new Map());
  for (const { eventId, ...slot } of slots.rows) {
    world.slots.get(eventId)?.set(slot.id, slot);
  }
  for (const row of reservations.rows) world.reservations.set(row.id, row);
  for (const row of entries.rows) world.entries.set(row.id, row);
}

type SlotRow = Slot & { readonly eventId: EventId };

/** How many commands of the type the event has ended. */
export async function countOutcomes(pool: pg.Pool, eventId: EventId, type: Command["type"]): Promise<number> {
  const { rows } = await pool.query<{ ended: number }>(
    "SELECT count(*)::int AS ended FROM outcomes WHERE event_id = $1 AND type = $2",
    [eventId, type],
  );
  return rows[0]?.ended ?? 0;
}
