// The checker must itself be able to find something: one planted fault at a time, each is named, and nothing else is.
import { type EventId, reservationIdOf, type UserId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  createEvent,
  createUsers,
  openTestDatabase,
  type TestDatabase,
  type TestEvent,
} from "../../testkit/src/index.ts";
import { findContradictions } from "../src/invariants.ts";
import { seed } from "../src/seed.ts";

let database: TestDatabase;
let user: UserId;
let event: TestEvent;

beforeAll(async () => {
  database = await openTestDatabase();
  // The tables' own guards are down: the checker has to find what they would not let in.
  await database.pool.query("DROP INDEX reservations_one_active_key, outcomes_user_key_key");
  await database.pool.query("ALTER TABLE reservations DROP CONSTRAINT reservations_no_overlap");
});
afterAll(() => database.close());

/** An event of two tickets with one hold. */
async function goodHistory(): Promise<void> {
  [user = newId("user")] = await createUsers(database.pool, 1);
  event = await createEvent(database.pool, { capacities: [2] });
  await addHold(event.id, 1);
}

/** A hold of the user as a worker would have left it: the row, the counter, outcome number `seq`, the lane. */
async function addHold(eventId: EventId, seq: number): Promise<void> {
  const commandId = newId("command");
  await database.pool.query(
    `WITH slot AS (
      UPDATE slots SET held = held + 1 WHERE event_id = $1 RETURNING *
    ), lane AS (
      UPDATE event_lanes SET next_seq = $2::int + 1 WHERE event_id = $1
    ), hold AS (
      INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        during, exclusive)
      SELECT $4, $1, id, $5, 1, 'held', 'public', now() + interval '1 hour', now(), tstzrange(starts_at, ends_at), true
      FROM slot
    )
    INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, status, outcome, submitted_at,
      finished_at)
    SELECT $3, $1, $2, 'reserve', $5, $3, 'succeeded', jsonb_build_object('status', 'succeeded', 'reservation',
      jsonb_build_object('id', $4::text, 'slotId', id, 'quantity', 1)), now(), now() FROM slot`,
    [eventId, seq, commandId, reservationIdOf(commandId), user],
  );
}

/** What is found of these events, or of all. */
async function sentences(asked: { events?: EventId[]; atRest?: boolean }): Promise<string[]> {
  const found = await findContradictions(database.pool, asked);
  return found.map(({ sentence }) => sentence);
}

const COUNTERS = "a slot's counters equal its rows";
const CAPACITY = "0 ≤ held + purchased ≤ capacity";
const NUMBERED = "outcomes of an event are numbered from 1 without gap";
const MADE =
  "every reservation was made by one command that succeeded, as it answered, and every such command made one";
const GONE = "every accepted command has ended, and is gone";

test("a good history has no contradictions, and neither has the example data", async () => {
  await seed(database.pool, { now: new Date("2026-06-01T09:30:00.000Z") });
  await goodHistory();
  expect(await findContradictions(database.pool, { atRest: true })).toEqual([]);
});

test.each<[fault: string, statement: string, contradicted: string[]]>([
  ["a counter", "UPDATE slots SET purchased = 1 WHERE event_id = $1", [COUNTERS]],
  [
    "a status",
    "UPDATE reservations SET status = 'purchased', purchased_at = now() WHERE event_id = $1",
    [COUNTERS],
  ],
  ["a quantity", "UPDATE reservations SET quantity = 2 WHERE event_id = $1", [COUNTERS, MADE]],
  [
    "more than there is",
    "UPDATE reservations SET quantity = 3 WHERE event_id = $1",
    [COUNTERS, CAPACITY, MADE],
  ],
  ["a number that is not the next", "UPDATE outcomes SET seq = 3 WHERE event_id = $1", [NUMBERED]],
  ["a lane that is ahead", "UPDATE event_lanes SET next_seq = 5 WHERE event_id = $1", [NUMBERED]],
  ["a lost outcome", "DELETE FROM outcomes WHERE event_id = $1", [NUMBERED, MADE]],
  ["a lost reservation", "DELETE FROM reservations WHERE event_id = $1", [COUNTERS, MADE]],
  [
    "a hold that ended early",
    `UPDATE reservations SET status = 'expired', ended_at = expires_at - interval '1 second', end_reason = 'deadline'
    WHERE event_id = $1`,
    [COUNTERS, "no hold ends before its deadline"],
  ],
  [
    "a moved time",
    "UPDATE reservations SET during = during + tstzrange(upper(during), upper(during) + '1 hour') WHERE event_id = $1",
    ["a reservation's time is its slot's"],
  ],
  [
    "a key used twice",
    `WITH lane AS (UPDATE event_lanes SET next_seq = 3 WHERE event_id = $1)
    INSERT INTO outcomes SELECT (jsonb_populate_record(o, '{"command_id":"again","seq":2,"status":"rejected"}')).*
    FROM outcomes o WHERE event_id = $1`,
    ["a user's key belongs to one command"],
  ],
])("one planted fault is found, and nothing else: %s", async (_fault, statement, contradicted) => {
  await goodHistory();
  await database.pool.query(statement, [event.id]);
  expect(await sentences({ events: [event.id] })).toEqual(contradicted);
});

test("a second active reservation of a user at a slot is found", async () => {
  await goodHistory();
  await addHold(event.id, 2);
  const found = await sentences({ events: [event.id] });
  expect(found).toContain("one active reservation for each user and slot");
  expect(found).not.toContain(COUNTERS);
});

test("an overlap is found, asked about either of its events", async () => {
  await goodHistory();
  const other = await createEvent(database.pool, { startsAt: event.slots[0]?.startsAt ?? 0 });
  await addHold(other.id, 1);
  const overlap = ["no overlap among a user's active reservations"];
  expect(await sentences({ events: [event.id] })).toEqual(overlap);
  expect(await sentences({ events: [other.id] })).toEqual(overlap);
});

test.each<[fault: string, statement: string, contradicted: string[]]>([
  [
    "a failed command",
    `WITH lane AS (UPDATE event_lanes SET next_seq = 3 WHERE event_id = $1)
    INSERT INTO outcomes SELECT (jsonb_populate_record(o,
      '{"command_id":"failed","idempotency_key":null,"seq":2,"status":"failed"}')).*
    FROM outcomes o WHERE event_id = $1`,
    ["no command failed"],
  ],
  [
    "a command that is under way",
    `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, command)
    VALUES ('cmd_' || substr($1, 5), $1, 'reserve', now(), '{}')`,
    [GONE],
  ],
])("what may be while a system runs is found only at rest: %s", async (_fault, statement, contradicted) => {
  await goodHistory();
  await database.pool.query(statement, [event.id]);
  expect(await sentences({ events: [event.id] })).toEqual([]);
  expect(await sentences({ events: [event.id], atRest: true })).toEqual(contradicted);
});

test("a contradiction names event, slot and difference; other events' are left alone", async () => {
  await goodHistory();
  const untouched = event;
  await goodHistory();
  await database.pool.query("UPDATE slots SET held = 2 WHERE event_id = $1", [event.id]);
  expect(await findContradictions(database.pool, { events: [event.id, untouched.id] })).toEqual([
    {
      sentence: COUNTERS,
      eventId: event.id,
      slotId: event.slotId,
      difference: "held counts 2, its rows have 1; purchased counts 0, its rows have 0",
    },
  ]);
  expect(await sentences({ events: [untouched.id] })).toEqual([]);
});
