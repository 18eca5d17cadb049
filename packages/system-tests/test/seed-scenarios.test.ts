// The seed's scenarios under the real services: the chain plays by itself, and the others answer as they are told of.
import { Event, EventList, Problem, SignedIn, WaitlistEntryList } from "@holdfast/contracts";
import { type SeedSummary, seed } from "@holdfast/db/seed";
import type { Client } from "@holdfast/load";
import { openTestDatabase, type TestDatabase, until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkInvariants } from "./invariants.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

/** Milliseconds that have passed since the seeding when the services start: the chain's first offer lapses soon. */
const SEEDED_BEFORE_MS = 25_000;
/** Seconds that its further offers last here. As seeded they last thirty. */
const OFFER_SECONDS = 3;
/** Milliseconds for three offers, one after the other, on a busy machine; by sweeps alone it takes longest. */
const CHAIN_WITHIN_MS = 60_000;

let database: TestDatabase;
let system: System;
let client: Client;
let summary: SeedSummary;

beforeAll(async () => {
  database = await openTestDatabase();
  summary = await seed(database.pool, { now: new Date(Date.now() - SEEDED_BEFORE_MS) });
  await database.pool.query("UPDATE events SET offer_seconds = $2 WHERE id = $1", [
    placeOf("a chain"),
    OFFER_SECONDS,
  ]);
  system = await startSystemOn(database, { expiryWorkers: 1, waitlistWorkers: 1 });
  const [gateway] = system.gateways;
  if (gateway === undefined) throw new Error("there is no gateway");
  client = gateway.client;
}, START_TIMEOUT_MS);
afterAll(async () => {
  await system.close();
  await database.close();
}, START_TIMEOUT_MS);

function placeOf(scenario: string): string {
  const place = summary.scenarios.find(({ name }) => name === scenario)?.where;
  if (place === undefined) throw new Error(`no scenario is named ${scenario}`);
  return place;
}

/** The token of an account that is told of. */
async function signIn(email: string): Promise<string> {
  const password = summary.accounts.find((account) => account.email === email)?.password;
  const signedIn = await client.post("/v1/auth/login", { body: { email, password } });
  return SignedIn.parse(signedIn.body).accessToken;
}

const eventOf = async (scenario: string): Promise<Event> =>
  Event.parse((await client.get(`/v1/events/${placeOf(scenario)}`)).body);

async function slotOf(scenario: string, sitting = 0): Promise<Event["slots"][number]> {
  const slot = (await eventOf(scenario)).slots[sitting];
  if (slot === undefined) throw new Error(`${scenario} has no sitting ${sitting}`);
  return slot;
}

/** What a request is answered: its status, or the code of the problem. */
async function answerTo(path: string, token: string, body: object): Promise<number | string> {
  const { status, body: answer } = await client.post(path, { token, body });
  return status < 400 ? status : Problem.parse(answer).code;
}

const reserve = (eventId: string, token: string, body: object) =>
  answerTo(`/v1/events/${eventId}/reserve`, token, body);
const join = (slotId: string, token: string) => answerTo(`/v1/slots/${slotId}/waitlist`, token, {});

test("a chain: offer after offer lapses, with nobody's help, until nobody is left and the public may have the tickets", {
  timeout: CHAIN_WITHIN_MS + START_TIMEOUT_MS,
}, async () => {
  const admin = await signIn("admin@test.com");
  const { id: slotId } = await slotOf("a chain");
  const line = async () =>
    WaitlistEntryList.parse((await client.get(`/v1/slots/${slotId}/waitlist`, { token: admin })).body).data;
  const allLapsed = async () => {
    const entries = await line();
    return entries.every(({ status }) => status === "lapsed") && entries;
  };
  const entries = await until("the chain to come to its end", allLapsed, CHAIN_WITHIN_MS);

  const asked = entries.map(({ offeredAt, endedAt }) => [
    Date.parse(offeredAt ?? ""),
    Date.parse(endedAt ?? ""),
  ]);
  const [first, second, third, fourth] = asked;
  expect(asked).toHaveLength(4);
  expect(second).toEqual(third); // two parties of one, where a party of two was asked before
  expect(second?.[0]).toBeGreaterThanOrEqual(first?.[1] ?? Number.NaN);
  expect(fourth?.[0]).toBeGreaterThanOrEqual(third?.[1] ?? Number.NaN);
  const offers = await system.pool.query(
    "SELECT FROM reservations WHERE slot_id = $1 AND origin = 'waitlist'",
    [slotId],
  );
  expect(offers.rowCount).toBe(4); // nobody was asked twice

  expect(await slotOf("a chain")).toMatchObject({ available: 2, held: 0, purchased: 0, waiting: 0 });
  const somebody = await signIn("admin@example.com");
  expect(await reserve(placeOf("a chain"), somebody, { quantity: 2 })).toBe(201);
});

test("full house: sold out, and its waitlist is full", async () => {
  const somebody = await signIn("admin@example.com");
  const slot = await slotOf("full house");
  expect(await reserve(placeOf("full house"), somebody, { quantity: 1 })).toBe("sold-out");
  expect(await join(slot.id, somebody)).toBe("waitlist-full");
});

test("several sittings: each answers in its own way", async () => {
  const somebody = await signIn("admin@example.com");
  const { id, slots } = await eventOf("several sittings");
  const [closed, open, nearlyFull, full] = slots.map((slot) => slot.id);
  expect(await join(closed ?? "", somebody)).toBe("waitlist-closed");
  expect(await join(open ?? "", somebody)).toBe("tickets-available");
  expect(await reserve(id, somebody, { slotId: nearlyFull, quantity: 2 })).toBe("sold-out");
  expect(await reserve(id, somebody, { slotId: nearlyFull, quantity: 1 })).toBe(201);
  expect(await reserve(id, somebody, { slotId: full, quantity: 1 })).toBe("sold-out");
  expect(await join(full ?? "", somebody)).toBe(201);
});

test("overlaps: busy may not have the late concert's ticket, and somebody else may", async () => {
  const busy = await signIn("busy@test.com");
  const somebody = await signIn("admin@example.com");
  const late = placeOf("overlaps");
  expect(await reserve(late, busy, { quantity: 1 })).toBe("overlap");
  expect(await reserve(late, somebody, { quantity: 1 })).toBe(201);
  const listed = await client.get("/v1/events?q=Overlaps%3A%20an%20open%20studio");
  const [studio] = EventList.parse(listed.body).data;
  expect(await reserve(studio?.id ?? "", somebody, { quantity: 1 })).toBe(201);
});

test("cancelled: nothing can be had of it any more", async () => {
  const somebody = await signIn("admin@example.com");
  const slot = await slotOf("cancelled");
  expect(await reserve(placeOf("cancelled"), somebody, { quantity: 1 })).toBe("event-cancelled");
  expect(await join(slot.id, somebody)).toBe("event-cancelled");
});

test("busy finds their offer, and buys it", async () => {
  const busy = await signIn(placeOf("busy"));
  const listed = await client.get("/v1/waitlist?status=offered", { token: busy });
  const [offered] = WaitlistEntryList.parse(listed.body).data;
  expect(await answerTo(`/v1/reservations/${offered?.offer?.id}/purchase`, busy, {})).toBe(200);
});

test("none of it contradicts an invariant", async () => {
  expect(await checkInvariants(system.pool)).toEqual([]);
});
