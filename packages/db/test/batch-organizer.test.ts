// Organizers' commands in batches over real tables, and how what was cancelled or closed ends piece by piece.
import {
  type Change,
  type FollowUp,
  offerIdOf,
  type ReservationCursor,
  reservationIdOf,
  type SlotId,
  slotIdOf,
  type UserId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addSlot,
  cancel,
  cancelEvent,
  closeSales,
  createEvent,
  createUsers,
  editEvent,
  editSlot,
  joinWaitlist,
  openSales,
  promote,
  purchase,
  removeSlot,
  reserve,
  setCapacity,
  type TestDatabase,
  type TestEvent,
  windDown,
} from "../../testkit/src/index.ts";
import { type EventRecord, findEvent } from "../src/events.ts";
import type { BatchWrite } from "../src/inventory.ts";
import { GATHERED_USERS_MAX } from "../src/inventory-waitlist.ts";
import { type Batches, entriesOf, expectSound, OWNER, openBatches, slotOf } from "./batch-under-test.ts";

const HOUR_MS = 3_600_000;

let under: Batches;
let database: TestDatabase;
let apply: Batches["apply"];
let applyWhole: Batches["applyWhole"];

beforeAll(async () => {
  under = await openBatches();
  ({ database, apply, applyWhole } = under);
});
afterAll(() => under.close());

const people = (count: number): Promise<UserId[]> => createUsers(database.pool, count);
const found = async ({ id }: TestEvent): Promise<EventRecord> =>
  (await findEvent(database.pool, id)) as EventRecord;
const slot = (slotId: SlotId) => slotOf(database.pool, slotId);

async function isWindingDown({ id }: TestEvent): Promise<boolean> {
  const { rows } = await database.pool.query("SELECT winding_down FROM events WHERE id = $1", [id]);
  return rows[0]?.winding_down;
}

/** How many of the event's reservations are in which state, for which reason. */
async function endings({ id }: TestEvent): Promise<Record<string, number>> {
  const { rows } = await database.pool.query<{ how: string; count: number }>(
    `SELECT concat_ws(' ', status, end_reason) AS how, count(*)::int AS count FROM reservations
    WHERE event_id = $1 GROUP BY 1 ORDER BY 1`,
    [id],
  );
  return Object.fromEntries(rows.map(({ how, count }) => [how, count]));
}

/** An event of which each ticket is held by somebody, every third one bought, and for which others wait. */
async function soldOut(tickets: number, waiters = 0): Promise<TestEvent> {
  const event = await createEvent(database.pool, { capacities: [tickets], waitlist: { maxEntries: 10_000 } });
  const [buyers, others] = await Promise.all([people(tickets), people(waiters)]);
  const holds = buyers.map((user) => reserve(event.id, user));
  const commands = [
    ...holds,
    ...holds.flatMap((hold, n) =>
      n % 3 === 0 ? [purchase(event.id, buyers[n] as UserId, reservationIdOf(hold.id))] : [],
    ),
    ...others.map((user) => joinWaitlist(event.id, user, event.slotId)),
  ];
  for (let at = 0; at < commands.length; at += 200) await apply(event.id, commands.slice(at, at + 200));
  return event;
}

describe("a cancelled event", () => {
  const TICKETS = 2 * GATHERED_USERS_MAX + 30;

  test("refuses everything at once, and ends what it leaves behind in pieces, each thing once", async () => {
    const event = await soldOut(TICKETS, 1_100);
    const [late] = (await people(1)) as [UserId];
    const { words, followUps } = await apply(event.id, [
      reserve(event.id, late),
      cancelEvent(event.id, event.organizerId),
      reserve(event.id, late),
      joinWaitlist(event.id, late, event.slotId),
      cancelEvent(event.id, event.organizerId),
      editEvent(event.id, event.organizerId, { name: "Another" }),
    ]);
    expect(words).toEqual([
      "all-held",
      "done",
      "event-cancelled",
      "event-cancelled",
      "done",
      "event-cancelled",
    ]);
    expect(await isWindingDown(event)).toBe(true);
    const cursors: (ReservationCursor | null)[] = [];
    let asked: readonly FollowUp[] = followUps;
    for (let piece = 0; piece < 10; piece += 1) {
      const next = asked.find((each) => each.kind === "wind-down");
      if (next?.kind !== "wind-down") break;
      cursors.push(next.after);
      asked = (await apply(event.id, [windDown(event.id, next)])).followUps;
      await expectSound(database.pool, event.id);
    }
    expect(cursors).toEqual([null, ...Array.from({ length: 4 }, () => expect.anything())]);
    expect(await isWindingDown(event)).toBe(false);
    expect(await endings(event)).toEqual({ "cancelled event-cancelled": TICKETS });
    const entries = await entriesOf(database.pool, event.slotId);
    expect(new Set(entries.map(({ status, endReason }) => `${status} ${endReason}`))).toEqual(
      new Set(["closed event-cancelled"]),
    );
    expect(await slot(event.slotId)).toMatchObject({ held: 0, purchased: 0, waiting: 0, parked: 0 });
    const again = await apply(event.id, [windDown(event.id)]);
    expect(again.changes.map(({ kind }) => kind)).toEqual(["wound-down"]);
  });

  test("is wound down to the end wherever one begins again, beside owners who cancel themselves", async () => {
    const event = await soldOut(TICKETS, 3);
    const [first] = (await apply(event.id, [cancelEvent(event.id, event.organizerId)])).followUps;
    expect(first).toEqual({ kind: "wind-down", eventId: event.id, after: null });
    const [second] = (await apply(event.id, [windDown(event.id)])).followUps;
    if (second?.kind !== "wind-down") throw new Error("there is more to end");
    const { rows } = await database.pool.query(
      `SELECT id, user_id FROM reservations WHERE event_id = $1 AND status IN ('held', 'purchased')
      ORDER BY created_at DESC, id DESC LIMIT 1`,
      [event.id],
    );
    const own = await apply(event.id, [cancel(event.id, rows[0].user_id, rows[0].id)]);
    expect(own.words).toEqual(["cancelled"]);
    const sent = await Promise.all([
      apply(event.id, [windDown(event.id, second)]),
      apply(event.id, [windDown(event.id, second)], { owner: "test", after: 0 }),
    ]);
    expect(sent.flatMap(({ changes }) => changes.filter(({ kind }) => kind === "ended"))).toHaveLength(
      GATHERED_USERS_MAX + 29,
    );
    const { later } = await applyWhole(event.id, [windDown(event.id)]);
    expect(later).toEqual([]);
    expect(await isWindingDown(event)).toBe(false);
    expect(await endings(event)).toEqual({ "cancelled event-cancelled": TICKETS });
    await expectSound(database.pool, event.id);
  });

  test("goes on being wound down when a piece was asked for before it was cancelled, in one batch", async () => {
    const event = await soldOut(3, 1);
    const { followUps } = await apply(event.id, [
      windDown(event.id),
      cancelEvent(event.id, event.organizerId),
      windDown(event.id),
    ]);
    expect(await isWindingDown(event)).toBe(true);
    expect(followUps).toEqual([{ kind: "wind-down", eventId: event.id, after: null }]);
    await applyWhole(event.id, [windDown(event.id)]);
    expect(await isWindingDown(event)).toBe(false);
    expect(await endings(event)).toEqual({ "cancelled event-cancelled": 3 });
    await expectSound(database.pool, event.id);
  });

  test("sells no hold between two pieces, and closes entries that were offered tickets", async () => {
    const event = await createEvent(database.pool, { capacities: [1], waitlist: {} });
    const [ann, bob] = (await people(2)) as [UserId, UserId];
    const hold = reserve(event.id, ann);
    const waits = reserve(event.id, bob, { orWait: true });
    const offer = offerIdOf(waitlistEntryIdOf(waits.id));
    await applyWhole(event.id, [hold, waits, cancel(event.id, ann, reservationIdOf(hold.id))]);
    const { words } = await apply(event.id, [
      cancelEvent(event.id, event.organizerId),
      purchase(event.id, bob, offer),
      promote(event.id, event.slotId),
      windDown(event.id),
    ]);
    expect(words).toEqual(["done", "event-cancelled", "done", "done"]);
    await applyWhole(event.id, [windDown(event.id)]);
    expect(await entriesOf(database.pool, event.slotId)).toMatchObject([
      { status: "closed", endReason: "event-cancelled" },
    ]);
    expect(await endings(event)).toEqual({ "cancelled event-cancelled": 1, "cancelled user": 1 });
    await expectSound(database.pool, event.id);
  });

  test("locks whoever loses a reservation by it", async () => {
    const event = await soldOut(2);
    await apply(event.id, [cancelEvent(event.id, event.organizerId)]);
    const { rows } = await database.pool.query<{ user_id: UserId; id: string }>(
      "SELECT user_id FROM reservations WHERE event_id = $1",
      [event.id],
    );
    const holder = await database.pool.connect();
    try {
      await holder.query("BEGIN");
      await holder.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [rows[1]?.user_id]);
      await expect(apply(event.id, [windDown(event.id)])).rejects.toMatchObject({ code: "55P03" });
    } finally {
      await holder.query("ROLLBACK");
      holder.release();
    }
    expect((await apply(event.id, [windDown(event.id)])).words).toEqual(["done"]);
    await expectSound(database.pool, event.id);
  });

  test("and another with the same people are wound down at once, and nobody waits for ever (race 12)", async () => {
    const users = await people(60);
    const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 24 * HOUR_MS;
    const events = await Promise.all(
      [1, 2].map((n) =>
        createEvent(database.pool, { capacities: [60], startsAt: startsAt + n * 5 * HOUR_MS }),
      ),
    );
    for (const [n, { id }] of events.entries()) {
      const order = n === 0 ? users : users.toReversed();
      await apply(
        id,
        order.map((user) => reserve(id, user)),
      );
      await apply(id, [cancelEvent(id, events[n]?.organizerId as UserId)]);
    }
    await Promise.all(events.map(({ id }) => applyWhole(id, [windDown(id)])));
    for (const event of events) expect(await endings(event)).toEqual({ "cancelled event-cancelled": 60 });
    await expectSound(database.pool, ...events.map(({ id }) => id));
  });
});

describe("slots", () => {
  test("are added, changed, used and removed in one batch", async () => {
    const event = await createEvent(database.pool, { capacities: [1, 1] });
    const [ann, bob] = (await people(2)) as [UserId, UserId];
    const [first, second] = event.slots.map(({ id }) => id) as [SlotId, SlotId];
    const startsAt = (event.slots[1]?.endsAt ?? 0) + HOUR_MS;
    const late = addSlot(event.id, event.organizerId, { name: "Late", capacity: 1, startsAt });
    const gone = addSlot(event.id, event.organizerId);
    const slotId = slotIdOf(late.id);
    const by = event.organizerId;
    const hold = reserve(event.id, ann, { slotId });
    const { words, applied } = await apply(event.id, [
      late,
      gone,
      editSlot(event.id, by, slotId, { startsAt: startsAt + HOUR_MS, endsAt: startsAt + 2 * HOUR_MS }),
      hold,
      reserve(event.id, bob, { slotId }),
      editSlot(event.id, by, slotId, { startsAt }),
      setCapacity(event.id, by, slotId, 2),
      reserve(event.id, bob, { slotId }),
      removeSlot(event.id, by, slotId),
      removeSlot(event.id, by, slotIdOf(gone.id)),
      removeSlot(event.id, by, second),
      reserve(event.id, bob, { slotId: second }),
      editSlot(event.id, by, first, { name: "First", startsAt: (event.slots[0]?.startsAt ?? 0) - HOUR_MS }),
    ]);
    expect(words).toEqual([
      "done",
      "done",
      "done",
      "held",
      "all-held",
      "slot-in-use",
      "done",
      "held",
      "slot-in-use",
      "done",
      "done",
      "not-found",
      "done",
    ]);
    expect(applied[0]?.outcome).toMatchObject({ slot: { id: slotId, name: "Late", used: false } });
    const now = await found(event);
    expect(now.slots).toMatchObject([
      { id: first, name: "First", startsAt: (event.slots[0]?.startsAt ?? 0) - HOUR_MS },
      { id: slotId, name: "Late", capacity: 2, held: 2, startsAt: startsAt + HOUR_MS },
    ]);
    expect(now.version).toBe(8);
    expect(now.startsAt).toBe(now.slots[0]?.startsAt);
    expect(await slot(slotId)).toMatchObject({ used: true });
    const { rows } = await database.pool.query(
      `SELECT round(date_part('epoch', lower(during)) * 1000) AS starts_at FROM reservations WHERE id = $1`,
      [reservationIdOf(hold.id)],
    );
    expect(rows).toEqual([{ starts_at: startsAt + HOUR_MS }]);
    await expectSound(database.pool, event.id);
  });

  test("have waiters and offers in the batch that made them", async () => {
    const event = await createEvent(database.pool, { waitlist: {} });
    const [ann, bob] = (await people(2)) as [UserId, UserId];
    const made = addSlot(event.id, event.organizerId, { capacity: 1 });
    const slotId = slotIdOf(made.id);
    const hold = reserve(event.id, ann, { slotId });
    const { words } = await applyWhole(event.id, [
      made,
      hold,
      joinWaitlist(event.id, bob, slotId),
      cancel(event.id, ann, reservationIdOf(hold.id)),
    ]);
    expect(words).toEqual(["done", "held", "waiting", "cancelled"]);
    expect(await entriesOf(database.pool, slotId)).toMatchObject([{ userId: bob, status: "offered" }]);
    await expectSound(database.pool, event.id);
  });

  test("take more and less in one batch with those who come and go, whatever the order", async () => {
    const event = await soldOut(4);
    const by = event.organizerId;
    const { rows } = await database.pool.query(
      "SELECT id, user_id FROM reservations WHERE event_id = $1 ORDER BY id",
      [event.id],
    );
    const [ann, bob] = (await people(2)) as [UserId, UserId];
    const free = (n: number) => cancel(event.id, rows[n].user_id, rows[n].id);
    const { words, applied } = await apply(event.id, [
      setCapacity(event.id, by, event.slotId, 3),
      free(0),
      free(1),
      setCapacity(event.id, by, event.slotId, 2),
      reserve(event.id, ann),
      setCapacity(event.id, by, event.slotId, 3),
      reserve(event.id, ann),
      setCapacity(event.id, by, event.slotId, 2),
      free(2),
      setCapacity(event.id, by, event.slotId, 2),
      reserve(event.id, bob),
    ]);
    expect(words).toEqual([
      "capacity-below-committed",
      "cancelled",
      "cancelled",
      "done",
      "all-held",
      "done",
      "held",
      "capacity-below-committed",
      "cancelled",
      "done",
      "all-held",
    ]);
    expect(applied[0]?.outcome).toEqual({
      status: "rejected",
      refusal: { code: "capacity-below-committed", held: 2, purchased: 2 },
    });
    expect(await slot(event.slotId)).toMatchObject({ capacity: 2, held: 1, purchased: 1 });
    await expectSound(database.pool, event.id);
  });

  test("are not removed once they were used, nor changed when another event's, whatever was decided (expect_rows)", async () => {
    const event = await createEvent(database.pool, { capacities: [1, 1] });
    const elsewhere = await createEvent(database.pool);
    const [ann] = (await people(1)) as [UserId];
    const [first, second] = event.slots.map(({ id }) => id) as [SlotId, SlotId];
    await apply(event.id, [reserve(event.id, ann, { slotId: first })]);
    const changed =
      (kind: Change["kind"], other: object) =>
      (write: BatchWrite): BatchWrite => ({
        ...write,
        changes: write.changes.map((change) => (change.kind === kind ? { ...change, ...other } : change)),
      });
    const by = event.organizerId;
    for (const slotId of [first, elsewhere.slotId]) {
      const spoil = changed("slot-removed", { slotId });
      await expect(apply(event.id, [removeSlot(event.id, by, second)], OWNER, spoil)).rejects.toMatchObject({
        code: "HF001",
      });
    }
    const foreign = changed("slot-edited", { slot: { ...elsewhere.slots[0], id: elsewhere.slotId } });
    const edit = editSlot(event.id, by, second, { name: "x" });
    await expect(apply(event.id, [edit], OWNER, foreign)).rejects.toMatchObject({ code: "HF001" });
    expect((await found(event)).slots).toHaveLength(2);
    expect((await apply(event.id, [removeSlot(event.id, by, second)])).words).toEqual(["done"]);
    await expectSound(database.pool, event.id, elsewhere.id);
  });
});

describe("an event's terms", () => {
  test("are changed, all of them, and hold for the commands behind", async () => {
    const event = await createEvent(database.pool, { capacities: [5] });
    const [ann, bob, cid] = (await people(3)) as [UserId, UserId, UserId];
    const by = event.organizerId;
    const later = Math.ceil(Date.now() / 1000) * 1000 + HOUR_MS;
    const edits = {
      name: "Another evening",
      description: "With music",
      venue: "The hall",
      salesOpenAt: later - 3 * HOUR_MS,
      salesCloseAt: later,
      holdSeconds: 10,
      offerSeconds: 20,
      maxPerOrder: 2,
      maxPerUser: 3,
      overlapPolicy: "allow",
      cancelCutoffSeconds: 5,
      waitlist: { enabled: true, mode: "strict", maxSkips: 1, collectSeconds: 2, maxEntries: 3 },
    } as const;
    const { words } = await apply(event.id, [
      editEvent(event.id, by, { venue: "Nowhere" }, { ifVersion: [2, 3] }),
      editEvent(event.id, by, { salesOpenAt: later, salesCloseAt: later }),
      editEvent(event.id, by, edits, { ifVersion: [1] }),
      reserve(event.id, ann, { quantity: 3 }),
      reserve(event.id, ann, { quantity: 2 }),
      editEvent(event.id, by, { overlapPolicy: "refuse" }),
      closeSales(event.id, by),
      closeSales(event.id, by),
      reserve(event.id, bob),
      openSales(event.id, by),
      editEvent(event.id, by, { description: null, salesCloseAt: null }),
      reserve(event.id, bob),
      editEvent(event.id, cid, { name: "Mine" }),
      editEvent(event.id, cid, { venue: "The other hall" }, { role: "admin" }),
    ]);
    expect(words).toEqual([
      "precondition-failed",
      "validation-failed",
      "done",
      "limit-exceeded",
      "held",
      "slot-in-use",
      "done",
      "done",
      "sales-closed",
      "done",
      "done",
      "held",
      "not-found",
      "done",
    ]);
    const { waitlist, ...terms } = edits;
    const now = await found(event);
    expect(now).toMatchObject({
      ...terms,
      description: null,
      venue: "The other hall",
      salesCloseAt: null,
      salesClosed: false,
      waitlist: { ...waitlist, closesBeforeSeconds: 0 },
      version: 6,
    });
    expect(now.updatedAt).toBeGreaterThan(now.createdAt);
    const { rows } = await database.pool.query(
      "SELECT exclusive, date_part('epoch', expires_at - created_at) <= 11 AS short FROM reservations WHERE event_id = $1",
      [event.id],
    );
    expect(rows).toEqual([
      { exclusive: false, short: true },
      { exclusive: false, short: true },
    ]);
    const next = await apply(event.id, [editEvent(event.id, by, {}, { ifVersion: [6] })]);
    expect(next.applied[0]?.outcome).toMatchObject({ event: { version: 7, venue: "The other hall" } });
    await expectSound(database.pool, event.id);
  });

  test("may close a waitlist, or make waiting vain: those entries end, and no others", async () => {
    const event = await createEvent(database.pool, { capacities: [4, 4], waitlist: {} });
    const by = event.organizerId;
    const [ann, bob, cid, dan] = (await people(4)) as [UserId, UserId, UserId, UserId];
    const [first, second] = event.slots.map(({ id }) => id) as [SlotId, SlotId];
    const hold = reserve(event.id, ann, { slotId: first, quantity: 4 });
    const join = (user: UserId, slotId: SlotId, quantity: number) =>
      joinWaitlist(event.id, user, slotId, { quantity });
    await apply(event.id, [
      hold,
      join(bob, first, 3),
      join(cid, first, 2),
      reserve(event.id, dan, { slotId: second, quantity: 4 }),
      join(cid, second, 4),
    ]);
    const { followUps } = await applyWhole(event.id, [
      cancel(event.id, ann, reservationIdOf(hold.id)),
      setCapacity(event.id, by, first, 2),
    ]);
    expect(followUps.map(({ kind }) => kind)).toEqual(["wind-down", "promote"]);
    expect(await entriesOf(database.pool, first)).toMatchObject([
      { status: "closed", endReason: "capacity" },
      { status: "offered" },
    ]);
    expect(await entriesOf(database.pool, second)).toMatchObject([{ status: "waiting" }]);
    await applyWhole(event.id, [editEvent(event.id, by, { waitlist: { closesBeforeSeconds: 27 * 3_600 } })]);
    expect(await entriesOf(database.pool, second)).toMatchObject([{ status: "closed", endReason: "cutoff" }]);
    expect(await isWindingDown(event)).toBe(false);
    await expectSound(database.pool, event.id);
  });
});
