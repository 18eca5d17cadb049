// F7: malformed, mistyped, oversized and forged requests get the problem that is promised, never a 5xx, and change
// nothing. Through the front door as clients knock, and over bare sockets for what no client library would send.
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { newId } from "@holdfast/runtime";
import { createEndpoint } from "@holdfast/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Answer,
  eventBody,
  type GatewayUnderTest,
  openGateway,
  type Person,
} from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let user: Person;
let organizer: Person;
let admin: Person;
let eventId: string;
let slotId: string;
let webhookId: string;
let port: number;
let before: unknown;

beforeAll(async () => {
  gateway = await openGateway();
  user = await gateway.person();
  organizer = await gateway.person("organizer");
  admin = await gateway.person("admin");
  const { body } = await gateway.ask({
    method: "POST",
    url: "/v1/events",
    headers: organizer.auth,
    payload: eventBody(),
  });
  eventId = body.id;
  slotId = body.slots[0].id;
  webhookId = await createEndpoint(gateway.database.pool, admin.id);
  port = Number(new URL(gateway.url).port);
});
afterAll(() => gateway.close());

/** Everything that a request could have changed. */
async function everything(): Promise<unknown> {
  const tables = [
    "users",
    "sessions",
    "refresh_tokens",
    "events",
    "slots",
    "event_lanes",
    "reservations",
    "waitlist_entries",
    "waitlist_stretches",
    "outcomes",
    "webhook_endpoints",
    "webhook_messages",
    "webhook_deliveries",
  ];
  const contents = tables.map(
    (table) => `(SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM ${table} t)`,
  );
  const { rows } = await gateway.database.pool.query(`SELECT ARRAY[${contents.join(", ")}]`);
  return [rows, gateway.commands.submitted.length, gateway.courier.asked.length];
}
beforeEach(async () => {
  before = await everything();
});
afterEach(async () => {
  expect(await everything()).toEqual(before);
});

function expectProblem(
  { status, headers, body }: Answer,
  wanted: number,
  code: string,
  pointer?: string,
): void {
  expect([status, body.code]).toEqual([wanted, code]);
  expect(headers["content-type"]).toBe("application/problem+json");
  expect(body).toMatchObject({ status: wanted, type: `/docs/problems#${code}` });
  expect(Object.keys(body)).toEqual(expect.arrayContaining(["title", "detail", "instance", "requestId"]));
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\.ts:|select |insert |fastify|zod|postgres/i);
  if (pointer !== undefined)
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
}

const reserve = (payload: string | Buffer | object, headers: Record<string, string> = {}): Promise<Answer> =>
  gateway.ask({
    method: "POST",
    url: `/v1/events/${eventId}/reserve`,
    headers: { ...user.auth, "content-type": "application/json", ...headers },
    payload,
  });
const register = (payload: object) => gateway.ask({ method: "POST", url: "/v1/auth/register", payload });
const makeEvent = (payload: object) =>
  gateway.ask({ method: "POST", url: "/v1/events", headers: organizer.auth, payload });
const patch = (url: string, payload: unknown, headers: Record<string, string> = {}) =>
  gateway.ask({
    method: "PATCH",
    url,
    headers: { ...admin.auth, "content-type": "application/json", ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
/** Every path that takes a change. */
const changes = () => [
  `/v1/events/${eventId}`,
  `/v1/slots/${slotId}`,
  `/v1/users/${user.id}`,
  `/v1/webhooks/${webhookId}`,
];

describe("bodies that cannot be read", () => {
  const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  test.each<[string, string | Buffer]>([
    ["truncated", '{"quantity":'],
    ["empty text", " "],
    ["two values", "{}{}"],
    ["a comment", "{/* */}"],
    ["a trailing comma", '{"quantity":1,}'],
    ["single quotes", "{'quantity':1}"],
    ["NaN", '{"quantity":NaN}'],
    ["an array", "[]"],
    ["null", "null"],
    ["a number", "1"],
    ["a string", '"quantity"'],
    ["true", "true"],
    ["a name twice", '{"quantity":1,"quantity":2}'],
    ["a name twice, once escaped", '{"quantity":1,"quantit\\u0079":2}'],
    ["a name twice, deeper down", '{"a":[{"b":1},{"b":1,"c":{"d":1,"d":1}}]}'],
    ["__proto__", '{"__proto__":{"quantity":1}}'],
    ["__proto__, escaped and deep", '{"a":{"\\u005f_proto__":1}}'],
    ["constructor.prototype", '{"constructor":{"prototype":{"x":1}}}'],
    ["a byte order mark", '\uFEFF{"quantity":1}'],
    ["bad UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["an overlong encoding", Buffer.from([0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
    ["UTF-16", Buffer.from("{}", "utf16le")],
    ["a raw NUL", '{"a":"\0"}'],
    ["too deep", nested(17)],
    ["far too deep", nested(5_000)],
  ])("%s", async (_, payload) => {
    expectProblem(await reserve(payload), 400, "malformed-request");
  });

  test("a body where a route needs one", async () => {
    for (const url of ["/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout"]) {
      expectProblem(await gateway.ask({ method: "POST", url }), 400, "malformed-request");
    }
    expectProblem(
      await gateway.ask({ method: "POST", url: "/v1/events", headers: organizer.auth }),
      400,
      "malformed-request",
    );
  });

  test("no body for a change", async () => {
    for (const url of changes()) {
      expectProblem(await patch(url, undefined), 400, "malformed-request");
      for (const body of ["[]", "null", '"name"', '{"name":', '{"name":"X","name":"Y"}', '{"__proto__":{}}'])
        expectProblem(await patch(url, body), 400, "malformed-request");
    }
    for (const url of [`/v1/events/${eventId}/slots`, `/v1/slots/${slotId}/capacity`])
      expectProblem(
        await gateway.ask({ method: "POST", url, headers: admin.auth }),
        400,
        "malformed-request",
      );
  });

  test("anything in the body of DELETE", async () => {
    for (const url of [
      `/v1/slots/${slotId}`,
      `/v1/waitlist/${newId("waitlistEntry")}`,
      `/v1/webhooks/${webhookId}`,
    ]) {
      const remove = (payload: string, type = "application/json") =>
        gateway.ask({ method: "DELETE", url, headers: { ...admin.auth, "content-type": type }, payload });
      expectProblem(await remove('{"force":true}'), 400, "validation-failed", "/force");
      expectProblem(await remove("[]"), 400, "malformed-request");
      expectProblem(await remove("x", "text/plain"), 415, "unsupported-media-type");
      expectProblem(await remove("{}", "application/merge-patch+json"), 415, "unsupported-media-type");
    }
  });

  test("a body on GET", async () => {
    const get = { method: "GET" as const, url: "/v1/events", payload: "{}" };
    expectProblem(await gateway.ask(get), 400, "malformed-request");
  });
});

describe("media types, encodings and sizes", () => {
  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/jsonx",
    "text/json",
    "application/json; charset=utf-16",
    "application/json; charset=iso-8859-1",
    "application/json; boundary=x",
    "application/merge-patch+json",
    "*/*",
    "nonsense",
    ";",
  ])("Content-Type: %s", async (type) => {
    expectProblem(await reserve('{"quantity":1}', { "content-type": type }), 415, "unsupported-media-type");
  });

  test.each([
    "text/plain",
    "application/json-patch+json",
    "application/merge-patch+json; charset=utf-16",
    "application/merge-patch+xml",
  ])("a change as %s", async (type) => {
    for (const url of changes())
      expectProblem(await patch(url, "{}", { "content-type": type }), 415, "unsupported-media-type");
  });

  test("no Content-Type with a body", async () => {
    const answer = await raw(request("POST", reserveUrl(), ["Content-Length: 2", bearer()], "{}"));
    expectProblem(answer, 415, "unsupported-media-type");
  });

  test.each(["gzip", "br", "deflate", "gzip, identity", "nonsense"])(
    "Content-Encoding: %s",
    async (encoding) => {
      expectProblem(await reserve("{}", { "content-encoding": encoding }), 415, "unsupported-media-type");
    },
  );

  test("more than 16 KiB, announced, in chunks, and whatever the type", async () => {
    const large = JSON.stringify({ quantity: 1, x: "x".repeat(16 * 1024) });
    expectProblem(await reserve(large), 413, "payload-too-large");
    expectProblem(await reserve(large, { "content-type": "text/plain" }), 413, "payload-too-large");
    expectProblem(await reserve(JSON.stringify(Array(100_000).fill(1))), 413, "payload-too-large");
    const chunk = `1000\r\n${"x".repeat(0x1000)}\r\n`;
    const answer = await raw(
      request(
        "POST",
        reserveUrl(),
        ["Transfer-Encoding: chunked", "Content-Type: application/json", bearer()],
        chunk.repeat(5),
      ),
    );
    expectProblem(answer, 413, "payload-too-large");
  });

  test("but 16 KiB exactly are read", async () => {
    const frame = JSON.stringify({ x: "" }).length;
    const body = JSON.stringify({ x: "y".repeat(16 * 1024 - frame) });
    expect(body).toHaveLength(16 * 1024);
    expectProblem(await reserve(body), 400, "validation-failed", "/x");
  });
});

describe("fields", () => {
  test.each<[string, string, string]>([
    ["a number as text", '{"quantity":"1"}', "/quantity"],
    ["a fraction", '{"quantity":1.5}', "/quantity"],
    ["zero", '{"quantity":0}', "/quantity"],
    ["minus zero", '{"quantity":-0}', "/quantity"],
    ["a negative number", '{"quantity":-1}', "/quantity"],
    ["a huge number", '{"quantity":9007199254740993}', "/quantity"],
    ["an exponent beyond all numbers", '{"quantity":1e999}', "/quantity"],
    ["more than 32 bits", '{"quantity":2147483648}', "/quantity"],
    ["null", '{"quantity":null}', "/quantity"],
    ["true", '{"quantity":true}', "/quantity"],
    ["an array", '{"quantity":[1]}', "/quantity"],
    ["an unknown field", '{"quantity":1,"price":0}', "/price"],
    ["an unknown field with a slash and a tilde", '{"a/b~c":1}', "/a~1b~0c"],
    ["a malformed id", '{"slotId":"1"}', "/slotId"],
    ["another kind's id", `{"slotId":"${newId("event")}"}`, "/slotId"],
    ["an id with a letter that ids do not have", '{"slotId":"slt_0000000000000000000000000u"}', "/slotId"],
    ["an id of more than 128 bits", `{"slotId":"slt_8${"0".repeat(25)}"}`, "/slotId"],
    ["an id with a line break", `{"slotId":"${newId("slot")}\\n"}`, "/slotId"],
    ["a word that is not in the list", '{"onSoldOut":"explode"}', "/onSoldOut"],
    ["U+0000", '{"slotId":"\\u0000"}', "/slotId"],
    ["half of a surrogate pair", '{"slotId":"\\ud800"}', "/slotId"],
    ["halves in the wrong order", '{"slotId":"\\udc00\\ud800"}', "/slotId"],
    ["half of a surrogate pair in a name", '{"\\ud800":1}', "/\uFFFD"],
  ])("reserve with %s", async (_, body, pointer) => {
    expectProblem(await reserve(body), 400, "validation-failed", pointer);
  });

  const fine = { email: "fine@example.test", password: "long enough", name: "Fine" };
  test.each<[string, object, string]>([
    ["no address", { ...fine, email: undefined }, "/email"],
    ["an address without a host", { ...fine, email: "fine" }, "/email"],
    [
      "an address with a line break",
      { ...fine, email: "fine@example.test\r\nBcc: x@example.test" },
      "/email",
    ],
    ["an address that is too long", { ...fine, email: `${"x".repeat(250)}@example.test` }, "/email"],
    ["a password of 7", { ...fine, password: "1234567" }, "/password"],
    ["a password of 129", { ...fine, password: "x".repeat(129) }, "/password"],
    ["a password that is a number", { ...fine, password: 12345678 }, "/password"],
    ["a password with U+0000", { ...fine, password: "long\0enough" }, "/password"],
    ["no name", { ...fine, name: "" }, "/name"],
    ["a name that is too long", { ...fine, name: "x".repeat(101) }, "/name"],
    ["a role", { ...fine, role: "admin" }, "/role"],
  ])("register with %s", async (_, body, pointer) => {
    expectProblem(await register(body), 400, "validation-failed", pointer);
  });

  const slot = { startsAt: "2030-06-01T10:00:00Z", endsAt: "2030-06-01T12:00:00Z", capacity: 10 };
  const withSlot = (more: object) => ({ name: "Event", slots: [{ ...slot, ...more }] });
  test.each<[string, object, string]>([
    ["no slots", { name: "Event", slots: [] }, "/slots"],
    ["101 slots", { name: "Event", slots: Array(101).fill(slot) }, "/slots"],
    ["slots that are none", { name: "Event", slots: {} }, "/slots"],
    ["a time without a zone", withSlot({ startsAt: "2030-06-01T10:00:00" }), "/slots/0/startsAt"],
    ["a day without a time", withSlot({ startsAt: "2030-06-01" }), "/slots/0/startsAt"],
    ["a day that does not exist", withSlot({ startsAt: "2030-02-30T10:00:00Z" }), "/slots/0/startsAt"],
    ["an hour that does not exist", withSlot({ startsAt: "2030-06-01T25:00:00Z" }), "/slots/0/startsAt"],
    ["a time that is a number", withSlot({ startsAt: 1_906_000_000_000 }), "/slots/0/startsAt"],
    ["the year 0", withSlot({ startsAt: "0000-01-01T00:00:00Z" }), "/slots/0/startsAt"],
    ["the year 9999", withSlot({ endsAt: "9999-12-31T23:59:59Z" }), "/slots/0/endsAt"],
    ["the year 275760", withSlot({ endsAt: "+275760-09-13T00:00:00Z" }), "/slots/0/endsAt"],
    ["an end before the start", withSlot({ endsAt: "2030-06-01T09:00:00Z" }), "/slots/0/endsAt"],
    ["an end at the start", withSlot({ endsAt: slot.startsAt }), "/slots/0/endsAt"],
    ["no capacity", withSlot({ capacity: undefined }), "/slots/0/capacity"],
    ["a capacity of 0", withSlot({ capacity: 0 }), "/slots/0/capacity"],
    ["a negative capacity", withSlot({ capacity: -1 }), "/slots/0/capacity"],
    ["a fractional capacity", withSlot({ capacity: 1.5 }), "/slots/0/capacity"],
    ["a capacity over a million", withSlot({ capacity: 1_000_001 }), "/slots/0/capacity"],
    ["an unknown field of a slot", withSlot({ price: 1 }), "/slots/0/price"],
    ["an id of its own", { ...withSlot({}), id: newId("event") }, "/id"],
    ["an organizer of its own", { ...withSlot({}), organizerId: newId("user") }, "/organizerId"],
    ["no name", { slots: [slot] }, "/name"],
    ["an empty name", { ...withSlot({}), name: "" }, "/name"],
    ["a name that is too long", { ...withSlot({}), name: "x".repeat(201) }, "/name"],
    ["a name with U+0000", { ...withSlot({}), name: "x\0" }, "/name"],
    ["a hold of no time", { ...withSlot({}), holdSeconds: 0 }, "/holdSeconds"],
    ["a hold of more than a day", { ...withSlot({}), holdSeconds: 86_401 }, "/holdSeconds"],
    ["a policy that there is not", { ...withSlot({}), overlapPolicy: "maybe" }, "/overlapPolicy"],
    ["an unknown field of the waitlist", { ...withSlot({}), waitlist: { size: 1 } }, "/waitlist/size"],
    ["a waitlist that is none", { ...withSlot({}), waitlist: true }, "/waitlist"],
    [
      "sales that close before they open",
      { ...withSlot({}), salesOpenAt: slot.endsAt, salesCloseAt: slot.startsAt },
      "/salesCloseAt",
    ],
  ])("an event with %s", async (_, body, pointer) => {
    expectProblem(await makeEvent(body), 400, "validation-failed", pointer);
  });

  test.each<[string, string, string]>([
    ["null for a name", '{"name":null}', "/name"],
    ["an empty name", '{"name":""}', "/name"],
    ["a text that is too long", JSON.stringify({ description: "x".repeat(5_001) }), "/description"],
    ["a time that is a number", '{"salesOpenAt":1906000000000}', "/salesOpenAt"],
    ["a time without a zone", '{"salesCloseAt":"2030-06-01T10:00:00"}', "/salesCloseAt"],
    [
      "sales that close before they open",
      '{"salesOpenAt":"2030-06-01T10:00:00Z","salesCloseAt":"2030-06-01T10:00:00Z"}',
      "/salesCloseAt",
    ],
    ["a hold of no time", '{"holdSeconds":0}', "/holdSeconds"],
    ["an offer of more than a week", '{"offerSeconds":604801}', "/offerSeconds"],
    ["a policy that there is not", '{"overlapPolicy":"maybe"}', "/overlapPolicy"],
    ["a mode that there is not", '{"waitlist":{"mode":"random"}}', "/waitlist/mode"],
    ["a negative number of skips", '{"waitlist":{"maxSkips":-1}}', "/waitlist/maxSkips"],
    ["an unknown field of the waitlist", '{"waitlist":{"size":1}}', "/waitlist/size"],
    ["a waitlist that is none", '{"waitlist":true}', "/waitlist"],
    ["slots", '{"slots":[]}', "/slots"],
    ["a version", '{"version":7}', "/version"],
    ["another organizer", `{"organizerId":"${newId("user")}"}`, "/organizerId"],
    ["another id", `{"id":"${newId("event")}"}`, "/id"],
    ["U+0000", '{"name":"x\\u0000"}', "/name"],
  ])("a change of an event with %s", async (_, body, pointer) => {
    expectProblem(await patch(`/v1/events/${eventId}`, body), 400, "validation-failed", pointer);
  });

  test.each<[string, string, string]>([
    ["null for its start", '{"startsAt":null}', "/startsAt"],
    ["null for its capacity", '{"capacity":null}', "/capacity"],
    ["a negative capacity", '{"capacity":-1}', "/capacity"],
    ["a capacity over a million", '{"capacity":1000001}', "/capacity"],
    ["an empty name", '{"name":""}', "/name"],
    ["an end at its start", '{"startsAt":"2030-06-01T10:00:00Z","endsAt":"2030-06-01T10:00:00Z"}', "/endsAt"],
    ["a counter", '{"held":0}', "/held"],
    ["another event", `{"eventId":"${newId("event")}"}`, "/eventId"],
  ])("a change of a slot with %s", async (_, body, pointer) => {
    expectProblem(await patch(`/v1/slots/${slotId}`, body), 400, "validation-failed", pointer);
  });

  test.each<[string, () => string, object, string]>([
    ["a slot without times", () => `/v1/events/${eventId}/slots`, { capacity: 1 }, "/startsAt"],
    ["a slot without tickets", () => `/v1/events/${eventId}/slots`, { ...slot, capacity: 0 }, "/capacity"],
    [
      "a slot of no length",
      () => `/v1/events/${eventId}/slots`,
      { ...slot, endsAt: slot.startsAt },
      "/endsAt",
    ],
    ["a slot with an id", () => `/v1/events/${eventId}/slots`, { ...slot, id: newId("slot") }, "/id"],
    ["a capacity as text", () => `/v1/slots/${slotId}/capacity`, { capacity: "5" }, "/capacity"],
    ["a capacity of a fraction", () => `/v1/slots/${slotId}/capacity`, { capacity: 1.5 }, "/capacity"],
    ["a capacity over a million", () => `/v1/slots/${slotId}/capacity`, { capacity: 1_000_001 }, "/capacity"],
    ["no capacity", () => `/v1/slots/${slotId}/capacity`, {}, "/capacity"],
    ["a reason to cancel", () => `/v1/events/${eventId}/cancel`, { reason: "rain" }, "/reason"],
    ["an end of a pause", () => `/v1/events/${eventId}/pause`, { until: slot.startsAt }, "/until"],
    ["waiting for no tickets", () => `/v1/slots/${slotId}/waitlist`, { quantity: 0 }, "/quantity"],
    ["waiting at a place", () => `/v1/slots/${slotId}/waitlist`, { position: 1 }, "/position"],
    ["waiting for others", () => `/v1/slots/${slotId}/waitlist`, { userId: newId("user") }, "/userId"],
  ])("%s", async (_, url, payload, pointer) => {
    const answer = await gateway.ask({ method: "POST", url: url(), headers: admin.auth, payload });
    expectProblem(answer, 400, "validation-failed", pointer);
  });

  test("every mistake is told at once", async () => {
    const { body } = await register({ email: "x", password: "x", extra: 1 });
    expect(body.errors.map((error: { pointer: string }) => error.pointer).sort()).toEqual([
      "/email",
      "/extra",
      "/name",
      "/password",
    ]);
  });
});

test("of thousands of mistakes in one body a hundred are told", async () => {
  const names = Array.from({ length: 2_000 }, (_, n) => `"${n.toString(36)}":0`);
  const answer = await reserve(`{${names.join(",")}}`);
  expectProblem(answer, 400, "validation-failed", "/0");
  expect(answer.body.errors).toHaveLength(100);
});

describe("paths, methods, queries", () => {
  test.each<[string, string]>([
    ["GET", "/"],
    ["GET", "/v1"],
    ["GET", "/v1/nothing"],
    ["GET", "/v1/events/"],
    ["GET", "//v1/events"],
    ["GET", "/V1/events"],
    ["POST", "/v1/nothing"],
    ["GET", "/v1/events/%zz"],
    ["GET", "/v1/events/..%2f..%2fetc%2fpasswd"],
    ["GET", "/.env"],
    ["DELETE", "/v1/nothing"],
  ])("%s %s is no path of ours", async (method, url) => {
    expectProblem(await gateway.ask({ method, url }), 404, "not-found");
  });

  test.each<[string, string, string]>([
    ["DELETE", "/v1/events", "GET, HEAD, OPTIONS, POST"],
    ["PUT", "/v1/events", "GET, HEAD, OPTIONS, POST"],
    ["PATCH", "/v1/me", "GET, HEAD, OPTIONS"],
    ["GET", "/v1/auth/login", "OPTIONS, POST"],
    ["GET", `/v1/events/${newId("event")}/reserve`, "OPTIONS, POST"],
    ["POST", "/livez", "GET, HEAD, OPTIONS"],
    ["DELETE", "/docs/problems", "GET, HEAD, OPTIONS"],
    ["DELETE", `/v1/events/${newId("event")}`, "GET, HEAD, OPTIONS, PATCH"],
    ["GET", `/v1/slots/${newId("slot")}`, "DELETE, OPTIONS, PATCH"],
    ["PATCH", `/v1/waitlist/${newId("waitlistEntry")}`, "DELETE, GET, HEAD, OPTIONS"],
    ["DELETE", `/v1/slots/${newId("slot")}/waitlist`, "GET, HEAD, OPTIONS, POST"],
    ["GET", `/v1/users/${newId("user")}`, "OPTIONS, PATCH"],
    ["PUT", `/v1/webhooks/${newId("webhookEndpoint")}`, "DELETE, GET, HEAD, OPTIONS, PATCH"],
    ["GET", `/v1/webhooks/${newId("webhookEndpoint")}/verify`, "OPTIONS, POST"],
    ["DELETE", `/v1/deliveries/${newId("delivery")}/redeliver`, "OPTIONS, POST"],
  ])("%s %s is 405, even with a body that nobody would read", async (method, url, allow) => {
    const answer = await gateway.ask({
      method,
      url,
      headers: { "content-type": "text/plain" },
      payload: "?",
    });
    expectProblem(answer, 405, "method-not-allowed");
    expect(answer.headers["allow"]).toBe(allow);
  });

  test("TRACE is 405, CONNECT and methods that do not exist are 400", async () => {
    const trace = await raw(request("TRACE", "/v1/events", []));
    expectProblem(trace, 405, "method-not-allowed");
    expectProblem(await raw(request("CONNECT", "example.test:80", [])), 400, "malformed-request");
    expectProblem(await raw(request("BREW", "/v1/events", [])), 400, "malformed-request");
  });

  test("OPTIONS tells the methods, HEAD has no body", async () => {
    const options = await gateway.ask({ method: "OPTIONS", url: "/v1/events" });
    expect([options.status, options.headers["allow"]]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
    expect(options.headers["access-control-allow-origin"]).toBeUndefined();
    const head = await gateway.ask({ method: "HEAD", url: `/v1/events/${eventId}` });
    expect([head.status, head.body]).toEqual([200, ""]);
  });

  test("unknown query keys are refused where none is known", async () => {
    expectProblem(await gateway.ask({ url: `/v1/events/${eventId}?x=1` }), 400, "validation-failed", "/x");
    const post = {
      method: "POST" as const,
      url: `/v1/events/${eventId}/reserve?quantity=2`,
      headers: user.auth,
    };
    expectProblem(await gateway.ask(post), 400, "validation-failed", "/quantity");
  });
});

describe("the order of refusals", () => {
  const bad = { "content-type": "text/plain" };
  test("path and method before the token", async () => {
    expectProblem(await gateway.ask({ method: "DELETE", url: "/v1/me" }), 405, "method-not-allowed");
    expectProblem(
      await gateway.ask({ url: "/v1/nothing", headers: { authorization: "nonsense" } }),
      404,
      "not-found",
    );
  });

  test("the token before role, body and id", async () => {
    const url = `/v1/events/${newId("event")}/reserve`;
    expectProblem(
      await gateway.ask({ method: "POST", url, headers: bad, payload: "?" }),
      401,
      "unauthenticated",
    );
    expectProblem(
      await gateway.ask({ method: "POST", url: "/v1/events", payload: "?" }),
      401,
      "unauthenticated",
    );
    expectProblem(await gateway.ask({ url: "/v1/reservations/nonsense" }), 401, "unauthenticated");
  });

  test("the role before the body", async () => {
    const headers = { ...user.auth, ...bad };
    expectProblem(
      await gateway.ask({ method: "POST", url: "/v1/events", headers, payload: "?" }),
      403,
      "forbidden",
    );
  });

  test("the body before what is not there", async () => {
    const url = `/v1/events/${newId("event")}/reserve`;
    const ask = (headers: object, payload: string | object) =>
      gateway.ask({ method: "POST", url, headers: { ...user.auth, ...headers }, payload });
    expectProblem(await ask(bad, "?"), 415, "unsupported-media-type");
    expectProblem(await ask({}, { quantity: 0 }), 400, "validation-failed");
    expectProblem(await ask({ "idempotency-key": "two words" }, {}), 400, "validation-failed");
    expectProblem(await ask({}, {}), 404, "not-found");
  });
});

describe("over a bare socket", () => {
  const host = "Host: localhost";
  test("no Host, two Hosts, and one that is none", async () => {
    expectProblem(await raw("GET /v1/events HTTP/1.1\r\n\r\n"), 400, "malformed-request");
    expectProblem(await raw(request("GET", "/v1/events", ["Host: other"])), 400, "malformed-request");
    expectProblem(await raw("GET /v1/events HTTP/1.1\r\nHost: [\r\n\r\n"), 400, "malformed-request");
    expectProblem(await raw("GET /v1/events HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, "malformed-request");
  });

  test("two Authorization fields", async () => {
    expectProblem(await raw(request("GET", "/v1/me", [bearer(), bearer()])), 401, "unauthenticated");
  });

  test("two keys", async () => {
    const two = ["Idempotency-Key: a", "Idempotency-Key: b", bearer()];
    expectProblem(await raw(request("POST", reserveUrl(), two)), 400, "validation-failed");
  });

  test.each<[string, string]>([
    [
      "both length headers",
      `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ],
    ["two lengths", `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ["a negative length", `POST / HTTP/1.1\r\n${host}\r\nContent-Length: -1\r\n\r\n`],
    ["a length that is none", `POST / HTTP/1.1\r\n${host}\r\nContent-Length: two\r\n\r\n`],
    ["bare line feeds", `GET / HTTP/1.1\n${host}\n\n`],
    ["a space before the colon", `GET / HTTP/1.1\r\nHost : x\r\n\r\n`],
    ["a folded header", `GET / HTTP/1.1\r\n${host}\r\nX: a\r\n b\r\n\r\n`],
    ["a control character in a header", `GET / HTTP/1.1\r\n${host}\r\nX: \x01\x00\r\n\r\n`],
    ["no HTTP at all", "hello\r\n\r\n"],
    ["another version", `GET / HTTP/3.0\r\n${host}\r\n\r\n`],
    ["a TLS greeting", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"],
    [
      "a bad chunk",
      `POST ${"/v1/auth/login"} HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ["a path with a space", `GET /a b HTTP/1.1\r\n${host}\r\n\r\n`],
  ])("%s", async (_, bytes) => {
    expectProblem(await raw(bytes), 400, "malformed-request");
  });

  test("headers of more than 16 KiB", async () => {
    expectProblem(
      await raw(request("GET", "/livez", [`X: ${"x".repeat(20_000)}`])),
      431,
      "headers-too-large",
    );
    expectProblem(await raw(request("GET", `/${"x".repeat(20_000)}`, [])), 431, "headers-too-large");
  });

  test("a body shorter than announced, and one that is longer", async () => {
    const head = ["Content-Type: application/json", bearer()];
    const short = await raw(request("POST", reserveUrl(), ["Content-Length: 20", ...head], "{}"), {
      end: true,
    });
    expect(short.status).toBe(400);
    const long = await raw(
      request(
        "POST",
        reserveUrl(),
        ["Content-Length: 14", "Connection: close", ...head],
        '{"quantity":0}GET /secret HTTP/1.1\r\n\r\n',
      ),
    );
    expectProblem(long, 400, "malformed-request");
  });

  test("headers and bodies that drip too slowly", async () => {
    const { server } = gateway.app;
    const { headersTimeout, requestTimeout } = server;
    server.headersTimeout = 100;
    server.requestTimeout = 200;
    expectProblem(await raw("GET / HTTP/1.1\r\nHost: localhost\r\nX: "), 408, "request-timeout");
    const slow = request(
      "POST",
      reserveUrl(),
      ["Content-Length: 20", "Content-Type: application/json", bearer()],
      "{",
    );
    expectProblem(await raw(slow), 408, "request-timeout");
    Object.assign(server, { headersTimeout, requestTimeout });
  });

  test("an expectation that nobody knows is ignored", async () => {
    expect((await raw(request("GET", "/livez", ["Expect: the-unexpected"]))).status).toBe(200);
  });

  test("an Upgrade is answered as the request that it is, also where somebody listens for upgrades", async () => {
    const { server } = gateway.app; // Fastify listens for them itself when it has more than one address
    const upgraded: unknown[] = [];
    const listener = (_: unknown, socket: Duplex): void => {
      upgraded.push(socket.destroy());
    };
    server.on("upgrade", listener);
    const asked = raw(request("GET", "/livez", ["Connection: Upgrade", "Upgrade: websocket"]));
    const { status } = await asked.finally(() => server.off("upgrade", listener));
    expect([status, upgraded]).toEqual([200, []]);
  });

  test("HTTP/1.0 needs no Host", async () => {
    expect((await raw("GET /livez HTTP/1.0\r\n\r\n")).status).toBe(200);
  });
});

const reserveUrl = () => `/v1/events/${eventId}/reserve`;
const bearer = () => `Authorization: ${user.auth.authorization}`;
const request = (method: string, url: string, headers: string[], body = ""): string =>
  [`${method} ${url} HTTP/1.1`, "Host: localhost", ...headers, "", body].join("\r\n");

/** Sends the bytes as they are and reads the first answer. */
function raw(bytes: string, { end = false } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", (error: NodeJS.ErrnoException) => text === "" && reject(error));
    socket.on("data", (data: string) => {
      text += data;
      const answer = parse(text);
      if (answer === null) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    if (end) socket.end(Buffer.from(bytes, "latin1"));
    else socket.write(Buffer.from(bytes, "latin1"));
  });
}

function parse(text: string): Answer | null {
  const split = text.indexOf("\r\n\r\n");
  if (split < 0) return null;
  const [statusLine = "", ...lines] = text.slice(0, split).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
  );
  const body = text.slice(split + 4);
  if (Buffer.byteLength(body) < Number(headers["content-length"] ?? 0)) return null;
  return { status: Number(statusLine.split(" ")[1]), headers, body: body === "" ? "" : JSON.parse(body) };
}
