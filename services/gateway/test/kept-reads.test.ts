// Reads at the door of a gateway that keeps them: what is told from memory is told as if it had just been read.
import type { EventId } from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let organizer: Person;
beforeAll(async () => {
  gateway = await openGateway({ keepsReads: true });
  organizer = await gateway.person("organizer");
});
afterAll(() => gateway.close());

const make = async (more: Record<string, unknown> = {}) =>
  (
    await gateway.ask({
      method: "POST",
      url: "/v1/events",
      headers: organizer.auth,
      payload: eventBody(1, more),
    })
  ).body;
const get = (url: string, headers: Record<string, string> = {}) => gateway.ask({ url, headers });

async function readsFrom(source: string, metric = "holdfast_event_reads_total"): Promise<number> {
  const { values = [] } = (await gateway.metrics.getSingleMetric(metric)?.get()) ?? {};
  return values.find(({ labels }) => labels["source"] === source)?.value ?? 0;
}

/** Asks again and again until it was answered from memory: a slow machine may take half a second between two. */
async function fromMemory<Told>(ask: () => Promise<Told>, metric?: string): Promise<Told> {
  for (;;) {
    const before = await readsFrom("memory", metric);
    const told = await ask();
    if ((await readsFrom("memory", metric)) > before) return told;
  }
}

describe("a read of an event from memory", () => {
  test.each(["", "/availability"])(
    "has the body and the headers of one from the tables (%s)",
    async (form) => {
      const url = `/v1/events/${(await make()).id}${form}`;
      const first = await get(url);
      const again = await fromMemory(() => get(url));
      const { date: _, "x-request-id": firstId, ...headers } = first.headers;
      const { date: __, "x-request-id": againId, ...sameHeaders } = again.headers;
      expect(first.status).toBe(200);
      expect(again.body).toEqual(first.body);
      expect(sameHeaders).toEqual(headers);
      expect(headers).toMatchObject({
        "content-type": "application/json; charset=utf-8",
        "cache-control": "public, max-age=1",
        etag: expect.stringMatching(/^"1\.\d+"$/),
        "x-content-type-options": "nosniff",
        ...(form === "" ? {} : { vary: "Accept" }),
      });
      expect(againId).not.toBe(firstId);
    },
  );

  test("is 304 to who knows it, and has no body for HEAD", async () => {
    const url = `/v1/events/${(await make()).id}`;
    const { headers, body } = await get(url);
    const known = await fromMemory(() => get(url, { "if-none-match": String(headers["etag"]) }));
    expect([known.status, known.body, known.headers["etag"]]).toEqual([304, "", headers["etag"]]);
    const head = await fromMemory(() => gateway.ask({ method: "HEAD", url }));
    expect([head.status, head.body]).toEqual([200, ""]);
    expect(Number(head.headers["content-length"])).toBe(Buffer.byteLength(JSON.stringify(body)));
  });

  test("is refused for what is refused, however often it was read", async () => {
    const url = `/v1/events/${(await make()).id}`;
    await get(url);
    expect((await get(url, { accept: "text/html" })).status).toBe(406);
    expect((await get(`${url}?unknown=1`)).status).toBe(400);
    expect((await gateway.ask({ url, headers: { "content-length": "2" }, payload: "{}" })).status).toBe(400);
  });

  test("shows at once that this gateway has halted the event, and let it go on", async () => {
    const { id } = await make();
    const url = `/v1/events/${id}`;
    for (const [verb, status] of [
      ["pause", "paused"],
      ["resume", "onSale"],
    ] as const) {
      await get(url);
      await gateway.ask({ method: "POST", url: `${url}/${verb}`, headers: organizer.auth });
      expect((await get(url)).body.status).toBe(status);
    }
  });

  test("shows what a command has done whose outcome this gateway has told", async () => {
    const { id, slots } = await make();
    const url = `/v1/events/${id}/availability`;
    const commit = (held: number) =>
      gateway.database.pool.query("UPDATE slots SET held = $2 WHERE event_id = $1", [id, held]);
    gateway.commands.answer = () => ({
      kind: "ended",
      outcome: { status: "rejected", refusal: { code: "sold-out" } },
      replayed: false,
    });
    for (let held = 1; held <= 10; held += 1) {
      await get(url);
      await commit(held);
      await gateway.ask({ method: "POST", url: `/v1/events/${id}/reserve`, headers: organizer.auth });
      expect((await get(url)).body.slots).toMatchObject([{ slotId: slots[0].id, held }]);
    }
  });

  test("of thousands that are not there keeps none", async () => {
    const { id } = await make();
    const unknown = `${id.slice(0, -4)}0000` as EventId;
    const before = await readsFrom("postgres");
    for (let i = 0; i < 3; i += 1) expect((await get(`/v1/events/${unknown}`)).status).toBe(404);
    expect(await readsFrom("postgres")).toBe(before + 3);
  });
});

describe("a page of events", () => {
  const PAGES = "holdfast_listing_reads_total";

  test("has a tag, by which it is 304 until a figure in it changes, and is still kept by nobody else", async () => {
    const word = `festival${Math.random().toString(36).slice(2)}`;
    const { id } = await make({ name: word });
    const url = `/v1/events?q=${word}`;
    const { headers, body } = await get(url);
    expect(headers["cache-control"]).toBe("no-store");
    expect(body.data).toHaveLength(1);
    const tag = String(headers["etag"]);
    const known = await fromMemory(() => get(url, { "if-none-match": tag }), PAGES);
    expect([known.status, known.body]).toEqual([304, ""]);
    const again = await fromMemory(() => get(url), PAGES);
    expect(again.body).toEqual(body);
    expect(again.headers["link"]).toBe(headers["link"]);

    await gateway.database.pool.query("UPDATE slots SET held = 1 WHERE event_id = $1", [id]);
    await gateway.ask({ method: "POST", url: `/v1/events/${id}/pause`, headers: organizer.auth });
    const changed = await get(url, { "if-none-match": tag });
    expect([changed.status, changed.body.data[0].slots[0].held]).toEqual([200, 1]);
    expect(changed.headers["etag"]).not.toBe(tag);
  });

  test("shows an event at once that this gateway has made", async () => {
    const word = `festival${Math.random().toString(36).slice(2)}`;
    for (let made = 1; made <= 5; made += 1) {
      await make({ name: word });
      expect((await get(`/v1/events?q=${word}`)).body.data).toHaveLength(made);
    }
  });

  test("that was asked for with a cursor of one's own making is refused each time", async () => {
    for (let i = 0; i < 3; i += 1) expect((await get("/v1/events?cursor=forged")).status).toBe(400);
  });
});

describe("where reads are limited", () => {
  let limited: GatewayUnderTest;
  beforeAll(async () => {
    limited = await openGateway({ keepsReads: true, limits: true });
  });
  afterAll(() => limited.close());

  test("they are counted wherever they are answered from", async () => {
    const { auth } = await limited.person("organizer");
    const asked = { method: "POST", url: "/v1/events", headers: auth, payload: eventBody() };
    const { id } = (await limited.ask(asked)).body;
    const left = async () => {
      const { headers } = await limited.ask({ url: `/v1/events/${id}` });
      return Number(/r=(\d+)/.exec(String(headers["ratelimit"]))?.[1]);
    };
    const first = await left();
    expect(await left()).toBe(first - 1);
  });
});
