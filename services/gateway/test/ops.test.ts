// The operators' pages: who gets in, for how long, and that nothing there can change a queue.

import { newId } from "@holdfast/runtime";
import { keysLike, openCrowd, reserve } from "@holdfast/testkit";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createLoginThrottle, LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX } from "../src/login-throttle.ts";
import { OPERATOR_SESSION_SECONDS } from "../src/ops/operator-sessions.ts";
import { type GatewayUnderTest, openGateway, type Question } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
/** As in production: tries are limited, cookies are for https only. */
let strict: GatewayUnderTest;
beforeAll(async () => {
  gateway = await openGateway({ trustProxy: ["127.0.0.1"] });
  strict = await openGateway({ limits: true, secureCookies: true });
});
afterAll(async () => {
  await gateway.close();
  await strict.close();
});

const PASSWORD = "correct horse";
const NO_ENTRY = "This e-mail address and this password do not open the operators' pages.";

/** Somebody with a password; an admin unless told otherwise. */
async function account(role = "admin", at = gateway): Promise<{ id: string; email: string }> {
  const email = `${newId("user")}@example.test`;
  const payload = { email, password: PASSWORD, name: "Olga Operator" };
  const { body } = await at.ask({ method: "POST", url: "/v1/auth/register", payload });
  await at.database.pool.query("UPDATE users SET role = $2 WHERE id = $1", [body.user.id, role]);
  return { id: body.user.id, email };
}

const submit = (
  url: string,
  fields: Record<string, string>,
  headers: Question["headers"] = {},
  at = gateway,
) =>
  at.ask({
    method: "POST",
    url,
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    payload: new URLSearchParams(fields).toString(),
  });
const signIn = (email: string, password = PASSWORD, headers: Question["headers"] = {}, at = gateway) =>
  submit("/ops/login", { email, password }, headers, at);
const cookieOf = ({ headers }: { headers: Record<string, unknown> }): string =>
  String(headers["set-cookie"]).split(";", 1)[0] ?? "";
async function operator(): Promise<{ id: string; cookie: string }> {
  const { id, email } = await account();
  return { id, cookie: cookieOf(await signIn(email)) };
}
const look = (cookie: string, url = "/ops/queues/api/queues") => gateway.ask({ url, headers: { cookie } });

describe("the form", () => {
  test("is plain HTML without a script, under a policy that lets it be sent here only", async () => {
    const { status, headers, body } = await gateway.ask({ url: "/ops/login" });
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      200,
      "text/html; charset=utf-8",
      "no-store",
    ]);
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'; script-src 'none'; style-src 'sha256-");
    expect(policy).toContain("form-action 'self'");
    expect(policy).not.toContain("unsafe");
    expect(body).not.toMatch(/<script|https?:/);
    for (const name of ["email", "password"]) expect(body).toContain(`<label for="${name}">`);
  });

  test("lets an admin in, with a cookie for these pages alone that scripts and other sites cannot use", async () => {
    const { email } = await account();
    const { status, headers } = await signIn(email);
    expect([status, headers["location"]]).toEqual([303, "/ops/queues"]);
    const [cookie = "", ...attributes] = String(headers["set-cookie"]).split("; ");
    expect(cookie).toMatch(/^holdfast_operator=[\w-]{43}$/);
    expect(attributes.sort()).toEqual([
      "HttpOnly",
      `Max-Age=${OPERATOR_SESSION_SECONDS}`,
      "Path=/ops",
      "SameSite=Strict",
    ]);
  });

  test("sets the cookie for https only when the request came that way", async () => {
    const { email } = await account();
    const { headers } = await signIn(email, PASSWORD, { "x-forwarded-proto": "https" });
    expect(String(headers["set-cookie"])).toContain("; Secure");
  });

  test("sets the cookie for https only in production, whichever way the request seems to come", async () => {
    const { email } = await account("admin", strict);
    const strictly = await signIn(email, PASSWORD, {}, strict);
    expect(String(strictly.headers["set-cookie"])).toContain("; Secure");
  });

  test("says the same for a wrong password, for nobody, and for somebody who is no admin", async () => {
    const { email } = await account();
    const pages = new Set<unknown>();
    for (const [whose, password, expected] of [
      [email, "wrong", 401],
      ["nobody@example.test", PASSWORD, 401],
      [(await account("user")).email, PASSWORD, 403],
      [(await account("organizer")).email, PASSWORD, 403],
    ] as const) {
      const { status, headers, body } = await signIn(whose, password);
      expect([status, headers["set-cookie"]]).toEqual([expected, undefined]);
      expect(body).toContain(NO_ENTRY);
      expect(body).not.toContain(whose);
      pages.add(body);
    }
    expect(pages.size).toBe(1);
  });

  test("lets no disabled admin in", async () => {
    const { id, email } = await account();
    await gateway.database.pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [id]);
    expect((await signIn(email)).status).toBe(401);
  });

  test("refuses what another site's page sends, and what a browser cannot tell the origin of", async () => {
    const { email } = await account();
    const host = "tickets.test";
    for (const headers of [
      { host, "sec-fetch-site": "cross-site" },
      { host, "sec-fetch-site": "same-site" },
      { host, origin: "https://elsewhere.test" },
      { host, origin: "null" },
    ]) {
      const { status, body } = await signIn(email, PASSWORD, headers);
      expect([status, body.code]).toEqual([403, "forbidden"]);
      expect((await submit("/ops/logout", {}, headers)).status).toBe(403);
    }
    for (const headers of [
      { host, "sec-fetch-site": "same-origin", origin: "http://tickets.test" },
      { host, origin: "https://tickets.test" },
    ])
      expect((await signIn(email, PASSWORD, headers)).status).toBe(303);
  });

  test("takes a form and nothing else, each field once", async () => {
    const asJson = await gateway.ask({
      method: "POST",
      url: "/ops/login",
      payload: { email: "a@example.test", password: "x" },
    });
    expect([asJson.status, asJson.body.code]).toEqual([415, "unsupported-media-type"]);
    for (const payload of [
      "",
      "email=a@example.test",
      "email=a&email=b&password=c",
      "email=a&password=%zz",
    ]) {
      const { status, body } = await gateway.ask({
        method: "POST",
        url: "/ops/login",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        payload,
      });
      expect([status, body.code]).toEqual([400, "malformed-request"]);
    }
    const tooLarge = await signIn("a@example.test", "x".repeat(20_000));
    expect(tooLarge.status).toBe(413);
  });
});

describe("tries", () => {
  test("are counted with those at the API, and told as a page", async () => {
    const { email } = await account("admin", strict);
    const throttle = createLoginThrottle(strict.redis.redis, strict.redis.prefix);
    for (let i = 0; i < LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX - 2; i += 1)
      await throttle.enter(email, "127.0.0.1");
    const atTheApi = await strict.ask({
      method: "POST",
      url: "/v1/auth/login",
      payload: { email, password: "wrong" },
    });
    expect(atTheApi.status).toBe(401);
    expect((await signIn(email, "wrong", {}, strict)).status).toBe(401);
    const { status, headers, body } = await signIn(email, PASSWORD, {}, strict);
    expect(status).toBe(429);
    expect(Number(headers["retry-after"])).toBeGreaterThan(800);
    expect(body).toContain("There were too many tries.");
  });

  test("from one address are counted, as are looks at the queues without a session", async () => {
    const { redis, prefix } = strict.redis;
    const keys = (["auth", "read"] as const).map((rateClass) => `${prefix}:rate:${rateClass}:127.0.0.1`);
    for (const key of keys) await redis.set(key, 1_000_000, "PX", 60_000);
    onTestFinished(async () => void (await redis.del(...keys)));
    expect((await signIn("a@example.test", "x", {}, strict)).status).toBe(429);
    expect((await strict.ask({ url: "/ops/queues/api/queues" })).status).toBe(429);
  });
});

describe("a session", () => {
  test("opens the page, its files and its data", async () => {
    const { cookie } = await operator();
    const page = await look(cookie, "/ops/queues");
    expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(page.headers["content-security-policy"]).toContain("script-src 'self'; ");
    expect(page.headers["cache-control"]).toBe("no-store");
    const sources = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, source]) => source ?? "",
    );
    expect(sources.filter((source) => /^(https?:)?\/\//.test(source))).toEqual([]);
    const scripts = sources.filter((source) => source.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      const { status, headers } = await look(cookie, `/ops/queues/${script}`);
      expect([status, headers["cache-control"]]).toEqual([200, "private, max-age=3600"]);
    }
    const { status, body } = await look(cookie);
    expect(status).toBe(200);
    expect(body.queues.slice(0, 2).map((queue: { name: string }) => queue.name)).toEqual([
      "{activations}",
      "{deadlines}",
    ]);
  });

  test("opens no file that is not the page's", async () => {
    const { cookie } = await operator();
    for (const name of ["nothing.js", "..%2findex.ejs", "%2e%2e/%2e%2e/package.json", "js"])
      expect((await look(cookie, `/ops/queues/static/${name}`)).status).toBe(404);
  });

  test("of nobody: pages lead to the form, everything else is a problem", async () => {
    for (const cookie of ["", "holdfast_operator=", `holdfast_operator=${"x".repeat(43)}`]) {
      for (const url of ["/ops/queues", "/ops/queues/", "/ops/queues/queue/%7Bactivations%7D"]) {
        const { status, headers } = await look(cookie, url);
        expect([status, headers["location"]]).toEqual([303, "/ops/login"]);
      }
      for (const url of ["/ops/queues/api/queues", "/ops/queues/static/favicon.ico"]) {
        const { status, body } = await look(cookie, url);
        expect([status, body.code]).toEqual([401, "unauthenticated"]);
      }
    }
  });

  test("is not made of an access token, and its cookie opens nothing at the API", async () => {
    const { token, auth } = await gateway.person("admin");
    expect((await gateway.ask({ url: "/ops/queues/api/queues", headers: auth })).status).toBe(401);
    expect((await look(`holdfast_operator=${token}`)).status).toBe(401);
    const { cookie } = await operator();
    expect((await look(cookie, "/v1/me")).status).toBe(401);
    const refreshToken = cookie.split("=")[1];
    const refreshed = await gateway.ask({
      method: "POST",
      url: "/v1/auth/refresh",
      payload: { refreshToken },
    });
    expect(refreshed.status).toBe(401);
  });

  test("is over after its time", async () => {
    const { id, cookie } = await operator();
    expect((await look(cookie)).status).toBe(200);
    await gateway.database.pool.query("UPDATE sessions SET expires_at = now() WHERE user_id = $1", [id]);
    expect((await look(cookie)).status).toBe(401);
  });

  test("opens nothing from the moment its user is no admin any more, or disabled", async () => {
    for (const change of ["role = 'organizer'", "disabled_at = now()"]) {
      const { id, cookie } = await operator();
      expect((await look(cookie)).status).toBe(200);
      await gateway.database.pool.query(`UPDATE users SET ${change} WHERE id = $1`, [id]);
      expect((await look(cookie)).status).toBe(401);
      expect((await look(cookie, "/ops/queues")).status).toBe(303);
    }
  });

  test("ends with the sign-out, the cookie kept or not", async () => {
    const { cookie } = await operator();
    expect((await gateway.ask({ url: "/ops/logout", headers: { cookie } })).body).toContain("Sign out");
    expect((await look(cookie)).status).toBe(200);
    const { status, headers } = await submit("/ops/logout", {}, { cookie });
    expect([status, headers["location"]]).toEqual([303, "/ops/login"]);
    expect(String(headers["set-cookie"])).toMatch(/^holdfast_operator=; .*Path=\/ops/);
    expect((await look(cookie)).status).toBe(401);
  });
});

describe("the queues", () => {
  /** An event with commands that wait: nobody drains it. */
  async function waitingEvent(commands: number): Promise<{ name: string; jobId: string }> {
    const crowd = await openCrowd(gateway.redis.url, gateway.redis.prefix);
    onTestFinished(() => crowd.close());
    const eventId = newId("event");
    for (let i = 0; i < commands; i += 1)
      await crowd.send({ ...reserve(eventId, newId("user")), idempotencyKey: "olga@example.test" });
    await crowd.activations.signal(eventId); // those before it have arrived, too: all is quiet
    const { redis, prefix } = gateway.redis;
    return {
      name: `{${eventId}}`,
      jobId: (await redis.lindex(`${prefix}:{${eventId}}:wait`, -1)) ?? "none",
    };
  }

  test("of events are shown with who asked for what, and without what clients wrote", async () => {
    const { cookie } = await operator();
    const { name } = await waitingEvent(3);
    const asked = `/ops/queues/api/queues?activeQueue=${encodeURIComponent(name)}&jobsPerPage=1000000`;
    const { status, body } = await look(cookie, asked);
    expect(status).toBe(200);
    const shown = body.queues.find((queue: { name: string }) => queue.name === name);
    expect(shown).toMatchObject({
      counts: { waiting: 3 },
      readOnlyMode: true,
      allowRetries: false,
      displayName: expect.stringMatching(/^\d\d · 3 in evt_/),
      description: "3 commands wait or are in hand",
    });
    expect(shown.jobs).toHaveLength(3);
    expect(shown.jobs[0].data.commands[0]).toMatch(/^reserve by usr_\w+ \(cmd_\w+\)$/);
    expect(JSON.stringify(body)).not.toContain("olga@example.test");
  });

  test("cannot be changed by whatever one sends, event queues nor static ones", async () => {
    const { cookie } = await operator();
    const { name, jobId } = await waitingEvent(2);
    const { redis, prefix } = gateway.redis;
    const stateOf = async () =>
      Promise.all(
        (await keysLike(redis, `${prefix}:*`)).sort().map(async (key) => [key, await redis.dumpBuffer(key)]),
      );
    const before = await stateOf();
    for (const queue of [name, "{activations}", "{deadlines}", "{nothing}"]) {
      const base = `/ops/queues/api/queues/${encodeURIComponent(queue)}`;
      for (const [method, url] of [
        ["PUT", "/ops/queues/api/queues/pause"],
        ["PUT", "/ops/queues/api/queues/resume"],
        ["POST", `${base}/add`],
        ["PUT", `${base}/retry/failed`],
        ["PUT", `${base}/promote`],
        ["PUT", `${base}/clean/wait`],
        ["PUT", `${base}/pause`],
        ["PUT", `${base}/resume`],
        ["PUT", `${base}/concurrency`],
        ["PUT", `${base}/rate-limit`],
        ["PUT", `${base}/rate-limit/release`],
        ["PUT", `${base}/empty`],
        ["PUT", `${base}/obliterate`],
        ["PUT", `${base}/job-schedulers/x/remove`],
        ["PATCH", `${base}/job-schedulers/x`],
        ["PUT", `${base}/job-schedulers/x/run`],
        ["PUT", `${base}/${jobId}/retry`],
        ["PUT", `${base}/${jobId}/clean`],
        ["PUT", `${base}/${jobId}/promote`],
        ["PATCH", `${base}/${jobId}/update-data`],
        ["PATCH", `${base}/${jobId}/delay`],
        ["PATCH", `${base}/${jobId}/priority`],
        ["PUT", `${base}/${jobId}/remove-unprocessed-children`],
        ["DELETE", `${base}/${jobId}`],
        ["DELETE", base],
      ] as const) {
        const { status, headers, body } = await gateway.ask({
          method,
          url,
          headers: { cookie },
          payload: { name: "x", data: {}, force: true },
        });
        expect([method, url, status, body.code]).toEqual([method, url, 405, "method-not-allowed"]);
        expect(headers["allow"]).toBe("GET, HEAD");
        expect((await gateway.ask({ method, url })).status).toBe(401);
      }
    }
    expect(await stateOf()).toEqual(before);
  });

  test("are asked about only while somebody looks", async () => {
    const { cookie } = await operator();
    const before = gateway.looks();
    for (const url of ["/ops/login", "/ops/queues", "/ops/queues/static/favicon.ico"])
      await look(cookie, url);
    await look("");
    expect(gateway.looks()).toBe(before);
    await look(cookie);
    expect(gateway.looks()).toBe(before + 1);
  });

  test("that are not there, and parameters that make no sense, are refused", async () => {
    const { cookie } = await operator();
    expect((await look(cookie, "/ops/queues/api/queues/%7Bnothing%7D/x")).status).toBe(404);
    expect((await look(cookie, "/ops/queues/api/queues?page=0")).status).toBe(400);
    expect((await look(cookie, "/ops/queues/api/queues?page=1&page=2")).body.code).toBe("validation-failed");
    expect((await look(cookie, "/ops/queues/nothing")).body.code).toBe("not-found");
    expect((await look(cookie, "/ops/nothing")).body.code).toBe("not-found");
    const wrongMethod = await gateway.ask({ method: "DELETE", url: "/ops/login" });
    expect([wrongMethod.status, wrongMethod.headers["allow"]]).toEqual([405, "GET, HEAD, OPTIONS, POST"]);
  });

  test("are no part of the API's document", async () => {
    const { body } = await gateway.ask({ url: "/openapi.json" });
    expect(Object.keys(body.paths).filter((path) => path.startsWith("/ops"))).toEqual([]);
  });
});
