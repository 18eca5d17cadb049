// The checker of these tests must itself be able to find something: one seeded fault at a time, each is named.
import type { EventId } from "@holdfast/domain";
import { reservationIdOf } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { openTestDatabase, type TestDatabase } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** An event with one hold, as a worker would have left it. */
async function goodHistory(): Promise<{ eventId: EventId; reservationId: string }> {
  const [person] = await createPeople(database.pool, 1);
  const { eventId, slotId } = await createEvent(database.pool, { capacity: 2 });
  const commandId = newId("command");
  const reservationId = reservationIdOf(commandId);
  await database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
      exclusive)
    SELECT $1, event_id, id, $2, 1, 'held', 'public', now() + interval '1 hour', now(),
      tstzrange(starts_at, ends_at), true FROM slots WHERE id = $3`,
    [reservationId, person?.userId, slotId],
  );
  await database.pool.query("UPDATE slots SET held = 1 WHERE id = $1", [slotId]);
  await database.pool.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, status, outcome, submitted_at,
      finished_at)
    VALUES ($1, $2, 1, 'reserve', $3, 'key', 'succeeded', $4, now(), now())`,
    [commandId, eventId, person?.userId, { status: "succeeded", reservation: { id: reservationId } }],
  );
  await database.pool.query("UPDATE event_lanes SET next_seq = 2 WHERE event_id = $1", [eventId]);
  return { eventId, reservationId };
}

test("a good history has no contradictions", async () => {
  await goodHistory();
  expect(await checkInvariants(database.pool)).toEqual([]);
});

test.each([
  ["counters", "UPDATE slots SET purchased = 1 WHERE event_id = $1"],
  ["numbered", "UPDATE outcomes SET seq = 3 WHERE event_id = $1"],
  ["numbered", "UPDATE event_lanes SET next_seq = 5 WHERE event_id = $1"],
  ["made by one command", "DELETE FROM outcomes WHERE event_id = $1"],
  [
    "before its deadline",
    `UPDATE reservations SET status = 'expired', ended_at = expires_at - interval '1 second', end_reason = 'deadline'
    WHERE event_id = $1`,
  ],
  ["no command failed", "UPDATE outcomes SET status = 'failed' WHERE event_id = $1"],
  [
    "accepted command",
    `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, command)
    SELECT 'cmd_' || substr(event_id, 5), event_id, 'reserve', now(), '{}' FROM event_lanes WHERE event_id = $1`,
  ],
])("it finds a seeded fault: %s", async (word, fault) => {
  const { eventId } = await goodHistory();
  await database.pool.query(fault, [eventId]);
  const found = await checkInvariants(database.pool);
  await database.pool.query("TRUNCATE reservations, outcomes, accepted_commands");
  await database.pool.query("UPDATE slots SET held = 0, purchased = 0");
  await database.pool.query("UPDATE event_lanes SET next_seq = 1");
  expect(found.some((line) => line.includes(word))).toBe(true);
});
