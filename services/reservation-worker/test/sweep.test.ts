// The sweep: what no job speaks of is found in the tables, and in a healthy system there is nothing to find.
import { acceptCommands, openPool } from "@holdfast/db";
import {
  type Command,
  type EventId,
  offerIdOf,
  reservationIdOf,
  type SlotId,
  type UserId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { type Activations, busyEventsKey, jobsOf, openUnderWay } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import {
  cancel,
  cancelEvent,
  createEvent,
  createUsers,
  joinWaitlist,
  purchase,
  removeKeys,
  reserve,
  until,
  wordOf,
} from "@holdfast/testkit";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { drain } from "../src/drain.ts";
import { PROMOTION_LATE_MS, type Swept, sweepOnce } from "../src/sweep.ts";
import {
  expectOrderly,
  openStores,
  outcomesOf,
  type Stores,
  sendEach,
  silent,
  WAITLIST,
} from "./drain-under-test.ts";

let stores: Stores;
let pool: pg.Pool;

beforeAll(async () => {
  stores = await openStores();
  pool = openPool({ url: stores.database.url, name: "test-sweeps", max: 4, onError: () => undefined });
});
afterAll(async () => {
  await pool.end();
  await stores.close();
});
// A sweep looks at every event there is: each test starts with nothing left of the others.
beforeEach(async () => {
  await stores.database.pool.query(
    "TRUNCATE accepted_commands, outcomes, reservations, waitlist_entries, events CASCADE",
  );
  await removeKeys(stores.redis.redis, `${stores.redis.prefix}:*`);
});

const NOTHING: Swept = {
  activated: 0,
  settled: 0,
  promoted: 0,
  rechecked: 0,
  woundDown: 0,
  resent: 0,
  forgotten: 0,
};

const sweep = (activations: Activations = stores.crowd.activations) =>
  sweepOnce({
    pool,
    redis: stores.redis.redis,
    prefix: stores.redis.prefix,
    activations,
    producer: stores.crowd.producer,
    underWay: openUnderWay(stores.redis.redis, stores.redis.prefix),
    now: Date.now,
    newCommandId: () => newId("command"),
    log: silent,
  });

async function anEvent(users: number): Promise<{ eventId: EventId; users: UserId[] }> {
  const event = await createEvent(stores.database.pool, { capacities: [100] });
  return { eventId: event.id, users: await createUsers(stores.database.pool, users) };
}

async function promise(commands: readonly Command[], agoMs: number): Promise<void> {
  await acceptCommands(
    stores.database.pool,
    commands.map((command) => ({ command, ticket: null })),
  );
  await stores.database.pool.query(
    `UPDATE accepted_commands SET accepted_at = clock_timestamp() - $2 * interval '1 millisecond'
    WHERE command_id = ANY ($1::text[])`,
    [commands.map(({ id }) => id), agoMs],
  );
}

const pause = (eventId: EventId) =>
  stores.database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [eventId]);
const isActivated = async (eventId: EventId) =>
  (await stores.crowd.activations.missing([eventId])).length === 0;

/** Puts the deadlines of all the event's holds into the past. */
async function age(eventId: EventId, agoMs: number): Promise<void> {
  await stores.database.pool.query(
    `UPDATE reservations SET expires_at = date_trunc('milliseconds', clock_timestamp()) - $2 * interval '1 millisecond'
    WHERE event_id = $1`,
    [eventId, agoMs],
  );
}

/** Ends every event's activation, as if its signal had never come. */
const forgetActivations = () => removeKeys(stores.redis.redis, `${stores.redis.prefix}:{activations}:*`);

test("where all is well there is nothing to find", async () => {
  const { eventId, users } = await anEvent(2);
  const commands = users.map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, commands);
  expect(await sweep()).toEqual(NOTHING); // jobs wait, and an activation speaks of them
  await drain(eventId, stores.deps());
  expect(await sweep()).toEqual(NOTHING);
});

test("an event whose activation only was not there at the first look is left alone", async () => {
  const { eventId, users } = await anEvent(1);
  await sendEach(
    stores.crowd,
    users.map((user) => reserve(eventId, user)),
  );
  let looks = 0;
  const missing = async (events: readonly EventId[]): Promise<EventId[]> =>
    ++looks === 1 ? [...events] : [];
  expect(await sweep({ ...stores.crowd.activations, missing })).toEqual(NOTHING);
  expect(looks).toBe(2);
});

test("an event with jobs, waiting or in a dead hand, and no activation is activated; one without jobs forgotten", async () => {
  const [waiting, inHand, done] = await Promise.all([anEvent(1), anEvent(1), anEvent(0)]);
  for (const { eventId, users } of [waiting, inHand])
    await sendEach(
      stores.crowd,
      users.map((user) => reserve(eventId, user)),
    );
  const dead = stores.openQueue(inHand.eventId, "dead");
  await dead.acquire();
  await dead.settleAndClaim({ jobs: [], suspicionEnds: false }, 10);
  await stores.redis.redis.sadd(busyEventsKey(stores.redis.prefix), done.eventId);
  await forgetActivations();
  expect(await sweep()).toEqual({ ...NOTHING, activated: 2 });
  expect(await isActivated(waiting.eventId)).toBe(true);
  expect(await isActivated(inHand.eventId)).toBe(true);
  const busy = await stores.redis.redis.smembers(busyEventsKey(stores.redis.prefix));
  expect(busy.sort()).toEqual([waiting.eventId, inHand.eventId].sort());
  for (const { eventId } of [waiting, inHand]) await drain(eventId, stores.deps());
});

test("what was promised and is in no queue is sent again with its first stamp, and ends as it should have (race 10)", async () => {
  const { eventId, users } = await anEvent(3);
  const at = Date.now() - 3_000;
  const commands = users.map((user, i) => reserve(eventId, user, { at: at + i }));
  await promise(commands.toReversed(), 2_500);
  const fresh = await anEvent(1);
  await promise(
    fresh.users.map((user) => reserve(fresh.eventId, user)),
    -60_000, // still on its way, however slow this machine is
  );
  expect(await sweep()).toEqual({ ...NOTHING, resent: 3 });
  const deps = stores.deps();
  await drain(eventId, deps);
  expect(deps.heard.map(({ outcome }) => wordOf(outcome))).toEqual(["held", "held", "held"]);
  await expectOrderly(stores, eventId, commands);
  const { rows } = await stores.database.pool.query(
    "SELECT date_part('epoch', submitted_at) * 1000 AS at FROM outcomes WHERE event_id = $1 ORDER BY seq",
    [eventId],
  );
  expect(rows.map((row) => row.at)).toEqual([at, at + 1, at + 2]);
  expect(await sweep()).toEqual(NOTHING);
});

test("what was promised and still waits in its queue is not sent again, until the event has passed it by", async () => {
  const { eventId, users } = await anEvent(2);
  const [mine, lost] = users.map((user) => reserve(eventId, user, { at: Date.now() - 60_000 })) as [
    Command,
    Command,
  ];
  await stores.crowd.send(mine);
  await promise([mine, lost], 3_000);
  expect(await sweep()).toEqual(NOTHING);
  await stores.database.pool.query("UPDATE event_lanes SET logical_at = now() WHERE event_id = $1", [
    eventId,
  ]);
  expect(await sweep()).toEqual({ ...NOTHING, resent: 2 });
  await drain(eventId, stores.deps());
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(2); // sent twice, applied once
});

test("what is kept of commands that have ended is forgotten", async () => {
  const { eventId, users } = await anEvent(1);
  const commands = users.map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, commands);
  await drain(eventId, stores.deps());
  await stores.database.pool.query(
    `INSERT INTO accepted_commands (command_id, event_id, type, submitted_at, accepted_at, command)
    SELECT command_id, event_id, type, submitted_at, clock_timestamp() - interval '2 seconds', '{}' FROM outcomes
    WHERE event_id = $1`,
    [eventId],
  );
  expect(await sweep()).toEqual({ ...NOTHING, forgotten: 1 });
});

test("a hold whose timer is lost is settled; one whose purchase was accepted in time is not (F5, F6)", async () => {
  const [late, bought, early] = await Promise.all([anEvent(1), anEvent(1), anEvent(1)]);
  const holds = new Map<EventId, Command>();
  for (const { eventId, users } of [late, bought, early]) {
    const [hold] = users.map((user) => reserve(eventId, user)) as [Command];
    await sendEach(stores.crowd, [hold]);
    await drain(eventId, stores.deps());
    holds.set(eventId, hold);
  }
  await age(late.eventId, 1_300);
  await age(bought.eventId, 1_300);
  await age(early.eventId, 100); // its own timer may still come
  const hold = holds.get(bought.eventId);
  const [buyer] = bought.users;
  if (hold === undefined || buyer === undefined) throw new Error("nobody holds anything");
  const buy = purchase(bought.eventId, buyer, reservationIdOf(hold.id), { at: Date.now() - 1_500 });
  await promise([buy], 1_000);
  expect(await sweep()).toEqual({ ...NOTHING, settled: 1 });
  expect(await jobsOf(stores.redis.redis, stores.redis.prefix, late.eventId)).toEqual({
    waiting: 1,
    active: 0,
  });
  await drain(late.eventId, stores.deps());
  const { rows } = await stores.database.pool.query(
    "SELECT status, end_reason FROM reservations WHERE event_id = $1",
    [late.eventId],
  );
  expect(rows).toEqual([{ status: "expired", end_reason: "deadline" }]);
  await stores.crowd.send(buy);
  await drain(bought.eventId, stores.deps());
  expect((await outcomesOf(stores.database.pool, bought.eventId)).map(({ word }) => word)).toEqual([
    "held",
    "purchased",
  ]);
});

test("a paused event is left alone, with its late holds, its promises and its jobs", async () => {
  const { eventId, users } = await anEvent(2);
  const [first, second] = users.map((user) => reserve(eventId, user)) as [Command, Command];
  await sendEach(stores.crowd, [first]);
  await drain(eventId, stores.deps());
  await age(eventId, 5_000);
  await promise([second], 5_000);
  await stores.crowd.send(second);
  await forgetActivations();
  await pause(eventId);
  expect(await sweep()).toEqual(NOTHING);
});

interface Line {
  readonly eventId: EventId;
  readonly slotId: SlotId;
  readonly organizerId: UserId;
  /** Holds the slot's tickets. */
  readonly ann: UserId;
  /** Waits for one. */
  readonly bob: UserId;
  readonly hold: Command;
  readonly join: Command;
}

/** Two tickets, which ann holds; bob waits for one. */
async function aLine(): Promise<Line> {
  const event = await createEvent(stores.database.pool, {
    capacities: [2],
    terms: { waitlist: WAITLIST },
  });
  const [ann, bob] = (await createUsers(stores.database.pool, 2)) as [UserId, UserId];
  const hold = reserve(event.id, ann, { quantity: 2 });
  const join = joinWaitlist(event.id, bob, event.slotId);
  await sendEach(stores.crowd, [hold, join]);
  await drain(event.id, stores.deps());
  return {
    eventId: event.id,
    slotId: event.slotId,
    organizerId: event.organizerId,
    ann,
    bob,
    hold,
    join,
  };
}

/** Ann cancels, and the look at who waits is never asked for. */
async function free({ eventId, ann, hold }: Line): Promise<void> {
  await sendEach(stores.crowd, [cancel(eventId, ann, reservationIdOf(hold.id))]);
  await drain(eventId, stores.deps());
}

const promoteAt = ({ slotId }: Line, agoMs: number) =>
  stores.database.pool.query(
    "UPDATE slots SET promote_at = clock_timestamp() - $2 * interval '1 millisecond' WHERE id = $1",
    [slotId, agoMs],
  );
const forgetNotes = () => removeKeys(stores.redis.redis, `${stores.redis.prefix}:{under-way}:*`);

async function entryOf({ join }: Line): Promise<{ status: string; parked: boolean }> {
  const { rows } = await stores.database.pool.query(
    "SELECT status, recheck_at IS NOT NULL AS parked FROM waitlist_entries WHERE id = $1",
    [waitlistEntryIdOf(join.id)],
  );
  return rows[0];
}

test("a slot whose waiters nobody looked at is promoted once its promotion is late, and not while a look is under way", async () => {
  const line = await aLine();
  expect(await sweep()).toEqual(NOTHING);
  await free(line);
  await promoteAt(line, 200);
  expect(await sweep()).toEqual(NOTHING); // its own timer may still come
  await promoteAt(line, PROMOTION_LATE_MS);
  const underWay = openUnderWay(stores.redis.redis, stores.redis.prefix);
  await underWay.note(line.slotId);
  expect(await sweep()).toEqual(NOTHING); // a look goes on, a piece at a time
  await forgetNotes();
  expect(await sweep()).toEqual({ ...NOTHING, promoted: 1 });
  expect(await sweep()).toEqual(NOTHING); // asked for already
  await drain(line.eventId, stores.deps());
  expect(await entryOf(line)).toEqual({ status: "offered", parked: false });
  await forgetNotes();
  expect(await sweep()).toEqual(NOTHING);
});

test("a parked entry is looked at again when its time has come, and so is its line", async () => {
  const line = await aLine();
  const { eventId, slotId, bob, join } = line;
  const [{ id: other }] = [await createEvent(stores.database.pool)];
  const elsewhere = reserve(other, bob); // at the same time
  await sendEach(stores.crowd, [elsewhere]);
  await drain(other, stores.deps());
  await free(line);
  await promoteAt(line, 1_000);
  expect(await sweep()).toEqual({ ...NOTHING, promoted: 1 });
  await drain(eventId, stores.deps());
  expect(await entryOf(line)).toEqual({ status: "waiting", parked: true });
  await forgetNotes();
  expect(await sweep()).toEqual(NOTHING); // for a minute
  await sendEach(stores.crowd, [cancel(other, bob, reservationIdOf(elsewhere.id))]);
  await drain(other, stores.deps()); // and what that asks for is lost
  await stores.database.pool.query("UPDATE waitlist_entries SET recheck_at = now() WHERE slot_id = $1", [
    slotId,
  ]);
  expect(await sweep()).toEqual({ ...NOTHING, rechecked: 1 });
  await drain(eventId, stores.deps());
  expect(await entryOf(line)).toEqual({ status: "offered", parked: false });
  const { rows } = await stores.database.pool.query("SELECT status, origin FROM reservations WHERE id = $1", [
    offerIdOf(waitlistEntryIdOf(join.id)),
  ]);
  expect(rows).toEqual([{ status: "held", origin: "waitlist" }]);
});

test("many parked entries of one slot ride a hundred to a command", async () => {
  const { eventId, slotId } = await aLine();
  await stores.database.pool.query(
    `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, recheck_at)
    SELECT 'wle_' || lpad(n::text, 26, '0'), $1, $2, 'usr_' || lpad(n::text, 26, '0'), 1, 'waiting', n + 10, now(), now()
    FROM generate_series(1, 250) n`,
    [eventId, slotId],
  );
  expect(await sweep()).toEqual({ ...NOTHING, rechecked: 250 });
  expect(await jobsOf(stores.redis.redis, stores.redis.prefix, eventId)).toEqual({ waiting: 3, active: 0 });
});

test("a cancelled event whose ending was broken off is wound down", async () => {
  const line = await aLine();
  const { eventId, organizerId } = line;
  await sendEach(stores.crowd, [cancelEvent(eventId, organizerId)]);
  await drain(eventId, stores.deps()); // and what that asks for is lost
  expect(await sweep()).toEqual({ ...NOTHING, woundDown: 1 });
  expect(await sweep()).toEqual(NOTHING); // asked for already
  await drain(eventId, stores.deps());
  const { rows } = await stores.database.pool.query(
    "SELECT r.status, r.end_reason, e.winding_down FROM reservations r JOIN events e ON e.id = r.event_id WHERE event_id = $1",
    [eventId],
  );
  expect(rows).toEqual([{ status: "cancelled", end_reason: "event-cancelled", winding_down: false }]);
  expect(await entryOf(line)).toEqual({ status: "closed", parked: false });
  await forgetNotes();
  expect(await sweep()).toEqual(NOTHING);
});

test("a waitlist that has reached its cutoff is closed, and what waits for more than the slot has", async () => {
  const [closing, shrinking] = await Promise.all([aLine(), aLine()]);
  await stores.database.pool.query(
    "UPDATE events SET waitlist = waitlist || '{\"closesBeforeSeconds\": 172800}' WHERE id = $1",
    [closing.eventId],
  );
  await stores.database.pool.query("UPDATE waitlist_entries SET quantity = 3 WHERE slot_id = $1", [
    shrinking.slotId,
  ]);
  expect(await sweep()).toEqual({ ...NOTHING, woundDown: 2 });
  for (const { eventId } of [closing, shrinking]) await drain(eventId, stores.deps());
  const { rows } = await stores.database.pool.query(
    "SELECT event_id, status, end_reason FROM waitlist_entries ORDER BY event_id",
  );
  expect(rows).toEqual(
    [
      { event_id: closing.eventId, status: "closed", end_reason: "cutoff" },
      { event_id: shrinking.eventId, status: "closed", end_reason: "capacity" },
    ].toSorted((a, b) => (a.event_id < b.event_id ? -1 : 1)),
  );
  await forgetNotes();
  expect(await sweep()).toEqual(NOTHING);
});

test("a paused event is left alone with its waiters, too", async () => {
  const [late, cancelled] = await Promise.all([aLine(), aLine()]);
  await free(late);
  await promoteAt(late, 5_000);
  await sendEach(stores.crowd, [cancelEvent(cancelled.eventId, cancelled.organizerId)]);
  await drain(cancelled.eventId, stores.deps());
  for (const { eventId } of [late, cancelled]) await pause(eventId);
  expect(await sweep()).toEqual(NOTHING);
});

test("a sweeper that froze in the middle loses its turn to the others", async () => {
  const reached = Promise.withResolvers<void>();
  const frozen = Promise.withResolvers<EventId[]>();
  const freezes: Activations = {
    ...stores.crowd.activations,
    missing: () => {
      reached.resolve();
      return frozen.promise;
    },
  };
  const zombie = sweep(freezes);
  await reached.promise;
  expect(await sweep()).toBe(null); // it is the frozen one's turn
  await until("another worker's sweep", async () => (await sweep()) !== null, 10_000);
  frozen.resolve([]);
  await zombie; // it wakes to a lost connection, and that is all
  expect(await sweep()).not.toBe(null);
}, 15_000);

test("an event with promised commands in its queue and no activation is activated, though nobody lists it", async () => {
  const { eventId, users } = await anEvent(1);
  const [ann] = users as [UserId];
  const waiting = reserve(eventId, ann);
  await stores.crowd.send(waiting);
  await promise([waiting], 3_000);
  await until("its activation", () => isActivated(eventId));
  await forgetActivations();
  await stores.redis.redis.del(busyEventsKey(stores.redis.prefix));
  expect(await sweep()).toEqual({ ...NOTHING, activated: 1 });
  expect(await isActivated(eventId)).toBe(true);
  await drain(eventId, stores.deps());
});

test("an event that bears the name of an owner who is gone is activated, when a hold is late or a promise is due", async () => {
  const [late, promised] = await Promise.all([anEvent(1), anEvent(1)]);
  const hold = late.users.map((user) => reserve(late.eventId, user));
  await sendEach(stores.crowd, hold);
  await drain(late.eventId, stores.deps());
  await age(late.eventId, 3_000);
  await promise(
    promised.users.map((user) => reserve(promised.eventId, user)),
    3_000,
  );
  for (const { eventId } of [late, promised]) await stores.openQueue(eventId, "gone").acquire();
  await forgetActivations();
  await stores.redis.redis.del(busyEventsKey(stores.redis.prefix));
  expect(await sweep()).toEqual({ ...NOTHING, settled: 1, resent: 1, activated: 2 });
  for (const { eventId } of [late, promised]) expect(await isActivated(eventId)).toBe(true);
});

test("sweepers of several workers take turns", async () => {
  const client = await stores.database.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock(7421002)");
    expect(await sweep()).toBe(null);
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
  expect(await sweep()).not.toBe(null);
});
