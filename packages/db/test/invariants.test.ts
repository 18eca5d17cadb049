// W8: the checker must itself be able to find something: one planted fault at a time, each is named, nothing else is.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEvent, openTestDatabase, reserve, type TestDatabase } from "../../testkit/src/index.ts";
import { type Examined, findContradictions, sentencesOf } from "../src/invariants.ts";
import { seed } from "../src/seed.ts";
import { anEvening, ENTRY, type Evening } from "./fsck-evening.ts";
import { openTestWorker, type TestWorker } from "./fsck-worker.ts";

let database: TestDatabase;
let worker: TestWorker;
let evening: Evening;

beforeAll(async () => {
  database = await openTestDatabase();
  worker = openTestWorker(database.url);
});
afterAll(async () => {
  await worker.close();
  await database.close();
});
beforeEach(async () => {
  evening = await anEvening(database.pool, worker);
  await sql(TELL, evening.eventId);
});

const sql = (statement: string, ...values: unknown[]) => database.pool.query(statement, values);

/** What is found of these events, or of all. */
async function sentences(asked: Examined): Promise<string[]> {
  const found = await findContradictions(database.pool, asked);
  return [...new Set(found.map(({ sentence }) => sentence))];
}

const TICKETS = "a slot's counters equal its rows";
const WAITERS = "a slot's counters of waiters equal its waitlist";
const STRETCHES = "the counters of a waitlist's stretches equal its entries";
const LAST = "no waitlist entry has a greater number than the last one that was given";
const USED = "a slot that had a reservation is marked as used";
const CAPACITY = "0 ≤ held + purchased ≤ capacity";
const ONE_ACTIVE = "one active reservation for each user and slot";
const OVERLAP = "no overlap among a user's active reservations";
const LIMIT = "nobody has more tickets of an event than one user may have";
const TIME = "a reservation's time is its slot's";
const EXCLUSIVE = "a reservation keeps others off its time when its event says so, and only then";
const EARLY = "no hold ends before its deadline";
const TOO_LONG = "no hold lasts longer than until its slot's start";
const RESERVATION = "a reservation's state, times and reason fit together";
const BELONGS = "what is reserved, waits or ended belongs to an event, a slot and a user that are there";
const ONE_LIVE = "one live waitlist entry for each user and slot";
const NUMBER = "every entry of a slot's waitlist has a number of its own";
const OFFERED = "every offered entry has a hold, and every hold of the waitlist an offered entry";
const OFFER =
  "every reservation of the waitlist was made for one entry, as it wished, and every offer made one";
const ENDED_ALIKE = "an entry that was offered tickets ended as its reservation did";
const ENTRY_FITS = "an entry's state, times and reason fit together";
const WHY = "an entry that is passed over for the time being says why";
const PASSED = "who passed somebody was offered tickets, and those that are collected are for an entry";
const TURN = "where tickets are free for a waiter whose turn it is, a look at the waitlist is due";
const NUMBERED = "outcomes of an event are numbered from 1 without gap";
const IN_ORDER = "commands of an event ended in the order of their numbers";
const WORDED = "an outcome's status is as it is worded";
const MADE =
  "every reservation was made by one command that succeeded, as it answered, and every such command made one";
const JOINED =
  "every waitlist entry was made by one command that succeeded, as it answered, and every such command made one";
const WITHDRAWN = "a command that was withdrawn made nothing";
const KEY = "a user's key belongs to one command";
const SPAN = "an event begins with its first slot and ends with its last";
const LANE = "every event has a lane";
const WINDS = "only a cancelled event winds down";
const WOUND_DOWN = "of a cancelled event that has wound down nothing is reserved, and nobody waits";
const CANCELLED = "nobody reserves, buys, joins or is offered anything of an event that was cancelled before";
const MESSAGES = "messages of an event are numbered without gap, up to its lane's next";
const FOR_SOMEBODY = "every message of an event is for somebody";
const ORPHANED = "every delivery has its message";
const DELIVERED = "a delivery's status fits its attempts";
const LATE_HOLD = "no hold outlives its deadline, unless its purchase was promised in time";
const LATE_LOOK = "no look at a waitlist is overdue";
const LATE_PROMISE = "every promised command ends";
const LATE_CLOSING = "nobody waits for a slot whose waitlist has closed";
const GONE = "every accepted command has ended, and is gone";
const STILL_WINDS = "every cancelled event has wound down";
const FAILED = "no command failed";

/** The slots of event $1, and rows of it. */
const EARLY_SLOT = "id = (SELECT id FROM slots WHERE event_id = $1 ORDER BY starts_at LIMIT 1)";
const LATE_SLOT = "id = (SELECT id FROM slots WHERE event_id = $1 ORDER BY starts_at DESC LIMIT 1)";
const entry = (name: keyof typeof ENTRY) => `event_id = $1 AND seq = ${ENTRY[name]}`;
const GUS_HOLD = "event_id = $1 AND quantity = 4";
const BOBS = "event_id = $1 AND payment_reference = 'bob''s'";
const HALS = "event_id = $1 AND origin = 'waitlist' AND status = 'purchased'";
const CYDS = "event_id = $1 AND origin = 'waitlist' AND status = 'held'";
/** Somebody is told of the event, four times: delivered at the second try, not tried, to be tried again, and given up. */
const TELL = `WITH told(n, status, tries, attempts, next_attempt_at) AS (VALUES
    (1, 'delivered', 2, '[{"status":null},{"status":204}]'::jsonb, NULL),
    (2, 'pending', 0, '[]', now()),
    (3, 'pending', 1, '[{"status":500}]', now() + interval '1 hour'),
    (4, 'failed', 1, '[{"status":410}]', NULL)
  ), lane AS (
    UPDATE event_lanes SET next_message = 5 WHERE event_id = $1
  ), messages AS (
    INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
    SELECT format('msg_%s%s', $1, n), $1, n, 'reservation.held', '{}', now() FROM told
  )
  INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, tries, attempts, next_attempt_at, created_at)
  SELECT format('dlv_%s%s', $1, n), 'whk_1', format('msg_%s%s', $1, n), status, tries, attempts, next_attempt_at, now()
  FROM told`;
const message = (n: number) => `id = 'msg_' || $1 || ${n}`;
const delivery = (n: number) => `id = 'dlv_' || $1 || ${n}`;
const PROMISED = `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, accepted_at, command)
  SELECT 'cmd_' || substr($1, 5), $1, 'reserve', now() - interval '3 minutes', now() - interval '3 minutes', '{}'`;
const WITHDRAW = `UPDATE outcomes SET status = 'withdrawn', seq = NULL, outcome = '{"status":"withdrawn"}'
  WHERE event_id = $1`;
const LATER_OUTCOME = (fields: string) => `WITH lane AS (
    UPDATE event_lanes SET next_seq = next_seq + 1 WHERE event_id = $1 RETURNING next_seq
  ) INSERT INTO outcomes
  SELECT (jsonb_populate_record(o, '${fields}' || jsonb_build_object('command_id', 'again ' || $1, 'seq', next_seq - 1,
    'finished_at', now()))).*
  FROM outcomes o, lane WHERE o.event_id = $1 AND o.idempotency_key IS NOT NULL`;

test("an evening made by commands has no contradictions, and neither has the example data", async () => {
  await seed(database.pool, { now: new Date() });
  expect(await findContradictions(database.pool, { atRest: true })).toEqual([]);
});

describe("the tables' own guards are down: one planted fault is found, and nothing else (W8)", () => {
  beforeAll(async () => {
    await sql(
      "DROP INDEX reservations_one_active_key, outcomes_user_key_key, waitlist_entries_slot_seq_key, waitlist_entries_one_live_key, outcomes_event_seq_key",
    );
    await sql("ALTER TABLE reservations DROP CONSTRAINT reservations_no_overlap");
    await sql("ALTER TABLE slots DROP CONSTRAINT slots_never_oversold, DROP CONSTRAINT slots_waiting_counts");
  });

  test.each<[fault: string, statement: string, contradicted: string[]]>([
    ["a counter of held tickets", `UPDATE slots SET held = held + 1 WHERE ${LATE_SLOT}`, [TICKETS]],
    ["a counter of purchased tickets", `UPDATE slots SET purchased = 1 WHERE ${LATE_SLOT}`, [TICKETS]],
    ["a counter of waiters", `UPDATE slots SET waiting = waiting + 1 WHERE ${EARLY_SLOT}`, [WAITERS]],
    ["a counter of parked waiters", `UPDATE slots SET parked = 0 WHERE ${EARLY_SLOT}`, [WAITERS]],
    [
      "a stretch's counter",
      "UPDATE waitlist_stretches SET waiting = waiting + 1 WHERE slot_id IN (SELECT id FROM slots WHERE event_id = $1)",
      [STRETCHES],
    ],
    [
      "a lost stretch",
      "DELETE FROM waitlist_stretches WHERE slot_id IN (SELECT id FROM slots WHERE event_id = $1)",
      [STRETCHES],
    ],
    ["a number that was given and forgotten", `UPDATE slots SET last_seq = 5 WHERE ${EARLY_SLOT}`, [LAST]],
    ["a slot that counts as unused", `UPDATE slots SET used = false WHERE ${LATE_SLOT}`, [USED]],
    ["less room than is taken", `UPDATE slots SET capacity = 3 WHERE ${LATE_SLOT}`, [CAPACITY]],
    [
      "more tickets than there are",
      `UPDATE reservations SET quantity = 2 WHERE ${BOBS}`,
      [TICKETS, CAPACITY, MADE],
    ],
    [
      "a reservation made twice",
      `INSERT INTO reservations SELECT (jsonb_populate_record(r, jsonb_build_object('id', 'rsv_again' || $1))).*
      FROM reservations r WHERE ${GUS_HOLD}`,
      [TICKETS, ONE_ACTIVE, OVERLAP, LIMIT, MADE],
    ],
    ["a limit that was passed", "UPDATE events SET max_per_user = 3 WHERE id = $1", [LIMIT]],
    [
      "a moved time",
      `UPDATE reservations SET during = tstzrange(lower(during), upper(during) + '1 hour') WHERE ${GUS_HOLD}`,
      [TIME],
    ],
    [
      "a reservation that keeps nobody off",
      `UPDATE reservations SET exclusive = false WHERE ${GUS_HOLD}`,
      [EXCLUSIVE],
    ],
    [
      "a hold that ended early",
      `UPDATE reservations SET status = 'expired', ended_at = expires_at - interval '1 second', end_reason = 'deadline'
      WHERE ${GUS_HOLD}`,
      [TICKETS, EARLY],
    ],
    [
      "a hold beyond the slot's start",
      `UPDATE reservations SET expires_at = lower(during) + interval '1 second' WHERE ${GUS_HOLD}`,
      [TOO_LONG],
    ],
    [
      "a purchase before its hold",
      `UPDATE reservations SET purchased_at = created_at - interval '1 second' WHERE ${BOBS}`,
      [RESERVATION],
    ],
    [
      "an end for a reason that cannot be",
      "UPDATE reservations SET end_reason = 'declined' WHERE event_id = $1 AND status = 'cancelled'",
      [RESERVATION],
    ],
    ["a purchase by nobody", `UPDATE reservations SET user_id = 'usr_nobody' WHERE ${BOBS}`, [BELONGS, MADE]],
    [
      "a waiter who is not there",
      `UPDATE waitlist_entries SET user_id = 'usr_nobody' WHERE ${entry("dan")}`,
      [BELONGS, JOINED],
    ],
    [
      "a command of nobody",
      "UPDATE outcomes SET user_id = 'usr_nobody' WHERE event_id = $1 AND type = 'leave-waitlist'",
      [BELONGS],
    ],
    [
      "somebody who waits twice",
      `UPDATE waitlist_entries SET user_id = (SELECT user_id FROM waitlist_entries WHERE ${entry("fay")})
      WHERE ${entry("eve")}`,
      [ONE_LIVE, JOINED],
    ],
    [
      "a number that was given twice",
      `UPDATE waitlist_entries SET seq = ${ENTRY.fay} WHERE ${entry("eve")}`,
      [NUMBER, JOINED],
    ],
    [
      "waiters who changed places",
      `UPDATE waitlist_entries SET seq = ${ENTRY.eve + ENTRY.fay} - seq WHERE event_id = $1 AND seq >= ${ENTRY.eve}`,
      [JOINED],
    ],
    [
      "an offer without tickets",
      `WITH lost AS (DELETE FROM reservations WHERE ${CYDS} RETURNING slot_id)
      UPDATE slots SET held = 0, promote_at = now() WHERE id IN (SELECT slot_id FROM lost)`,
      [OFFERED, OFFER],
    ],
    [
      "an offer that outlives its entry",
      `UPDATE waitlist_entries SET status = 'lapsed', ended_at = now(), end_reason = 'deadline' WHERE ${entry("cyd")}`,
      [OFFERED],
    ],
    [
      "an offer of something else than was wished",
      `UPDATE waitlist_entries SET offered_at = offered_at + interval '1 second', ended_at = ended_at + interval '1 hour'
      WHERE ${entry("hal")}`,
      [OFFER],
    ],
    ["an offer to nobody", `DELETE FROM waitlist_entries WHERE ${entry("hal")}`, [OFFER, JOINED]],
    [
      "an entry that was bought, and lapsed",
      `UPDATE waitlist_entries SET status = 'lapsed', end_reason = 'deadline' WHERE ${entry("hal")}`,
      [ENDED_ALIKE],
    ],
    [
      "a lapsed entry whose tickets are bought",
      `UPDATE reservations SET status = 'expired', end_reason = 'deadline', purchased_at = NULL, expires_at = created_at,
        ended_at = now() WHERE ${HALS}`,
      [TICKETS, ENDED_ALIKE],
    ],
    [
      "an entry that left for a reason that cannot be",
      `UPDATE waitlist_entries SET end_reason = 'cutoff' WHERE ${entry("dan")}`,
      [ENTRY_FITS],
    ],
    [
      "an entry that was offered tickets and waits",
      `UPDATE waitlist_entries SET offered_at = now() WHERE ${entry("eve")}`,
      [OFFER, ENTRY_FITS],
    ],
    [
      "an entry that is passed over without a reason",
      `UPDATE waitlist_entries SET last_passed_over = NULL WHERE ${entry("gus")}`,
      [WHY],
    ],
    [
      "somebody who overtook and waits",
      `UPDATE slots SET passers = ARRAY[${ENTRY.fay}] WHERE ${EARLY_SLOT}`,
      [PASSED],
    ],
    [
      "tickets that are collected for nobody",
      `UPDATE slots SET collecting_for = 99, collecting_until = now() + interval '1 hour' WHERE ${EARLY_SLOT}`,
      [PASSED],
    ],
    [
      "free tickets, and nobody is to look whom they are for: the head",
      `UPDATE slots SET capacity = 5 WHERE ${EARLY_SLOT}`,
      [TURN],
    ],
    [
      "free tickets, and nobody is to look whom they are for: somebody behind",
      `UPDATE slots SET capacity = 4 WHERE ${EARLY_SLOT}`,
      [TURN],
    ],
    [
      "free tickets, and somebody is to look tomorrow",
      `UPDATE slots SET capacity = 5, promote_at = now() + interval '1 day' WHERE ${EARLY_SLOT}`,
      [TURN],
    ],
    [
      "a number that is not the next",
      "UPDATE outcomes SET seq = 99 WHERE event_id = $1 AND type = 'leave-waitlist'",
      [NUMBERED],
    ],
    [
      "a number that was given twice, and one that was not",
      "UPDATE outcomes SET seq = 2 WHERE event_id = $1 AND seq = 3",
      [NUMBERED],
    ],
    [
      "commands that changed places",
      "UPDATE outcomes SET seq = 25 - seq WHERE event_id = $1 AND seq IN (12, 13)",
      [IN_ORDER],
    ],
    ["a lane that is ahead", "UPDATE event_lanes SET next_seq = 99 WHERE event_id = $1", [NUMBERED]],
    ["a lost outcome", "DELETE FROM outcomes WHERE event_id = $1 AND type = 'leave-waitlist'", [NUMBERED]],
    ["lost outcomes", "DELETE FROM outcomes WHERE event_id = $1", [NUMBERED, MADE, JOINED]],
    [
      "a command that ended before its time",
      "UPDATE outcomes SET finished_at = finished_at - interval '1 minute' WHERE event_id = $1 AND seq = 12",
      [IN_ORDER],
    ],
    [
      "an outcome that was changed",
      "UPDATE outcomes SET status = 'rejected' WHERE event_id = $1 AND type = 'leave-waitlist'",
      [WORDED],
    ],
    ["a lost reservation", "DELETE FROM reservations WHERE event_id = $1 AND status = 'cancelled'", [MADE]],
    ["a lost entry", `DELETE FROM waitlist_entries WHERE ${entry("dan")}`, [JOINED]],
    [
      "an effect of a command that was refused",
      `UPDATE outcomes SET status = 'rejected', outcome = '{"status":"rejected","refusal":{"code":"sold-out"}}'
      WHERE event_id = $1 AND type = 'join-waitlist' AND outcome #>> '{entry,seq}' = '${ENTRY.dan}'`,
      [JOINED],
    ],
    [
      "a success that made nothing",
      `UPDATE outcomes SET outcome = '{"status":"succeeded","reservation":null}'
      WHERE event_id = $1 AND type = 'reserve' AND outcome #>> '{entry,seq}' = '${ENTRY.fay}'`,
      [MADE, JOINED],
    ],
    [
      "a withdrawn command that reserved all the same",
      `${WITHDRAW} AND type = 'reserve' AND outcome #>> '{reservation,quantity}' = '4'`,
      [NUMBERED, MADE, WITHDRAWN],
    ],
    [
      "a withdrawn command that joined all the same",
      `${WITHDRAW} AND type = 'join-waitlist' AND outcome #>> '{entry,seq}' = '${ENTRY.dan}'`,
      [NUMBERED, JOINED, WITHDRAWN],
    ],
    ["a key used twice", LATER_OUTCOME("{}"), [KEY]],
    [
      "an event that ends too late",
      "UPDATE events SET ends_at = ends_at + interval '1 hour' WHERE id = $1",
      [SPAN],
    ],
    ["a lost lane", "DELETE FROM event_lanes WHERE event_id = $1", [LANE]],
    ["an event that winds down", "UPDATE events SET winding_down = true WHERE id = $1", [WINDS]],
    [
      "a cancelled event that keeps what it had",
      "UPDATE events SET cancelled_at = clock_timestamp() WHERE id = $1",
      [WOUND_DOWN],
    ],
    [
      "reservations of an event that was cancelled before",
      "UPDATE events SET cancelled_at = now() - interval '1 hour', winding_down = true WHERE id = $1",
      [CANCELLED],
    ],
    ["a lost message", `DELETE FROM webhook_messages WHERE ${message(2)}`, [MESSAGES]],
    ["the last message lost", `DELETE FROM webhook_messages WHERE ${message(4)}`, [MESSAGES]],
    [
      "a message that has another's number",
      `UPDATE webhook_messages SET sequence = sequence + 7 WHERE ${message(3)}`,
      [MESSAGES],
    ],
    [
      "a message that nobody knows of",
      "UPDATE event_lanes SET next_message = next_message - 1 WHERE event_id = $1",
      [MESSAGES],
    ],
    ["a message for nobody", `DELETE FROM webhook_deliveries WHERE ${delivery(2)}`, [FOR_SOMEBODY]],
    [
      "a delivery that succeeded without a try",
      `UPDATE webhook_deliveries SET status = 'delivered', next_attempt_at = NULL WHERE ${delivery(2)}`,
      [DELIVERED],
    ],
    [
      "a delivery that succeeded by failing",
      `UPDATE webhook_deliveries SET status = 'delivered' WHERE ${delivery(4)}`,
      [DELIVERED],
    ],
    [
      "a delivery that was delivered and is tried again",
      `UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = now() WHERE ${delivery(1)}`,
      [DELIVERED],
    ],
    [
      "a delivery that was delivered and is given up",
      `UPDATE webhook_deliveries SET status = 'failed' WHERE ${delivery(1)}`,
      [DELIVERED],
    ],
    [
      "a try that left nothing behind",
      `UPDATE webhook_deliveries SET tries = tries + 1 WHERE ${delivery(3)}`,
      [DELIVERED],
    ],
    [
      "a hold that does not end",
      `UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE ${GUS_HOLD}`,
      [LATE_HOLD],
    ],
    [
      "a look that nobody takes",
      `UPDATE slots SET promote_at = now() - interval '1 minute' WHERE ${EARLY_SLOT}`,
      [LATE_LOOK],
    ],
    ["a promise that is not kept", PROMISED, [LATE_PROMISE]],
    [
      "waiters behind a closed door",
      `UPDATE events SET waitlist = waitlist || '{"closesBeforeSeconds":200000}' WHERE id = $1`,
      [LATE_CLOSING],
    ],
  ])("%s", async (_fault, statement, contradicted) => {
    await sql(statement, evening.eventId);
    expect(await sentences({ events: [evening.eventId] })).toEqual(contradicted);
  });

  test("an overlap is found, asked about either of its events", async () => {
    const { gus, startsAt, late } = evening;
    const other = await createEvent(database.pool, {
      startsAt: startsAt + 30 * 86_400_000,
      terms: { holdSeconds: 300 },
    });
    await worker.apply(other.id, [reserve(other.id, gus)]);
    await sql(
      `WITH moved AS (
        UPDATE slots s SET starts_at = l.starts_at, ends_at = l.ends_at FROM slots l WHERE l.id = $2 AND s.event_id = $1
        RETURNING s.starts_at, s.ends_at
      ), event AS (
        UPDATE events e SET starts_at = m.starts_at, ends_at = m.ends_at FROM moved m WHERE e.id = $1
      ) UPDATE reservations SET during = tstzrange(m.starts_at, m.ends_at) FROM moved m WHERE event_id = $1`,
      other.id,
      late,
    );
    expect(await sentences({ events: [evening.eventId] })).toEqual([OVERLAP]);
    expect(await sentences({ events: [other.id] })).toEqual([OVERLAP]);
    const both = await findContradictions(database.pool, { events: [evening.eventId, other.id] });
    expect(both).toHaveLength(1);
  });
});

describe("what looks like a fault and is none", () => {
  const PAUSED = "UPDATE event_lanes SET paused_at = now() WHERE event_id = $1";
  const FREE = `UPDATE slots SET capacity = 4 WHERE ${EARLY_SLOT}`;
  const LATE = `UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE ${GUS_HOLD}`;

  test.each<[harmless: string, statements: string[]]>([
    [
      "a limit that was lowered later",
      ["UPDATE events SET max_per_user = 1, updated_at = now() WHERE id = $1"],
    ],
    ["a ticket for the head, which wants two, in strict order", [FREE, waitlist({ mode: "strict" })]],
    ["a ticket for the head, which wants two and may not be passed", [FREE, waitlist({ maxSkips: 0 })]],
    [
      "a ticket that is kept for the head",
      [
        FREE,
        `UPDATE slots SET collecting_for = ${ENTRY.eve}, collecting_until = now() + interval '1 hour',
          promote_at = now() + interval '1 hour' WHERE ${EARLY_SLOT}`,
      ],
    ],
    [
      "a ticket that is about to be offered",
      [FREE, `UPDATE slots SET promote_at = now() WHERE ${EARLY_SLOT}`],
    ],
    ["a ticket when nobody may wait any more", [FREE, waitlist({ closesBeforeSeconds: 86_500 })]],
    ["a hold past its deadline, while the event is paused", [LATE, PAUSED]],
    [
      "a hold past its deadline whose purchase was promised in time",
      [
        LATE,
        `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, command, reservation_id)
        SELECT 'cmd_' || substr(id, 5), $1, 'purchase', expires_at - interval '1 second', '{}', id
        FROM reservations WHERE ${GUS_HOLD}`,
      ],
    ],
    [
      "a hold past its deadline, behind a long queue",
      [
        LATE,
        `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, command)
        SELECT 'cmd_' || substr(id, 5), $1, 'reserve', now() - interval '1 minute', '{}' FROM events WHERE id = $1`,
      ],
    ],
    ["a promise of an event that is paused", [PROMISED, PAUSED]],
    [
      "the oldest messages removed",
      [1, 2].flatMap((n) => [
        `DELETE FROM webhook_deliveries WHERE ${delivery(n)}`,
        `DELETE FROM webhook_messages WHERE ${message(n)}`,
      ]),
    ],
    [
      "old messages that are being removed, in no order",
      [
        "UPDATE webhook_messages SET created_at = now() - interval '30 days' WHERE event_id = $1 AND sequence < 4",
        `DELETE FROM webhook_deliveries WHERE ${delivery(1)}`,
        `DELETE FROM webhook_messages WHERE ${message(2)}`,
      ],
    ],
    [
      "a delivery that was delivered and is asked for anew, or was given up then",
      [
        `UPDATE webhook_deliveries SET status = 'pending', tries = 0, next_attempt_at = now() WHERE ${delivery(1)}`,
        `UPDATE webhook_deliveries SET status = 'failed', tries = 0, attempts = '[{"status":200}]' WHERE ${delivery(4)}`,
      ],
    ],
    [
      "commands that were withdrawn, and ended before those that were accepted earlier",
      [
        `INSERT INTO outcomes (command_id, event_id, type, user_id, status, outcome, submitted_at, finished_at)
        SELECT 'withdrawn ' || command_id, $1, type, user_id, 'withdrawn', '{"status":"withdrawn"}', submitted_at,
          finished_at - interval '1 hour'
        FROM outcomes WHERE event_id = $1`,
      ],
    ],
    [
      "a late look at the waitlist of an event that is paused",
      [`UPDATE slots SET promote_at = now() - interval '1 hour' WHERE ${EARLY_SLOT}`, PAUSED],
    ],
  ])("%s", async (_harmless, statements) => {
    for (const statement of statements) await sql(statement, evening.eventId);
    expect(await sentences({ events: [evening.eventId] })).toEqual([]);
  });
});

test("a delivery whose message is lost is found when all are asked for; an endpoint that did not prove itself is no fault", async () => {
  await sql(
    `INSERT INTO webhook_messages (id, type, notice, created_at)
    VALUES ('msg_verify', 'endpoint.verification', '{}', now())`,
  );
  await sql(
    `INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, tries, attempts, created_at)
    SELECT 'dlv_' || sent, 'whk_1', 'msg_' || sent, 'failed', 1, '[{"status":200}]', now()
    FROM unnest(ARRAY['verify', 'lost']) AS sent`,
  );
  const found = await findContradictions(database.pool);
  const ofDeliveries = found.filter(({ difference }) => /dlv_(verify|lost)/.test(difference));
  expect(ofDeliveries).toEqual([
    { sentence: ORPHANED, eventId: null, slotId: null, difference: "dlv_lost has none" },
  ]);
});

function waitlist(terms: object): string {
  return `UPDATE events SET waitlist = waitlist || '${JSON.stringify(terms)}' WHERE id = $1`;
}

test.each<[fault: string, statement: string, contradicted: string[]]>([
  [
    "a failed command",
    LATER_OUTCOME('{"idempotency_key":null,"status":"failed","outcome":{"status":"failed"}}'),
    [FAILED],
  ],
  [
    "a command that is under way",
    `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, command)
    VALUES ('cmd_' || substr($1, 5), $1, 'reserve', now(), '{}')`,
    [GONE],
  ],
  [
    "a cancelled event that has not wound down",
    "UPDATE events SET cancelled_at = clock_timestamp(), winding_down = true WHERE id = $1",
    [STILL_WINDS],
  ],
])("what may be while a system runs is found only at rest: %s", async (_fault, statement, contradicted) => {
  await sql(statement, evening.eventId);
  expect(await sentences({ events: [evening.eventId] })).toEqual([]);
  expect(await sentences({ events: [evening.eventId], atRest: true })).toEqual(contradicted);
});

test("what should have happened by now is not asked of a system that does not run", async () => {
  const late =
    "UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE event_id = $1 AND quantity = 4";
  await sql(late, evening.eventId);
  expect(await sentences({ events: [evening.eventId], late: false })).toEqual([]);
  expect(sentencesOf({ late: false }).length).toBeLessThan(sentencesOf({}).length);
});

test("a contradiction names event, slot and difference; other events' are left alone", async () => {
  const untouched = evening.eventId;
  const { eventId, late } = await anEvening(database.pool, worker);
  await sql("UPDATE slots SET held = 2 WHERE id = $1", late);
  const events: EventId[] = [eventId, untouched];
  expect(await findContradictions(database.pool, { events })).toEqual([
    {
      sentence: TICKETS,
      eventId,
      slotId: late,
      difference: "held counts 2, its rows have 4; purchased counts 0, its rows have 0",
    },
  ]);
  expect(await sentences({ events: [untouched] })).toEqual([]);
});
