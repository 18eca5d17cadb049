// Waitlists in batches over real tables: who joins, who is offered what came free, and how entries end.
import {
  type AnyCommand,
  type FollowUp,
  offerIdOf,
  reservationIdOf,
  type UserId,
  type WaitlistEntryId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  cancel,
  createEvent,
  createUsers,
  expireDue,
  joinWaitlist,
  leaveWaitlist,
  promote,
  purchase,
  reserve,
  setCapacity,
  type TestDatabase,
  type TestEvent,
} from "../../testkit/src/index.ts";
import type { BatchWrite } from "../src/inventory.ts";
import { GATHERED_USERS_MAX } from "../src/inventory-waitlist.ts";
import { findEntryOf, STRETCH_ENTRIES } from "../src/waitlist.ts";
import {
  type Batches,
  entriesOf,
  expectSound,
  OWNER,
  openBatches,
  slotOf,
  standingOf,
} from "./batch-under-test.ts";

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

/** An event of that many tickets, all held by one who may let them go; and that many others. */
async function soldTo(tickets: number, others: number, options: Parameters<typeof createEvent>[1] = {}) {
  const event = await createEvent(database.pool, { capacities: [tickets], waitlist: {}, ...options });
  const [holder, ...rest] = (await people(others + 1)) as [UserId, ...UserId[]];
  const hold = reserve(event.id, holder, { quantity: tickets, slotId: event.slotId });
  expect((await apply(event.id, [hold])).words).toEqual(["held"]);
  const letGo = () => cancel(event.id, holder, reservationIdOf(hold.id));
  return { event, holder, hold: reservationIdOf(hold.id), letGo, others: rest };
}

/** They join in this order, in as few batches as may be. */
async function join(
  event: TestEvent,
  users: readonly UserId[],
  quantity: (n: number) => number = () => 1,
): Promise<WaitlistEntryId[]> {
  const commands = users.map((user, n) =>
    joinWaitlist(event.id, user, event.slotId, { quantity: quantity(n) }),
  );
  for (let at = 0; at < commands.length; at += 200) {
    const { words } = await apply(event.id, commands.slice(at, at + 200));
    expect(new Set(words)).toEqual(new Set(["waiting"]));
  }
  return commands.map(({ id }) => waitlistEntryIdOf(id));
}

const standing = (event: TestEvent) => standingOf(database.pool, event.slotId);
const slot = (event: TestEvent) => slotOf(database.pool, event.slotId);

/** Puts the deadlines of the event's holds into the past, and gives back the last of them. */
async function overdue({ id }: TestEvent): Promise<number> {
  const { rows } = await database.pool.query<{ deadline: number }>(
    `UPDATE reservations SET expires_at = date_trunc('second', clock_timestamp()) - interval '5 seconds'
    WHERE event_id = $1 AND status = 'held' RETURNING date_part('epoch', expires_at) * 1000 AS deadline`,
    [id],
  );
  return Math.max(0, ...rows.map(({ deadline }) => deadline));
}

test("joined, freed, offered, bought and left, all in one batch", async () => {
  const event = await createEvent(database.pool, { capacities: [1], waitlist: {} });
  const [ann, bob, cid, dan] = (await people(4)) as [UserId, UserId, UserId, UserId];
  const hold = reserve(event.id, ann);
  const waits = reserve(event.id, bob, { orWait: true });
  const joins = joinWaitlist(event.id, cid, event.slotId);
  const offer = offerIdOf(waitlistEntryIdOf(waits.id));
  const { words, applied } = await apply(event.id, [
    hold,
    waits,
    joins,
    cancel(event.id, ann, reservationIdOf(hold.id)),
    reserve(event.id, dan),
    promote(event.id, event.slotId),
    purchase(event.id, bob, offer),
    leaveWaitlist(event.id, cid, waitlistEntryIdOf(joins.id)),
  ]);
  expect(words).toEqual(["held", "waiting", "waiting", "cancelled", "all-held", "done", "purchased", "left"]);
  expect(applied.map(({ seen }) => [seen?.available, seen?.waitingAhead])).toEqual([
    [1, 0],
    [0, 0],
    [0, 1],
    [0, 2],
    [0, 2],
    [0, 2],
    [0, 1],
    [0, 0],
  ]);
  expect(await standing(event)).toEqual(["fulfilled", "left"]);
  expect(await slot(event)).toMatchObject({ held: 0, purchased: 1, used: true, waiting: 0, lastSeq: 2 });
  await expectSound(database.pool, event.id);
});

test("what one batch wrote of a line the next one loads", async () => {
  const { event, others, letGo } = await soldTo(1, 3);
  const [ann, bob, cid] = others as [UserId, UserId, UserId];
  const [first, second] = (await join(event, [ann, bob])) as [WaitlistEntryId, WaitlistEntryId];
  const again = await apply(event.id, [
    joinWaitlist(event.id, ann, event.slotId),
    reserve(event.id, bob, { orWait: true }),
    joinWaitlist(event.id, cid, event.slotId),
    leaveWaitlist(event.id, ann, second),
  ]);
  expect(again.words).toEqual(["already-waiting", "already-waiting", "waiting", "not-found"]);
  expect(again.applied[2]?.outcome).toMatchObject({ position: 3, entry: { seq: 3 } });
  expect((await apply(event.id, [letGo()])).words).toEqual(["cancelled"]);
  expect(await slot(event)).toMatchObject({ waiting: 3, isToBeLookedAt: true });
  await apply(event.id, [promote(event.id, event.slotId)]);
  expect(await slot(event)).toMatchObject({ waiting: 2, held: 1, isToBeLookedAt: false });
  expect(await standing(event)).toEqual(["offered", "waiting", "waiting"]);
  const taken = await applyWhole(event.id, [
    purchase(event.id, ann, offerIdOf(first), { paymentReference: "paid" }),
    leaveWaitlist(event.id, ann, first),
  ]);
  expect(taken.words).toEqual(["purchased", "not-active"]);
  expect(await standing(event)).toEqual(["fulfilled", "waiting", "waiting"]);
  await expectSound(database.pool, event.id);
});

interface Freeing {
  readonly event: TestEvent;
  readonly holder: UserId;
  readonly hold: ReturnType<typeof reservationIdOf>;
}

const FREEING: readonly (readonly [string, (has: Freeing) => AnyCommand | Promise<AnyCommand>])[] = [
  ["its holder cancels", ({ event, holder, hold }) => cancel(event.id, holder, hold)],
  [
    "the organizer cancels it",
    ({ event, hold }) => cancel(event.id, event.organizerId, hold, { role: "organizer" }),
  ],
  ["its deadline comes", async ({ event }) => expireDue(event.id, await overdue(event))],
  ["there is one more", ({ event }) => setCapacity(event.id, event.organizerId, event.slotId, 2)],
];

describe("one ticket comes free, one person waits, and many ask at the door (race 4)", () => {
  test.each(FREEING)("when %s", async (_, free) => {
    const { event, holder, hold, others } = await soldTo(1, 41);
    const [ann, ...crowd] = others as [UserId, ...UserId[]];
    await join(event, [ann]);
    const command = await free({ event, holder, hold });
    const { words, later } = await applyWhole(event.id, [
      ...crowd.slice(0, 20).map((user) => reserve(event.id, user)),
      command,
      ...crowd.slice(20).map((user) => reserve(event.id, user)),
    ]);
    expect(words.filter((word) => word === "held")).toEqual([]);
    expect(later).toEqual([]);
    expect(await standing(event)).toEqual(["offered"]);
    await expectSound(database.pool, event.id);
  });

  test.each([
    [
      "declines",
      (event: TestEvent, user: UserId, entry: WaitlistEntryId) => cancel(event.id, user, offerIdOf(entry)),
      "declined",
    ],
    [
      "leaves",
      (event: TestEvent, user: UserId, entry: WaitlistEntryId) => leaveWaitlist(event.id, user, entry),
      "left",
    ],
    [
      "is removed by the organizer",
      (event: TestEvent, _: UserId, entry: WaitlistEntryId) =>
        leaveWaitlist(event.id, event.organizerId, entry, { role: "organizer" }),
      "left",
    ],
    ["lets it lapse", async (event: TestEvent) => expireDue(event.id, await overdue(event)), "lapsed"],
  ] as const)("when who was offered it %s", async (_, end, status) => {
    const { event, others, letGo } = await soldTo(1, 12);
    const [ann, bob, ...crowd] = others as [UserId, UserId, ...UserId[]];
    const [entry] = (await join(event, [ann, bob])) as [WaitlistEntryId];
    await applyWhole(event.id, [letGo()]);
    expect(await standing(event)).toEqual(["offered", "waiting"]);
    const command = await end(event, ann, entry);
    const { words } = await applyWhole(event.id, [command, ...crowd.map((user) => reserve(event.id, user))]);
    expect(words.slice(1)).toEqual(crowd.map(() => "all-held"));
    expect(await standing(event)).toEqual([status, "offered"]);
    expect(await slot(event)).toMatchObject({ held: 1, purchased: 0, waiting: 0 });
    await expectSound(database.pool, event.id);
  });
});

test("the organizer takes an entry off the line, and nobody else may", async () => {
  const { event, others } = await soldTo(1, 2);
  const [ann, bob] = others as [UserId, UserId];
  const [entry] = (await join(event, [ann])) as [WaitlistEntryId];
  const { words } = await apply(event.id, [
    leaveWaitlist(event.id, bob, entry),
    leaveWaitlist(event.id, bob, entry, { role: "organizer" }), // of other events
    leaveWaitlist(event.id, event.organizerId, entry, { role: "organizer" }),
    leaveWaitlist(event.id, ann, entry),
  ]);
  expect(words).toEqual(["not-found", "not-found", "left", "not-active"]);
  expect(await entriesOf(database.pool, event.slotId)).toMatchObject([{ endReason: "organizer" }]);
  await expectSound(database.pool, event.id);
});

test("smaller parties pass the head, each of them counted, until tickets are collected for it", async () => {
  const { event, others, hold, holder } = await soldTo(4, 5, {
    waitlist: { maxSkips: 2, collectSeconds: 60 },
  });
  await join(event, others, (n) => (n === 0 ? 4 : 1));
  await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 7)]);
  expect(await standing(event)).toEqual(["waiting", "offered", "offered", "waiting", "waiting"]);
  expect(await slot(event)).toMatchObject({ passers: [3, 2], collectingFor: 1, held: 6 });
  const [head] = await entriesOf(database.pool, event.slotId);
  expect(head?.lastPassedOver).toMatchObject({ reason: "too-few" });
  await applyWhole(event.id, [cancel(event.id, holder, hold)]);
  expect(await standing(event)).toEqual(["offered", "offered", "offered", "offered", "waiting"]);
  await expectSound(database.pool, event.id);
});

test("a collection that ran out lets others pass again", async () => {
  const { event, others } = await soldTo(4, 4, { waitlist: { maxSkips: 1, collectSeconds: 60 } });
  await join(event, others, (n) => (n === 0 ? 4 : 1));
  const { later } = await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 6)]);
  expect(await standing(event)).toEqual(["waiting", "offered", "waiting", "waiting"]);
  expect(later).toMatchObject([{ kind: "promote", slotId: event.slotId, from: null, recheck: [] }]);
  await database.pool.query(
    "UPDATE slots SET collecting_until = now() - interval '1 second', promote_at = now() WHERE id = $1",
    [event.slotId],
  );
  await applyWhole(event.id, [promote(event.id, event.slotId)]);
  expect(await standing(event)).toEqual(["waiting", "offered", "offered", "waiting"]);
  expect(await slot(event)).toMatchObject({ passers: [3], held: 6 });
  await expectSound(database.pool, event.id);
});

test("in a strict line nobody passes a head that wants more than is free", async () => {
  const { event, others, letGo } = await soldTo(2, 3, { waitlist: { mode: "strict" } });
  await join(event, others, (n) => (n === 0 ? 2 : 1));
  await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 3)]);
  expect(await standing(event)).toEqual(["waiting", "waiting", "waiting"]);
  expect(await slot(event)).toMatchObject({ passers: null, collectingFor: null, isToBeLookedAt: false });
  await applyWhole(event.id, [letGo()]);
  expect(await standing(event)).toEqual(["offered", "offered", "waiting"]);
  await expectSound(database.pool, event.id);
});

describe("a line longer than one batch looks into", () => {
  const LONG = 2 * GATHERED_USERS_MAX + 20;

  test("is walked through piece by piece, and its head is judged by each", async () => {
    const { event, others } = await soldTo(5, LONG);
    await join(event, others, (n) => (n === LONG - 1 ? 1 : 2));
    const sent: FollowUp[] = [];
    let result = await apply(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 6)]);
    for (let piece = 0; piece < 5; piece += 1) {
      const [next] = result.followUps;
      if (next?.kind !== "promote") break;
      sent.push(next);
      result = await apply(event.id, [promote(event.id, next.slotId, next)]);
    }
    expect(sent.map((each) => each.kind === "promote" && each.from?.after)).toEqual([
      undefined,
      GATHERED_USERS_MAX,
      2 * GATHERED_USERS_MAX - 1,
    ]);
    expect((await standing(event)).indexOf("offered")).toBe(LONG - 1);
    expect(await slot(event)).toMatchObject({ held: 6, passers: [LONG], isToBeLookedAt: false });
    await expectSound(database.pool, event.id);
  });

  test("is looked at from its head again when something came free meanwhile", async () => {
    const { event, others, letGo } = await soldTo(2, LONG);
    await join(event, others, () => 2);
    const raised = setCapacity(event.id, event.organizerId, event.slotId, 3);
    const [first] = (await apply(event.id, [raised])).followUps;
    if (first?.kind !== "promote") throw new Error("nobody is asked to look");
    const [second] = (await apply(event.id, [promote(event.id, event.slotId, first)])).followUps;
    if (second?.kind !== "promote") throw new Error("nobody is asked to go on");
    const freed = await apply(event.id, [letGo()]);
    expect(freed.followUps).toMatchObject([{ kind: "promote", from: null }]);
    const stale = await applyWhole(event.id, [promote(event.id, event.slotId, second)]);
    expect([stale.changes, stale.followUps]).toEqual([[], []]);
    await applyWhole(event.id, [promote(event.id, event.slotId)]);
    expect((await standing(event)).indexOf("offered")).toBe(0);
    expect(await slot(event)).toMatchObject({ held: 2, isToBeLookedAt: false });
    await expectSound(database.pool, event.id);
  });

  test("is looked at by as many as ask, and the last of them goes through with it", async () => {
    const { event, others } = await soldTo(2, LONG);
    await join(event, others, () => 2);
    await apply(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 3)]);
    const pieces = new Map<string, number>();
    let queue: readonly FollowUp[] = [];
    for (const look of [1, 2, 3]) {
      const { followUps } = await apply(event.id, [promote(event.id, event.slotId)]);
      queue = [...queue, ...followUps];
      pieces.set(`look ${look}`, followUps.length);
    }
    let sent = 0;
    for (; queue.length > 0; sent += 1) {
      const [next, ...rest] = queue;
      if (next?.kind !== "promote") throw new Error("something else was asked for");
      queue = rest;
      if (next.at > Date.now()) continue; // later, whether the head is still to have tickets
      queue = [...rest, ...(await apply(event.id, [promote(event.id, event.slotId, next)])).followUps];
    }
    expect([...pieces.values()]).toEqual([1, 1, 1]);
    expect(sent).toBeLessThanOrEqual(3 * 2);
    expect(await slot(event)).toMatchObject({ held: 2, isToBeLookedAt: false });
    await expectSound(database.pool, event.id);
  });

  test("is not looked at again for who joins, but when its head is no longer in the way it is", async () => {
    const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
    const { event, others } = await soldTo(2, 3, { startsAt, waitlist: { maxSkips: 0 } });
    const [ann, bob, cid] = others as [UserId, UserId, UserId];
    await join(event, [ann, bob], (n) => 2 - n);
    await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 3)]);
    expect(await standing(event)).toEqual(["waiting", "waiting"]);
    const { followUps } = await apply(event.id, [joinWaitlist(event.id, cid, event.slotId)]);
    expect(followUps).toMatchObject([{ kind: "promote", from: { after: 2 }, recheck: [] }]);

    const elsewhere = await createEvent(database.pool, { startsAt });
    await apply(elsewhere.id, [reserve(elsewhere.id, ann)]);
    const [look] = followUps;
    if (look?.kind !== "promote") throw new Error("nobody is asked to look");
    await applyWhole(event.id, [promote(event.id, event.slotId, look)]);
    expect(await standing(event)).toEqual(["parked", "offered", "waiting"]);
    await expectSound(database.pool, event.id, elsewhere.id);
  });

  test("takes as many offers as are free, one after the other", async () => {
    const free = GATHERED_USERS_MAX + 50;
    const { event, others } = await soldTo(1, LONG);
    await join(event, others);
    await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, free + 1)]);
    const how = await standing(event);
    expect(how.slice(0, free).every((status) => status === "offered")).toBe(true);
    expect(how.slice(free).every((status) => status === "waiting")).toBe(true);
    await expectSound(database.pool, event.id);
  });
});

test("places are counted in stretches, and stay right across them", async () => {
  const count = STRETCH_ENTRIES + 30;
  const { event, others } = await soldTo(1, count);
  const entries = await join(event, others);
  const leavers = [3, 100, STRETCH_ENTRIES - 1, STRETCH_ENTRIES + 4];
  await apply(
    event.id,
    leavers.map((n) => leaveWaitlist(event.id, others[n] as UserId, entries[n] as WaitlistEntryId)),
  );
  const { rows } = await database.pool.query(
    "SELECT stretch, waiting FROM waitlist_stretches WHERE slot_id = $1 ORDER BY stretch",
    [event.slotId],
  );
  expect(rows).toEqual([
    { stretch: 0, waiting: STRETCH_ENTRIES - 3 },
    { stretch: 1, waiting: 29 },
  ]);
  const placeOf = async (n: number) =>
    (await findEntryOf(database.pool, others[n] as UserId, entries[n] as WaitlistEntryId))?.position;
  expect(await placeOf(0)).toBe(1);
  expect(await placeOf(100)).toBe(null);
  expect(await placeOf(STRETCH_ENTRIES)).toBe(STRETCH_ENTRIES - 2);
  expect(await placeOf(count - 1)).toBe(count - leavers.length);
  await expectSound(database.pool, event.id);
});

describe("who may not have tickets at the moment", () => {
  const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;

  test("is parked, and looked at again, in another event, when what stood in the way ends", async () => {
    const { event, others, letGo } = await soldTo(1, 2, { startsAt });
    const [ann, bob] = others as [UserId, UserId];
    const elsewhere = await createEvent(database.pool, { startsAt });
    const clash = reserve(elsewhere.id, ann);
    await apply(elsewhere.id, [clash, purchase(elsewhere.id, ann, reservationIdOf(clash.id))]);
    await join(event, [ann, bob]);
    await applyWhole(event.id, [letGo()]);
    expect(await standing(event)).toEqual(["parked", "offered"]);
    expect((await entriesOf(database.pool, event.slotId))[0]?.lastPassedOver).toMatchObject({
      reason: "overlap",
      reservationId: reservationIdOf(clash.id),
    });
    expect(await slot(event)).toMatchObject({ waiting: 1, parked: 1 });
    await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 2)]);
    expect(await standing(event)).toEqual(["parked", "offered"]);

    const freed = await applyWhole(elsewhere.id, [cancel(elsewhere.id, ann, reservationIdOf(clash.id))]);
    expect(freed.followUps).toMatchObject([
      { kind: "promote", eventId: event.id, slotId: event.slotId, from: null, recheck: [expect.any(String)] },
    ]);
    expect(await standing(event)).toEqual(["offered", "offered"]);
    await expectSound(database.pool, event.id, elsewhere.id);
  });

  test("is told of a limit, does not keep the public out, and is eligible again once below it", async () => {
    const event = await createEvent(database.pool, {
      capacities: [1, 5],
      terms: { maxPerUser: 1, overlapPolicy: "allow" },
      waitlist: {},
    });
    const [ann, bob, cid] = (await people(3)) as [UserId, UserId, UserId];
    const second = event.slots[1]?.id as TestEvent["slotId"];
    const full = reserve(event.id, bob, { slotId: event.slotId });
    const other = reserve(event.id, ann, { slotId: second });
    await apply(event.id, [full, joinWaitlist(event.id, ann, event.slotId), other]);
    await applyWhole(event.id, [cancel(event.id, bob, reservationIdOf(full.id))]);
    expect(await entriesOf(database.pool, event.slotId)).toMatchObject([
      { parked: true, lastPassedOver: { reason: "limit-exceeded", limit: "user" } },
    ]);
    const { words } = await applyWhole(event.id, [
      reserve(event.id, cid, { slotId: event.slotId }),
      cancel(event.id, ann, reservationIdOf(other.id)),
    ]);
    expect(words).toEqual(["held", "cancelled"]);
    expect(await standing(event)).toEqual(["waiting"]); // no longer parked, though there is nothing to offer
    await expectSound(database.pool, event.id);
  });

  test("what was made and ended in one batch parks nobody for longer than that", async () => {
    const event = await createEvent(database.pool, {
      capacities: [1, 5],
      terms: { maxPerUser: 1, overlapPolicy: "allow" },
      waitlist: {},
    });
    const [ann, bob] = (await people(2)) as [UserId, UserId];
    const full = reserve(event.id, bob, { slotId: event.slotId });
    const other = reserve(event.id, ann, { slotId: event.slots[1]?.id as TestEvent["slotId"] });
    await apply(event.id, [full, joinWaitlist(event.id, ann, event.slotId)]);
    await applyWhole(event.id, [
      cancel(event.id, bob, reservationIdOf(full.id)),
      other,
      promote(event.id, event.slotId),
      cancel(event.id, ann, reservationIdOf(other.id)),
    ]);
    expect(await standing(event)).toEqual(["offered"]);
    await expectSound(database.pool, event.id);
  });

  test("so many of them are looked at again in pieces", async () => {
    const count = 120;
    const { event, others, letGo } = await soldTo(1, count + 1, { startsAt });
    const [last, ...parked] = others as [UserId, ...UserId[]];
    const elsewhere = await createEvent(database.pool, { startsAt, capacities: [count] });
    const holds = parked.map((user) => reserve(elsewhere.id, user));
    await apply(elsewhere.id, holds);
    await join(event, [...parked, last]);
    await applyWhole(event.id, [letGo()]);
    expect(await standing(event)).toEqual([...parked.map(() => "parked"), "offered"]);

    const freed = await apply(
      elsewhere.id,
      holds.map((hold, n) => cancel(elsewhere.id, parked[n] as UserId, reservationIdOf(hold.id))),
    );
    const rechecks = freed.followUps.flatMap((each) => (each.kind === "promote" ? [each] : []));
    expect(rechecks.map(({ recheck }) => recheck.length)).toEqual([100, 20]);
    for (const each of rechecks) await applyWhole(event.id, [promote(event.id, each.slotId, each)]);
    expect(await standing(event)).toEqual([...parked.map(() => "waiting"), "offered"]);
    await applyWhole(event.id, [setCapacity(event.id, event.organizerId, event.slotId, 3)]);
    expect((await standing(event)).slice(0, 3)).toEqual(["offered", "offered", "waiting"]);
    await expectSound(database.pool, event.id, elsewhere.id);
  });
});

describe("the tables stop what the rules would never do", () => {
  const joined = (write: BatchWrite, other: object): BatchWrite => ({
    ...write,
    changes: write.changes.map((change) =>
      change.kind === "joined" ? { ...change, entry: { ...change.entry, ...other } } : change,
    ),
  });

  test.each([
    [
      "a second live entry of a user",
      (taken: UserId) => ({ userId: taken }),
      "waitlist_entries_one_live_key",
    ],
    ["a number that was given before", () => ({ seq: 1 }), "waitlist_entries_slot_seq_key"],
    ["an offer without its time", () => ({ status: "offered" }), "waitlist_entries_offered_has_time"],
    ["an end without a reason", () => ({ status: "left" }), "waitlist_entries_ended_has_reason"],
    [
      "a parked entry that does not wait",
      () => ({ status: "offered", offeredAt: 1, recheckAt: 1 }),
      "waitlist_entries_parked_waits",
    ],
  ])("%s", async (_, other, constraint) => {
    const { event, others } = await soldTo(1, 2);
    const [ann, bob] = others as [UserId, UserId];
    await join(event, [ann]);
    const command = joinWaitlist(event.id, bob, event.slotId);
    const spoiled = apply(event.id, [command], OWNER, (write) => joined(write, other(ann)));
    await expect(spoiled).rejects.toMatchObject({ constraint });
    expect(await standing(event)).toEqual(["waiting"]);
    expect((await apply(event.id, [command])).words).toEqual(["waiting"]);
    await expectSound(database.pool, event.id);
  });

  test("an entry that is not there, or not as it was decided, or of another event (expect_rows)", async () => {
    const { event, others } = await soldTo(1, 1);
    const [ann] = others as [UserId];
    const [entry] = (await join(event, [ann])) as [WaitlistEntryId];
    const elsewhere = await soldTo(1, 1);
    const [foreign] = (await join(elsewhere.event, [ann])) as [WaitlistEntryId];
    const changed = (other: object) => (write: BatchWrite) => ({
      ...write,
      changes: write.changes.map((change) => (change.kind === "entry" ? { ...change, ...other } : change)),
    });
    for (const other of [{ id: newId("waitlistEntry") }, { before: "offered" }, { id: foreign }]) {
      const spoiled = apply(event.id, [leaveWaitlist(event.id, ann, entry)], OWNER, changed(other));
      await expect(spoiled).rejects.toMatchObject({ code: "HF001" });
    }
    expect(await standing(event)).toEqual(["waiting"]);
    await expectSound(database.pool, event.id, elsewhere.event.id);
  });
});

describe("whoever may get or lose a claim is locked", () => {
  const lockedElsewhere = async (user: UserId, work: () => Promise<unknown>): Promise<void> => {
    const holder = await database.pool.connect();
    try {
      await holder.query("BEGIN");
      await holder.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [user]);
      await work();
    } finally {
      await holder.query("ROLLBACK");
      holder.release();
    }
  };

  test("a waiter who is looked at, in turn or again, and whose offer the organizer ends", async () => {
    const { event, others, letGo } = await soldTo(1, 1);
    const [ann] = others as [UserId];
    const [entry] = (await join(event, [ann])) as [WaitlistEntryId];
    await apply(event.id, [letGo()]);
    const look = promote(event.id, event.slotId);
    await lockedElsewhere(ann, () =>
      expect(apply(event.id, [look])).rejects.toMatchObject({ code: "55P03" }),
    );
    await apply(event.id, [look]);
    const removes = leaveWaitlist(event.id, event.organizerId, entry, { role: "organizer" });
    const revokes = cancel(event.id, event.organizerId, offerIdOf(entry), { role: "organizer" });
    for (const command of [removes, revokes]) {
      await lockedElsewhere(ann, () =>
        expect(apply(event.id, [command])).rejects.toMatchObject({ code: "55P03" }),
      );
    }
    expect((await apply(event.id, [revokes])).words).toEqual(["cancelled"]);
    await expectSound(database.pool, event.id);
  });

  test("events that look at the same waiters in opposite order never deadlock, and offer nobody two at once", async () => {
    const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
    const [one, other] = await Promise.all([
      soldTo(40, 0, { startsAt, terms: { maxPerOrder: 40, maxPerUser: 40 } }),
      soldTo(40, 0, { startsAt, terms: { maxPerOrder: 40, maxPerUser: 40 } }),
    ]);
    const users = await people(40);
    await join(one.event, users);
    await join(other.event, users.toReversed());
    await Promise.all([apply(one.event.id, [one.letGo()]), apply(other.event.id, [other.letGo()])]);
    await Promise.all(
      [one, other].map(async ({ event }) => {
        for (let round = 0; round < 3; round += 1)
          await applyWhole(event.id, [promote(event.id, event.slotId)]);
      }),
    );
    const standings = [...(await standing(one.event)), ...(await standing(other.event))];
    expect(standings.filter((how) => how === "offered")).toHaveLength(40);
    expect(standings.filter((how) => how === "parked")).toHaveLength(40);
    await expectSound(database.pool, one.event.id, other.event.id);
  });
});
