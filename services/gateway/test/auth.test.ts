// Accounts and sessions: registering, signing in and out, rotation of refresh tokens, who is let in.
import { randomUUID } from "node:crypto";
import { signAccessToken } from "@holdfast/access-token";
import { newId } from "@holdfast/runtime";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayUnderTest, JWT_SECRET, openGateway } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

const post = (url: string, payload: object) => gateway.ask({ method: "POST", url, payload });
const me = (accessToken: string) =>
  gateway.ask({ url: "/v1/me", headers: { authorization: `Bearer ${accessToken}` } });
const account = () => ({ email: `${randomUUID()}@example.test`, password: "correct horse", name: "Ann" });
const register = async () => (await post("/v1/auth/register", account())).body;
const refresh = (refreshToken: string) => post("/v1/auth/refresh", { refreshToken });

describe("registering", () => {
  test("makes a user with the smallest role, signs in, and says where", async () => {
    const wanted = account();
    const { status, headers, body } = await post("/v1/auth/register", wanted);
    expect(status).toBe(201);
    expect(headers["location"]).toBe("/v1/me");
    expect(body).toEqual({
      user: {
        object: "user",
        id: expect.stringMatching(/^usr_/),
        email: wanted.email,
        name: "Ann",
        role: "user",
        createdAt: expect.stringMatching(/Z$/),
      },
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      tokenType: "Bearer",
      expiresIn: 900,
    });
    expect((await me(body.accessToken)).body).toEqual(body.user);
  });

  test("refuses an address that is taken, in whatever case", async () => {
    const wanted = account();
    await post("/v1/auth/register", wanted);
    const again = await post("/v1/auth/register", { ...wanted, email: wanted.email.toUpperCase() });
    expect(again.status).toBe(409);
    expect(again.body.code).toBe("email-taken");
  });

  test("keeps the password as an argon2id hash, with the cost that is promised", async () => {
    const wanted = account();
    await post("/v1/auth/register", wanted);
    const { rows } = await gateway.database.pool.query("SELECT password_hash FROM users WHERE email = $1", [
      wanted.email,
    ]);
    expect(rows[0].password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });
});

describe("signing in", () => {
  test("takes the address in any case", async () => {
    const wanted = account();
    await post("/v1/auth/register", wanted);
    const login = { email: wanted.email.toUpperCase(), password: wanted.password };
    const { status, body } = await post("/v1/auth/login", login);
    expect(status).toBe(200);
    expect(body.user.email).toBe(wanted.email);
  });

  test("gives the same answer for a wrong password and for nobody", async () => {
    const wanted = account();
    await post("/v1/auth/register", wanted);
    const wrong = await post("/v1/auth/login", { email: wanted.email, password: "wrong" });
    const nobody = await post("/v1/auth/login", { email: "nobody@example.test", password: "wrong" });
    expect(wrong.status).toBe(401);
    expect(wrong.headers["www-authenticate"]).toBe("Bearer");
    expect({ ...wrong.body, requestId: "" }).toEqual({ ...nobody.body, requestId: "" });
  });

  test("hashes anew what was hashed with less work", async () => {
    const wanted = account();
    await post("/v1/auth/register", wanted);
    const { hash } = await import("@node-rs/argon2");
    const weak = await hash(wanted.password, { memoryCost: 8_192, timeCost: 1 });
    await gateway.database.pool.query("UPDATE users SET password_hash = $2 WHERE email = $1", [
      wanted.email,
      weak,
    ]);
    expect(
      (await post("/v1/auth/login", wanted.email ? { email: wanted.email, password: wanted.password } : {}))
        .status,
    ).toBe(200);
    const { rows } = await gateway.database.pool.query("SELECT password_hash FROM users WHERE email = $1", [
      wanted.email,
    ]);
    expect(rows[0].password_hash).toContain("m=19456,t=2");
    expect((await post("/v1/auth/login", { email: wanted.email, password: wanted.password })).status).toBe(
      200,
    );
  });

  test("lets nobody in whose account is disabled", async () => {
    const wanted = account();
    const { body } = await post("/v1/auth/register", wanted);
    await gateway.database.pool.query(
      "UPDATE users SET disabled_at = now(), auth_changed_at = now() WHERE id = $1",
      [body.user.id],
    );
    expect((await post("/v1/auth/login", { email: wanted.email, password: wanted.password })).status).toBe(
      401,
    );
    expect((await refresh(body.refreshToken)).status).toBe(401);
    await gateway.standing.refresh();
    expect((await me(body.accessToken)).status).toBe(401);
  });
});

describe("refresh tokens", () => {
  test("rotate: each exchange gives a new pair", async () => {
    const first = await register();
    const second = await refresh(first.refreshToken);
    expect(second.status).toBe(200);
    expect(second.body.refreshToken).not.toBe(first.refreshToken);
    const third = await refresh(second.body.refreshToken);
    expect(third.status).toBe(200);
    expect((await me(third.body.accessToken)).status).toBe(200);
  });

  test("a repeat within ten seconds gets the same pair again", async () => {
    const first = await register();
    const once = await refresh(first.refreshToken);
    const twice = await refresh(first.refreshToken);
    expect(twice.status).toBe(200);
    expect(twice.body).toEqual(once.body);
  });

  test("twenty exchanges of one token at once get one and the same pair", async () => {
    const { refreshToken } = await register();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
  });

  test("reuse after that ends the whole family, access tokens included", async () => {
    const first = await register();
    const second = (await refresh(first.refreshToken)).body;
    await gateway.database.pool.query(
      "UPDATE refresh_tokens SET rotated_at = rotated_at - interval '11 seconds' WHERE rotated_at IS NOT NULL",
    );
    expect((await refresh(first.refreshToken)).body.code).toBe("unauthenticated");
    expect((await refresh(second.refreshToken)).status).toBe(401);
    expect((await me(second.accessToken)).status).toBe(401);
  });

  test("neither tokens nor pairs can be read in the database", async () => {
    const first = await register();
    const second = (await refresh(first.refreshToken)).body;
    const { rows } = await gateway.database.pool.query("SELECT * FROM refresh_tokens");
    const text = JSON.stringify(rows);
    for (const secret of [first.refreshToken, second.refreshToken, second.accessToken]) {
      expect(text).not.toContain(secret);
    }
  });

  test("a sealed pair is forgotten once no repeat may ask for it", async () => {
    const first = await register();
    const second = (await refresh(first.refreshToken)).body;
    await gateway.database.pool.query(
      "UPDATE refresh_tokens SET rotated_at = rotated_at - interval '11 seconds' WHERE rotated_at IS NOT NULL",
    );
    await refresh(second.refreshToken);
    const { rows } = await gateway.database.pool.query<{ kept: string }>(
      `SELECT count(t.successor) AS kept FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
       WHERE s.user_id = $1`,
      [first.user.id],
    );
    expect(rows[0]?.kept).toBe("1");
  });

  test("an unknown one and one of a session that is over are refused", async () => {
    expect((await refresh("nothing that was ever given out")).body.code).toBe("unauthenticated");
    const { refreshToken, user } = await register();
    await gateway.database.pool.query("UPDATE sessions SET expires_at = now() WHERE user_id = $1", [user.id]);
    expect((await refresh(refreshToken)).status).toBe(401);
  });
});

describe("signing out", () => {
  test("ends the session at once: neither token opens anything", async () => {
    const { accessToken, refreshToken } = await register();
    const out = await post("/v1/auth/logout", { refreshToken });
    expect(out.status).toBe(204);
    expect((await me(accessToken)).status).toBe(401);
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  test("with an unknown token is done at once", async () => {
    expect((await post("/v1/auth/logout", { refreshToken: "unknown" })).status).toBe(204);
  });

  test("at another gateway counts here after its next look", async () => {
    const { accessToken, user } = await register();
    await gateway.database.pool.query(
      "UPDATE sessions SET revoked_at = clock_timestamp() WHERE user_id = $1",
      [user.id],
    );
    await gateway.standing.refresh();
    expect((await me(accessToken)).status).toBe(401);
  });
});

describe("access tokens", () => {
  const claims = () => ({
    iss: "holdfast",
    aud: "holdfast-api",
    sub: newId("user"),
    jti: randomUUID(),
    role: "user",
  });
  const now = () => Math.floor(Date.now() / 1000);
  const sign = (payload: object, key: string = JWT_SECRET, algorithm: "HS256" | "HS512" = "HS256") =>
    createSigner({ key, algorithm, noTimestamp: true })(payload);
  const valid = () => ({ ...claims(), iat: now(), exp: now() + 60 });
  const without = (name: string) =>
    Object.fromEntries(Object.entries(valid()).filter(([key]) => key !== name));
  const flip = (token: string) =>
    `${token.slice(0, -3)}${token.at(-3) === "A" ? "B" : "A"}${token.slice(-2)}`;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = () => `${part({ alg: "none", typ: "JWT" })}.${part(valid())}.`;
  const bearer = (token: string) => `Bearer ${token}`;

  test.each<[string, () => string]>([
    ["no token", () => ""],
    ["another scheme", () => `Basic ${sign(valid())}`],
    ["no word at all", () => "Bearer"],
    ["two tokens in one field", () => `${bearer(sign(valid()))}, ${bearer(sign(valid()))}`],
    ["no signature", () => bearer(unsigned())],
    ["another algorithm", () => bearer(sign(valid(), JWT_SECRET, "HS512"))],
    ["another key", () => bearer(sign(valid(), "another secret, also long enough for HS256 to take"))],
    ["a flipped bit", () => bearer(flip(sign(valid())))],
    ["another issuer", () => bearer(sign({ ...valid(), iss: "somebody" }))],
    ["another audience", () => bearer(sign({ ...valid(), aud: "something" }))],
    ["a past end", () => bearer(sign({ ...valid(), exp: now() - 1 }))],
    ["a future begin", () => bearer(sign({ ...valid(), nbf: now() + 60 }))],
    ["no end", () => bearer(sign(without("exp")))],
    ["no subject", () => bearer(sign(without("sub")))],
    ["no id", () => bearer(sign(without("jti")))],
    ["no issuer", () => bearer(sign(without("iss")))],
    ["no audience", () => bearer(sign(without("aud")))],
    ["a role that there is not", () => bearer(sign({ ...valid(), role: "root" }))],
    ["a subject that is no user", () => bearer(sign({ ...valid(), sub: newId("event") }))],
    [
      "a foreign key in its header",
      () =>
        bearer(
          sign(valid()).replace(/^[^.]+/, part({ alg: "HS256", typ: "JWT", jwk: { kty: "oct", k: "AAAA" } })),
        ),
    ],
  ])("with %s get 401 and a challenge (F7)", async (_, authorization) => {
    const { status, headers, body } = await gateway.ask({
      url: "/v1/me",
      headers: authorization() === "" ? {} : { authorization: authorization() },
    });
    expect(status).toBe(401);
    expect(headers["www-authenticate"]).toBe("Bearer");
    expect(body.code).toBe("unauthenticated");
  });

  test("of a user who is gone open nothing", async () => {
    const token = signAccessToken(JWT_SECRET, { userId: newId("user"), role: "admin" });
    expect((await me(token)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await gateway.ask({ method: "POST", url: "/v1/events", headers, payload: {} })).status).toBe(401);
  });

  test("take a new role at once where a role is asked for, and after the next look elsewhere", async () => {
    const person = await gateway.person("user");
    const make = () => gateway.ask({ method: "POST", url: "/v1/events", headers: person.auth, payload: {} });
    expect((await make()).status).toBe(403);
    await gateway.database.pool.query(
      "UPDATE users SET role = 'organizer', auth_changed_at = now() WHERE id = $1",
      [person.id],
    );
    expect((await make()).status).toBe(400);
    await gateway.standing.refresh();
    expect(gateway.standing.roleOf(person.id, undefined, "user")).toBe("organizer");
  });
});
