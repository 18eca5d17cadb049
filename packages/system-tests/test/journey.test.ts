// One person's way through the system, from the first request to the last, and an organizer's.

import {
  Command,
  Event,
  EventList,
  Problem,
  Reservation,
  ReservationList,
  SignedIn,
  User,
} from "@holdfast/contracts";
import type { Client } from "@holdfast/load";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reservationIn } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const HOUR_MS = 3_600_000;
const JOURNEY_TIMEOUT_MS = 20_000;

let system: System;
let client: Client;

beforeAll(async () => {
  system = await startSystem({ expiryWorkers: 1 });
  const [gateway] = system.gateways;
  if (gateway === undefined) throw new Error("there is no gateway");
  client = gateway.client;
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

test("a buyer registers, signs in, looks, reserves, buys and cancels", {
  timeout: JOURNEY_TIMEOUT_MS,
}, async () => {
  const { eventId, slotId } = await createEvent(system.pool, { capacity: 3 });
  const account = { email: "ann@example.com", password: "correct horse" };
  const registered = await client.post("/v1/auth/register", { body: { ...account, name: "Ann" } });
  expect([registered.status, registered.headers["location"]]).toEqual([201, "/v1/me"]);
  const signedIn = await client.post("/v1/auth/login", { body: account });
  expect(signedIn.status).toBe(200);
  const { accessToken: token, user } = SignedIn.parse(signedIn.body);
  expect(User.parse((await client.get("/v1/me", { token })).body)).toEqual(user);

  const listed = EventList.parse((await client.get("/v1/events")).body);
  expect(listed.data.map(({ id }) => id)).toContain(eventId);
  const seen = await client.get(`/v1/events/${eventId}`);
  expect(Event.parse(seen.body).availableTickets).toBe(3);
  const tag = seen.headers["etag"] ?? "";
  const unchanged = await client.get(`/v1/events/${eventId}`, { headers: { "if-none-match": tag } });
  expect([unchanged.status, unchanged.body]).toEqual([304, null]);

  const reserved = await client.post(`/v1/events/${eventId}/reserve`, {
    token,
    body: { slotId, quantity: 2 },
  });
  expect(reserved.status).toBe(201);
  const hold = Reservation.parse(reserved.body);
  expect([hold.status, hold.quantity, hold.userId]).toEqual(["held", 2, user.id]);
  const path = `/v1/reservations/${hold.id}`;
  expect(reserved.headers["location"]).toBe(path);
  expect(Reservation.parse((await client.get(path, { token })).body)).toEqual(hold);
  const changed = await client.get(`/v1/events/${eventId}`, { headers: { "if-none-match": tag } });
  expect([changed.status, Event.parse(changed.body).availableTickets]).toEqual([200, 1]);

  const paymentReference = "paid-1";
  const bought = await client.post(`${path}/purchase`, { token, body: { paymentReference } });
  expect(bought.status).toBe(200);
  expect(Reservation.parse(bought.body)).toMatchObject({
    status: "purchased",
    paymentReference,
    expiresAt: null,
  });
  const boughtTwice = await client.post(`${path}/purchase`, { token, body: { paymentReference: "paid-2" } });
  expect([boughtTwice.status, Problem.parse(boughtTwice.body).code]).toEqual([409, "already-purchased"]);

  const cancelled = await client.post(`${path}/cancel`, { token });
  expect(cancelled.status).toBe(200);
  expect(Reservation.parse(cancelled.body)).toMatchObject({ status: "cancelled", endReason: "user" });
  const mine = ReservationList.parse((await client.get("/v1/reservations?status=cancelled", { token })).body);
  expect(mine.data).toEqual([Reservation.parse(cancelled.body)]);
  expect(Event.parse((await client.get(`/v1/events/${eventId}`)).body).availableTickets).toBe(3);
  const [stranger] = await createPeople(system.pool, 1);
  expect((await client.get(path, { token: stranger?.token ?? "" })).status).toBe(404);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("an organizer makes an event, and the first to come reserve it by promise and long poll", {
  timeout: JOURNEY_TIMEOUT_MS,
}, async () => {
  const [organizer] = await createPeople(system.pool, 1, "organizer");
  const [buyer, second] = await createPeople(system.pool, 2);
  if (organizer === undefined || buyer === undefined || second === undefined)
    throw new Error("nobody was made");
  const startsAt = Date.now() + 48 * HOUR_MS;
  const body = {
    name: "A small concert",
    slots: [{ startsAt: iso(startsAt), endsAt: iso(startsAt + HOUR_MS), capacity: 1 }],
  };
  const refused = await client.post("/v1/events", { token: buyer.token, body });
  expect([refused.status, Problem.parse(refused.body).code]).toEqual([403, "forbidden"]);
  const made = await client.post("/v1/events", { token: organizer.token, body });
  expect(made.status).toBe(201);
  const event = Event.parse(made.body);
  expect(made.headers["location"]).toBe(`/v1/events/${event.id}`);

  const reservePath = `/v1/events/${event.id}/reserve`;
  const promised = await client.post(reservePath, {
    token: buyer.token,
    headers: { prefer: "respond-async" },
  });
  expect([promised.status, promised.headers["preference-applied"]]).toEqual([202, "respond-async"]);
  const location = promised.headers["location"] ?? "";
  expect(location).toBe(`/v1/commands/${Command.parse(promised.body).id}`);
  expect(Number(promised.headers["retry-after"])).toBeGreaterThan(0);

  const ended = await client.get(location, { token: buyer.token, headers: { prefer: "wait=10" } });
  const command = Command.parse(ended.body);
  const reservation = reservationIn(command.result);
  expect([command.status, reservation?.status, command.position]).toEqual(["succeeded", "held", null]);
  const known = { "if-none-match": ended.headers["etag"] ?? "" };
  const again = await client.get(location, { token: buyer.token, headers: known });
  expect([again.status, again.body]).toEqual([304, null]);
  expect((await client.get(location, { token: second.token })).status).toBe(404);

  const late = await client.post(reservePath, { token: second.token });
  expect(late.status).toBe(409);
  expect(Problem.parse(late.body)).toMatchObject({
    code: "all-held",
    earliestReleaseAt: reservation?.expiresAt,
  });
  expect(await checkInvariants(system.pool)).toEqual([]);
});

const iso = (ms: number): string => new Date(ms).toISOString();
