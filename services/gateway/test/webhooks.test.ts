// Endpoints of webhooks at the door: their owner's alone, where they may lead, what is shown once, and what is waited for.
import { once } from "node:events";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { WEBHOOK_TYPES } from "@holdfast/contracts";
import type { DeliveryId, WebhookEndpointId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { createEndpoint, until } from "@holdfast/testkit";
import { sealOfSecrets } from "@holdfast/webhooks";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { OWN_NAMES, PRIVATE_HOSTS } from "../../../packages/webhooks/test/private-addresses.ts";
import { BOTH_SECRETS_SECONDS, ENDPOINTS_PER_USER_MAX, WEBHOOK_PLACES } from "../src/routes/webhooks.ts";
import { DELIVERY_WAIT_MS, DeliveryEnds } from "../src/webhook-ends.ts";
import {
  type Answer,
  type GatewayUnderTest,
  openGateway,
  type Person,
  WEBHOOK_ENCRYPTION_KEY,
} from "./gateway-under-test.ts";

const AT = Date.UTC(2030, 0, 1);
const URL_ALLOWED = "https://receiver.example/hooks?tenant=1";

let gateway: GatewayUnderTest;
let ann: Person;
beforeAll(async () => {
  gateway = await openGateway({ allowedHosts: "listed.example:8080, 127.0.0.9" });
  ann = await gateway.person();
});
afterAll(() => gateway.close());
afterEach(() => {
  gateway.courier.asked.length = 0;
  gateway.courier.serve = async () => undefined;
  gateway.names.clear();
});

type Method = "GET" | "POST" | "PATCH" | "DELETE";
const ask = (method: Method, url: string, payload?: unknown, person = ann): Promise<Answer> =>
  gateway.ask({ method, url, headers: person.auth, ...(payload === undefined ? {} : { payload }) });
const make = (person: Person, payload: object = { url: URL_ALLOWED }) =>
  ask("POST", "/v1/webhooks", payload, person);
const pathOf = (id: string, rest = ""): string => `/v1/webhooks/${id}${rest}`;

/** What the table has of an endpoint. */
async function rowOf(id: string): Promise<Record<string, unknown>> {
  const { rows } = await gateway.database.pool.query("SELECT * FROM webhook_endpoints WHERE id = $1", [id]);
  return rows[0];
}

const active = (person: Person): Promise<WebhookEndpointId> =>
  createEndpoint(gateway.database.pool, person.id);

/** Deliveries of something that happened a second after the one before, the first one first. */
async function deliveriesTo(
  id: WebhookEndpointId,
  statuses: readonly ("pending" | "delivered" | "failed")[],
  firstAt = AT,
): Promise<DeliveryId[]> {
  const ids = statuses.map(() => newId("delivery"));
  await gateway.database.pool.query(
    `WITH given AS (
      SELECT id, message, status, $5::timestamptz + (nth - 1) * interval '1 second' AS at
      FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS g(id, message, status, nth)
    ), messages AS (
      INSERT INTO webhook_messages (id, type, notice, created_at)
      SELECT message, 'reservation.held', '{}', at FROM given
    )
    INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, tries, attempts, next_attempt_at, created_at)
    SELECT id, $1, message, status, 2, $6::jsonb, CASE WHEN status = 'pending' THEN at + interval '1 hour' END, at
    FROM given`,
    [
      id,
      ids,
      ids.map(() => newId("webhookMessage")),
      statuses,
      new Date(firstAt),
      JSON.stringify([{ at: AT, status: null, durationMs: 15_000, body: "what was answered" }]),
    ],
  );
  return ids;
}

/** Ends what is due as a worker would, and makes the endpoint what its answer made of it. */
async function end(id: WebhookEndpointId, becomes: "active" | "unverified" | null = null): Promise<void> {
  await gateway.database.pool.query(
    "UPDATE webhook_deliveries SET status = 'delivered', next_attempt_at = NULL WHERE endpoint_id = $1",
    [id],
  );
  if (becomes === null) return;
  await gateway.database.pool.query(
    "UPDATE webhook_endpoints SET status = $2, disabled_reason = NULL WHERE id = $1",
    [id, becomes],
  );
}

async function messagesTo(id: string): Promise<{ type: string; notice: Record<string, string> }[]> {
  const { rows } = await gateway.database.pool.query(
    `SELECT m.type, m.notice FROM webhook_messages m JOIN webhook_deliveries d ON d.message_id = m.id
    WHERE d.endpoint_id = $1 ORDER BY m.created_at`,
    [id],
  );
  return rows;
}

describe("making an endpoint", () => {
  test("answers 201 with its secret, which is not shown again and kept sealed", async () => {
    const person = await gateway.person();
    const { status, headers, body } = await make(person);
    expect([status, headers["location"], headers["cache-control"]]).toEqual([
      201,
      pathOf(body.id),
      "no-store",
    ]);
    expect(body).toEqual({
      object: "webhookEndpoint",
      id: expect.stringMatching(/^whk_/),
      url: URL_ALLOWED,
      types: WEBHOOK_TYPES,
      description: null,
      status: "unverified",
      disabledReason: null,
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{32}$/),
      createdAt: expect.stringMatching(/Z$/),
    });
    const { secret, ...shown } = body;
    expect((await ask("GET", pathOf(body.id), undefined, person)).body).toEqual(shown);
    expect((await ask("GET", "/v1/webhooks", undefined, person)).body.data).toEqual([shown]);
    const row = await rowOf(body.id);
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(sealOfSecrets(WEBHOOK_ENCRYPTION_KEY).open(String(row["secret"]))).toBe(secret);
    expect(gateway.log.join("")).not.toContain(secret);
  });

  test("takes types and a description, stored as they are", async () => {
    const person = await gateway.person();
    const description = "'; DROP TABLE users; -- {{7*7}} \r\n\u001b[31m\u202e";
    const types = ["waitlist.offered", "event.cancelled"];
    const { status, body } = await make(person, { url: URL_ALLOWED, types, description });
    expect([status, body.types, body.description]).toEqual([201, types, description]);
  });

  test(`more than ${ENDPOINTS_PER_USER_MAX} are refused, however many ask at once, until one is deleted`, async () => {
    const person = await gateway.person();
    const answers = await Promise.all(Array.from({ length: 12 }, () => make(person)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(ENDPOINTS_PER_USER_MAX);
    const refused = answers.find(({ status }) => status !== 201);
    expect(refused).toMatchObject({ status: 409, body: { code: "limit-exceeded", limit: "endpoints" } });
    const made = answers.find(({ status }) => status === 201);
    const gone = await ask("DELETE", pathOf(made?.body.id), undefined, person);
    expect([gone.status, gone.body]).toEqual([204, ""]);
    expect((await make(person)).status).toBe(201);
    expect((await make(person)).status).toBe(409);
  });

  test("is not for who was deleted meanwhile", async () => {
    const person = await gateway.person();
    await gateway.database.pool.query("DELETE FROM users WHERE id = $1", [person.id]);
    const { status, headers } = await make(person);
    expect([status, headers["www-authenticate"]]).toEqual([401, "Bearer"]);
  });
});

describe("where an endpoint may lead", () => {
  test.each([
    "http://receiver.example/",
    "ftp://receiver.example/",
    "javascript:alert(1)",
    "mailto:somebody@receiver.example",
    "file:///etc/passwd",
    "https://user:password@receiver.example/",
    "https://receiver.example:8443/",
    "https://listed.example:8081/",
    "http://listed.example/",
  ])("not to %s", async (url) => {
    const endpoint = await active(ann);
    for (const answer of [await make(ann, { url }), await ask("PATCH", pathOf(endpoint), { url })]) {
      expect([answer.status, answer.body.code]).toEqual([422, "webhook-url-not-allowed"]);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(answer.body.errors).toEqual([{ pointer: "/url", detail: expect.any(String) }]);
    }
    expect((await rowOf(endpoint))["status"]).toBe("active");
    await ask("DELETE", pathOf(endpoint));
  });

  test("N3: not to a private address, in whatever form it is written, nor to a name of one's own; nothing is called", async () => {
    const called: unknown[] = [];
    const listener = createServer((socket) => called.push(socket.destroy()));
    await once(listener.listen(0), "listening"); // of both families
    const { port } = listener.address() as AddressInfo;
    const id = await active(ann);
    expect(PRIVATE_HOSTS.length).toBeGreaterThanOrEqual(60);
    for (const host of [...PRIVATE_HOSTS, ...OWN_NAMES]) {
      const answers = await Promise.all([
        make(ann, { url: `https://${host}/` }),
        make(ann, { url: `http://${host}:${port}/` }),
        ask("PATCH", pathOf(id), { url: `https://${host}/` }),
      ]);
      const told = answers.map(({ status, body }) => [host, status, body.errors[0].pointer]);
      expect(told).toEqual(Array(3).fill([host, 422, "/url"]));
    }
    await once(listener.close(), "close");
    expect(called).toEqual([]);
    expect((await rowOf(id))["url"]).toBe("https://example.com/");
    await ask("DELETE", pathOf(id));
  });

  test("not by a name with any address that is not public, and by one that leads nowhere yet", async () => {
    const person = await gateway.person();
    gateway.names.set("inside.example", ["1.1.1.1", "10.0.0.1"]);
    gateway.names.set("inside6.example", ["fd00::1"]);
    gateway.names.set("nowhere.example", []);
    for (const name of ["inside.example", "inside6.example"]) {
      const { status, body } = await make(person, { url: `https://${name}/` });
      expect([status, body.code, body.errors[0].pointer]).toEqual([422, "webhook-url-not-allowed", "/url"]);
    }
    expect((await make(person, { url: "https://nowhere.example/" })).status).toBe(201);
  });

  test("but anywhere on a host that whoever runs it has listed", async () => {
    const person = await gateway.person();
    gateway.names.set("listed.example", ["10.0.0.1"]);
    for (const url of ["http://listed.example:8080/", "http://127.0.0.9:9/"])
      expect((await make(person, { url })).status).toBe(201);
  });
});

describe("what is not an endpoint (F7)", () => {
  const good = { url: URL_ALLOWED };
  test.each<[string, object, string]>([
    ["no URL", {}, "/url"],
    ["a URL that is none", { url: "receiver.example" }, "/url"],
    ["a URL with a line break", { url: "https://receiver.example/\n" }, "/url"],
    ["a URL with U+0000", { url: "https://receiver.example/\0" }, "/url"],
    ["a URL that is too long", { url: `https://receiver.example/${"x".repeat(2_048)}` }, "/url"],
    ["a URL that is a number", { url: 1 }, "/url"],
    ["a URL that is null", { url: null }, "/url"],
    ["no types", { ...good, types: [] }, "/types"],
    ["types that are null", { ...good, types: null }, "/types"],
    ["types that are a text", { ...good, types: "event.cancelled" }, "/types"],
    ["a type that there is not", { ...good, types: ["event.cancelled", "event.*"] }, "/types/1"],
    ["a type of ours", { ...good, types: ["endpoint.disabled"] }, "/types/0"],
    ["a type twice", { ...good, types: ["event.cancelled", "event.cancelled"] }, "/types/1"],
    ["a description that is too long", { ...good, description: "x".repeat(501) }, "/description"],
    ["a description that is null", { ...good, description: null }, "/description"],
    ["half of a surrogate pair", { ...good, description: "\ud800" }, "/description"],
    ["a secret of its own", { ...good, secret: "whsec_AAAA" }, "/secret"],
    ["a status of its own", { ...good, status: "active" }, "/status"],
    ["another owner", { ...good, ownerId: newId("user") }, "/ownerId"],
  ])("%s", async (_, payload, pointer) => {
    const { status, body } = await make(ann, payload);
    expect([status, body.code]).toEqual([400, "validation-failed"]);
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer]);
  });

  test("a body that cannot be read, of another type, or too large", async () => {
    const send = (payload: string, type = "application/json", method: Method = "POST", rest = "") =>
      gateway.ask({
        method,
        url: `/v1/webhooks${rest}`,
        headers: { ...ann.auth, "content-type": type },
        payload,
      });
    const id = await active(ann);
    for (const payload of [
      '{"url":',
      "[]",
      "null",
      `{"url":"a","url":"b"}`,
      '{"__proto__":{}}',
      "\uFEFF{}",
    ]) {
      expect((await send(payload)).body.code).toBe("malformed-request");
      expect((await send(payload, "application/json", "PATCH", `/${id}`)).body.code).toBe(
        "malformed-request",
      );
    }
    expect((await ask("POST", "/v1/webhooks")).body.code).toBe("malformed-request");
    expect((await ask("PATCH", pathOf(id))).body.code).toBe("malformed-request");
    expect((await ask("POST", pathOf(id, "/replay"))).body.code).toBe("malformed-request");
    expect((await send("{}", "text/plain")).status).toBe(415);
    expect((await send("{}", "application/merge-patch+json")).status).toBe(415);
    expect((await send(JSON.stringify({ types: Array(5_000).fill("x") }))).status).toBe(413);
    await ask("DELETE", pathOf(id));
  });

  test.each(["verify", "test", "rotate-secret"])("%s with anything in its body", async (verb) => {
    const id = await active(ann);
    const { status, body } = await ask("POST", pathOf(id, `/${verb}`), { force: true });
    expect([status, body.errors]).toEqual([400, [{ pointer: "/force", detail: "is not known" }]]);
    expect(gateway.courier.asked).toEqual([]);
    await ask("DELETE", pathOf(id));
  });

  test("a replay since no moment, and lists that are asked for wrongly", async () => {
    const id = await active(ann);
    for (const since of [null, AT, "2030-01-01", "2030-01-01T00:00:00", ["x"]]) {
      const { status, body } = await ask("POST", pathOf(id, "/replay"), { since });
      expect([status, body.errors?.[0]?.pointer]).toEqual([400, "/since"]);
    }
    for (const query of [
      "limit=0",
      "limit=101",
      "limit=1.5",
      "cursor=forged",
      "status=lost",
      "x=1",
      "limit=1&limit=2",
    ]) {
      const { status } = await ask("GET", pathOf(id, `/deliveries?${query}`));
      expect([query, status]).toEqual([query, 400]);
    }
    for (const query of ["limit=0", "cursor=forged", "status=active"])
      expect((await ask("GET", `/v1/webhooks?${query}`)).status).toBe(400);
    await ask("DELETE", pathOf(id));
  });
});

describe("an endpoint of somebody else's, of nobody, or with an id that is none", () => {
  const calls = (id: string, delivery: string) =>
    [
      ["GET", pathOf(id)],
      ["PATCH", pathOf(id), { description: "mine" }],
      ["PATCH", pathOf(id), { url: "https://10.0.0.1/" }],
      ["DELETE", pathOf(id)],
      ["POST", pathOf(id, "/verify")],
      ["POST", pathOf(id, "/test")],
      ["POST", pathOf(id, "/rotate-secret")],
      ["POST", pathOf(id, "/replay"), { since: "2030-01-01T00:00:00Z" }],
      ["GET", pathOf(id, "/deliveries")],
      ["POST", `/v1/deliveries/${delivery}/redeliver`],
    ] as const;

  test("is not found, not even by admins, and nothing of it is changed", async () => {
    const id = await active(ann);
    const [delivery = newId("delivery")] = await deliveriesTo(id, ["failed"]);
    const before = await rowOf(id);
    const strangers = [
      await gateway.person(),
      await gateway.person("organizer"),
      await gateway.person("admin"),
    ];
    for (const person of strangers) {
      for (const [method, url, payload] of calls(id, delivery)) {
        const { status, body } = await ask(method, url, payload, person);
        expect([method, url, status, body.code]).toEqual([method, url, 404, "not-found"]);
      }
      expect((await ask("GET", "/v1/webhooks", undefined, person)).body.data).toEqual([]);
    }
    for (const [method, url, payload] of [
      ...calls(newId("webhookEndpoint"), newId("delivery")),
      ...calls(delivery, id),
      ...calls("whk_1", "dlv_"),
    ])
      expect((await ask(method, url, payload)).status).toBe(404);
    expect(await rowOf(id)).toEqual(before);
    expect((await ask("GET", pathOf(id, "/deliveries"))).body.data).toMatchObject([{ status: "failed" }]);
    expect([await messagesTo(id), gateway.courier.asked]).toEqual([[expect.anything()], []]);
    await ask("DELETE", pathOf(id));
  });
});

describe("changing an endpoint", () => {
  test("is a merge patch; another URL has to be verified again, the same one has not", async () => {
    const id = await active(ann);
    const edit = (payload: object) => ask("PATCH", pathOf(id), payload);
    const changed = await edit({ types: ["event.cancelled"], description: "mine" });
    expect([changed.status, changed.body]).toEqual([
      200,
      expect.objectContaining({ types: ["event.cancelled"], description: "mine", status: "active" }),
    ]);
    expect((await edit({})).body).toEqual(changed.body);
    expect((await edit({ types: null, description: null })).body).toMatchObject({
      types: WEBHOOK_TYPES,
      description: null,
    });
    expect((await edit({ url: "https://example.com/" })).body).toMatchObject({ status: "active" });
    expect((await edit({ url: URL_ALLOWED })).body).toMatchObject({ url: URL_ALLOWED, status: "unverified" });
    for (const [payload, pointer] of [
      [{ url: null }, "/url"],
      [{ types: [] }, "/types"],
      [{ status: "active" }, "/status"],
      [{ secret: "whsec_AAAA" }, "/secret"],
      [{ id: newId("webhookEndpoint") }, "/id"],
    ] as const)
      expect((await edit(payload)).body.errors).toMatchObject([{ pointer }]);
    await ask("DELETE", pathOf(id));
  });

  test("rotating shows the new secret, and keeps the old one for a day", async () => {
    const person = await gateway.person();
    const { body: made } = await make(person);
    const { status, body } = await ask("POST", pathOf(made.id, "/rotate-secret"), undefined, person);
    expect([status, body]).toEqual([200, { ...made, secret: expect.stringMatching(/^whsec_/) }]);
    expect(body.secret).not.toBe(made.secret);
    const row = await rowOf(made.id);
    const seal = sealOfSecrets(WEBHOOK_ENCRYPTION_KEY);
    expect([row["secret"], row["previous_secret"]].map((text) => seal.open(String(text)))).toEqual([
      body.secret,
      made.secret,
    ]);
    expect(BOTH_SECRETS_SECONDS).toBe(24 * 60 * 60);
    const left = (row["previous_secret_until"] as Date).getTime() - Date.now();
    expect(Math.abs(left - BOTH_SECRETS_SECONDS * 1_000)).toBeLessThan(60_000);
    expect((await ask("GET", pathOf(made.id), undefined, person)).body.secret).toBeUndefined();
  });

  test("is told in pages, the newest first", async () => {
    const person = await gateway.person();
    const made: string[] = [];
    for (let n = 0; n < 3; n += 1) made.push((await make(person)).body.id);
    const first = await ask("GET", "/v1/webhooks?limit=2", undefined, person);
    const ids = ({ body }: Answer): string[] => body.data.map(({ id }: { id: string }) => id);
    const rest = await ask("GET", `/v1/webhooks?limit=2&cursor=${first.body.nextCursor}`, undefined, person);
    expect([...ids(first), ...ids(rest)]).toEqual(made.toReversed());
    expect([first.body.hasMore, rest.body.hasMore, rest.body.nextCursor]).toEqual([true, false, null]);
    expect(first.headers["link"]).toContain('rel="next"');
  });
});

describe("verifying and testing", () => {
  test("sends a new challenge each time, and answers with the endpoint as its answer made it", async () => {
    const person = await gateway.person();
    const { body: made } = await make(person);
    const { secret: _, ...shown } = made;
    const verify = () => ask("POST", pathOf(made.id, "/verify"), undefined, person);
    gateway.courier.serve = (id) => end(id);
    expect(await verify()).toMatchObject({ status: 200, body: shown });
    gateway.courier.serve = (id) => end(id, "active");
    expect(await verify()).toMatchObject({ status: 200, body: { ...shown, status: "active" } });
    const messages = await messagesTo(made.id);
    expect(messages.map(({ type }) => type)).toEqual(["endpoint.verification", "endpoint.verification"]);
    const challenges = messages.map(({ notice }) => notice["challenge"]);
    for (const challenge of challenges) expect(challenge).toMatch(/^[\w-]{32}$/);
    expect(new Set(challenges).size).toBe(2);
    expect(gateway.courier.asked).toEqual([
      { id: made.id, troubled: false },
      { id: made.id, troubled: false },
    ]);
  });

  test("brings a disabled endpoint back, and it shows why it was disabled until then", async () => {
    const id = await createEndpoint(gateway.database.pool, ann.id, { status: "disabled" });
    expect((await ask("GET", pathOf(id))).body).toMatchObject({ status: "disabled", disabledReason: "gone" });
    gateway.courier.serve = (served) => end(served, "active");
    expect((await ask("POST", pathOf(id, "/verify"))).body).toMatchObject({
      status: "active",
      disabledReason: null,
    });
    await ask("DELETE", pathOf(id));
  });

  test("a test is sent to an active endpoint, through the queue of those in trouble when it is, and to no other", async () => {
    const id = await active(ann);
    gateway.courier.serve = (served) => end(served);
    expect(await ask("POST", pathOf(id, "/test"))).toMatchObject({
      status: 200,
      body: { id, status: "active" },
    });
    await gateway.database.pool.query(
      "UPDATE webhook_endpoints SET failing_since = now(), failed_at = now() WHERE id = $1",
      [id],
    );
    await ask("POST", pathOf(id, "/test"));
    expect(gateway.courier.asked).toEqual([
      { id, troubled: false },
      { id, troubled: true },
    ]);
    expect(await messagesTo(id)).toMatchObject([
      { type: "endpoint.test", notice: { endpointId: id } },
      { type: "endpoint.test" },
    ]);
    await ask("PATCH", pathOf(id), { url: URL_ALLOWED });
    const { status, body } = await ask("POST", pathOf(id, "/test"));
    expect([status, body.code, body.detail]).toEqual([
      409,
      "not-active",
      "The endpoint is not active: it has to be verified first.",
    ]);
    await ask("DELETE", pathOf(id));
  });

  test("of an endpoint that is deleted meanwhile is 404", async () => {
    const id = await active(ann);
    gateway.courier.serve = async (served) => {
      await ask("DELETE", pathOf(served));
      await end(served);
    };
    expect((await ask("POST", pathOf(id, "/verify"))).status).toBe(404);
  });

  test("while Redis is away is 503: nobody would send it soon", async () => {
    const id = await active(ann);
    gateway.courier.serve = async () => {
      throw new Error("Stream isn't writeable and enableOfflineQueue options is false");
    };
    const { status, headers, body } = await ask("POST", pathOf(id, "/verify"));
    expect([status, body.code, headers["retry-after"]]).toEqual([503, "unavailable", "1"]);
    await ask("DELETE", pathOf(id));
  });

  test("more than a few at once are refused, and who hangs up waits no longer", async () => {
    const person = await gateway.person();
    const id = await active(person);
    const waiting = Array.from({ length: WEBHOOK_PLACES.perUser }, () => {
      const sent = request(`${gateway.url}${pathOf(id, "/verify")}`, {
        method: "POST",
        agent: false,
        headers: person.auth,
      });
      sent.on("error", () => undefined); // hung up
      sent.end();
      return sent;
    });
    await until("all of them", () => gateway.courier.asked.length === WEBHOOK_PLACES.perUser);
    const verify = () => ask("POST", pathOf(id, "/verify"), undefined, person);
    const { status, headers, body } = await verify();
    expect([status, body.code, headers["retry-after"]]).toEqual([429, "rate-limited", "1"]);
    for (const sent of waiting) {
      const closed = new Promise((resolve) => sent.once("close", resolve)); // `once` would tell of the error
      sent.destroy();
      await closed;
    }
    gateway.courier.serve = (served) => end(served);
    await until("a place", async () => (await verify()).status === 200);
  });

  test("a stop of the gateway answers with what is known", async () => {
    const stopped = await openGateway();
    const person = await stopped.person();
    const id = await createEndpoint(stopped.database.pool, person.id, { status: "unverified" });
    const answer = stopped.ask({ method: "POST", url: pathOf(id, "/verify"), headers: person.auth });
    await until("the message", () => stopped.courier.asked.length === 1);
    stopped.stopping.abort();
    expect(await answer).toMatchObject({ status: 200, body: { id, status: "unverified" } });
    await stopped.close();
  });
});

describe("waiting for deliveries to end", () => {
  const never = new AbortController().signal;

  test("is over when the time is, a little more than an attempt may take, or at once for who is gone", async () => {
    const errors: unknown[] = [];
    const ends = new DeliveryEnds(gateway.database.pool, (error) => errors.push(error));
    const id = await active(ann);
    const [pending = newId("delivery")] = await deliveriesTo(id, ["pending"]);
    await ends.until(pending, never, 1);
    await ends.until(pending, AbortSignal.abort());
    await ends.until(newId("delivery"), never); // one that is not there any more
    expect(DELIVERY_WAIT_MS).toBeGreaterThan(15_000);
    expect(DELIVERY_WAIT_MS).toBeLessThan(20_000);
    expect(errors).toEqual([]);
    await ask("DELETE", pathOf(id));
  });

  test("goes on when the database was away, and looks once for all", async () => {
    const id = await active(ann);
    const ids = await deliveriesTo(id, ["delivered", "failed"]);
    const errors: unknown[] = [];
    const looks: unknown[] = [];
    const db = {
      query: async (...asked: Parameters<typeof gateway.database.pool.query>) => {
        looks.push(asked);
        if (looks.length === 1) throw new Error("away");
        return gateway.database.pool.query(...asked);
      },
    };
    const ends = new DeliveryEnds(db as never, (error) => errors.push(error));
    await Promise.all(ids.map((one) => ends.until(one, never)));
    expect([errors.length, looks.length]).toEqual([1, 2]);
    await ask("DELETE", pathOf(id));
  });
});

describe("deliveries", () => {
  test("are logged the newest first with every attempt, and nothing of what was answered", async () => {
    const id = await active(ann);
    const ids = await deliveriesTo(id, ["failed", "pending", "delivered"]);
    const first = await ask("GET", pathOf(id, "/deliveries?limit=2"));
    expect(first.status).toBe(200);
    expect(first.body.data.map((one: { id: string }) => one.id)).toEqual(ids.slice(1).toReversed());
    expect(first.body.data[1]).toEqual({
      object: "delivery",
      id: ids[1],
      endpointId: id,
      webhookId: expect.stringMatching(/^msg_/),
      type: "reservation.held",
      status: "pending",
      attempts: [{ at: "2030-01-01T00:00:00.000Z", status: null, durationMs: 15_000 }],
      nextAttemptAt: "2030-01-01T01:00:01.000Z",
      createdAt: "2030-01-01T00:00:01.000Z",
    });
    const rest = await ask("GET", pathOf(id, `/deliveries?limit=2&cursor=${first.body.nextCursor}`));
    expect(rest.body).toMatchObject({ data: [{ id: ids[0] }], hasMore: false, nextCursor: null });
    const failed = await ask("GET", pathOf(id, "/deliveries?status=failed"));
    expect(failed.body.data.map((one: { id: string }) => one.id)).toEqual([ids[0]]);
    await ask("DELETE", pathOf(id));
  });

  test("are sent again one by one, under the same webhook-id, also while Redis is away", async () => {
    const id = await active(ann);
    const [delivery = newId("delivery")] = await deliveriesTo(id, ["failed"]);
    const [logged] = (await ask("GET", pathOf(id, "/deliveries"))).body.data;
    gateway.courier.serve = async () => {
      throw new Error("Redis is away");
    };
    const again = () => ask("POST", `/v1/deliveries/${delivery}/redeliver`);
    const { status, body } = await again();
    expect([status, body]).toEqual([
      202,
      { ...logged, status: "pending", nextAttemptAt: expect.any(String) },
    ]);
    expect(gateway.courier.asked).toEqual([{ id, troubled: false }]);
    expect((await again()).status).toBe(202);
    await ask("PATCH", pathOf(id), { url: URL_ALLOWED });
    expect((await again()).body.code).toBe("not-active");
    await ask("DELETE", pathOf(id));
    expect((await again()).status).toBe(404);
  });

  test("are replayed since a moment, more than a statement takes, and the endpoint is asked for at once", async () => {
    const id = await active(ann);
    const sinceMs = Date.now() - 3_600_000;
    const ids = await deliveriesTo(id, Array(1_203).fill("delivered"), sinceMs - 200_000);
    const since = new Date(sinceMs).toISOString();
    const replay = (body: object) => ask("POST", pathOf(id, "/replay"), body);
    const { status, body } = await replay({ since });
    expect([status, body]).toEqual([202, { object: "replay", count: 1_003 }]);
    expect(gateway.courier.asked).toEqual(Array(3).fill({ id, troubled: false }));
    const { rows } = await gateway.database.pool.query(
      "SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending' ORDER BY created_at",
      [id],
    );
    expect(rows.map((row) => row.id)).toEqual(ids.slice(200));
    expect((await replay({ since: "2100-01-01T00:00:00+02:00" })).body).toEqual({
      object: "replay",
      count: 0,
    });
    await ask("PATCH", pathOf(id), { url: URL_ALLOWED });
    expect((await replay({ since })).body.code).toBe("not-active");
    await ask("DELETE", pathOf(id));
  });
});
