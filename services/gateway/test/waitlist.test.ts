// Waiting for a slot: how joining and leaving are submitted and answered, and who sees which entries.
import {
  type Outcome,
  offerIdOf,
  type UserId,
  type WaitlistEntry,
  type WaitlistEntryId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Submission } from "../src/submit.ts";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

const AT = Date.UTC(2030, 0, 1);

let gateway: GatewayUnderTest;
let organizer: Person;
let ann: Person;
// biome-ignore lint/suspicious/noExplicitAny: an answer's body
let event: any;
let slotId: string;
beforeAll(async () => {
  gateway = await openGateway();
  organizer = await gateway.person("organizer");
  ann = await gateway.person();
  const made = { method: "POST", url: "/v1/events", headers: organizer.auth, payload: eventBody(2) };
  event = (await gateway.ask(made)).body;
  slotId = event.slots[0].id;
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.commands.submitted.length = 0;
});

const ask = (
  method: string,
  url: string,
  person: Person,
  payload?: unknown,
  headers: Record<string, string> = {},
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

function entryOf({ command }: Submission, more: Partial<WaitlistEntry> = {}): WaitlistEntry {
  return {
    id: waitlistEntryIdOf(command.id),
    eventId: command.eventId,
    slotId: event.slots[0].id,
    userId: command.userId as UserId,
    quantity: 1,
    status: "waiting",
    seq: 9,
    createdAt: AT,
    offeredAt: null,
    endedAt: null,
    endReason: null,
    recheckAt: null,
    lastPassedOver: null,
    ...more,
  };
}
const waits = () => {
  gateway.commands.answer = (submission) => ({
    kind: "ended",
    outcome: { status: "succeeded", reservation: null, entry: entryOf(submission), position: 3 },
    replayed: false,
  });
};
const refuses = (outcome: Outcome) => {
  gateway.commands.answer = () => ({ kind: "ended", outcome, replayed: false });
};

/** An entry as the worker would have written it. */
async function storedEntry(
  person: Person,
  seq: number,
  { status = "waiting", slot = event.slots[1].id, createdAt = AT + seq } = {},
): Promise<WaitlistEntryId> {
  const id = newId("waitlistEntry");
  await gateway.database.pool.query(
    `WITH made AS (
      INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, offered_at,
        ended_at, end_reason)
      SELECT $1, event_id, id, $3, 1, $4, $5, to_timestamp($6::float8 / 1000), CASE WHEN $4 = 'offered' THEN now() END,
        CASE WHEN $4 = 'left' THEN now() END, CASE WHEN $4 = 'left' THEN 'user' END
      FROM slots WHERE id = $2
    )
    INSERT INTO waitlist_stretches AS s (slot_id, stretch, waiting) VALUES ($2, 0, ($4 = 'waiting')::int)
    ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = s.waiting + excluded.waiting`,
    [id, slot, person.id, status, seq, createdAt],
  );
  return id;
}

describe("joining", () => {
  test("asks for one ticket without a body, and answers 201 with the entry and where it is", async () => {
    waits();
    const { status, headers, body } = await ask("POST", `/v1/slots/${slotId}/waitlist`, ann);
    expect(status).toBe(201);
    const { command } = last();
    expect(command).toMatchObject({
      type: "join-waitlist",
      eventId: event.id,
      userId: ann.id,
      input: { slotId, quantity: 1 },
    });
    expect(headers["location"]).toBe(`/v1/waitlist/${body.id}`);
    expect(headers["link"]).toBe(`</v1/commands/${command.id}>; rel="monitor"`);
    expect(body).toEqual({
      object: "waitlistEntry",
      id: waitlistEntryIdOf(command.id),
      eventId: event.id,
      slotId,
      userId: ann.id,
      quantity: 1,
      status: "waiting",
      position: 3,
      offer: null,
      lastPassedOver: null,
      createdAt: "2030-01-01T00:00:00.000Z",
      offeredAt: null,
      endedAt: null,
      endReason: null,
    });
    await ask("POST", `/v1/slots/${slotId}/waitlist`, ann, { quantity: 4 });
    expect(last().command.input).toEqual({ slotId, quantity: 4 });
  });

  test("for an unknown slot is 404 and makes no command", async () => {
    for (const id of [newId("slot"), newId("event"), "slt_1"])
      expect((await ask("POST", `/v1/slots/${id}/waitlist`, ann)).status).toBe(404);
    expect(gateway.commands.submitted).toEqual([]);
  });

  test("instead of being refused is asked for with onSoldOut", async () => {
    waits();
    const { status, headers, body } = await ask("POST", `/v1/events/${event.id}/reserve`, ann, {
      slotId,
      quantity: 2,
      onSoldOut: "waitlist",
    });
    expect([status, body.object]).toEqual([201, "waitlistEntry"]);
    expect(headers["location"]).toBe(`/v1/waitlist/${body.id}`);
    expect(last().command).toMatchObject({ type: "reserve", input: { slotId, quantity: 2, orWait: true } });
    await ask("POST", `/v1/events/${event.id}/reserve`, ann, { slotId, onSoldOut: "refuse" });
    expect(last().command.input).toEqual({ slotId, quantity: 1 });
  });

  test.each<[Outcome & { status: "rejected" }, number, object]>([
    [
      {
        status: "rejected",
        refusal: { code: "already-waiting", waitlistEntryId: waitlistEntryIdOf(newId("command")) },
      },
      409,
      { waitlistEntryId: expect.stringMatching(/^wle_/), nextStep: "use-existing" },
    ],
    [{ status: "rejected", refusal: { code: "waitlist-closed" } }, 409, {}],
    [{ status: "rejected", refusal: { code: "waitlist-full" } }, 409, {}],
    [{ status: "rejected", refusal: { code: "tickets-available" } }, 409, {}],
    [
      { status: "rejected", refusal: { code: "limit-exceeded", limit: "cooldown", retryAt: AT } },
      409,
      { limit: "cooldown", retryAt: "2030-01-01T00:00:00.000Z", nextStep: "retry-after" },
    ],
  ])("%j is answered %i", async (outcome, status, members) => {
    refuses(outcome);
    const answer = await ask("POST", `/v1/slots/${slotId}/waitlist`, ann);
    expect([answer.status, answer.body]).toEqual([
      status,
      expect.objectContaining({ code: outcome.refusal.code, ...members }),
    ]);
  });
});

describe("leaving", () => {
  test("goes to the event of the entry, in the role of who asks, and answers 200 with the entry", async () => {
    const id = await storedEntry(ann, 1);
    const leaves = (reason: "user" | "organizer") => {
      gateway.commands.answer = (submission) => {
        const entry = entryOf(submission, { id, status: "left", endedAt: AT, endReason: reason });
        const outcome = { status: "succeeded", reservation: null, entry, position: null } as const;
        return { kind: "ended", outcome, replayed: false };
      };
    };
    leaves("user");
    const { status, headers, body } = await ask("DELETE", `/v1/waitlist/${id}`, ann);
    expect([status, body.status, body.position, body.endReason]).toEqual([200, "left", null, "user"]);
    expect(headers["location"]).toBeUndefined();
    expect(last().command).toMatchObject({
      type: "leave-waitlist",
      eventId: event.id,
      userId: ann.id,
      input: { entryId: id, role: "user" },
    });
    leaves("organizer");
    expect((await ask("DELETE", `/v1/waitlist/${id}`, organizer, {})).status).toBe(200);
    expect(last().command.input).toEqual({ entryId: id, role: "organizer" });
    await ask("DELETE", `/v1/waitlist/${id}`, await gateway.person("admin"));
    expect(last().command.input).toEqual({ entryId: id, role: "admin" });
  });

  test("for somebody else, and what is not there, is 404 and makes no command", async () => {
    const id = await storedEntry(await gateway.person(), 2);
    for (const person of [ann, await gateway.person("organizer")])
      expect((await ask("DELETE", `/v1/waitlist/${id}`, person)).status).toBe(404);
    for (const unknown of [newId("waitlistEntry"), newId("reservation"), "wle_1"])
      expect((await ask("DELETE", `/v1/waitlist/${unknown}`, ann)).status).toBe(404);
    expect(gateway.commands.submitted).toEqual([]);
  });
});

describe("entries", () => {
  test("can be looked at one by one, by their owner only, with place and offer", async () => {
    const [bea, cy] = [await gateway.person(), await gateway.person()];
    const waiting = await storedEntry(bea, 11);
    const offered = await storedEntry(cy, 12, { status: "offered" });
    await gateway.database.pool.query(
      `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        during, exclusive)
      SELECT $1, s.event_id, s.id, $3, 1, 'held', 'waitlist', now() + interval '15 minutes', now(),
        tstzrange(s.starts_at, s.ends_at), true FROM slots s WHERE s.id = $2`,
      [offerIdOf(offered), event.slots[1].id, cy.id],
    );
    const mine = await ask("GET", `/v1/waitlist/${waiting}`, bea);
    expect([mine.status, mine.headers["cache-control"]]).toEqual([200, "no-store"]);
    expect(mine.body).toMatchObject({ id: waiting, status: "waiting", offer: null });
    expect(mine.body.position).toBeGreaterThan(0);
    expect((await ask("GET", `/v1/waitlist/${offered}`, cy)).body).toMatchObject({
      status: "offered",
      position: null,
      offer: { object: "reservation", id: offerIdOf(offered), origin: "waitlist", status: "held" },
    });
    for (const [id, person] of [
      [waiting, cy],
      [waiting, organizer],
      [newId("waitlistEntry"), bea],
      ["wle_nonsense", bea],
    ] as const)
      expect((await ask("GET", `/v1/waitlist/${id}`, person)).status).toBe(404);
  });

  test("of a user are listed the newest first, by status and event, in pages", async () => {
    const dan = await gateway.person();
    const ids = [
      await storedEntry(dan, 21, { status: "left" }),
      await storedEntry(dan, 22),
      await storedEntry(dan, 23, { slot: slotId }),
    ];
    const list = async (query: string) => (await ask("GET", `/v1/waitlist${query}`, dan)).body;
    const idsOf = async (query: string) => (await list(query)).data.map(({ id }: { id: string }) => id);
    expect(await idsOf("")).toEqual(ids.toReversed());
    expect(await idsOf("?status=waiting")).toEqual([ids[2], ids[1]]);
    expect(await idsOf(`?eventId=${newId("event")}`)).toEqual([]);
    const page = await list("?limit=2");
    expect(page).toMatchObject({ object: "list", hasMore: true });
    expect(await list(`?limit=2&cursor=${page.nextCursor}`)).toMatchObject({
      data: [{ id: ids[0] }],
      hasMore: false,
    });
  });

  test("of a slot are listed from the head on, for its organizer and admins", async () => {
    const made = { method: "POST", url: "/v1/events", headers: organizer.auth, payload: eventBody(1) };
    const slot = (await gateway.ask(made)).body.slots[0].id;
    const people = [await gateway.person(), await gateway.person(), await gateway.person()];
    const ids: string[] = [];
    for (const [n, person] of people.entries())
      ids.push(await storedEntry(person, n + 1, { slot, status: n === 1 ? "left" : "waiting" }));
    const url = `/v1/slots/${slot}/waitlist`;
    const { body } = await ask("GET", url, organizer);
    expect(body.data.map(({ id, position }: { id: string; position: number }) => [id, position])).toEqual([
      [ids[0], 1],
      [ids[1], null],
      [ids[2], 2],
    ]);
    const page = (await ask("GET", `${url}?limit=1&status=waiting`, organizer)).body;
    expect(
      (await ask("GET", `${url}?status=waiting&cursor=${page.nextCursor}`, organizer)).body,
    ).toMatchObject({
      data: [{ id: ids[2] }],
      nextCursor: null,
    });
    expect((await ask("GET", url, await gateway.person("admin"))).status).toBe(200);
    expect((await ask("GET", url, await gateway.person("organizer"))).status).toBe(404);
    expect((await ask("GET", url, people[0] ?? ann)).status).toBe(403);
    expect((await ask("GET", `/v1/slots/${newId("slot")}/waitlist`, organizer)).status).toBe(404);
  });

  test.each([
    "limit=0",
    "status=held",
    "eventId=1",
    "unknown=1",
    "cursor=forged",
    `cursor=${Buffer.from(JSON.stringify({ createdAt: 9e15, id: newId("waitlistEntry") })).toString("base64url")}`,
    `cursor=${Buffer.from(JSON.stringify({ createdAt: AT, id: newId("reservation") })).toString("base64url")}`,
  ])("refuse ?%s (F7)", async (query) => {
    const { status, body } = await ask("GET", `/v1/waitlist?${query}`, ann);
    expect([status, body.code]).toEqual([400, "validation-failed"]);
  });

  test.each(["0", "-1", "1.5", "2147483648", '"1"', "null", "{}"])(
    "of a slot refuse the forged cursor %s (F7)",
    async (forged) => {
      const cursor = Buffer.from(forged).toString("base64url");
      const { status, body } = await ask("GET", `/v1/slots/${slotId}/waitlist?cursor=${cursor}`, organizer);
      expect([status, body.code]).toEqual([400, "validation-failed"]);
    },
  );
});
