// Making events and looking at them.
import { eventTag } from "@holdfast/contracts";
import { findEvent } from "@holdfast/db";
import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let organizer: Person;
beforeAll(async () => {
  gateway = await openGateway();
  organizer = await gateway.person("organizer");
});
afterAll(() => gateway.close());

const make = (payload: object) =>
  gateway.ask({ method: "POST", url: "/v1/events", headers: organizer.auth, payload });
const get = (url: string, headers: Record<string, string> = {}) => gateway.ask({ url, headers });
const sql = (text: string, values: unknown[] = []) => gateway.database.pool.query(text, values);

describe("making an event", () => {
  test("answers 201 with the event, its defaults, and where it is", async () => {
    const { status, headers, body } = await make(eventBody());
    expect(status).toBe(201);
    expect(headers["location"]).toBe(`/v1/events/${body.id}`);
    expect(headers["cache-control"]).toBe("no-store");
    expect(body).toEqual({
      object: "event",
      id: expect.stringMatching(/^evt_/),
      name: "A concert",
      description: null,
      venue: null,
      organizerId: organizer.id,
      status: "onSale",
      salesOpenAt: null,
      salesCloseAt: null,
      holdSeconds: 300,
      offerSeconds: 900,
      maxPerOrder: 10,
      maxPerUser: 10,
      overlapPolicy: "refuse",
      cancelCutoffSeconds: 0,
      waitlist: {
        enabled: true,
        mode: "skip",
        maxSkips: 5,
        collectSeconds: 900,
        maxEntries: 100_000,
        closesBeforeSeconds: 0,
      },
      totalTickets: 10,
      availableTickets: 10,
      slots: [
        {
          object: "slot",
          id: expect.stringMatching(/^slt_/),
          eventId: body.id,
          name: null,
          startsAt: expect.stringMatching(/Z$/),
          endsAt: expect.stringMatching(/Z$/),
          capacity: 10,
          held: 0,
          purchased: 0,
          available: 10,
          waiting: 0,
        },
      ],
      version: 1,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    expect((await get(`/v1/events/${body.id}`)).body).toEqual(body);
  });

  test("makes its lane with it", async () => {
    const { body } = await make(eventBody());
    const { rows } = await sql("SELECT fence, paused_at FROM event_lanes WHERE event_id = $1", [body.id]);
    expect(rows).toEqual([{ fence: "0", paused_at: null }]);
  });

  test("keeps everything as it was sent, and lists slots by their start", async () => {
    const text = `O'Hara"; DROP TABLE users; -- {{7*7}} \u001b[31m\r\nX: y \u202e`;
    const sent = eventBody(0, {
      name: text,
      description: text,
      venue: text,
      salesOpenAt: "2030-01-01T00:00:00+02:00",
      salesCloseAt: "2030-05-31T22:00:00.123Z",
      holdSeconds: 60,
      offerSeconds: 120,
      maxPerOrder: 2,
      maxPerUser: 4,
      overlapPolicy: "allow",
      cancelCutoffSeconds: 3600,
      waitlist: { enabled: false, mode: "strict" },
      slots: [
        {
          name: "late",
          startsAt: "2030-06-02T10:00:00Z",
          endsAt: "2030-06-02T12:00:00Z",
          capacity: 1_000_000,
        },
        { name: text, startsAt: "2030-06-01T10:00:00Z", endsAt: "2030-06-01T12:00:00Z", capacity: 1 },
      ],
    });
    const { status, body } = await make(sent);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: text,
      description: text,
      venue: text,
      status: "scheduled",
      salesOpenAt: "2029-12-31T22:00:00.000Z",
      salesCloseAt: "2030-05-31T22:00:00.123Z",
      holdSeconds: 60,
      overlapPolicy: "allow",
      waitlist: { enabled: false, mode: "strict", maxSkips: 5 },
      totalTickets: 1_000_001,
    });
    expect(body.slots.map((slot: { name: string }) => slot.name)).toEqual([text, "late"]);
  });

  test("takes a hundred slots", async () => {
    const slots = Array.from({ length: 100 }, (_, i) => ({
      startsAt: `2030-06-01T10:00:${String(i % 60).padStart(2, "0")}Z`,
      endsAt: "2030-06-01T12:00:00Z",
      capacity: 1,
    }));
    expect((await make({ name: "Many", slots })).body.slots).toHaveLength(100);
  });
});

describe("looking at an event", () => {
  test("may be kept for a second, and answers 304 while nothing has changed", async () => {
    const { id } = (await make(eventBody())).body;
    for (const url of [`/v1/events/${id}`, `/v1/events/${id}/availability`]) {
      const { headers } = await get(url);
      expect(headers["cache-control"]).toBe("public, max-age=1");
      const tag = String(headers["etag"]);
      expect(tag).toMatch(/^"1\.\d+"$/);
      const again = await get(url, { "if-none-match": `"other", W/${tag}` });
      expect([again.status, again.body]).toEqual([304, ""]);
      expect((await get(url, { "if-none-match": '"1.999"' })).status).toBe(200);
      await sql("UPDATE slots SET held = held + 1, inventory = inventory + 1 WHERE event_id = $1", [id]);
      expect((await get(url, { "if-none-match": tag })).status).toBe(200);
    }
  });

  test("tells the counters", async () => {
    const { id, slots } = (await make(eventBody(2))).body;
    await sql("UPDATE slots SET held = 3, purchased = 4 WHERE id = $1", [slots[0].id]);
    const { body } = await get(`/v1/events/${id}/availability`);
    expect(body).toEqual({
      object: "availability",
      eventId: id,
      status: "onSale",
      totalTickets: 20,
      availableTickets: 13,
      slots: [
        { slotId: slots[0].id, capacity: 10, held: 3, purchased: 4, available: 3, waiting: 0 },
        { slotId: slots[1].id, capacity: 10, held: 0, purchased: 0, available: 10, waiting: 0 },
      ],
    });
  });

  test.each([
    ["cancelled", "UPDATE events SET cancelled_at = now() WHERE id = $1"],
    ["paused", "UPDATE event_lanes SET paused_at = now() WHERE event_id = $1"],
    ["salesClosed", "UPDATE events SET sales_closed = true WHERE id = $1"],
    ["scheduled", "UPDATE events SET sales_open_at = now() + interval '1 hour' WHERE id = $1"],
    ["over", "UPDATE slots SET starts_at = now() - interval '1 hour' WHERE event_id = $1"],
  ])("says when it is %s, and tags it anew", async (status, change) => {
    const { id } = (await make(eventBody())).body;
    const before = (await get(`/v1/events/${id}`)).headers["etag"];
    await sql(change, [id]);
    const { body, headers } = await get(`/v1/events/${id}`);
    expect(body.status).toBe(status);
    expect(headers["etag"]).not.toBe(before);
  });

  test("its tag changes with time alone, when sales open", async () => {
    const { id } = (await make(eventBody(1, { salesOpenAt: "2030-01-01T00:00:00Z" }))).body;
    const event = await findEvent(gateway.database.pool, id);
    if (event === null) throw new Error("no such event");
    const opening = Date.parse("2030-01-01T00:00:00Z");
    const early = { ...event, slots: event.slots.map((slot) => ({ ...slot, startsAt: opening + 1_000 })) };
    expect(eventTag(early, opening - 1)).not.toBe(eventTag(early, opening));
  });

  test("is 404 for an unknown one, a malformed id, and another kind's id", async () => {
    for (const id of [newId("event"), newId("slot"), "evt_1", "%zz", "a%2Fb", "%00", "x".repeat(300)]) {
      const { status, body } = await get(`/v1/events/${id}`);
      expect([id, status, body.code]).toEqual([id, 404, "not-found"]);
    }
  });
});

describe("listing events", () => {
  const word = `festival${Math.random().toString(36).slice(2)}`;
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const one = async (name: string, startsIn: number) =>
    (await make({ name, slots: [{ startsAt: at(startsIn), endsAt: at(startsIn + 2), capacity: 1 }] })).body
      .id;
  const names = (body: { data: { name: string }[] }) => body.data.map(({ name }) => name);
  beforeAll(async () => {
    for (const [name, startsIn] of Object.entries({ a: -30, b: -20, c: -1, d: 10, e: 20 })) {
      await one(`${word} ${name}`, startsIn);
    }
  });

  test("upcoming ones by start, past ones the latest first, all by start", async () => {
    const list = async (when: string) =>
      names((await get(`/v1/events?q=${word}${when}`)).body).map((n) => n.at(-1));
    expect(await list("")).toEqual(["c", "d", "e"]);
    expect(await list("&when=past")).toEqual(["b", "a"]);
    expect(await list("&when=all")).toEqual(["a", "b", "c", "d", "e"]);
  });

  test.each(["upcoming", "past", "all"])("leads through the pages of %s by cursor and Link", async (when) => {
    const whole = names((await get(`/v1/events?q=${word}&when=${when}`)).body);
    const seen: string[] = [];
    let url: string | undefined = `/v1/events?q=${word}&when=${when}&limit=2`;
    while (url !== undefined) {
      const { body, headers }: Awaited<ReturnType<typeof get>> = await get(url);
      seen.push(...names(body));
      expect(body.hasMore).toBe(body.nextCursor !== null);
      const next: string | undefined = /<([^>]+)>; rel="next"/.exec(String(headers["link"]))?.[1];
      expect(next !== undefined).toBe(body.hasMore);
      url = next;
    }
    expect(seen).toEqual(whole);
  });

  test("treats what SQL would read as a pattern as plain text", async () => {
    await one(`${word} 100%_\\`, 5);
    expect(names((await get(`/v1/events?q=${encodeURIComponent("100%_\\")}`)).body)).toEqual([
      `${word} 100%_\\`,
    ]);
    expect((await get("/v1/events?q=%25%25%25")).body.data).toEqual([]);
  });

  test.each([
    "limit=0",
    "limit=101",
    "limit=-1",
    "limit=1.5",
    "limit=1e1",
    "limit=abc",
    "limit=",
    "limit=10&limit=10",
    "unknown=1",
    "when=never",
    "when=past&when=past",
    "q=",
    `q=${"x".repeat(101)}`,
    "q=%00",
    "q=%ff",
    "cursor=forged",
    "cursor=",
    `cursor=${Buffer.from('{"startsAt":1,"id":"evt_x"}').toString("base64url")}`,
    `cursor=${Buffer.from('{"startsAt":"2030","id":null}').toString("base64url")}`,
    "__proto__=1",
    "constructor=1",
  ])("refuses ?%s (F7)", async (query) => {
    const { status, body } = await get(`/v1/events?${query}`);
    expect([status, body.code]).toEqual([400, "validation-failed"]);
    expect(body.errors.length).toBeGreaterThan(0);
  });
});
