// What waiters and organizers ask, decided by real workers: the words of the door are those that the rules understand.
import { signAccessToken } from "@holdfast/access-token";
import { Command, Event, Slot, WaitlistEntry } from "@holdfast/contracts";
import { insertUser } from "@holdfast/db";
import type { UserRole } from "@holdfast/domain";
import { eventKeys } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import {
  openTestDatabase,
  openTestRedis,
  type ServiceProcess,
  spawnService,
  type TestDatabase,
  type TestRedis,
  until,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventBody, JWT_SECRET, WEBHOOK_ENCRYPTION_KEY } from "./gateway-under-test.ts";

const START_MS = 30_000;

let database: TestDatabase;
let redis: TestRedis;
let services: ServiceProcess[];
let url: string;
beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, REDIS_PREFIX: redis.prefix };
  const gateway = spawnService("gateway", {
    ...env,
    JWT_SECRET,
    WEBHOOK_ENCRYPTION_KEY,
    PORT: "0",
    RATE_LIMITS: "off",
  });
  services = [gateway, spawnService("reservation-worker", env), spawnService("waitlist-worker", env)];
  await Promise.all(services.map(({ ready }) => ready));
  url = gateway.url;
}, START_MS);
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await redis.close();
  await database.close();
}, START_MS);

async function person(role: UserRole = "user"): Promise<string> {
  const id = newId("user");
  await insertUser(database.pool, {
    id,
    email: `${id}@example.test`,
    name: "Test Person",
    passwordHash: "none",
  });
  await database.pool.query("UPDATE users SET role = $2 WHERE id = $1", [id, role]);
  return signAccessToken(JWT_SECRET, { userId: id, role });
}

interface Told {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly body: any;
}

async function ask(
  token: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Told> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      prefer: "wait=10",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The explanation of the command behind an answer. */
async function explained(token: string, { headers }: Told) {
  const path = /<([^>]+)>/.exec(headers.get("link") ?? "")?.[1] ?? "";
  return Command.parse((await ask(token, "GET", path)).body).explanation;
}

const newEvent = async (organizer: string, capacity = 1) => {
  const [slot] = eventBody(1)["slots"] as object[];
  return (await ask(organizer, "POST", "/v1/events", { name: "Small", slots: [{ ...slot, capacity }] })).body;
};

test("who finds no tickets waits, is offered what comes free, and may give it back", async () => {
  const [organizer, ann, bob, cy] = [
    await person("organizer"),
    await person(),
    await person(),
    await person(),
  ];
  const event = await newEvent(organizer);
  const slotId = event.slots[0].id;
  const early = await ask(bob, "POST", `/v1/slots/${slotId}/waitlist`);
  expect([early.status, early.body.code]).toEqual([409, "tickets-available"]);
  const held = await ask(ann, "POST", `/v1/events/${event.id}/reserve`, { onSoldOut: "waitlist" });
  expect([held.status, held.body.object]).toEqual([201, "reservation"]);

  const joined = await ask(bob, "POST", `/v1/events/${event.id}/reserve`, { onSoldOut: "waitlist" });
  expect([joined.status, WaitlistEntry.parse(joined.body).position]).toEqual([201, 1]);
  expect(joined.headers.get("location")).toBe(`/v1/waitlist/${joined.body.id}`);
  expect(await explained(bob, joined)).toMatchObject({
    rule: "waiting",
    seen: { available: 0, waitingAhead: 0 },
    place: expect.any(Number),
  });
  const second = await ask(cy, "POST", `/v1/slots/${slotId}/waitlist`);
  expect([second.status, second.body.position]).toEqual([201, 2]);
  const twice = await ask(cy, "POST", `/v1/slots/${slotId}/waitlist`);
  expect(twice.body).toMatchObject({ code: "already-waiting", waitlistEntryId: second.body.id });
  expect(await explained(cy, twice)).toMatchObject({ rule: "already-waiting", seen: { waitingAhead: 1 } });
  const look = async (token: string, { body }: Told) =>
    WaitlistEntry.parse((await ask(token, "GET", `/v1/waitlist/${body.id}`)).body);
  expect(await look(cy, second)).toEqual(second.body);
  const shown = Event.parse((await ask(ann, "GET", `/v1/events/${event.id}`)).body);
  expect(shown).toMatchObject({ availableTickets: 0, slots: [{ waiting: 2, available: 0 }] });

  await ask(ann, "POST", `/v1/reservations/${held.body.id}/cancel`);
  const offered = await until("the offer", async () => {
    const entry = await look(bob, joined);
    return entry.status === "offered" && entry;
  });
  expect(offered).toMatchObject({ position: null, offer: { status: "held", origin: "waitlist" } });
  const left = await ask(bob, "DELETE", `/v1/waitlist/${joined.body.id}`);
  expect([left.status, WaitlistEntry.parse(left.body)]).toEqual([
    200,
    expect.objectContaining({ status: "left", endReason: "user", offer: null }),
  ]);
  expect(await explained(bob, left)).toMatchObject({ rule: "left" });
  const next = await until("the next offer", async () => {
    const entry = await look(cy, second);
    return entry.status === "offered" && entry;
  });
  const bought = await ask(cy, "POST", `/v1/reservations/${next.offer?.id}/purchase`, {});
  expect([bought.status, bought.body.status]).toEqual([200, "purchased"]);
  expect(await look(cy, second)).toMatchObject({ status: "fulfilled", offer: null, endReason: "purchased" });
  const line = (await ask(organizer, "GET", `/v1/slots/${slotId}/waitlist`)).body;
  expect(line.data.map(({ status }: { status: string }) => status)).toEqual(["left", "fulfilled"]);
});

test("an organizer changes an event and its slots, each change moving the version on", async () => {
  const organizer = await person("organizer");
  const event = await newEvent(organizer, 5);
  const path = `/v1/events/${event.id}`;
  const tag = (await ask(organizer, "GET", path)).headers.get("etag") ?? "";
  const renamed = await ask(organizer, "PATCH", path, { name: "Large", venue: "Hall" }, { "if-match": tag });
  expect([renamed.status, Event.parse(renamed.body)]).toEqual([
    200,
    { ...event, name: "Large", venue: "Hall", version: 2, updatedAt: expect.any(String) },
  ]);
  const late = await ask(organizer, "PATCH", path, { name: "Lost" }, { "if-match": tag });
  expect([late.status, late.body.code]).toEqual([412, "precondition-failed"]);
  const cleared = await ask(organizer, "PATCH", path, { venue: null, waitlist: { mode: "strict" } });
  expect(cleared.body).toMatchObject({
    venue: null,
    waitlist: { ...event.waitlist, mode: "strict" },
    version: 3,
  });
  const { startsAt } = event.slots[0];
  await ask(organizer, "PATCH", path, { salesOpenAt: startsAt });
  const misfit = await ask(organizer, "PATCH", path, { salesCloseAt: startsAt });
  expect([misfit.status, misfit.body.code, misfit.body.errors[0].pointer]).toEqual([
    400,
    "validation-failed",
    "/salesCloseAt",
  ]);

  const times = { startsAt: "2030-06-01T10:00:00Z", endsAt: "2030-06-01T12:00:00Z" };
  const added = await ask(organizer, "POST", `${path}/slots`, { ...times, capacity: 3, name: "late" });
  expect([added.status, added.headers.get("location")]).toEqual([201, path]);
  const slot = Slot.parse(added.body);
  expect((await ask(organizer, "GET", path)).body.slots[1]).toEqual(slot);
  const moved = await ask(organizer, "PATCH", `/v1/slots/${slot.id}`, {
    endsAt: "2030-06-01T13:00:00Z",
    name: null,
  });
  expect(moved.body).toEqual({ ...slot, name: null, endsAt: "2030-06-01T13:00:00.000Z" });
  const raised = await ask(organizer, "POST", `/v1/slots/${slot.id}/capacity`, { capacity: 7 });
  expect(raised.body).toMatchObject({ capacity: 7, available: 7 });
  expect((await ask(organizer, "GET", path)).body.totalTickets).toBe(12);

  const keyed = { "idempotency-key": newId("command") };
  const removed = await ask(organizer, "DELETE", `/v1/slots/${slot.id}`, undefined, keyed);
  expect([removed.status, removed.body.id]).toEqual([200, slot.id]);
  const repeated = await ask(organizer, "DELETE", `/v1/slots/${slot.id}`, undefined, keyed);
  expect([repeated.status, repeated.headers.get("idempotent-replayed"), repeated.body]).toEqual([
    200,
    "true",
    removed.body,
  ]);
  expect((await ask(organizer, "DELETE", `/v1/slots/${slot.id}`)).status).toBe(404);
  const only = await ask(organizer, "DELETE", `/v1/slots/${event.slots[0].id}`);
  expect([only.status, only.body.code]).toEqual([409, "slot-in-use"]);
});

test("sales close and open, and a cancelled event ends what it had", async () => {
  const [organizer, ann] = [await person("organizer"), await person()];
  const event = await newEvent(organizer, 5);
  const path = `/v1/events/${event.id}`;
  const held = await ask(ann, "POST", `${path}/reserve`, { quantity: 2 });
  expect((await ask(organizer, "POST", `${path}/close-sales`)).body).toMatchObject({ status: "salesClosed" });
  expect((await ask(await person(), "POST", `${path}/reserve`)).body.code).toBe("sales-closed");
  const committed = await ask(organizer, "POST", `/v1/slots/${event.slots[0].id}/capacity`, { capacity: 1 });
  expect(committed.body).toMatchObject({ code: "capacity-below-committed", held: 2, purchased: 0 });
  const opened = await ask(organizer, "POST", `${path}/open-sales`);
  expect(opened.body).toMatchObject({ status: "onSale", availableTickets: 3, version: 3 });
  expect((await ask(organizer, "POST", `${path}/open-sales`)).body).toEqual(opened.body);

  const cancelled = await ask(organizer, "POST", `${path}/cancel`);
  expect([cancelled.status, cancelled.body.status]).toEqual([200, "cancelled"]);
  expect(await explained(organizer, cancelled)).toMatchObject({ rule: "done", seen: null });
  expect((await ask(organizer, "PATCH", path, { name: "Too late" })).body.code).toBe("event-cancelled");
  await until("the end of the hold", async () => {
    const { body } = await ask(ann, "GET", `/v1/reservations/${held.body.id}`);
    return body.status === "cancelled" && body.endReason === "event-cancelled";
  });
});

test("while an event is halted nothing is applied; then everything is, in its order", async () => {
  const [organizer, ann, bob] = [await person("organizer"), await person(), await person()];
  const event = await newEvent(organizer);
  const path = `/v1/events/${event.id}`;
  expect((await ask(organizer, "POST", `${path}/pause`)).body.status).toBe("paused");
  const send = (token: string) => ask(token, "POST", `${path}/reserve`, {}, { prefer: "wait=0" });
  const first = await send(ann);
  const second = await send(bob);
  expect([first.status, second.status]).toEqual([202, 202]);
  const statusOf = async (token: string, { body }: Told) =>
    Command.parse((await ask(token, "GET", `/v1/commands/${body.id}`, undefined, { prefer: "wait=0" })).body);
  expect([await statusOf(ann, first), await statusOf(bob, second)]).toMatchObject([
    { status: "queued", explanation: null },
    { status: "queued" },
  ]);
  expect((await ask(organizer, "POST", `${path}/resume`)).body.status).toBe("onSale");
  const ended = await Promise.all(
    [[ann, first] as const, [bob, second] as const].map(([token, told]) =>
      until("the outcome", async () => {
        const command = await statusOf(token, told);
        return command.status !== "queued" && command;
      }),
    ),
  );
  expect(ended).toMatchObject([
    { status: "succeeded", explanation: { rule: "held", seen: { available: 1 } } },
    { status: "rejected", explanation: { rule: "all-held", seen: { available: 0 } } },
  ]);
  const [one, two] = ended.map(({ explanation }) => explanation?.place ?? 0);
  expect(one).toBeLessThan(two ?? 0);
});

test("each repeat of what was promised while its event was halted says that it is one, whether it waits or not", async () => {
  const [organizer, ann] = [await person("organizer"), await person()];
  const event = await newEvent(organizer);
  const path = `/v1/events/${event.id}`;
  await ask(organizer, "POST", `${path}/pause`);
  const send = async (key: string, prefer: string) => {
    const told = await ask(ann, "POST", `${path}/reserve`, {}, { "idempotency-key": key, prefer });
    return [told.status, told.headers.get("idempotent-replayed")];
  };
  const key = newId("command");
  expect(await send(key, "respond-async")).toEqual([202, null]);
  const waiting = Array.from({ length: 3 }, () => send(key, "wait=10"));
  const depth = eventKeys(redis.prefix, event.id).count;
  await until("a repeat to wait", async () => (await redis.redis.hget(depth, "enqueued")) === "2");
  expect(await send(key, "respond-async")).toEqual([202, "true"]);
  await ask(organizer, "POST", `${path}/resume`);
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => [201, "true"]));
});

test("who waits for a command hears at once that it was withdrawn, the first one and a repeat", async () => {
  const [organizer, ann] = [await person("organizer"), await person()];
  const event = await newEvent(organizer);
  const path = `/v1/events/${event.id}`;
  await ask(organizer, "POST", `${path}/pause`);
  const send = (key: string, prefer: string) =>
    ask(ann, "POST", `${path}/reserve`, {}, { "idempotency-key": key, prefer });
  const { count } = eventKeys(redis.prefix, event.id);
  const sent = (commands: number) =>
    until(
      `${commands} to be sent`,
      async () => (await redis.redis.hget(count, "enqueued")) === `${commands}`,
    );

  const promisedFirst = newId("command");
  const promised = await send(promisedFirst, "respond-async");
  const repeat = send(promisedFirst, "wait=25");
  await sent(2);
  const waitedFirst = newId("command");
  const first = send(waitedFirst, "wait=25");
  await sent(3);
  const told = await send(waitedFirst, "respond-async");
  expect([told.status, told.headers.get("idempotent-replayed")]).toEqual([202, "true"]);
  for (const { body } of [promised, told]) {
    expect((await ask(ann, "DELETE", `/v1/commands/${body.id}`)).status).toBe(200);
  }
  const answers = await Promise.all([repeat, first]);
  expect(answers.map(({ status, headers }) => [status, headers.get("idempotent-replayed")])).toEqual([
    [409, "true"],
    [409, null],
  ]);
  expect(answers.map(({ body }) => [body.code, body.command.id])).toEqual(
    [promised, told].map(({ body }) => ["already-finished", body.id]),
  );
});

test("who waits behind withdrawn commands is told the place that is left, and the next one, too", async () => {
  const organizer = await person("organizer");
  const path = `/v1/events/${(await newEvent(organizer)).id}`;
  await ask(organizer, "POST", `${path}/pause`);
  const send = async () => {
    const token = await person();
    return { token, ...(await ask(token, "POST", `${path}/reserve`, {}, { prefer: "respond-async" })).body };
  };
  const crowd = [await send(), await send(), await send(), await send(), await send()];
  expect(crowd.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5]);
  for (const { token, id } of crowd.slice(0, 3)) {
    expect((await ask(token, "DELETE", `/v1/commands/${id}`)).status).toBe(200);
  }
  const { token, id } = crowd[4];
  const last = await ask(token, "GET", `/v1/commands/${id}`, undefined, { prefer: "wait=0" });
  expect([last.body.position, (await send()).position]).toEqual([2, 3]);
});

test("N6: a command that is withdrawn while its event is halted never takes effect, and its repeat is told so", async () => {
  const [organizer, ann, bob] = [await person("organizer"), await person(), await person()];
  const event = await newEvent(organizer);
  const path = `/v1/events/${event.id}`;
  await ask(organizer, "POST", `${path}/pause`);
  const order = { "idempotency-key": newId("command"), prefer: "respond-async" };
  const sent = await ask(ann, "POST", `${path}/reserve`, {}, order);
  const behind = await ask(bob, "POST", `${path}/reserve`, {}, { prefer: "respond-async" });
  expect([sent.status, behind.status]).toEqual([202, 202]);
  const command = `/v1/commands/${sent.body.id}`;
  expect((await ask(bob, "DELETE", command)).status).toBe(404);
  const withdrawn = await ask(ann, "DELETE", command);
  expect([withdrawn.status, Command.parse(withdrawn.body)]).toMatchObject([
    200,
    { id: sent.body.id, status: "withdrawn", submittedAt: sent.body.submittedAt, position: null },
  ]);

  await ask(organizer, "POST", `${path}/resume`);
  const followed = await ask(bob, "GET", `/v1/commands/${behind.body.id}`);
  expect(Command.parse(followed.body)).toMatchObject({
    status: "succeeded",
    explanation: { rule: "held", seen: { available: 1 } },
  });
  expect((await ask(ann, "GET", "/v1/reservations")).body.data).toEqual([]);
  expect((await ask(ann, "GET", "/v1/commands?status=withdrawn")).body.data).toEqual([withdrawn.body]);
  for (const prefer of ["wait=10", "respond-async"]) {
    const repeat = await ask(ann, "POST", `${path}/reserve`, {}, { ...order, prefer });
    expect([repeat.status, repeat.headers.get("idempotent-replayed"), repeat.body]).toMatchObject([
      409,
      "true",
      { code: "already-finished", command: withdrawn.body },
    ]);
  }
  const other = await ask(ann, "POST", `${path}/reserve`, { quantity: 2 }, { ...order, prefer: "wait=10" });
  expect([other.status, other.body.code]).toEqual([422, "idempotency-key-reused"]);
  const late = await ask(bob, "DELETE", `/v1/commands/${behind.body.id}`);
  expect([late.status, late.body]).toMatchObject([
    409,
    { code: "already-finished", command: { id: behind.body.id, status: "succeeded" } },
  ]);
});
