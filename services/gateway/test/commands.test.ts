// Commands at the door: how they are named, what is submitted, how each fate is answered.
import {
  type CommandId,
  type Outcome,
  type Reservation,
  type ReservationId,
  reservationIdOf,
  type UserId,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { nameCommand } from "../src/idempotency.ts";
import { LONG_POLLS_PER_USER_MAX } from "../src/long-polls.ts";
import type { CommandRecord, Submission } from "../src/submit.ts";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let organizer: Person;
let ann: Person;
let bob: Person;
// biome-ignore lint/suspicious/noExplicitAny: an answer's body
let event: any;
beforeAll(async () => {
  gateway = await openGateway();
  organizer = await gateway.person("organizer");
  ann = await gateway.person();
  bob = await gateway.person();
  const made = { method: "POST" as const, url: "/v1/events", headers: organizer.auth, payload: eventBody(2) };
  event = (await gateway.ask(made)).body;
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.commands.submitted.length = 0;
});

const AT = Date.UTC(2030, 0, 1);

function reservationOf(submission: Submission, more: Partial<Reservation> = {}): Reservation {
  const { command } = submission;
  if (command.userId === null) throw new Error("nobody sent it");
  return {
    id: reservationIdOf(command.id),
    eventId: command.eventId,
    slotId: event.slots[0].id,
    userId: command.userId,
    quantity: 1,
    status: "held",
    origin: "public",
    paymentReference: null,
    expiresAt: AT + 300_000,
    createdAt: AT,
    purchasedAt: null,
    endedAt: null,
    endReason: null,
    ...more,
  };
}

const end = (outcome: Outcome, replayed = false) => {
  gateway.commands.answer = () => ({ kind: "ended", outcome, replayed });
};
const holds = (replayed = false) => {
  gateway.commands.answer = (submission) => ({
    kind: "ended",
    outcome: { status: "succeeded", reservation: reservationOf(submission) },
    replayed,
  });
};
const recordOf = ({ command }: Submission, more: Partial<CommandRecord> = {}): CommandRecord => ({
  id: command.id,
  type: command.type,
  eventId: command.eventId,
  userId: command.userId,
  status: "queued",
  submittedAt: AT,
  finishedAt: null,
  position: 7,
  estimatedWaitMs: 1_400,
  ticket: null,
  outcome: null,
  seq: null,
  seen: null,
  ...more,
});

const reserve = (payload: object | undefined, headers: Record<string, string> = {}, person: Person = ann) =>
  gateway.ask({
    method: "POST",
    url: `/v1/events/${event.id}/reserve`,
    headers: { ...person.auth, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
const last = (): Submission => {
  const submission = gateway.commands.submitted.at(-1);
  if (submission === undefined) throw new Error("nothing was submitted");
  return submission;
};

/** A row as the worker would have written it. */
async function storedReservation(
  person: Person,
  more: Partial<Record<string, unknown>> = {},
): Promise<string> {
  const row = {
    id: newId("reservation"),
    slot: event.slots[0].id,
    status: "held",
    createdAt: new Date(),
    ...more,
  };
  await gateway.database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
       purchased_at, ended_at, end_reason, during, exclusive)
     SELECT $1, event_id, id, $3, 1, $4, 'public', now() + interval '5 minutes', $5,
       CASE WHEN $4 = 'purchased' THEN now() END, CASE WHEN $4 = 'cancelled' THEN now() END,
       CASE WHEN $4 = 'cancelled' THEN 'user' END, tstzrange(starts_at, ends_at), true
     FROM slots WHERE id = $2`,
    [row.id, row.slot, person.id, row.status, row.createdAt],
  );
  return row.id;
}

/** A command that the gateway knows. */
const keep = (more: Partial<CommandRecord> = {}, person: Person = ann): CommandId => {
  const id = newId("command");
  gateway.commands.records.set(id, {
    id,
    type: "reserve",
    eventId: event.id,
    userId: person.id,
    status: "queued",
    submittedAt: AT,
    finishedAt: null,
    position: 3,
    estimatedWaitMs: null,
    ticket: null,
    outcome: null,
    seq: null,
    seen: null,
    ...more,
  });
  return id;
};

const rejected: Partial<CommandRecord> = {
  status: "rejected",
  finishedAt: AT + 1,
  position: null,
  outcome: { status: "rejected", refusal: { code: "sold-out" } },
};

/** Ids of as many keyed commands, in the order of ids. */
const hashedIds = (userId: UserId, count: number): CommandId[] =>
  Array.from({ length: count }, (_, n) =>
    nameCommand(`key-${n}`, { userId, method: "POST", path: "/", body: {} }),
  )
    .map(({ id }) => id)
    .sort();

/** The ids on all pages that lead on from this one. */
async function idsOfPages(path: string, person: Person): Promise<string[]> {
  const ids: string[] = [];
  let cursor = "";
  for (;;) {
    const { body } = await gateway.ask({ url: `${path}${cursor}`, headers: person.auth });
    ids.push(...body.data.map(({ id }: { id: string }) => id));
    if (body.nextCursor === null) return ids;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

/** What no page has given out: other shapes, other kinds, times that the tables could not compare. */
const [FORGED_RESERVATION, FORGED_COMMAND] = [newId("reservation"), newId("command")];
const FORGED = [
  "forged",
  "null",
  JSON.stringify(FORGED_RESERVATION),
  JSON.stringify(FORGED_COMMAND),
  JSON.stringify({ id: FORGED_RESERVATION }),
  JSON.stringify({ createdAt: AT, id: FORGED_COMMAND }),
  JSON.stringify({ submittedAt: AT, id: FORGED_RESERVATION }),
  JSON.stringify({ createdAt: null, id: FORGED_RESERVATION }),
  JSON.stringify({ createdAt: "2030-01-01T00:00:00Z", id: FORGED_RESERVATION }),
  JSON.stringify({ createdAt: AT + 0.5, id: FORGED_RESERVATION }),
  JSON.stringify({ createdAt: 9e15, id: FORGED_RESERVATION }),
  JSON.stringify({ submittedAt: -9e15, id: FORGED_COMMAND }),
  JSON.stringify({ createdAt: AT, id: `${FORGED_RESERVATION}' OR 1=1` }),
  JSON.stringify({ createdAt: AT, id: FORGED_RESERVATION, limit: 1 }),
  JSON.stringify({ id: FORGED_RESERVATION, createdAt: AT }), // ours, but for the order of its members
];

describe("reserving", () => {
  test("without a body asks for one ticket of the only slot, and answers 201 with what was made", async () => {
    holds();
    const { status, headers, body } = await reserve(undefined);
    expect(status).toBe(201);
    const { command, waitMs, respondAsync } = last();
    expect(command).toEqual({
      id: expect.stringMatching(/^cmd_/),
      type: "reserve",
      eventId: event.id,
      userId: ann.id,
      at: expect.any(Number),
      idempotencyKey: null,
      fingerprint: null,
      input: { slotId: null, quantity: 1 },
    });
    expect([waitMs, respondAsync]).toEqual([2_000, false]);
    expect(headers["location"]).toBe(`/v1/reservations/${body.id}`);
    expect(headers["link"]).toBe(`</v1/commands/${command.id}>; rel="monitor"`);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["preference-applied"]).toBeUndefined();
    expect(headers["idempotent-replayed"]).toBeUndefined();
    expect(body).toEqual({
      object: "reservation",
      id: reservationIdOf(command.id),
      eventId: event.id,
      slotId: event.slots[0].id,
      userId: ann.id,
      quantity: 1,
      status: "held",
      origin: "public",
      paymentReference: null,
      expiresAt: "2030-01-01T00:05:00.000Z",
      createdAt: "2030-01-01T00:00:00.000Z",
      purchasedAt: null,
      endedAt: null,
      endReason: null,
    });
  });

  test("passes on which slot and how many", async () => {
    holds();
    const slotId = event.slots[1].id;
    await reserve({ slotId, quantity: 3, onSoldOut: "refuse" });
    expect(last().command.input).toEqual({ slotId, quantity: 3 });
  });

  test("of an unknown event is 404 and makes no command", async () => {
    for (const id of [newId("event"), "evt_1"]) {
      const url = `/v1/events/${id}/reserve`;
      expect((await gateway.ask({ method: "POST", url, headers: ann.auth })).status).toBe(404);
    }
    expect(gateway.commands.submitted).toEqual([]);
  });
});

describe("outcomes", () => {
  test.each<[Outcome, number, object]>([
    [
      { status: "rejected", refusal: { code: "sold-out" } },
      409,
      { code: "sold-out", nextStep: "join-waitlist" },
    ],
    [
      { status: "rejected", refusal: { code: "all-held", earliestReleaseAt: AT } },
      409,
      { code: "all-held", earliestReleaseAt: "2030-01-01T00:00:00.000Z", nextStep: "retry-after" },
    ],
    [
      { status: "rejected", refusal: { code: "all-held", earliestReleaseAt: null } },
      409,
      { code: "all-held", earliestReleaseAt: null },
    ],
    [
      { status: "rejected", refusal: { code: "limit-exceeded", limit: "order" } },
      409,
      { code: "limit-exceeded", limit: "order" },
    ],
    [
      { status: "rejected", refusal: { code: "sales-not-open", salesOpenAt: AT } },
      409,
      { code: "sales-not-open", salesOpenAt: "2030-01-01T00:00:00.000Z" },
    ],
    [
      { status: "rejected", refusal: { code: "not-found", pointer: "/slotId" } },
      404,
      { code: "not-found", errors: [{ pointer: "/slotId", detail: expect.any(String) }] },
    ],
    [{ status: "rejected", refusal: { code: "not-found" } }, 404, { code: "not-found" }],
    [{ status: "rejected", refusal: { code: "hold-expired" } }, 410, { code: "hold-expired" }],
    [
      { status: "rejected", refusal: { code: "idempotency-key-reused" } },
      422,
      { code: "idempotency-key-reused" },
    ],
    [{ status: "failed", failure: "internal" }, 500, { code: "internal" }],
    [{ status: "failed", failure: "unsupported" }, 500, { code: "internal" }],
  ])("%j is answered %i", async (outcome, status, members) => {
    end(outcome);
    const { status: given, headers, body } = await reserve({});
    expect(given).toBe(status);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(headers["link"]).toBe(`</v1/commands/${last().command.id}>; rel="monitor"`);
    expect(body).toMatchObject({
      status,
      instance: `/v1/events/${event.id}/reserve`,
      requestId: headers["x-request-id"],
      ...members,
    });
    expect(body.type).toBe(`/docs/problems#${body.code}`);
  });

  test("refusals name what stands in the way", async () => {
    const reservationId = reservationIdOf(newId("command"));
    end({ status: "rejected", refusal: { code: "overlap", reservationId, retryable: true } });
    expect((await reserve({})).body).toMatchObject({ code: "overlap", reservationId, retryable: true });
    end({ status: "rejected", refusal: { code: "already-reserved", reservationId } });
    expect((await reserve({})).body).toMatchObject({ reservationId, nextStep: "use-existing" });
  });

  test("not known in time: 202 with the command, where to look, and when", async () => {
    gateway.commands.answer = (submission) => ({
      kind: "queued",
      record: recordOf(submission),
      replayed: false,
      retryAfterSeconds: 3,
    });
    const { status, headers, body } = await reserve({}, { prefer: "respond-async" });
    const { id } = last().command;
    expect(status).toBe(202);
    expect(headers).toMatchObject({
      location: `/v1/commands/${id}`,
      link: `</v1/commands/${id}>; rel="monitor"`,
      "retry-after": "3",
      "preference-applied": "respond-async",
    });
    expect(body).toEqual({
      object: "command",
      id,
      type: "reserve",
      eventId: event.id,
      status: "queued",
      submittedAt: "2030-01-01T00:00:00.000Z",
      finishedAt: null,
      position: 7,
      estimatedWaitMs: 1_400,
      result: null,
      problem: null,
      explanation: null,
    });
  });

  test.each(["queue-full", "unavailable"] as const)(
    "%s is 503 with Retry-After, and names no command",
    async (kind) => {
      gateway.commands.answer = () => ({ kind, retryAfterSeconds: 2 });
      const { status, headers, body } = await reserve({});
      expect([status, body.code, headers["retry-after"]]).toEqual([503, kind, "2"]);
      expect(headers["link"]).toBeUndefined();
    },
  );
});

describe("Prefer", () => {
  test.each<[string, number, boolean, string | undefined]>([
    ["wait=5", 5_000, false, "wait=5"],
    ["wait=0", 0, false, "wait=0"],
    ["wait=600", 10_000, false, "wait=10"],
    ['Wait = "4"', 4_000, false, "wait=4"],
    ["wait=4; now=yes, wait=9", 4_000, false, "wait=4"],
    ["respond-async, wait=4", 4_000, true, "respond-async"],
    ["wait=-1", 2_000, false, undefined],
    ["wait=1.5", 2_000, false, undefined],
    ["wait=soon", 2_000, false, undefined],
    ["wait", 2_000, false, undefined],
    ["return=minimal", 2_000, false, undefined],
    ["", 2_000, false, undefined],
  ])("%s", async (prefer, waitMs, respondAsync, applied) => {
    holds();
    const { headers } = await reserve({}, { prefer });
    expect(last()).toMatchObject({ waitMs, respondAsync });
    expect(headers["preference-applied"]).toBe(applied);
  });
});

describe("Idempotency-Key", () => {
  const named = async (key: string, payload: object | undefined = {}, person: Person = ann) => {
    await reserve(payload, { "idempotency-key": key }, person);
    return last().command;
  };

  test("the same request under a key is the same command, whatever the order of its members", async () => {
    holds();
    const slotId = event.slots[0].id;
    const first = await named("k1", { slotId, quantity: 2 });
    expect(await named("k1", { quantity: 2, slotId })).toMatchObject({
      id: first.id,
      fingerprint: first.fingerprint,
    });
    expect(first).toMatchObject({
      idempotencyKey: "k1",
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect((await named("k2", undefined)).id).toBe((await named("k2", {})).id);
  });

  test("another key, body, user or path is another command", async () => {
    holds();
    const ids = [
      await named("k3"),
      await named("k4"),
      await named("k3", { quantity: 2 }),
      await named("k3", {}, bob),
    ].map(({ id }) => id);
    const reservationId = await storedReservation(ann);
    await gateway.ask({
      method: "POST",
      url: `/v1/reservations/${reservationId}/purchase`,
      headers: { ...ann.auth, "idempotency-key": "k3" },
    });
    ids.push(last().command.id);
    expect(new Set(ids).size).toBe(5);
  });

  test("a repeat says that it is one", async () => {
    holds(true);
    expect((await reserve({}, { "idempotency-key": "k5" })).headers["idempotent-replayed"]).toBe("true");
  });

  test.each(["", " ", "two words", "x".repeat(256), "caf\u00e9", "tab\there"])(
    "%j is refused (F7)",
    async (key) => {
      const { status, body } = await reserve({}, { "idempotency-key": key });
      expect([status, body.code]).toEqual([400, "validation-failed"]);
      expect(gateway.commands.submitted).toEqual([]);
    },
  );

  test("one of 255 characters is taken", async () => {
    holds();
    expect((await reserve({}, { "idempotency-key": "~".repeat(255) })).status).toBe(201);
  });
});

describe("purchase and cancel", () => {
  const act = (what: string, id: string, person: Person, payload?: object) =>
    gateway.ask({
      method: "POST",
      url: `/v1/reservations/${id}/${what}`,
      headers: person.auth,
      ...(payload === undefined ? {} : { payload }),
    });

  test("go to the event of the reservation", async () => {
    const id = await storedReservation(bob);
    gateway.commands.answer = (submission) => ({
      kind: "ended",
      outcome: {
        status: "succeeded",
        reservation: reservationOf(submission, { status: "purchased", purchasedAt: AT }),
      },
      replayed: false,
    });
    const bought = await act("purchase", id, bob, { paymentReference: "pay-1" });
    expect(bought.status).toBe(200);
    expect(bought.headers["location"]).toBeUndefined();
    expect(last().command).toMatchObject({
      type: "purchase",
      eventId: event.id,
      input: { reservationId: id, paymentReference: "pay-1" },
    });
    await act("purchase", id, bob);
    expect(last().command.input).toEqual({ reservationId: id, paymentReference: null });
    await act("cancel", id, bob);
    expect(last().command).toMatchObject({ type: "cancel", input: { reservationId: id, role: "user" } });
  });

  test("of somebody else's, and of what is not there, are 404 and make no command", async () => {
    const id = await storedReservation(await gateway.person());
    for (const what of ["purchase", "cancel"]) {
      expect((await act(what, id, ann)).status).toBe(404);
      expect((await act(what, newId("reservation"), ann)).status).toBe(404);
      expect((await act(what, newId("event"), ann)).status).toBe(404);
      expect((await act(what, id, await gateway.person("organizer"))).status).toBe(404);
    }
    expect((await act("purchase", id, organizer)).status).toBe(404);
    expect(gateway.commands.submitted).toEqual([]);
  });

  test("its organizer and an admin may cancel, in their role", async () => {
    const id = await storedReservation(await gateway.person());
    holds();
    await act("cancel", id, organizer);
    expect(last().command).toMatchObject({ userId: organizer.id, input: { role: "organizer" } });
    await act("cancel", id, await gateway.person("admin"));
    expect(last().command.input).toMatchObject({ role: "admin" });
  });
});

describe("a user's reservations", () => {
  test("are listed the newest first, by status and time and event, in pages, and are nobody else's", async () => {
    const cy = await gateway.person();
    const ids = [
      await storedReservation(cy, { status: "cancelled" }),
      await storedReservation(cy, { slot: event.slots[1].id }),
      await storedReservation(cy, { status: "purchased" }),
    ];
    const list = async (query: string, person = cy) =>
      (await gateway.ask({ url: `/v1/reservations${query}`, headers: person.auth })).body;
    const idsOf = async (query: string) => (await list(query)).data.map(({ id }: { id: string }) => id);
    expect(await idsOf("")).toEqual(ids.toReversed());
    expect(await idsOf("?status=cancelled")).toEqual([ids[0]]);
    expect(await idsOf("?when=past")).toEqual([]);
    expect(await idsOf(`?when=upcoming&eventId=${event.id}`)).toEqual(ids.toReversed());
    expect(await idsOf(`?eventId=${newId("event")}`)).toEqual([]);
    const page = await list("?limit=2");
    expect(page).toMatchObject({ object: "list", hasMore: true });
    expect(await list(`?limit=2&cursor=${page.nextCursor}`)).toMatchObject({
      data: [{ id: ids[0] }],
      hasMore: false,
      nextCursor: null,
    });
    expect((await list("", await gateway.person())).data).toEqual([]);
  });

  test("are listed the newest first also when keyed commands made them, whose ids are hashes", async () => {
    const cy = await gateway.person();
    const byId = hashedIds(cy.id, 5).map((id) => reservationIdOf(id));
    const newestFirst = [3, 0, 4, 1, 2].map((n) => byId[n]);
    for (const [n, id] of newestFirst.entries())
      await storedReservation(cy, { id, status: "cancelled", createdAt: new Date(AT - Math.floor(n / 2)) });
    // Of the same millisecond the greater id first: 3 before 0, 4 before 1.
    expect(await idsOfPages("/v1/reservations?limit=2", cy)).toEqual(newestFirst);
    const ofEvent = await idsOfPages(
      `/v1/events/${event.id}/reservations?limit=1&status=cancelled`,
      organizer,
    );
    expect(ofEvent.filter((id) => newestFirst.includes(id as ReservationId))).toEqual(newestFirst);
  });

  test.each(FORGED)("refuse the forged cursor %s (F7)", async (forged) => {
    const cursor = Buffer.from(forged).toString("base64url");
    for (const [path, person] of [
      ["/v1/reservations", ann],
      [`/v1/events/${event.id}/reservations`, organizer],
      ["/v1/commands", ann],
    ] as const) {
      const { status, body } = await gateway.ask({ url: `${path}?cursor=${cursor}`, headers: person.auth });
      expect([path, status, body.code]).toEqual([path, 400, "validation-failed"]);
    }
  });

  test("can be looked at one by one, by their owner only", async () => {
    const cy = await gateway.person();
    const id = await storedReservation(cy);
    const look = (person: Person) => gateway.ask({ url: `/v1/reservations/${id}`, headers: person.auth });
    expect((await look(cy)).body).toMatchObject({ object: "reservation", id, userId: cy.id, status: "held" });
    expect((await look(ann)).status).toBe(404);
  });

  test("of an event are listed for its organizer and admins", async () => {
    const list = (person: Person, id: string = event.id) =>
      gateway.ask({ url: `/v1/events/${id}/reservations?status=held&limit=100`, headers: person.auth });
    expect((await list(organizer)).body.data.length).toBeGreaterThan(0);
    expect((await list(await gateway.person("admin"))).status).toBe(200);
    expect((await list(await gateway.person("organizer"))).status).toBe(404);
    expect((await list(ann)).status).toBe(403);
    expect((await list(organizer, newId("event"))).status).toBe(404);
  });
});

describe("withdrawing a command", () => {
  const withdraw = (id: string, person: Person = ann, more: object = {}) =>
    gateway.ask({ method: "DELETE", url: `/v1/commands/${id}`, headers: person.auth, ...more });

  test("answers 200 with the command, which has ended and made nothing", async () => {
    const id = keep();
    const { status, headers, body } = await withdraw(id);
    expect([status, headers["cache-control"]]).toEqual([200, "private, no-cache"]);
    expect(body).toMatchObject({
      object: "command",
      id,
      status: "withdrawn",
      position: null,
      finishedAt: expect.any(String),
      result: null,
      problem: null,
      explanation: null,
    });
    const [looked, listed] = await Promise.all(
      [`/v1/commands/${id}`, "/v1/commands?status=withdrawn"].map((url) =>
        gateway.ask({ url, headers: ann.auth }),
      ),
    );
    expect(looked?.body).toEqual(body);
    expect(listed?.body.data).toEqual([body]);
  });

  test("of one that has ended, withdrawn ones too, is 409 with the command", async () => {
    const id = keep(rejected);
    const { status, headers, body } = await withdraw(id);
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      409,
      "application/problem+json",
      "no-store",
    ]);
    expect(body).toMatchObject({
      code: "already-finished",
      instance: `/v1/commands/${id}`,
      command: { object: "command", id, status: "rejected", problem: { code: "sold-out" } },
    });
    const twice = keep();
    await withdraw(twice);
    expect((await withdraw(twice)).body).toMatchObject({
      code: "already-finished",
      command: { id: twice, status: "withdrawn" },
    });
  });

  test("is for who sent it and for admins; what others sent, or nobody, is 404", async () => {
    const id = keep();
    for (const person of [bob, organizer]) expect((await withdraw(id, person)).status).toBe(404);
    expect(gateway.commands.records.get(id)?.status).toBe("queued");
    const admin = await gateway.person("admin");
    expect((await withdraw(id, admin)).body).toMatchObject({ id, status: "withdrawn" });
    expect((await withdraw(keep({ userId: null, type: "expire-due" }), admin)).status).toBe(404);
    for (const unknown of [newId("command"), newId("reservation"), "cmd_nonsense"])
      expect((await withdraw(unknown)).status).toBe(404);
    expect((await gateway.ask({ method: "DELETE", url: `/v1/commands/${id}` })).status).toBe(401);
  });

  test("takes no body, and is no command that has a key", async () => {
    const id = keep();
    const payload = { reason: "changed my mind" };
    expect((await withdraw(id, ann, { payload })).body.errors).toMatchObject([{ pointer: "/reason" }]);
    const headers = { ...ann.auth, "idempotency-key": "two words" };
    expect((await withdraw(id, ann, { headers })).status).toBe(200);
  });

  test.each([true, false])(
    "ends what was asked: a repeat of it (replayed: %s) is 409 with the command",
    async (replayed) => {
      const withdrawn = { status: "withdrawn", outcome: { status: "withdrawn" } } as const;
      gateway.commands.answer = (submission) => {
        const record = recordOf(submission, { ...withdrawn, position: null, finishedAt: AT });
        gateway.commands.records.set(record.id, record);
        return { kind: "ended", outcome: withdrawn.outcome, replayed };
      };
      const { status, headers, body } = await reserve({}, { "idempotency-key": newId("command") });
      const { id } = last().command;
      expect([status, headers["idempotent-replayed"]]).toEqual([409, replayed ? "true" : undefined]);
      expect(headers["link"]).toBe(`</v1/commands/${id}>; rel="monitor"`);
      expect(body).toMatchObject({
        code: "already-finished",
        instance: `/v1/events/${event.id}/reserve`,
        command: { id, status: "withdrawn" },
      });
    },
  );
});

describe("looking at commands", () => {
  const look = (id: string, headers: Record<string, string> = {}, person: Person = ann) =>
    gateway.ask({ url: `/v1/commands/${id}`, headers: { ...person.auth, ...headers } });

  test("is always 200 for who sent it, and tells the position and when to ask again", async () => {
    const { status, headers, body } = await look(keep());
    expect([status, body.status, body.position]).toEqual([200, "queued", 3]);
    expect(["1", "2"]).toContain(headers["retry-after"]);
    expect(headers["cache-control"]).toBe("private, no-cache");
  });

  test("tells the problem of one that was rejected, and the reservation of one that succeeded", async () => {
    const refused = await look(keep(rejected));
    expect(refused.status).toBe(200);
    expect(refused.headers["retry-after"]).toBeUndefined();
    expect(refused.body).toMatchObject({
      status: "rejected",
      position: null,
      result: null,
      finishedAt: "2030-01-01T00:00:00.001Z",
      problem: { status: 409, code: "sold-out", nextStep: "join-waitlist" },
    });
    const failed = {
      ...rejected,
      status: "failed",
      outcome: { status: "failed", failure: "internal" },
    } as const;
    expect((await look(keep(failed))).body).toMatchObject({
      status: "failed",
      problem: { code: "internal" },
    });

    holds();
    await reserve({});
    const outcome: Outcome = { status: "succeeded", reservation: reservationOf(last()) };
    const done = await look(keep({ status: "succeeded", finishedAt: AT, position: null, outcome }));
    expect(done.body).toMatchObject({
      status: "succeeded",
      problem: null,
      result: { object: "reservation" },
    });
  });

  test("is 404 for others, and 200 for an admin", async () => {
    const id = keep();
    expect((await look(id, {}, bob)).status).toBe(404);
    expect((await look(id, {}, await gateway.person("admin"))).status).toBe(200);
    expect((await look(newId("command"))).status).toBe(404);
    expect((await look("cmd_nonsense")).status).toBe(404);
  });

  test("answers 304 while it is as it was", async () => {
    const id = keep();
    const tag = String((await look(id)).headers["etag"]);
    expect((await look(id, { "if-none-match": tag })).status).toBe(304);
    keep({ ...rejected, id });
    gateway.commands.records.set(id, { ...(gateway.commands.records.get(id) as CommandRecord), ...rejected });
    expect((await look(id, { "if-none-match": tag })).status).toBe(200);
    expect((await look(id, { "if-none-match": "*" })).status).toBe(304);
  });

  test("waits as long as is preferred, at most 25 s, and answers with the end", async () => {
    const id = keep();
    const waits: number[] = [];
    gateway.commands.onWatch = async (watched, waitMs) => {
      waits.push(waitMs);
      return { ...(gateway.commands.records.get(watched) as CommandRecord), ...rejected };
    };
    const { headers, body } = await look(id, { prefer: "wait=60" });
    expect([waits, headers["preference-applied"], body.status]).toEqual([[25_000], "wait=25", "rejected"]);
    await look(id, { prefer: "wait=0" });
    await look(id, { prefer: "respond-async" });
    expect(waits).toHaveLength(1);
    gateway.commands.onWatch = async () => null;
    expect((await look(id, { prefer: "wait=1" })).body.status).toBe("queued");
  });

  test("lets so many of a user's requests wait, and no more; each gives its place back", async () => {
    const id = keep();
    let entered = 0;
    const all = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    gateway.commands.onWatch = async () => {
      entered += 1;
      if (entered === LONG_POLLS_PER_USER_MAX) all.resolve();
      await release.promise;
      return null;
    };
    const waiting = Array.from({ length: LONG_POLLS_PER_USER_MAX }, () => look(id, { prefer: "wait=9" }));
    await all.promise;
    const { status, headers, body } = await look(id, { prefer: "wait=9" });
    expect([status, body.code]).toEqual([429, "rate-limited"]);
    expect(["1", "2"]).toContain(headers["retry-after"]);
    expect((await look(id)).status).toBe(200);
    release.resolve();
    expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual(waiting.map(() => 200));
    expect((await look(id, { prefer: "wait=9" })).status).toBe(200);
  });

  test("a stopping gateway lets nobody wait", async () => {
    const id = keep();
    const signals: AbortSignal[] = [];
    gateway.commands.onWatch = async (_, __, signal) => {
      signals.push(signal);
      return null;
    };
    await look(id, { prefer: "wait=9" });
    expect(signals.map((signal) => signal instanceof AbortSignal)).toEqual([true]);
  });

  test("lists one's own, the newest first, by status, in pages", async () => {
    const dan = await gateway.person();
    const ids = [keep({}, dan), keep(rejected, dan), keep({}, dan)];
    const list = async (query: string) =>
      (await gateway.ask({ url: `/v1/commands${query}`, headers: dan.auth })).body;
    expect((await list("")).data.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
    expect((await list("?status=rejected")).data).toMatchObject([
      { id: ids[1], problem: { code: "sold-out" } },
    ]);
    const page = await list("?limit=2");
    expect((await list(`?limit=2&cursor=${page.nextCursor}`)).data).toMatchObject([{ id: ids[0] }]);
  });

  test("lists one's own, the newest first, also when they were keyed: their ids are hashes", async () => {
    const eve = await gateway.person();
    const byId = hashedIds(eve.id, 5);
    const newestFirst = [3, 0, 4, 1, 2].flatMap((n) => byId[n] ?? []);
    for (const [n, id] of newestFirst.entries()) keep({ id, submittedAt: AT - Math.floor(n / 2) }, eve);
    expect(await idsOfPages("/v1/commands?limit=2", eve)).toEqual(newestFirst);
  });
});
