// The gateway as a process: what it needs to start, when it says that it is ready, how it stops.

import { createLogger } from "@holdfast/runtime";
import {
  openTestDatabase,
  openTestRedis,
  spawnService,
  type TestDatabase,
  type TestRedis,
} from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GatewayConfig } from "../src/config.ts";
import { startGateway } from "../src/server.ts";
import { JWT_SECRET, WEBHOOK_ENCRYPTION_KEY } from "./gateway-under-test.ts";

let database: TestDatabase;
let redis: TestRedis;
let env: Record<string, string>;
beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix,
    JWT_SECRET,
    WEBHOOK_ENCRYPTION_KEY,
    PORT: "0",
  };
});
afterAll(async () => {
  await redis.close();
  await database.close();
});

test("says where it listens when it is ready, serves, and stops with 0 on SIGTERM", async () => {
  const gateway = spawnService("gateway", { ...env, LOG_FORMAT: "text" });
  await gateway.ready;
  expect(gateway.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  const registered = await fetch(`${gateway.url}/v1/auth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: "canary@example.test", password: "canary-password", name: "Canary" }),
  });
  expect(registered.status).toBe(201);
  const { accessToken } = (await registered.json()) as { accessToken: string };
  const headers = { authorization: `Bearer ${accessToken}` };
  expect((await fetch(`${gateway.url}/v1/me`, { headers })).status).toBe(200);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  expect(gateway.logs.join("\n")).not.toMatch(/canary|Bearer/);
});

test("names every mistake of its configuration, and ends with 1", async () => {
  const gateway = spawnService("gateway", {
    JWT_SECRET: "short",
    PORT: "many",
    RATE_LIMITS: "off",
    HOLDFAST_MODE: "production",
  });
  await expect(gateway.ready).rejects.toThrow();
  expect((await gateway.ended).code).toBe(1);
  const said = gateway.logs.join("\n");
  for (const name of ["DATABASE_URL", "REDIS_URL", "JWT_SECRET", "PORT"]) expect(said).toContain(`${name}: `);
  expect(said).not.toContain("short");
});

test("refuses in production to start without rate limits", async () => {
  const gateway = spawnService("gateway", { ...env, RATE_LIMITS: "off", HOLDFAST_MODE: "production" });
  await expect(gateway.ready).rejects.toThrow(/RATE_LIMITS: may be off only/);
});

test("ends with 1 when its database is not there", async () => {
  const gateway = spawnService("gateway", {
    ...env,
    DATABASE_URL: "postgresql://nobody@127.0.0.1:1/nothing",
  });
  await expect(gateway.ready).rejects.toThrow(/cannot go on/);
  expect((await gateway.ended).code).toBe(1);
});

test.each(["on", "off"])(
  "opens on real stores, serves, and leaves nothing open, with limits %s",
  async (RATE_LIMITS) => {
    const log = createLogger({ level: "fatal", format: "json", service: "gateway" });
    const config = GatewayConfig.parse({ ...env, HOLDFAST_MODE: "local", HOST: "0.0.0.0", RATE_LIMITS });
    const { url = "", stop } = await startGateway({ config, log, metrics: new Registry() });
    expect(url).toMatch(/^http:\/\/localhost:\d+$/);
    const { status, headers } = await fetch(`${url}/v1/events`);
    expect([status, headers.has("ratelimit")]).toEqual([200, RATE_LIMITS === "on"]);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await stop();
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  },
);

test("roles are read from the database where they matter", async () => {
  const log = createLogger({ level: "fatal", format: "json", service: "gateway" });
  const config = GatewayConfig.parse({ ...env, HOLDFAST_MODE: "local" });
  const { url = "", stop } = await startGateway({ config, log, metrics: new Registry() });
  try {
    const post = (path: string, body: object, token?: string) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      });
    const registered = await post("/v1/auth/register", {
      email: "r@example.test",
      password: "password",
      name: "R",
    });
    const { accessToken, user } = (await registered.json()) as { accessToken: string; user: { id: string } };
    expect((await post("/v1/events", {}, accessToken)).status).toBe(403);
    await database.pool.query("UPDATE users SET role = 'admin' WHERE id = $1", [user.id]);
    expect((await post("/v1/events", {}, accessToken)).status).toBe(400);
    await database.pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]);
    expect((await post("/v1/events", {}, accessToken)).status).toBe(401);
  } finally {
    await stop();
  }
});
