// What Accept chooses, and what it rules out.
import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Form, formOf } from "../src/accept.ts";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

describe("of an endpoint with JSON and with JSON and a stream", () => {
  test.each<[string | undefined, Form | null, Form | null]>([
    [undefined, "json", "json"],
    ["", "json", "json"],
    [" ", "json", "json"],
    ["*/*", "json", "json"],
    ["application/json", "json", "json"],
    ["Application/JSON; charset=utf-8", "json", "json"],
    ["application/*", "json", "json"],
    [BROWSER, "json", "json"],
    ["application/json, text/plain, */*", "json", "json"],
    ["text/event-stream", null, "stream"],
    ["TEXT/event-stream ; q=1.000", null, "stream"],
    ["text/event-stream, */*", "json", "stream"],
    ["text/event-stream, application/json", "json", "stream"],
    ["text/event-stream;q=0.5, application/json;q=0.5", "json", "stream"],
    ["application/json, text/event-stream", "json", "json"],
    ["application/json;q=0.5, text/event-stream;q=0.5", "json", "json"],
    ["application/json;q=0.4, text/event-stream;q=0.5", "json", "stream"],
    ["*/*, text/event-stream", "json", "stream"],
    ["text/event-stream;q=0.5, application/json", "json", "json"],
    ["text/event-stream;q=0.9, */*;q=0.1", "json", "stream"],
    ["text/event-stream;q=0, */*", "json", "json"],
    ["text/event-stream;q=0", null, null],
    ["text/*", null, "stream"],
    ["text/*, application/json;q=0.1", "json", "json"],
    ["application/json;q=0", null, null],
    ["application/json;q=0, */*", null, "stream"],
    ["application/json;q=0.000, application/*", null, null],
    ["application/*;q=0, */*", null, "stream"],
    ["*/*;q=0", null, null],
    ["*/*;q=0.001", "json", "json"],
    ["text/html", null, null],
    ["application/problem+json", null, null],
    ["application/xml, application/json;q=0.2", "json", "json"],
    ["application/json;q=0, application/json", "json", "json"],
    [",, application/json,", "json", "json"],
    ["application/json;q=2", null, null],
    ["application/json;q=-1", null, null],
    ["application/json;q=0.1234", null, null],
    ["application/json;q=", null, null],
    ["application/json;q", null, null],
    ["application/json;q=1;q=0", "json", "json"],
    ["application/json;v=2;Q=0.3", "json", "json"],
    ["json", null, null],
    ["*", null, null],
    ["*/json", null, null],
    ["application / json", null, null],
    ["\u0000", null, null],
  ])("%j is %s and %s", (accept, plain, streaming) => {
    expect(formOf(accept, false)).toBe(plain);
    expect(formOf(accept, true)).toBe(streaming);
  });

  test("however long it is, it is read at once", () => {
    const startedAt = performance.now();
    for (const piece of ["a/b,", ";", " ", "q=", ",;=", "application/json;q=0,"]) {
      formOf(piece.repeat(16_384 / piece.length), true);
    }
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

describe("at the door", () => {
  let gateway: GatewayUnderTest;
  let ann: Person;
  let organizer: Person;
  beforeAll(async () => {
    gateway = await openGateway();
    ann = await gateway.person();
    organizer = await gateway.person("organizer");
  });
  afterAll(() => gateway.close());

  const PICKY = { accept: "text/html" };
  const ask = (
    method: string,
    url: string,
    headers: Record<string, string> = PICKY,
    person: Person | null = null,
    payload?: object,
  ) =>
    gateway.ask({
      method,
      url,
      headers: { ...person?.auth, ...headers },
      ...(payload === undefined ? {} : { payload }),
    });

  test("what cannot be answered as wanted is 406, and changes nothing", async () => {
    const refused = await ask("POST", "/v1/events", PICKY, organizer, eventBody());
    expect([refused.status, refused.body.code, refused.headers["content-type"]]).toEqual([
      406,
      "not-acceptable",
      "application/problem+json",
    ]);
    expect((await ask("GET", "/v1/events?when=all", {})).body.data).toEqual([]);
    const streamless = { accept: "text/event-stream" };
    expect((await ask("GET", "/v1/events", streamless)).status).toBe(406);
    const reserve = `/v1/events/${newId("event")}/reserve`;
    expect((await ask("POST", reserve, streamless, ann)).status).toBe(406);
    expect(gateway.commands.submitted).toEqual([]);
  });

  test("it comes behind route, method, token and role, and before body, fields and what is not there", async () => {
    const reserve = `/v1/events/${newId("event")}/reserve`;
    expect((await ask("GET", "/no/such/path")).status).toBe(404);
    expect((await ask("PUT", "/v1/events")).status).toBe(405);
    expect((await ask("POST", reserve)).status).toBe(401);
    expect((await ask("POST", "/v1/events", PICKY, ann, {})).status).toBe(403);
    expect((await ask("POST", "/v1/events", PICKY, organizer, { name: "x".repeat(20_000) })).status).toBe(
      406,
    );
    const xml = { ...PICKY, "content-type": "application/xml" };
    expect((await ask("POST", "/v1/events", xml, organizer, {})).status).toBe(406);
    expect((await ask("POST", "/v1/events", PICKY, organizer, { name: 1 })).status).toBe(406);
    expect((await ask("GET", `/v1/events/${newId("event")}`)).status).toBe(406);
    expect((await ask("GET", "/v1/events/nonsense")).status).toBe(406);
  });

  test("who asks for health, pages or the document is answered whatever it takes", async () => {
    for (const url of ["/livez", "/readyz", "/openapi.json", "/docs/problems", "/ops/login"]) {
      expect([url, (await ask("GET", url, { accept: "image/png" })).status]).toEqual([url, 200]);
    }
  });

  test("only where there are streams the answer varies with it: on all answers there, refusals too", async () => {
    const made = await ask("POST", "/v1/events", {}, organizer, eventBody());
    expect(made.headers["vary"]).toBeUndefined();
    const event = `/v1/events/${made.body.id}`;
    expect((await ask("GET", event, {})).headers["vary"]).toBeUndefined();
    const shown = await ask("GET", `${event}/availability`, {});
    expect([shown.status, shown.headers["vary"]]).toEqual([200, "Accept"]);
    const known = { "if-none-match": String(shown.headers["etag"]) };
    for (const [status, url, headers, person] of [
      [304, `${event}/availability`, known, null],
      [406, `${event}/availability`, PICKY, null],
      [404, `/v1/events/${newId("event")}/availability`, {}, null],
      [401, `/v1/commands/${newId("command")}`, {}, null],
      [404, `/v1/commands/${newId("command")}`, {}, ann],
    ] as const) {
      const answer = await ask("GET", url, headers, person);
      expect([url, answer.status, answer.headers["vary"]]).toEqual([url, status, "Accept"]);
    }
    expect((await ask("GET", "/v1/commands", {}, ann)).headers["vary"]).toBeUndefined();
  });
});
