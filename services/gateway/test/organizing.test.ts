// What organizers ask of their events: how it is submitted and answered, and by whom it may be asked.
import type { EventFacts, Outcome, Slot, SlotId } from "@holdfast/domain";
import { slotIdOf } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { nameCommand } from "../src/idempotency.ts";
import type { Submission } from "../src/submit.ts";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

const AT = Date.UTC(2030, 0, 1);

let gateway: GatewayUnderTest;
let organizer: Person;
// biome-ignore lint/suspicious/noExplicitAny: an answer's body
let event: any;
let slotId: SlotId;
beforeAll(async () => {
  gateway = await openGateway();
  organizer = await gateway.person("organizer");
  event = await makeEvent();
  slotId = event.slots[0].id;
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.commands.submitted.length = 0;
  gateway.commands.answer = succeeds;
});

const makeEvent = async (slots = 2) =>
  (
    await gateway.ask({
      method: "POST",
      url: "/v1/events",
      headers: organizer.auth,
      payload: eventBody(slots),
    })
  ).body;
const ask = (
  method: string,
  url: string,
  payload?: unknown,
  headers: Record<string, string> = {},
  person: Person = organizer,
) =>
  gateway.ask({
    method,
    url,
    headers: { ...person.auth, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
const last = (): Submission => {
  const submission = gateway.commands.submitted.at(-1);
  if (submission === undefined) throw new Error("nothing was submitted");
  return submission;
};

const slotLeft = (id: SlotId): Slot => ({
  id,
  name: "hall",
  startsAt: AT,
  endsAt: AT + 3_600_000,
  capacity: 12,
  held: 1,
  purchased: 2,
  used: true,
  waiting: 3,
  parked: 3,
  lastSeq: 4,
  passers: [2],
  collecting: null,
  promoteAt: null,
});
const eventLeft = (submission: Submission): EventFacts => ({
  id: submission.command.eventId,
  organizerId: organizer.id,
  cancelledAt: submission.command.type === "cancel-event" ? AT : null,
  salesOpenAt: null,
  salesCloseAt: null,
  salesClosed: submission.command.type === "close-sales",
  holdSeconds: 300,
  offerSeconds: 900,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  waitlist: event.waitlist,
  name: "Renamed",
  description: null,
  venue: null,
  version: 2,
  createdAt: AT - 1,
  updatedAt: AT,
  slots: [{ ...slotLeft(slotId), startsAt: Date.now() + 3_600_000 }],
});
/** Ends as the rules would: with the slot that was named or made, or the event. */
const succeeds = (submission: Submission) => {
  const { command } = submission;
  const none = { status: "succeeded", reservation: null } as const;
  const named = "slotId" in command.input ? (command.input.slotId ?? slotId) : slotIdOf(command.id);
  const outcome: Outcome =
    "slotId" in command.input || command.type === "add-slot"
      ? { ...none, slot: slotLeft(named), available: 9 }
      : { ...none, event: eventLeft(submission), asOf: Date.now() };
  return { kind: "ended", outcome, replayed: false } as const;
};
const refuses = (refusal: (Outcome & { status: "rejected" })["refusal"]) => {
  gateway.commands.answer = () => ({
    kind: "ended",
    outcome: { status: "rejected", refusal },
    replayed: false,
  });
};

describe("changing an event", () => {
  test("submits what was given, times as milliseconds, and answers 200 with the event", async () => {
    const { status, headers, body } = await ask("PATCH", `/v1/events/${event.id}`, {
      name: "Renamed",
      salesOpenAt: "2030-01-01T02:00:00+02:00",
      waitlist: { mode: "strict" },
    });
    const { command } = last();
    expect(command).toMatchObject({
      type: "edit-event",
      eventId: event.id,
      userId: organizer.id,
      input: {
        edits: { name: "Renamed", salesOpenAt: AT, waitlist: { mode: "strict" } },
        ifVersion: null,
        role: "organizer",
      },
    });
    expect(Object.keys((command.input as { edits: object }).edits)).toEqual([
      "name",
      "salesOpenAt",
      "waitlist",
    ]);
    expect(status).toBe(200);
    expect(headers["location"]).toBeUndefined();
    expect(headers["link"]).toBe(`</v1/commands/${command.id}>; rel="monitor"`);
    expect(body).toMatchObject({
      object: "event",
      id: event.id,
      name: "Renamed",
      version: 2,
      status: "onSale",
      slots: [{ object: "slot", id: slotId, eventId: event.id, waiting: 3, available: 9 }],
    });
    expect(Object.keys(body).sort()).toEqual(Object.keys(event).sort());
  });

  test("null clears, or puts the default back; what is not there stays", async () => {
    await ask("PATCH", `/v1/events/${event.id}`, {
      venue: null,
      salesCloseAt: null,
      holdSeconds: null,
      overlapPolicy: null,
      waitlist: { maxSkips: null, enabled: false },
    });
    expect(last().command.input).toMatchObject({
      edits: {
        venue: null,
        salesCloseAt: null,
        holdSeconds: 300,
        overlapPolicy: "refuse",
        waitlist: { maxSkips: 5, enabled: false },
      },
    });
    await ask("PATCH", `/v1/events/${event.id}`, { waitlist: null });
    expect(last().command.input).toMatchObject({ edits: { waitlist: event.waitlist } });
    await ask("PATCH", `/v1/events/${event.id}`, {});
    expect(last().command.input).toMatchObject({ edits: {} });
  });

  test.each(["application/json", "application/merge-patch+json", "application/merge-patch+json;"])(
    "may be sent as %s",
    async (type) => {
      const url = `/v1/events/${event.id}`;
      expect((await ask("PATCH", url, '{"name":"X"}', { "content-type": type })).status).toBe(200);
    },
  );

  test.each<[string, number[] | null]>([
    ['"1.17"', [1]],
    ['"1.17", "2.0"', [1, 2]],
    ["*", null],
    ['W/"1.17"', []],
    ["nonsense", []],
  ])("If-Match: %s asks for the versions %j", async (tags, ifVersion) => {
    for (const [method, url, body] of [
      ["PATCH", `/v1/events/${event.id}`, { name: "X" }],
      ["POST", `/v1/events/${event.id}/slots`, newSlot],
      ["PATCH", `/v1/slots/${slotId}`, { name: "X" }],
      ["DELETE", `/v1/slots/${slotId}`, undefined],
    ] as const) {
      await ask(method, url, body, { "if-match": tags });
      expect(last().command.input).toMatchObject({ ifVersion });
    }
  });

  test("the tag of an event that was looked at is one that If-Match takes", async () => {
    const { headers } = await gateway.ask({ url: `/v1/events/${event.id}` });
    await ask("PATCH", `/v1/events/${event.id}`, { name: "X" }, { "if-match": String(headers["etag"]) });
    expect(last().command.input).toMatchObject({ ifVersion: [1] });
  });

  test.each([
    [{ code: "precondition-failed" }, 412, {}],
    [{ code: "slot-in-use" }, 409, {}],
    [{ code: "event-cancelled" }, 409, {}],
    [{ code: "limit-exceeded", limit: "slots" }, 409, { limit: "slots" }],
    [{ code: "capacity-below-committed", held: 3, purchased: 4 }, 409, { held: 3, purchased: 4 }],
    [
      { code: "validation-failed", pointer: "/salesCloseAt" },
      400,
      { errors: [{ pointer: "/salesCloseAt", detail: expect.any(String) }] },
    ],
  ] as const)("%j is answered %i, and is the outcome of a command", async (refusal, status, members) => {
    refuses(refusal);
    const answer = await ask("PATCH", `/v1/events/${event.id}`, { name: "X" });
    expect([answer.status, answer.body]).toEqual([
      status,
      expect.objectContaining({ code: refusal.code, ...members }),
    ]);
    expect(answer.headers["link"]).toContain(last().command.id);
  });
});

const newSlot = { startsAt: "2030-06-01T10:00:00Z", endsAt: "2030-06-01T12:00:00Z", capacity: 5 };

describe("slots", () => {
  test("a new one is answered 201 with the slot, and the event as where it is", async () => {
    const { status, headers, body } = await ask("POST", `/v1/events/${event.id}/slots`, newSlot);
    const { command } = last();
    expect(command).toMatchObject({
      type: "add-slot",
      eventId: event.id,
      input: {
        name: null,
        startsAt: Date.parse(newSlot.startsAt),
        endsAt: Date.parse(newSlot.endsAt),
        capacity: 5,
        ifVersion: null,
        role: "organizer",
      },
    });
    expect([status, headers["location"]]).toEqual([201, `/v1/events/${event.id}`]);
    expect(body).toEqual({
      object: "slot",
      id: slotIdOf(command.id),
      eventId: event.id,
      name: "hall",
      startsAt: "2030-01-01T00:00:00.000Z",
      endsAt: "2030-01-01T01:00:00.000Z",
      capacity: 12,
      held: 1,
      purchased: 2,
      available: 9,
      waiting: 3,
    });
  });

  test("are changed, removed and given other capacities by commands of their event", async () => {
    const edits = { name: null, startsAt: "2030-01-01T00:00:00Z", capacity: 0 };
    const changed = await ask("PATCH", `/v1/slots/${slotId}`, edits);
    expect([changed.status, changed.body.id]).toEqual([200, slotId]);
    expect(last().command).toMatchObject({
      type: "edit-slot",
      eventId: event.id,
      input: { slotId, edits: { name: null, startsAt: AT, capacity: 0 }, ifVersion: null, role: "organizer" },
    });

    const removed = await ask("DELETE", `/v1/slots/${slotId}`);
    expect([removed.status, removed.body.object]).toEqual([200, "slot"]);
    expect(last().command).toMatchObject({
      type: "remove-slot",
      eventId: event.id,
      input: { slotId, ifVersion: null, role: "organizer" },
    });

    const set = await ask("POST", `/v1/slots/${slotId}/capacity`, { capacity: 0 });
    expect([set.status, set.body.object]).toEqual([200, "slot"]);
    expect(last().command).toMatchObject({
      type: "set-capacity",
      eventId: event.id,
      input: { slotId, capacity: 0, role: "organizer" },
    });
  });

  test("that are not there are 404, but the repeat of a command goes where the first one went", async () => {
    const gone = newId("slot");
    const url = `/v1/slots/${gone}`;
    const keyed = { "idempotency-key": "once" };
    expect((await ask("DELETE", url)).status).toBe(404);
    expect((await ask("DELETE", url, undefined, keyed)).status).toBe(404);
    expect(gateway.commands.submitted).toEqual([]);

    const named = { userId: organizer.id, method: "DELETE", path: url, body: {} };
    const { id } = nameCommand("once", named);
    const record = {
      id,
      type: "remove-slot",
      eventId: event.id,
      userId: organizer.id,
      status: "succeeded",
      submittedAt: AT,
      finishedAt: AT,
      position: null,
      estimatedWaitMs: null,
      ticket: null,
      outcome: { status: "succeeded", reservation: null, slot: slotLeft(gone), available: 9 },
      seq: 1,
      seen: null,
    } as const;
    gateway.commands.records.set(id, record);
    gateway.commands.answer = () => ({ kind: "ended", outcome: record.outcome, replayed: true });
    const repeated = await ask("DELETE", url, undefined, keyed);
    expect([repeated.status, repeated.body.id]).toEqual([200, gone]);
    expect(repeated.headers["idempotent-replayed"]).toBe("true");
    expect(last().command).toMatchObject({ id, eventId: event.id });
    expect((await ask("DELETE", url, undefined, { "idempotency-key": "twice" })).status).toBe(404);
    const stranger = await gateway.person("organizer");
    expect((await ask("DELETE", url, undefined, keyed, stranger)).status).toBe(404);
  });
});

test.each(["cancel", "close-sales", "open-sales"])(
  "%s is a command, answered with the event",
  async (what) => {
    const { status, body } = await ask("POST", `/v1/events/${event.id}/${what}`);
    expect([status, body.object, body.id]).toEqual([200, "event", event.id]);
    expect(body.status).toBe({ cancel: "cancelled", "close-sales": "salesClosed" }[what] ?? "onSale");
    expect(last().command).toMatchObject({
      type: what === "cancel" ? "cancel-event" : what,
      eventId: event.id,
      input: { role: "organizer" },
    });
  },
);

describe("pausing", () => {
  test("is written to the event's lane, is told, and may be repeated; resuming asks for a drain", async () => {
    const { id } = await makeEvent();
    const pausedAt = async () =>
      (await gateway.database.pool.query("SELECT paused_at FROM event_lanes WHERE event_id = $1", [id]))
        .rows[0].paused_at;
    const act = async (what: string) => {
      const { status, body } = await ask("POST", `/v1/events/${id}/${what}`);
      return [status, body.object, body.status];
    };
    expect(await act("pause")).toEqual([200, "event", "paused"]);
    const first = await pausedAt();
    expect(await act("pause")).toEqual([200, "event", "paused"]);
    expect(await pausedAt()).toEqual(first);
    expect(gateway.activated).not.toContain(id);
    expect((await gateway.ask({ url: `/v1/events/${id}` })).body.status).toBe("paused");

    expect(await act("resume")).toEqual([200, "event", "onSale"]);
    expect(await pausedAt()).toBeNull();
    expect(gateway.activated.filter((activated) => activated === id)).toHaveLength(1);
    expect(await act("resume")).toEqual([200, "event", "onSale"]);
    expect(gateway.commands.submitted).toEqual([]);
  });

  test("waits for the batch that is under way", async () => {
    const { id } = await makeEvent();
    const worker = await gateway.database.pool.connect();
    let answered = false;
    try {
      await worker.query("BEGIN");
      await worker.query("SELECT FROM event_lanes WHERE event_id = $1 FOR UPDATE", [id]);
      const paused = ask("POST", `/v1/events/${id}/pause`).then((answer) => {
        answered = true;
        return answer;
      });
      const { rows } = await until("the pause to wait", async () => {
        const waiting = await gateway.database.pool.query(
          "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE event_lanes SET paused_at%' AND datname = current_database()",
        );
        return waiting.rows.length > 0 && waiting;
      });
      expect([rows.length, answered]).toEqual([1, false]);
      await worker.query("COMMIT");
      expect((await paused).status).toBe(200);
    } finally {
      worker.release();
    }
  });
});

describe("who may", () => {
  const ROUTES = [
    ["PATCH", (): string => `/v1/events/${event.id}`, { name: "X" }],
    ["POST", (): string => `/v1/events/${event.id}/slots`, newSlot],
    ["PATCH", (): string => `/v1/slots/${slotId}`, { name: "X" }],
    ["DELETE", (): string => `/v1/slots/${slotId}`, undefined],
    ["POST", (): string => `/v1/slots/${slotId}/capacity`, { capacity: 3 }],
    ["POST", (): string => `/v1/events/${event.id}/cancel`, undefined],
    ["POST", (): string => `/v1/events/${event.id}/close-sales`, undefined],
    ["POST", (): string => `/v1/events/${event.id}/open-sales`, undefined],
    ["POST", (): string => `/v1/events/${event.id}/pause`, undefined],
    ["POST", (): string => `/v1/events/${event.id}/resume`, undefined],
  ] as const;

  test("its organizer and admins, in their role; to other organizers it is not there, to users forbidden", async () => {
    const [user, stranger, admin] = [
      await gateway.person(),
      await gateway.person("organizer"),
      await gateway.person("admin"),
    ];
    for (const [method, url, body] of ROUTES) {
      const statusFor = async (person: Person) => (await ask(method, url(), body, {}, person)).status;
      expect([url(), await statusFor(user), await statusFor(stranger)]).toEqual([url(), 403, 404]);
      expect(gateway.commands.submitted).toEqual([]);
      expect([200, 201]).toContain(await statusFor(admin));
      for (const { command } of gateway.commands.submitted.splice(0))
        expect(command).toMatchObject({ userId: admin.id, input: { role: "admin" } });
    }
  });

  test("an organizer who is one no more may not, whatever the token says", async () => {
    const person = await gateway.person("organizer");
    const made = { method: "POST", url: "/v1/events", headers: person.auth, payload: eventBody() };
    const { id } = (await gateway.ask(made)).body;
    await gateway.database.pool.query("UPDATE users SET role = 'user' WHERE id = $1", [person.id]);
    expect((await ask("POST", `/v1/events/${id}/cancel`, undefined, {}, person)).status).toBe(403);
  });

  test("of what is not there is 404", async () => {
    for (const [method, url, body] of ROUTES) {
      const elsewhere = url().replace(event.id, newId("event")).replace(slotId, newId("slot"));
      expect([elsewhere, (await ask(method, elsewhere, body)).status]).toEqual([elsewhere, 404]);
      const malformed = url().replace(event.id, "evt_1").replace(slotId, "slt_1");
      expect([malformed, (await ask(method, malformed, body)).status]).toEqual([malformed, 404]);
    }
    expect(gateway.commands.submitted).toEqual([]);
  });
});
