// People with tokens, and events to ask for: put into the tables directly, thousands of them in a moment.

import { signAccessToken } from "@holdfast/access-token";
import {
  type EventId,
  HOLD_SECONDS_DEFAULT,
  type OverlapPolicy,
  type SlotId,
  type UserId,
  type UserRole,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { createUsers, createEvent as insertEvent } from "@holdfast/testkit";
import type pg from "pg";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Signs the tokens of every test system. */
export const JWT_SECRET = "of-tests-only-of-tests-only-of-tests-only";
export const WEBHOOK_ENCRYPTION_KEY = "of-tests-only-of-webhooks-only-of-tests-only";

export interface Person {
  readonly userId: UserId;
  readonly token: string;
}

export async function createPeople(pool: pg.Pool, count: number, role: UserRole = "user"): Promise<Person[]> {
  const users = await createUsers(pool, count);
  if (role !== "user")
    await pool.query("UPDATE users SET role = $2 WHERE id = ANY ($1::text[])", [users, role]);
  return users.map((userId) => ({ userId, token: signAccessToken(JWT_SECRET, { userId, role }) }));
}

export interface EventWish {
  readonly capacity: number;
  readonly holdSeconds?: number;
  /** Days from now to its start: events of one day overlap, others do not. */
  readonly inDays?: number;
  readonly overlapPolicy?: OverlapPolicy;
}

export interface MadeEvent {
  readonly eventId: EventId;
  readonly slotId: SlotId;
  readonly reservePath: string;
}

/** An event of one slot, on sale. */
export async function createEvent(pool: pg.Pool, wish: EventWish): Promise<MadeEvent> {
  const { capacity, holdSeconds = HOLD_SECONDS_DEFAULT, inDays = 30, overlapPolicy = "refuse" } = wish;
  const startsAt = Math.floor(Date.now() / HOUR_MS) * HOUR_MS + inDays * DAY_MS;
  const { id, slotId } = await insertEvent(pool, {
    capacities: [capacity],
    startsAt,
    terms: { holdSeconds, overlapPolicy },
  });
  return { eventId: id, slotId, reservePath: `/v1/events/${id}/reserve` };
}

/** Many events that are alike, whose users may go to several of them: copies of one, made in one statement. */
export async function createEvents(
  pool: pg.Pool,
  count: number,
  wish: Omit<EventWish, "overlapPolicy">,
): Promise<EventId[]> {
  const model = await createEvent(pool, { ...wish, overlapPolicy: "allow" });
  const copies = Array.from({ length: count - 1 }, () => newId("event"));
  await pool.query(
    `WITH made_events AS (
       INSERT INTO events
       SELECT (jsonb_populate_record(model, jsonb_build_object('id', copy))).*
       FROM events model, unnest($2::text[]) AS given(copy) WHERE model.id = $1
     ), made_lanes AS (
       INSERT INTO event_lanes (event_id) SELECT * FROM unnest($2::text[])
     )
     INSERT INTO slots
     SELECT (jsonb_populate_record(model, jsonb_build_object('id', slot, 'event_id', copy))).*
     FROM slots model, unnest($2::text[], $3::text[]) AS given(copy, slot) WHERE model.event_id = $1`,
    [model.eventId, copies, copies.map(() => newId("slot"))],
  );
  return [model.eventId, ...copies];
}
