// The tables' own promises: whatever a wrong rule or a wrong statement tries, these refuse it, by name.
import type { UserId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  createEvent,
  createUsers,
  openTestDatabase,
  type TestDatabase,
  type TestEvent,
} from "../../testkit/src/index.ts";

let database: TestDatabase;
let event: TestEvent;
let other: TestEvent;
let user: UserId;

beforeAll(async () => {
  database = await openTestDatabase();
  event = await createEvent(database.pool, { capacities: [10, 10] });
  other = await createEvent(database.pool, { startsAt: event.slots[0]?.startsAt ?? 0 });
  [user = newId("user")] = await createUsers(database.pool, 1);
});
afterAll(() => database.close());

type Row = Record<string, unknown>;

async function insert(table: string, row: Row): Promise<void> {
  const columns = Object.keys(row);
  await database.pool.query(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(", ")})`,
    Object.values(row),
  );
}

const refusedBy = (constraint: string) => expect.objectContaining({ constraint });

const slot = (row: Row = {}): Row => ({
  id: newId("slot"),
  event_id: event.id,
  starts_at: "2031-01-01T20:00Z",
  ends_at: "2031-01-01T22:00Z",
  capacity: 10,
  ...row,
});

const reservation = (row: Row = {}): Row => ({
  id: newId("reservation"),
  event_id: event.id,
  slot_id: event.slotId,
  user_id: user,
  quantity: 1,
  status: "held",
  origin: "public",
  expires_at: "2031-01-01T20:00Z",
  created_at: "2031-01-01T19:00Z",
  during: "[2031-01-01T20:00Z,2031-01-01T22:00Z)",
  exclusive: true,
  ...row,
});
const ENDED = { ended_at: "2031-01-01T20:00Z", end_reason: "deadline" };

const outcome = (row: Row = {}): Row => ({
  command_id: newId("command"),
  event_id: event.id,
  seq: 1,
  type: "reserve",
  status: "succeeded",
  outcome: "{}",
  submitted_at: "2031-01-01T20:00Z",
  finished_at: "2031-01-01T20:00Z",
  ...row,
});

const anEvent = (row: Row = {}): Row => ({
  id: newId("event"),
  organizer_id: event.organizerId,
  name: "An evening",
  hold_seconds: 300,
  offer_seconds: 900,
  max_per_order: 10,
  max_per_user: 10,
  overlap_policy: "refuse",
  cancel_cutoff_seconds: 0,
  waitlist: "{}",
  starts_at: "2031-01-01T20:00Z",
  ends_at: "2031-01-01T22:00Z",
  ...row,
});

test.each([
  ["more held and purchased than there is", "slots_never_oversold", { held: 6, purchased: 5 }],
  ["less than nothing held", "slots_counters_not_negative", { held: -1 }],
  ["less than nothing purchased", "slots_counters_not_negative", { held: 1, purchased: -1 }],
  ["a negative capacity", "slots_capacity_range", { capacity: -1 }],
  ["a capacity without bounds", "slots_capacity_range", { capacity: 1_000_001 }],
  ["a slot that ends when it starts", "slots_ends_after_start", { ends_at: "2031-01-01T20:00Z" }],
  ["a slot of no event", "slots_event_id_events_id_fk", { event_id: newId("event") }],
])("a slot is refused: %s", async (_, constraint, row) => {
  await expect(insert("slots", slot(row))).rejects.toEqual(refusedBy(constraint));
});

test("counters are refused on their way up, too", async () => {
  const { rowCount } = await database.pool.query("UPDATE slots SET held = 4, purchased = 6 WHERE id = $1", [
    event.slots[1]?.id,
  ]);
  expect(rowCount).toBe(1);
  await expect(
    database.pool.query("UPDATE slots SET held = held + 1 WHERE id = $1", [event.slots[1]?.id]),
  ).rejects.toEqual(refusedBy("slots_never_oversold"));
});

test.each([
  ["no tickets", "reservations_quantity_positive", { quantity: 0 }],
  ["an unknown state", "reservations_status_known", { status: "lost" }],
  ["an unknown origin", "reservations_origin_known", { origin: "nowhere" }],
  ["a hold without a deadline", "reservations_held_has_deadline", { expires_at: null }],
  ["purchased at no time", "reservations_purchased_has_time", { status: "purchased", expires_at: null }],
  ["expired without time and reason", "reservations_ended_has_reason", { status: "expired" }],
  [
    "cancelled without a reason",
    "reservations_ended_has_reason",
    { status: "cancelled", ended_at: ENDED.ended_at },
  ],
  ["a hold with an end", "reservations_ended_has_reason", ENDED],
  ["an unknown reason", "reservations_end_reason_known", { status: "expired", ...ENDED, end_reason: "mood" }],
])("a reservation is refused: %s", async (_, constraint, row) => {
  await expect(insert("reservations", reservation(row))).rejects.toEqual(refusedBy(constraint));
});

test("a user has one active reservation of a slot, and as many ended ones as there were", async () => {
  const [mine] = await createUsers(database.pool, 1);
  const notExclusive = { user_id: mine, exclusive: false };
  await insert("reservations", reservation({ ...notExclusive, status: "expired", ...ENDED }));
  await insert("reservations", reservation({ ...notExclusive, status: "cancelled", ...ENDED }));
  await insert("reservations", reservation(notExclusive));
  const purchased = { ...notExclusive, status: "purchased", purchased_at: "2031-01-01T19:30Z" };
  await expect(insert("reservations", reservation(purchased))).rejects.toEqual(
    refusedBy("reservations_one_active_key"),
  );
  await database.pool.query(
    "UPDATE reservations SET status = 'expired', ended_at = now(), end_reason = 'deadline' WHERE user_id = $1 AND status = 'held'",
    [mine],
  );
  await insert("reservations", reservation(purchased));
});

const EVENING = "[2031-01-01T20:00Z,2031-01-01T22:00Z)";
test.each([
  ["the same time", EVENING, {}, false],
  ["a shared minute at its end", "[2031-01-01T21:59Z,2031-01-01T23:00Z)", {}, false],
  ["a shared minute at its start", "[2031-01-01T18:00Z,2031-01-01T20:01Z)", {}, false],
  ["a time within", "[2031-01-01T20:30Z,2031-01-01T21:00Z)", {}, false],
  ["a time that begins when the other ends", "[2031-01-01T22:00Z,2031-01-01T23:00Z)", {}, true],
  ["a time that ends when the other begins", "[2031-01-01T19:00Z,2031-01-01T20:00Z)", {}, true],
  ["the same time of an event that allows it", EVENING, { exclusive: false }, true],
  ["the same time, but ended", EVENING, { status: "expired", ...ENDED }, true],
  ["the same time, but of somebody else", EVENING, { user_id: "somebody else" }, true],
])("beside a hold of another event: %s", async (_, during, row, isAllowed) => {
  const [mine, theirs] = await createUsers(database.pool, 2);
  await insert("reservations", reservation({ user_id: mine }));
  const second = reservation({
    event_id: other.id,
    slot_id: other.slotId,
    during,
    ...row,
    user_id: "user_id" in row ? theirs : mine,
  });
  const inserted = insert("reservations", second);
  if (isAllowed) await inserted;
  else await expect(inserted).rejects.toEqual(refusedBy("reservations_no_overlap"));
});

test("an event that allows overlap takes no part, whichever of the two came first", async () => {
  const [mine] = await createUsers(database.pool, 1);
  await insert("reservations", reservation({ user_id: mine, exclusive: false }));
  await insert("reservations", reservation({ user_id: mine, event_id: other.id, slot_id: other.slotId }));
});

test.each([
  ["an unknown status", "outcomes_status_known", { status: "maybe" }],
  ["a number below one", "outcomes_seq_positive", { seq: 0 }],
])("an outcome is refused: %s", async (_, constraint, row) => {
  await expect(insert("outcomes", outcome(row))).rejects.toEqual(refusedBy(constraint));
});

test("a command ends once, an event's numbers are given once, and a user's key is used once", async () => {
  const first = outcome({ seq: 7, user_id: user, idempotency_key: "k" });
  await insert("outcomes", first);
  const again = (row: Row) => insert("outcomes", outcome({ seq: 8, ...row }));
  await expect(again({ command_id: first["command_id"] })).rejects.toEqual(refusedBy("outcomes_pkey"));
  await expect(again({ seq: 7 })).rejects.toEqual(refusedBy("outcomes_event_seq_key"));
  await expect(again({ user_id: user, idempotency_key: "k" })).rejects.toEqual(
    refusedBy("outcomes_user_key_key"),
  );
  await again({ event_id: other.id, seq: 7, user_id: user, idempotency_key: null });
  await again({ user_id: user, idempotency_key: null });
  await again({ seq: 9, user_id: other.organizerId, idempotency_key: "k" });
});

test.each([
  ["an unknown overlap policy", "events_overlap_policy_known", { overlap_policy: "perhaps" }],
  ["holds of no time", "events_hold_seconds_range", { hold_seconds: 0 }],
  ["holds of more than a day", "events_hold_seconds_range", { hold_seconds: 86_401 }],
  ["offers of no time", "events_offer_seconds_range", { offer_seconds: 0 }],
  ["orders of nothing", "events_limits_positive", { max_per_order: 0 }],
  ["a cutoff before time", "events_limits_positive", { cancel_cutoff_seconds: -1 }],
  [
    "sales that end as they begin",
    "events_sales_window",
    { sales_open_at: "2030-01-01T00:00Z", sales_close_at: "2030-01-01T00:00Z" },
  ],
  ["an end at its start", "events_ends_after_start", { ends_at: "2031-01-01T20:00Z" }],
  ["nobody who organizes it", "events_organizer_id_users_id_fk", { organizer_id: newId("user") }],
])("an event is refused: %s", async (_, constraint, row) => {
  await expect(insert("events", anEvent(row))).rejects.toEqual(refusedBy(constraint));
});

test("a lane counts upwards from what it began with", async () => {
  await insert("events", anEvent({ id: "evt_lane" }));
  await expect(insert("event_lanes", { event_id: "evt_lane", fence: -1 })).rejects.toEqual(
    refusedBy("event_lanes_counts"),
  );
  await expect(insert("event_lanes", { event_id: "evt_lane", next_seq: 0 })).rejects.toEqual(
    refusedBy("event_lanes_counts"),
  );
});

test("an e-mail address is one account, in whatever case it is written; a role is a known one", async () => {
  const person = { id: newId("user"), email: "Ann@Example.com", name: "Ann", password_hash: "none" };
  await insert("users", person);
  await expect(insert("users", { ...person, id: newId("user"), email: "ann@example.COM" })).rejects.toEqual(
    refusedBy("users_email_key"),
  );
  await expect(
    insert("users", { ...person, id: newId("user"), email: "b@example.com", role: "king" }),
  ).rejects.toEqual(refusedBy("users_role_known"));
});

test("ids compare by byte, as the program compares them", async () => {
  const { rows } = await database.pool.query<{ collation: string }>(
    `SELECT DISTINCT collation_name AS collation FROM information_schema.columns
    WHERE table_schema = 'public' AND (column_name = 'id' OR column_name LIKE '%\\_id')`,
  );
  expect(rows).toEqual([{ collation: "C" }]);
});
