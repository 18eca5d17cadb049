// N4: the way of somebody who is told by webhooks, from the first registration to the last message, and who hears of what.
import {
  type Delivery,
  DeliveryList,
  Event,
  Reservation,
  WebhookEndpointWithSecret,
} from "@holdfast/contracts";
import type { Answer, Client } from "@holdfast/load";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type Person } from "./population.ts";
import { register, type Subscription, subscribe } from "./subscribers.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";
import { changedBetweenTries, taken, unbelievable } from "./told-and-true.ts";
import { openReceiver, RECEIVER_HOSTS, type Receiver } from "./webhook-receiver.ts";

const JOURNEY_TIMEOUT_MS = 30_000;

let system: System;
let client: Client;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await openReceiver();
  system = await startSystem({ webhookWorkers: 1, webhookHosts: RECEIVER_HOSTS });
  client = at(system.clients, 0);
}, START_TIMEOUT_MS);
afterAll(async () => {
  await system.close();
  await receiver.close();
}, START_TIMEOUT_MS);

async function person(role: "user" | "organizer" | "admin" = "user"): Promise<Person> {
  return at(await createPeople(system.pool, 1, role), 0);
}

async function succeeding(asked: Promise<Answer>): Promise<unknown> {
  const { status, body } = await asked;
  expect([status, body]).toEqual([expect.toSatisfy((code: number) => code < 300), body]);
  return body;
}

const reserve = async ({ token }: Person, { reservePath }: { reservePath: string }) =>
  Reservation.parse(await succeeding(client.post(reservePath, { token })));

async function letGo({ token }: Person, { id }: Reservation): Promise<void> {
  await succeeding(client.post(`/v1/reservations/${id}/cancel`, { token }));
}

/** What is on its way to the endpoint, or was: written before anybody was told of what happened. Newest first. */
async function logOf({ owner: { token }, path }: Subscription): Promise<Delivery[]> {
  const { data, hasMore } = DeliveryList.parse(
    (await client.get(`${path}/deliveries?limit=100`, { token })).body,
  );
  expect(hasMore).toBe(false);
  return data;
}

async function countOf({ endpointId }: Subscription): Promise<number> {
  const { rows } = await system.pool.query("SELECT FROM webhook_deliveries WHERE endpoint_id = $1", [
    endpointId,
  ]);
  return rows.length;
}

const typesIn = ({ mailbox }: Subscription) => mailbox.tries.map(({ type }) => type);
const untilTold = (subscription: Subscription, tries: number) =>
  until(`${tries} tries`, () => subscription.mailbox.tries.length >= tries);

test("N4: who is told by webhooks registers, verifies, tests, hears in order, rotates the secret, has messages again, moves, and goes", {
  timeout: JOURNEY_TIMEOUT_MS,
}, async () => {
  const ann = await person();
  const event = await createEvent(system.pool, { capacity: 1 });
  const { token } = ann;
  const mine = await register(client, receiver, ann);
  const { mailbox, path } = mine;
  expect((await client.post(`${path}/test`, { token })).body).toMatchObject({ code: "not-active" });
  await letGo(ann, await reserve(ann, event)); // before it is verified: not a word
  expect(await countOf(mine)).toBe(0);

  const verified = await client.post(`${path}/verify`, { token });
  expect(verified).toMatchObject({ status: 200, body: { status: "active" } });
  expect(verified.body).not.toHaveProperty("secret");
  expect((await client.post(`${path}/test`, { token })).status).toBe(200);
  expect(typesIn(mine)).toEqual(["endpoint.test"]);

  const before = new Date().toISOString();
  const hold = await reserve(ann, event);
  await succeeding(client.post(`/v1/reservations/${hold.id}/purchase`, { token }));
  await letGo(ann, hold);
  await untilTold(mine, 7);
  const told = taken(mailbox).get(event.eventId) ?? [];
  expect(told.map(({ data }) => data.sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(told.filter(({ data }) => data.resource.id === hold.id).map(({ type }) => type)).toEqual([
    "reservation.held",
    "reservation.purchased",
    "reservation.cancelled",
  ]);
  expect(told.filter(({ type }) => type === "command.succeeded")).toHaveLength(3);
  expect(unbelievable(told)).toEqual([]);
  const last = told.findLast(({ data }) => data.resource.id === hold.id);
  expect(last?.data.resource).toEqual((await client.get(`/v1/reservations/${hold.id}`, { token })).body);

  const rotated = await client.post(`${path}/rotate-secret`, { token });
  const { secret } = WebhookEndpointWithSecret.parse(rotated.body);
  expect(mailbox.trusted).not.toContain(secret);
  mailbox.trusted = [...mailbox.trusted, secret]; // and fits either, for a day
  expect((await client.post(`${path}/test`, { token })).status).toBe(200);
  expect(mailbox.tries.map(({ signatures }) => signatures)).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);

  const log = await logOf(mine);
  expect(log.filter(({ type }) => !type.startsWith("endpoint."))).toHaveLength(6);
  const delivery = log.find(({ type }) => type === "reservation.held");
  expect(delivery).toMatchObject({ endpointId: mine.endpointId, status: "delivered", nextAttemptAt: null });
  expect(delivery?.attempts).toMatchObject([{ status: 200 }]);
  const again = await client.post(`/v1/deliveries/${delivery?.id}/redeliver`, { token });
  expect([again.status, again.body]).toEqual([
    202,
    { ...delivery, status: "pending", nextAttemptAt: expect.any(String) },
  ]);
  await untilTold(mine, 9);
  expect(mailbox.tries.at(-1)?.id).toBe(delivery?.webhookId);
  await until("it to be noted", async () => {
    const noted = (await logOf(mine)).find(({ id }) => id === delivery?.id);
    return noted?.status === "delivered" && noted.attempts.length === 2;
  });

  const replayed = await client.post(`${path}/replay`, { token, body: { since: before } });
  expect([replayed.status, replayed.body]).toEqual([202, { object: "replay", count: expect.any(Number) }]);
  await until("all to have come again", () =>
    told.every(({ id }) => mailbox.tries.filter((tried) => tried.id === id).length >= 2),
  );
  expect(changedBetweenTries(mailbox.tries)).toEqual([]);
  expect(taken(mailbox).get(event.eventId)).toEqual(told);

  const elsewhere = receiver.open();
  elsewhere.trusted = [secret];
  const moved = await client.patch(path, { token, body: { url: elsewhere.url } });
  expect(moved).toMatchObject({ status: 200, body: { status: "unverified", url: elsewhere.url } });
  expect((await client.post(`${path}/verify`, { token })).body).toMatchObject({ status: "active" });
  await letGo(ann, await reserve(ann, event));
  await until("to be told there", () => elsewhere.tries.length >= 4);
  expect([...mailbox.faults, ...elsewhere.faults]).toEqual([]);

  expect((await client.delete(path, { token })).status).toBe(204);
  expect((await client.get(path, { token })).status).toBe(404);
  const sofar = await countOf(mine);
  await letGo(ann, await reserve(ann, event));
  expect(await countOf(mine)).toBe(sofar);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("N4: users hear of what is theirs, an organizer of all that happens to their events, an admin of everything, who is disabled of nothing", {
  timeout: JOURNEY_TIMEOUT_MS,
}, async () => {
  const [ann, bob, organizer, other, admin] = await Promise.all([
    person(),
    person(),
    person("organizer"),
    person("organizer"),
    person("admin"),
  ]);
  const [anns, bobs, organizers, others, admins] = await Promise.all([
    subscribe(client, receiver, ann),
    subscribe(client, receiver, bob),
    subscribe(client, receiver, organizer),
    subscribe(client, receiver, other),
    subscribe(client, receiver, admin, ["reservation.held", "event.cancelled"]),
  ]);
  const startsAt = Date.now() + 48 * 3_600_000;
  const slot = { startsAt: iso(startsAt), endsAt: iso(startsAt + 3_600_000), capacity: 5 };
  const body = { name: "A small concert", slots: [slot] };
  const { id } = Event.parse(await succeeding(client.post("/v1/events", { token: organizer.token, body })));
  const event = { reservePath: `/v1/events/${id}/reserve` };
  await reserve(ann, event);
  const hold = await reserve(bob, event);
  await untilTold(bobs, 2);
  const disable = client.patch(`/v1/users/${bob.userId}`, { token: admin.token, body: { disabled: true } });
  expect(await succeeding(disable)).toMatchObject({ id: bob.userId });
  await letGo(organizer, hold); // bob's, and not told to bob any more
  await succeeding(client.post(`/v1/events/${id}/cancel`, { token: organizer.token }));
  const { eventId: strange, reservePath } = await createEvent(system.pool, { capacity: 1 });
  await reserve(ann, { reservePath }); // somebody else's event

  const ofAnn = ["reservation.held", "command.succeeded", "reservation.cancelled"];
  const elsewhere = ["reservation.held", "command.succeeded"];
  await untilTold(anns, ofAnn.length + elsewhere.length);
  expect(typesIn(anns).toSorted()).toEqual([...ofAnn, ...elsewhere].toSorted());
  expect(typesIn(bobs).toSorted()).toEqual(["command.succeeded", "reservation.held"]);
  await untilTold(organizers, 9);
  expect(typesIn(organizers).toSorted()).toEqual(
    [
      ...ofAnn,
      ...["reservation.held", "command.succeeded", "reservation.cancelled"], // bob's
      ...["command.succeeded", "command.succeeded", "event.cancelled"], // the organizer's own
    ].toSorted(),
  );
  await untilTold(admins, 4);
  expect(typesIn(admins).toSorted()).toEqual([
    "event.cancelled",
    "reservation.held",
    "reservation.held",
    "reservation.held",
  ]);
  expect([...taken(admins.mailbox).keys()].toSorted()).toEqual([id, strange].toSorted());
  expect(
    taken(organizers.mailbox)
      .get(id)
      ?.map(({ data }) => data.sequence),
  ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await Promise.all([bobs, others, organizers, anns].map(countOf))).toEqual([3, 1, 10, 6]); // each with its verification
  for (const { mailbox } of [anns, bobs, organizers, others, admins]) expect(mailbox.faults).toEqual([]);
});

test("N4: an endpoint that says it is gone is disabled, its owner's others are told, and it comes back, with what it missed, when it is verified", {
  timeout: JOURNEY_TIMEOUT_MS,
}, async () => {
  const ann = await person();
  const event = await createEvent(system.pool, { capacity: 1 });
  const [gone, staying] = [
    await subscribe(client, receiver, ann, ["reservation.held"]),
    await subscribe(client, receiver, ann, ["reservation.cancelled"]),
  ];
  gone.mailbox.answer = () => 410;
  const hold = await reserve(ann, event);
  await untilTold(staying, 1);
  expect(typesIn(staying)).toEqual(["endpoint.disabled"]);
  expect(JSON.parse(at(staying.mailbox.tries, 0).body)).toMatchObject({
    data: { endpointId: gone.endpointId, reason: "gone" },
  });
  const { token } = ann;
  expect((await client.get(gone.path, { token })).body).toMatchObject({
    status: "disabled",
    disabledReason: "gone",
  });
  expect(await logOf(gone)).toMatchObject([
    { type: "reservation.held", status: "failed", attempts: [{ status: 410 }] },
    { type: "endpoint.verification" },
  ]);
  await letGo(ann, hold);
  await untilTold(staying, 2);
  gone.mailbox.answer = () => 200;
  await letGo(ann, await reserve(ann, event)); // still disabled
  expect((await logOf(gone))[0]).toMatchObject({ type: "reservation.held", status: "failed", attempts: [] });
  expect(typesIn(gone)).toEqual(["reservation.held"]);
  expect((await client.post(`${gone.path}/verify`, { token })).body).toMatchObject({
    status: "active",
    disabledReason: null,
  });
  const replayed = await client.post(`${gone.path}/replay`, { token, body: { since: iso(0) } });
  expect(replayed.body).toEqual({ object: "replay", count: 2 });
  await untilTold(gone, 3);
  await reserve(ann, event);
  await untilTold(gone, 4);
  expect(typesIn(gone)).toEqual(Array(4).fill("reservation.held"));
  expect(taken(gone.mailbox).get(event.eventId)?.length).toBe(3);
  expect([...gone.mailbox.faults, ...staying.mailbox.faults]).toEqual([]);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

const iso = (ms: number): string => new Date(ms).toISOString();
