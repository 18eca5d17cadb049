// The seed's named scenarios, each as it is told of, by the reads that the product answers with.
import {
  availableTickets,
  ENTRY_STATUSES,
  type EventId,
  isParked,
  RESERVATION_STATUSES,
  type UserId,
  waitlistClosesAt,
} from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// By path: the kit depends on this package, and packages must not depend on each other in a circle.
import { openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  type EventRecord,
  findEvent,
  listEntries,
  listEvents,
  listLine,
  listOutcomesOf,
  listReservations,
  type SlotRecord,
} from "../src/index.ts";
import { contradictionText, findContradictions } from "../src/invariants.ts";
import { type SeedScenario, type SeedSummary, seed } from "../src/seed.ts";

let database: TestDatabase;
let summary: SeedSummary;
const now = new Date();

beforeAll(async () => {
  database = await openTestDatabase();
  summary = await seed(database.pool, { now });
});
afterAll(() => database.close());

const scenario = (name: string): SeedScenario => {
  const found = summary.scenarios.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario is named ${name}`);
  return found;
};

async function eventOf(name: string): Promise<EventRecord> {
  const event = await findEvent(database.pool, scenario(name).where as EventId);
  if (event === null) throw new Error(`${name} has no event`);
  return event;
}

/** The event of that name, which is told of beside the one to look at. */
async function eventCalled(q: string): Promise<EventRecord> {
  const listing = { when: "all", q, now: now.getTime(), limit: 2, after: null } as const;
  const [event, ...others] = await listEvents(database.pool, listing);
  if (event === undefined || others.length > 0) throw new Error(`${q} is not one event`);
  return event;
}

async function userOf(email: string): Promise<UserId> {
  const { rows } = await database.pool.query<{ id: UserId }>("SELECT id FROM users WHERE email = $1", [
    email,
  ]);
  if (rows[0] === undefined) throw new Error(`nobody is ${email}`);
  return rows[0].id;
}

const lineOf = (slot: SlotRecord | undefined) =>
  listLine(database.pool, {
    slotId: slot?.id ?? ("" as SlotRecord["id"]),
    status: null,
    limit: 1_000,
    after: null,
  });

const reservationsOf = (of: { userId: UserId } | { eventId: EventId }) =>
  listReservations(database.pool, {
    of,
    status: null,
    when: "all",
    now: now.getTime(),
    limit: 1_000,
    after: null,
  });

const entriesOf = (userId: UserId) =>
  listEntries(database.pool, { userId, eventId: null, status: null, limit: 1_000, after: null });

/** What the public could have of each slot. */
const availableOf = (event: EventRecord): number[] =>
  event.slots.map((slot) => availableTickets(event, slot, now.getTime()));

const refusalsOf = async ({ id }: EventRecord) =>
  (await listOutcomesOf(database.pool, id)).flatMap(({ outcome, userId }) =>
    outcome.status === "rejected" ? [{ code: outcome.refusal.code, userId }] : [],
  );

test("the seed contradicts no invariant", async () => {
  expect((await findContradictions(database.pool, { atRest: true })).map(contradictionText)).toEqual([]);
});

test("seven scenarios are told of, each with a place that is there, at the first start and at every later one", async () => {
  expect(summary.scenarios.map(({ name }) => name)).toEqual([
    "full house",
    "several sittings",
    "a chain",
    "busy",
    "overlaps",
    "cancelled",
    "past and upcoming",
  ]);
  for (const { where } of summary.scenarios) {
    const place = where.includes("@")
      ? await userOf(where)
      : await findEvent(database.pool, where as EventId);
    expect(place).not.toBeNull();
  }
  const later = await seed(database.pool, { now: new Date(now.getTime() + 86_400_000) });
  expect(later).toEqual({ ...summary, created: false });
});

test("full house: all is sold, the waitlist is full, too, and three who wait are elsewhere that evening", async () => {
  const event = await eventOf("full house");
  const [slot] = event.slots;
  expect(slot).toMatchObject({ capacity: 40, held: 0, purchased: 40, waiting: 30, parked: 3 });
  expect(event.waitlist.maxEntries).toBe(30);
  expect((await refusalsOf(event)).map(({ code }) => code)).toEqual(["waitlist-full"]);

  const line = await lineOf(slot);
  const waiting = line.filter(({ status }) => status === "waiting");
  expect(waiting.map(({ position }) => position)).toEqual(waiting.map((_, n) => n + 1));
  expect(new Set(waiting.map(({ quantity }) => quantity))).toEqual(new Set([1, 2, 3, 4]));
  const parked = waiting.filter(isParked);
  for (const { userId, lastPassedOver } of parked) {
    const inTheWay = (await reservationsOf({ userId })).filter(({ status }) => status === "purchased");
    expect(lastPassedOver).toMatchObject({ reason: "overlap", reservationId: inTheWay[0]?.id });
  }
  expect(parked).toHaveLength(3);
  expect(waiting.some(({ lastPassedOver }) => lastPassedOver?.reason === "too-few")).toBe(true);
  expect(new Set(line.map(({ status }) => status))).toEqual(
    new Set(["waiting", "fulfilled", "declined", "lapsed"]),
  );
});

test("several sittings: a closed waitlist, tickets, a last ticket, and a full one with people waiting", async () => {
  const event = await eventOf("several sittings");
  expect(availableOf(event)).toEqual([4, 12, 1, 0]);
  const [first, , , last] = event.slots;
  if (first === undefined) throw new Error("there is no first evening");
  expect(waitlistClosesAt(event, first)).toBeLessThan(now.getTime());
  const closed = await lineOf(first);
  expect(closed.map(({ status, endReason }) => `${status} ${endReason}`)).toEqual(
    Array.from({ length: 3 }, () => "closed cutoff"),
  );
  expect(last).toMatchObject({ capacity: 20, purchased: 20, waiting: 5, parked: 1 });
  const [head] = (await lineOf(last)).filter(({ status }) => status === "waiting");
  expect(head?.lastPassedOver).toMatchObject({ reason: "limit-exceeded", limit: "user" });
});

test("a chain: the first in the line has an offer that lapses soon, and the others wait in turn", async () => {
  const event = await eventOf("a chain");
  const [slot] = event.slots;
  expect(slot).toMatchObject({ capacity: 2, held: 2, purchased: 0, waiting: 3, parked: 0 });
  const line = await lineOf(slot);
  expect(line.map(({ status, quantity, position }) => ({ status, quantity, position }))).toEqual([
    { status: "offered", quantity: 2, position: null },
    { status: "waiting", quantity: 1, position: 1 },
    { status: "waiting", quantity: 1, position: 2 },
    { status: "waiting", quantity: 2, position: 3 },
  ]);
  const lapses = (line[0]?.offer?.expiresAt ?? 0) - now.getTime();
  expect(lapses).toBeGreaterThan(29_000);
  expect(lapses).toBeLessThan(31_000);
});

test("busy: reservations and waitlist entries in every state", async () => {
  const busy = await userOf(scenario("busy").where);
  const reservations = await reservationsOf({ userId: busy });
  expect(new Set(reservations.map(({ status }) => status))).toEqual(new Set(RESERVATION_STATUSES));
  expect(new Set(reservations.map(({ origin }) => origin))).toEqual(new Set(["public", "waitlist"]));
  const entries = await entriesOf(busy);
  expect(new Set(entries.map(({ status }) => status))).toEqual(new Set(ENTRY_STATUSES));
  const offered = entries.find(({ status }) => status === "offered");
  expect(offered?.offer?.status).toBe("held");
  expect(entries.find(({ status }) => status === "waiting")?.eventId).toBe(scenario("full house").where);
});

test("overlaps: whoever is elsewhere is refused or parked, and the event that allows it does not mind", async () => {
  const late = await eventOf("overlaps");
  const early = await eventCalled("Overlaps: the early concert");
  const studio = await eventCalled("Overlaps: an open studio");
  expect([early, late, studio].map(({ overlapPolicy }) => overlapPolicy)).toEqual([
    "refuse",
    "refuse",
    "allow",
  ]);
  expect(availableOf(late)).toEqual([1]);

  const busy = await userOf("busy@test.com");
  const claims = (await reservationsOf({ userId: busy })).filter(({ status }) => status === "purchased");
  const events = new Set(claims.map(({ eventId }) => eventId));
  expect([early, late, studio].map(({ id }) => events.has(id))).toEqual([true, false, true]);
  expect(await refusalsOf(late)).toEqual([{ code: "overlap", userId: busy }]);

  const [torn] = await lineOf(late.slots[0]);
  if (torn === undefined) throw new Error("nobody waits");
  const [atEarly] = await reservationsOf({ userId: torn.userId });
  expect(atEarly).toMatchObject({ eventId: early.id, status: "purchased" });
  expect(isParked(torn)).toBe(true);
  expect(torn.lastPassedOver).toMatchObject({ reason: "overlap", reservationId: atEarly?.id });
});

test("cancelled: everything of it has ended, whatever it was", async () => {
  const event = await eventOf("cancelled");
  expect(event.cancelledAt).toBeLessThan(now.getTime());
  expect(event.startsAt).toBeGreaterThan(now.getTime());
  expect(event.version).toBe(2);
  expect(event.slots[0]).toMatchObject({ held: 0, purchased: 0, waiting: 0, parked: 0 });
  const reservations = await reservationsOf({ eventId: event.id });
  const reasons = reservations.map(({ origin, purchasedAt, endReason }) =>
    [origin, purchasedAt === null ? "held" : "purchased", endReason].join(" "),
  );
  expect(new Set(reasons)).toEqual(
    new Set([
      "public purchased event-cancelled",
      "public held event-cancelled",
      "waitlist held event-cancelled",
      "public purchased user",
    ]),
  );
  const line = await lineOf(event.slots[0]);
  expect(line.map(({ status, endReason, offeredAt }) => [status, endReason, offeredAt !== null])).toEqual([
    ["closed", "event-cancelled", true],
    ["closed", "event-cancelled", false],
  ]);
});

describe("past and upcoming", () => {
  test("30 events are over and 70 are to come", async () => {
    const listing = { q: null, now: now.getTime(), limit: 1_000, after: null };
    expect(await listEvents(database.pool, { ...listing, when: "past" })).toHaveLength(30);
    expect(await listEvents(database.pool, { ...listing, when: "upcoming" })).toHaveLength(70);
  });

  test("who still waited for one that is over was closed as it began", async () => {
    const event = await eventOf("past and upcoming");
    const line = await lineOf(event.slots[0]);
    expect(line.map(({ status, endReason }) => `${status} ${endReason}`)).toEqual([
      "fulfilled purchased",
      "closed slot-over",
    ]);
    expect(line[1]?.endedAt).toBe(event.startsAt + 1_000);
  });
});

test("an event that has another name by now is no scenario", async () => {
  await database.pool.query("UPDATE events SET name = 'Something else' WHERE id = $1", [
    scenario("full house").where,
  ]);
  const { scenarios } = await seed(database.pool, { now });
  expect(scenarios).toEqual(summary.scenarios.slice(1));
});
