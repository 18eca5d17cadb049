// How often one may ask: by user, by address, by class of route; and what happens when nobody can count.

import { newId } from "@holdfast/runtime";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createLoginThrottle,
  LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX,
  LOGIN_WINDOW_SECONDS,
} from "../src/login-throttle.ts";
import { addressKey, LOCAL_COUNTERS_MAX, RATE_POLICIES, RateLimiter } from "../src/rate-limits.ts";
import { type GatewayUnderTest, openGateway } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
/** A connection to nobody: every command fails at once. */
let gone: Redis;
beforeAll(async () => {
  gateway = await openGateway({ limits: true, trustProxy: ["127.0.0.1"] });
  gone = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, maxRetriesPerRequest: 0 });
  gone.on("error", () => {}); // as expected
});
afterAll(async () => {
  gone.disconnect();
  await gateway.close();
});

/** What others have used up already. */
const used = (rateClass: string, who: string, count: number) =>
  gateway.redis.redis.set(`${gateway.redis.prefix}:rate:${rateClass}:${who}`, count, "PX", 60_000);

describe("rates", () => {
  test("are told with every answer that is counted", async () => {
    const { auth } = await gateway.person();
    const { headers } = await gateway.ask({ url: "/v1/reservations", headers: auth });
    expect(headers["ratelimit-policy"]).toBe('"read";q=1200;w=60');
    expect(headers["ratelimit"]).toMatch(/^"read";r=1199;t=(60|59)$/);
    const again = await gateway.ask({ url: "/v1/reservations", headers: auth });
    expect(again.headers["ratelimit"]).toContain("r=1198");
    expect((await gateway.ask({ url: "/livez" })).headers["ratelimit"]).toBeUndefined();
  });

  test("a user beyond the quota is told when to come back, others are not", async () => {
    const ann = await gateway.person();
    await used("read", ann.id, RATE_POLICIES.read.quota);
    const { status, headers, body } = await gateway.ask({ url: "/v1/reservations", headers: ann.auth });
    expect([status, body.code, body.nextStep]).toEqual([429, "rate-limited", "retry-after"]);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(headers["ratelimit"]).toContain("r=0");
    const bob = await gateway.person();
    expect((await gateway.ask({ url: "/v1/reservations", headers: bob.auth })).status).toBe(200);
    const command = {
      method: "POST" as const,
      url: `/v1/reservations/${newId("reservation")}/cancel`,
      headers: ann.auth,
    };
    expect((await gateway.ask(command)).status).toBe(404);
  });

  test("without a token that counts, by the address that a trusted proxy tells; before the 401", async () => {
    await used("read", "203.0.113.9", RATE_POLICIES.read.quota);
    const from = (address: string) =>
      gateway.ask({
        url: "/v1/reservations",
        headers: { "x-forwarded-for": address, authorization: "Bearer x" },
      });
    expect((await from("203.0.113.9")).status).toBe(429);
    expect((await from("203.0.113.10")).status).toBe(401);
  });

  test("an address of IPv6 counts as its network", () => {
    expect(addressKey("192.0.2.1")).toBe("192.0.2.1");
    expect(addressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(addressKey("2001:DB8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(addressKey("2001:db8:1::1")).toBe("2001:db8:1:0::/64");
    expect(addressKey("::1")).toBe("0:0:0:0::/64");
    expect(addressKey("2001:db8::")).toBe("2001:db8:0:0::/64");
  });

  test("are counted in the process while Redis is gone, for a bounded number of askers", async () => {
    const limiter = new RateLimiter(gone, "gone");
    const first = await limiter.count("auth", "somebody");
    expect(first).toEqual({ exceeded: false, remaining: RATE_POLICIES.auth.quota - 1, resetSeconds: 60 });
    for (let i = 1; i < RATE_POLICIES.auth.quota; i++) await limiter.count("auth", "somebody");
    expect((await limiter.count("auth", "somebody")).exceeded).toBe(true);
    await Promise.all(
      Array.from({ length: LOCAL_COUNTERS_MAX }, (_, i) => limiter.count("auth", `other ${i}`)),
    );
    expect((await limiter.count("auth", "somebody")).exceeded).toBe(false);
  });
});

describe("guessing passwords", () => {
  const login = (email: string, password: string) =>
    gateway.ask({ method: "POST", url: "/v1/auth/login", payload: { email, password } });

  test("is slowed down for the account, in whatever case it is written, even for the right password", async () => {
    const email = `${newId("user")}@example.test`;
    const payload = { email, password: "the right one", name: "Ann" };
    await gateway.ask({ method: "POST", url: "/v1/auth/register", payload });
    for (let i = 0; i < LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX; i++) {
      expect((await login(i % 2 === 0 ? email : email.toUpperCase(), "wrong")).status).toBe(401);
    }
    const { status, headers, body } = await login(email, "the right one");
    expect([status, body.code]).toEqual([429, "rate-limited"]);
    expect(Number(headers["retry-after"])).toBeGreaterThan(800);
    expect(headers["ratelimit"]).toBe(`"login";r=0;t=${headers["retry-after"]}`);
    expect(headers["ratelimit-policy"]).toBe(
      `"login";q=${LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX};w=${LOGIN_WINDOW_SECONDS}`,
    );
  });

  test("from one address does not lock the account's owner out at another one", async () => {
    const throttle = createLoginThrottle(gateway.redis.redis, gateway.redis.prefix);
    const email = `${newId("user")}@example.test`;
    for (let i = 0; i < LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX; i++)
      await throttle.enter(email, "192.0.2.7");
    await expect(throttle.enter(email, "192.0.2.7")).rejects.toMatchObject({
      facts: { code: "rate-limited" },
    });
    await expect(throttle.enter(email, "192.0.2.8")).resolves.toBeUndefined();
  });

  test("does not count what succeeded", async () => {
    const email = `${newId("user")}@example.test`;
    await gateway.ask({
      method: "POST",
      url: "/v1/auth/register",
      payload: { email, password: "the right one", name: "Ann" },
    });
    for (let i = 0; i <= LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX; i++) {
      expect((await login(email, "the right one")).status).toBe(200);
    }
  });

  test("keeps no address in Redis", async () => {
    await login("secret.person@example.test", "wrong");
    const keys = await gateway.redis.redis.keys(`${gateway.redis.prefix}*`);
    expect(keys.join(" ")).not.toContain("secret.person");
  });

  test("with Redis gone the login is closed", async () => {
    const throttle = createLoginThrottle(gone, "gone");
    await expect(throttle.enter("ann@example.test", "192.0.2.1")).rejects.toMatchObject({
      facts: { code: "unavailable" },
      headers: { "retry-after": "5" },
    });
  });
});
