// A batch's two round trips against real tables: what is loaded, what is written, what stops the commit.
import {
  type Change,
  type Command,
  type EventId,
  type Reservation,
  reservationIdOf,
  type SlotId,
  type UserId,
} from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  cancel,
  createEvent,
  createUsers,
  expireDue,
  purchase,
  reserve,
  type TestDatabase,
  type TestEvent,
} from "../../testkit/src/index.ts";
import { acceptCommands } from "../src/commands.ts";
import {
  type BatchWrite,
  Fenced,
  loadBatch,
  NoSuchEvent,
  SETTLE_MAX,
  USER_LOCKS_MAX,
  writeBatch,
} from "../src/inventory.ts";
import { BATCH_LOCK_TIMEOUT_MS, openBatchPool } from "../src/pool.ts";
import { type Batches, OWNER, openBatches, slotOf as slotFound } from "./batch-under-test.ts";

let under: Batches;
let database: TestDatabase;
let apply: Batches["apply"];

beforeAll(async () => {
  under = await openBatches();
  ({ database, apply } = under);
});
afterAll(() => under.close());

const slotOf = async ({ slotId }: TestEvent) => {
  const { held, purchased, inventory } = await slotFound(database.pool, slotId);
  return { held, purchased, inventory };
};

const statusesOf = async ({ id }: TestEvent): Promise<string[]> =>
  (
    await database.pool.query<{ status: string }>(
      "SELECT status FROM reservations WHERE event_id = $1 ORDER BY id",
      [id],
    )
  ).rows.map(({ status }) => status);

/** Holds of that many users, whose deadline is `lateMs` ago. */
async function dueHolds(event: TestEvent, count: number, lateMs: number): Promise<UserId[]> {
  const users = await createUsers(database.pool, count);
  for (let i = 0; i < count; i += 200) {
    const some = users.slice(i, i + 200);
    await apply(
      event.id,
      some.map((user) => reserve(event.id, user)),
    );
  }
  await database.pool.query(
    `UPDATE reservations SET expires_at = clock_timestamp() - $2 * interval '1 millisecond' WHERE event_id = $1`,
    [event.id, lateMs],
  );
  return users;
}

test("held, purchased and cancelled in one batch: one row, counters as before, three outcomes in order", async () => {
  const event = await createEvent(database.pool);
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const first = reserve(event.id, user, { quantity: 2 });
  const id = reservationIdOf(first.id);
  const { words } = await apply(event.id, [
    first,
    purchase(event.id, user, id, { paymentReference: "paid" }),
    cancel(event.id, user, id),
  ]);
  expect(words).toEqual(["held", "purchased", "cancelled"]);
  expect(await statusesOf(event)).toEqual(["cancelled"]);
  expect(await slotOf(event)).toEqual({ held: 0, purchased: 0, inventory: 1 });
  const { rows } = await database.pool.query(
    "SELECT seq::int, type, status FROM outcomes WHERE event_id = $1 ORDER BY seq",
    [event.id],
  );
  expect(rows).toEqual([
    { seq: 1, type: "reserve", status: "succeeded" },
    { seq: 2, type: "purchase", status: "succeeded" },
    { seq: 3, type: "cancel", status: "succeeded" },
  ]);
});

test("what one batch wrote the next one loads, to the millisecond", async () => {
  const event = await createEvent(database.pool, { capacities: [5], terms: { maxPerUser: 4 } });
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const first = reserve(event.id, user, { quantity: 3 });
  const id = reservationIdOf(first.id);
  const before = await apply(event.id, [first]);
  const [held] = before.applied;
  const after = await apply(event.id, [first, purchase(event.id, user, id), reserve(event.id, user)]);
  expect(after.applied[0]).toEqual({ ...held, replayed: true, seen: null });
  expect(after.words).toEqual(["held", "purchased", "already-reserved"]);
  expect(after.lane).toMatchObject({ nextSeq: 2, logicalAt: before.logicalAt, fence: before.lane.fence + 1 });
  expect(await slotOf(event)).toEqual({ held: 0, purchased: 3, inventory: 2 });
  const [bought] = after.applied.slice(1);
  const { rows } = await database.pool.query<{ outcome: unknown }>(
    "SELECT outcome FROM outcomes WHERE command_id = $1",
    [bought?.command.id],
  );
  expect(rows[0]?.outcome).toEqual(bought?.outcome);
});

/** The changes with other reservations in them. */
const ofReservations = (
  changes: readonly Change[],
  other: (reservation: Reservation) => Reservation,
): Change[] =>
  changes.map(
    (change): Change =>
      "reservation" in change ? ({ ...change, reservation: other(change.reservation) } as Change) : change,
  );

test("a batch commits nothing when it wrote other rows than it decided (expect_rows)", async () => {
  const event = await createEvent(database.pool);
  const [user, other] = (await createUsers(database.pool, 2)) as [UserId, UserId];
  const first = reserve(event.id, user);
  await apply(event.id, [first]);
  const ours = (write: BatchWrite): BatchWrite => write;
  const gone = (write: BatchWrite): BatchWrite => ({
    ...write,
    changes: ofReservations(write.changes, (given) => ({
      ...given,
      id: reservationIdOf(newId("command")),
    })),
  });
  const inSlot =
    (slotId: SlotId) =>
    (write: BatchWrite): BatchWrite => ({
      ...write,
      changes: ofReservations(write.changes, (given) => ({ ...given, slotId })),
    });
  const elsewhere = await createEvent(database.pool);
  const buy = purchase(event.id, user, reservationIdOf(first.id));
  await expect(apply(event.id, [buy], OWNER, gone)).rejects.toMatchObject({ code: "HF001" });
  for (const slotId of [newId("slot"), elsewhere.slotId]) {
    const wrong = apply(event.id, [reserve(event.id, other)], OWNER, inSlot(slotId));
    await expect(wrong).rejects.toMatchObject({ code: "HF001" });
  }
  expect(await statusesOf(event)).toEqual(["held"]);
  expect(await slotOf(event)).toEqual({ held: 1, purchased: 0, inventory: 1 });
  expect((await apply(event.id, [buy], OWNER, ours)).words).toEqual(["purchased"]);
});

test("a commit that the database turned into a rollback is an error", async () => {
  const tx = await under.connect();
  try {
    await tx.query("BEGIN");
    await expect(tx.query("SELECT 1/0")).rejects.toThrow();
    const answers = {
      query: async (given: unknown) => (given === "COMMIT" ? tx.query("COMMIT") : { rows: [] }),
    };
    const event = newId("event");
    const write: BatchWrite = {
      eventId: event,
      lane: { fence: 1, logicalAt: 0, nextSeq: 1, nextMessage: 1, paused: false },
      exclusive: true,
      changes: [],
      applied: [],
      messages: [],
      logicalAt: 0,
      now: 0,
      promised: false,
    };
    await expect(writeBatch(answers as unknown as pg.ClientBase, write)).rejects.toThrow("ROLLBACK");
  } finally {
    tx.release();
  }
});

test("only the newest fence writes, and a former one finds out before it decides (race 9)", async () => {
  const event = await createEvent(database.pool);
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const { lane: older } = await apply(event.id, [reserve(event.id, user)]);
  const { lane: newer } = await apply(event.id, [reserve(event.id, user)], { owner: "newer", after: 1 });
  expect(newer.fence).toBe(older.fence + 1);
  await expect(apply(event.id, [reserve(event.id, user)], { fence: older.fence })).rejects.toThrow(Fenced);
  await expect(apply(event.id, [reserve(event.id, user)], { fence: newer.fence })).resolves.toMatchObject({
    lane: { fence: newer.fence },
  });
});

test("an event that does not exist is told apart from one that was taken over", async () => {
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const nowhere = newId("event");
  await expect(apply(nowhere, [reserve(nowhere, user)])).rejects.toThrow(NoSuchEvent);
  await expect(apply(nowhere, [reserve(nowhere, user)], { fence: 3 })).rejects.toThrow(NoSuchEvent);
});

test("who waits for a lane gives up after its lock timeout, and its connection is as good as new", async () => {
  const event = await createEvent(database.pool);
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const one = openBatchPool({ url: database.url, name: "test-one", max: 1, onError: () => undefined });
  const holder = await database.pool.connect();
  const tx = await one.connect();
  try {
    const command = reserve(event.id, user);
    // More than once: whether the answers to what follows come in one piece with the first one's is a matter of luck.
    for (let tries = 0; tries < 5; tries += 1) {
      await holder.query("BEGIN");
      await holder.query("SELECT FROM event_lanes WHERE event_id = $1 FOR UPDATE", [event.id]);
      await expect(loadBatch(tx, event.id, OWNER, [command], command.at)).rejects.toMatchObject({
        code: "55P03",
      });
      await tx.query("ROLLBACK");
      await holder.query("ROLLBACK");
    }
    const loaded = await loadBatch(tx, event.id, OWNER, [command], command.at);
    expect(loaded.state.slots.size).toBe(1);
  } finally {
    await Promise.all([tx.query("ROLLBACK"), holder.query("ROLLBACK")]);
    tx.release();
    holder.release();
    await one.end();
  }
  expect(BATCH_LOCK_TIMEOUT_MS).toBeLessThanOrEqual(200);
});

test("more due holds than one batch settles are settled in pieces", async () => {
  const count = SETTLE_MAX + 40;
  const event = await createEvent(database.pool, { capacities: [count] });
  await dueHolds(event, count, 10_000);
  const [late] = (await createUsers(database.pool, 1)) as [UserId];
  const command = reserve(event.id, late);
  const first = await apply(event.id, [command]);
  expect(first.applied).toEqual([]); // not all is settled: nothing is judged yet
  expect(first.changes.length).toBeGreaterThan(0);
  expect(first.changes.length).toBeLessThanOrEqual(SETTLE_MAX + 1);
  let rounds = 1;
  let last = first;
  while (last.applied.length === 0 && rounds < 5) {
    last = await apply(event.id, [command]);
    rounds += 1;
  }
  expect(last.words).toEqual(["held"]);
  expect((await statusesOf(event)).filter((status) => status === "expired")).toHaveLength(count);
  expect(await slotOf(event)).toMatchObject({ held: 1, purchased: 0 });
});

test("a batch locks no more users than it may, whomever its commands concern: it settles fewer due holds", async () => {
  const OTHERS = 127;
  const event = await createEvent(database.pool, { capacities: [2 * USER_LOCKS_MAX] });
  const others = await createUsers(database.pool, OTHERS);
  const theirs = others.map((user) => reserve(event.id, user));
  await apply(event.id, theirs);
  await dueHolds(event, SETTLE_MAX + 40, 10_000);
  await database.pool.query(
    "UPDATE reservations SET expires_at = clock_timestamp() + interval '1 hour' WHERE user_id = ANY ($1)",
    [others],
  );
  const users = await createUsers(database.pool, USER_LOCKS_MAX / 2);
  const [organizer] = users as [UserId];
  const locked = async (commands: readonly Command[]): Promise<number> => {
    const tx = await database.pool.connect();
    try {
      await loadBatch(tx, event.id, OWNER, commands, Date.now());
      const { rows } = await tx.query<{ locks: number }>(
        "SELECT count(*)::int AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
      );
      return rows[0]?.locks ?? 0;
    } finally {
      await tx.query("ROLLBACK");
      tx.release();
    }
  };
  expect(await locked([reserve(event.id, organizer)])).toBe(1 + SETTLE_MAX + 1);
  expect(await locked(users.map((user) => reserve(event.id, user)))).toBe(USER_LOCKS_MAX);
  const ofOrganizer = { role: "organizer" } as const;
  const cancels = theirs.map(({ id }) => cancel(event.id, organizer, reservationIdOf(id), ofOrganizer));
  expect(await locked(cancels)).toBe(USER_LOCKS_MAX); // with the owners, who are known by then
});

test("many due holds of one second are settled too, though a piece cannot hold them all", async () => {
  const count = SETTLE_MAX + 10;
  const event = await createEvent(database.pool, { capacities: [count] });
  await dueHolds(event, count, 5_000); // one statement, one clock reading or a few: what matters is the count
  await database.pool.query(
    "UPDATE reservations SET expires_at = date_trunc('second', now()) - interval '9 seconds' WHERE event_id = $1",
    [event.id],
  );
  const command = expireDue(event.id, Math.floor(Date.now() / 1000) * 1000);
  for (let round = 0; round < 4; round += 1) {
    const { applied } = await apply(event.id, [command]);
    if (applied.length > 0) break;
  }
  expect(new Set(await statusesOf(event))).toEqual(new Set(["expired"]));
});

/** Puts the deadline of the event's hold into the past, and gives it back. */
async function overdue(eventId: EventId): Promise<number> {
  const { rows } = await database.pool.query<{ deadline: number }>(
    `UPDATE reservations SET expires_at = date_trunc('second', clock_timestamp()) - interval '5 seconds'
    WHERE event_id = $1 RETURNING date_part('epoch', expires_at) * 1000 AS deadline`,
    [eventId],
  );
  return rows[0]?.deadline ?? 0;
}

test("a hold that waits for its accepted purchase is not settled, and the purchase wins (race 2, F6)", async () => {
  const event = await createEvent(database.pool);
  const [user, other] = (await createUsers(database.pool, 2)) as [UserId, UserId];
  const first = reserve(event.id, user);
  await apply(event.id, [first]);
  const deadline = await overdue(event.id);
  const buy: Command = purchase(event.id, user, reservationIdOf(first.id), { at: deadline - 1 });
  await acceptCommands(database.pool, [{ command: buy, ticket: null }]);
  const settled = await apply(event.id, [expireDue(event.id, deadline), reserve(event.id, other)]);
  expect(settled.words).toEqual(["done", "held"]);
  expect(await statusesOf(event)).toEqual(["held", "held"]);
  expect((await apply(event.id, [buy])).words).toEqual(["purchased"]);
  const kept = await database.pool.query("SELECT FROM accepted_commands WHERE event_id = $1", [event.id]);
  expect(kept.rowCount).toBe(0);
});

test("an accepted purchase that came at the deadline protects nothing", async () => {
  const event = await createEvent(database.pool);
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const first = reserve(event.id, user);
  await apply(event.id, [first]);
  const deadline = await overdue(event.id);
  const buy = purchase(event.id, user, reservationIdOf(first.id), { at: deadline });
  await acceptCommands(database.pool, [{ command: buy, ticket: null }]);
  expect((await apply(event.id, [expireDue(event.id, deadline), buy])).words).toEqual([
    "done",
    "hold-expired",
  ]);
});

test("a key belongs to the first command that came with it, in one batch, later, and at another event (race 14)", async () => {
  const [event, other] = await Promise.all([createEvent(database.pool), createEvent(database.pool)]);
  const [user] = (await createUsers(database.pool, 1)) as [UserId];
  const first = reserve(event.id, user, { key: "k" });
  expect((await apply(event.id, [first, reserve(event.id, user, { key: "k", quantity: 2 })])).words).toEqual([
    "held",
    "idempotency-key-reused",
  ]);
  expect((await apply(event.id, [reserve(event.id, user, { key: "k", quantity: 3 }), first])).words).toEqual([
    "idempotency-key-reused",
    "held",
  ]);
  expect((await apply(other.id, [reserve(other.id, user, { key: "k" })])).words).toEqual([
    "idempotency-key-reused",
  ]);
});

test("who is told that all is held is told when the first of the others' holds ends", async () => {
  const event = await createEvent(database.pool, { capacities: [2] });
  const [ann, bob, cid] = (await createUsers(database.pool, 3)) as [UserId, UserId, UserId];
  const { applied } = await apply(event.id, [reserve(event.id, ann), reserve(event.id, bob)]);
  const deadlines = applied.map(({ outcome }) =>
    outcome.status === "succeeded" ? outcome.reservation?.expiresAt : 0,
  );
  const refused = await apply(event.id, [reserve(event.id, cid, { slotId: event.slotId })]);
  expect(refused.applied[0]?.outcome).toEqual({
    status: "rejected",
    refusal: { code: "all-held", earliestReleaseAt: Math.min(...deadlines.map(Number)) },
  });
});

test("batches of several events with the same users, in opposite order, never deadlock (race 5)", async () => {
  const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
  const events = await Promise.all(
    [1, 2, 3].map(() => createEvent(database.pool, { capacities: [500], startsAt })),
  );
  const users = await createUsers(database.pool, 60);
  const patient = await Promise.all(
    events.map(async (event, i) => {
      const words: string[] = [];
      for (let round = 0; round < 6; round += 1) {
        const some = users.slice(round * 10, round * 10 + 10);
        const order = i % 2 === 0 ? some : some.toReversed();
        const commands = order.map((user) => reserve(event.id, user));
        words.push(...(await apply(event.id, commands)).words);
      }
      return words;
    }),
  );
  expect(patient.flat().filter((word) => word === "held")).toHaveLength(60);
  expect(patient.flat().filter((word) => word === "overlap")).toHaveLength(120);
  const { rows } = await database.pool.query<{ active: number }>(
    `SELECT count(*)::int AS active FROM reservations WHERE user_id = ANY ($1::text[]) GROUP BY user_id HAVING count(*) > 1`,
    [users],
  );
  expect(rows).toEqual([]);
});
