// Who may use which route: a table that a person has checked, held to the router.

import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayUnderTest, openGateway } from "./gateway-under-test.ts";

const ROUTES = `
GET  /docs                          anyone
GET  /docs/                         anyone
GET  /docs/js/scalar.js             anyone
GET  /docs/problems                 anyone
GET  /livez                         anyone
GET  /openapi.json                  anyone
GET  /readyz                        anyone
POST /v1/auth/login                 anyone
POST /v1/auth/logout                anyone
POST /v1/auth/refresh               anyone
POST /v1/auth/register              anyone
GET  /v1/commands                   user
GET  /v1/commands/:id               user
GET  /v1/events                     anyone
POST /v1/events                     organizer
GET  /v1/events/:id                 anyone
GET  /v1/events/:id/availability    anyone
GET  /v1/events/:id/reservations    organizer
POST /v1/events/:id/reserve         user
GET  /v1/me                         user
GET  /v1/reservations               user
GET  /v1/reservations/:id           user
POST /v1/reservations/:id/cancel    user
POST /v1/reservations/:id/purchase  user
`;

const checked = ROUTES.trim()
  .split("\n")
  .map((line) => line.split(/ +/) as ["GET" | "POST", string, "anyone" | "user" | "organizer"]);

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

test("the router has these routes and no others", () => {
  const printed = gateway.app.printRoutes({ commonPrefix: false, includeMeta: ["access"] });
  const found: string[] = [];
  const path: string[] = [];
  for (const line of printed.split("\n")) {
    const [, indent = "", part = "", methods] = /^([\s│├└─]*)(\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    path.length = Math.max(0, indent.length / 4 - 1);
    path.push(part);
    for (const method of methods?.split(", ") ?? [])
      if (method !== "HEAD") found.push(`${method} ${path.join("")}`);
  }
  expect(found.sort()).toEqual(checked.map(([method, url]) => `${method} ${url}`).sort());
});

test.each(checked.filter(([, , access]) => access !== "anyone"))(
  "%s %s is closed without a token",
  async (method, url) => {
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")) });
    expect(status).toBe(401);
  },
);

test.each(checked.filter(([, , access]) => access === "organizer"))(
  "%s %s is closed to users",
  async (method, url) => {
    const { auth } = await gateway.person("user");
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")), headers: auth });
    expect(status).toBe(403);
  },
);

test.each(checked.filter(([, , access]) => access !== "organizer"))(
  "%s %s is open to users",
  async (method, url) => {
    const { auth } = await gateway.person("user");
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")), headers: auth });
    expect([200, 301, 400, 404]).toContain(status);
  },
);

test("every answer carries its request's id, closed headers and no open door to other sites", async () => {
  for (const url of ["/livez", "/v1/nothing", "/v1/me", "/v1/events/%zz", "/v1/events?x=1"]) {
    const { headers, body } = await gateway.ask({ url, headers: { origin: "https://elsewhere.test" } });
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    if (body.requestId !== undefined) expect(body.requestId).toBe(headers["x-request-id"]);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
    });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers["server"] ?? headers["x-powered-by"]).toBeUndefined();
  }
});

test("a request's id is taken over when it is harmless, else replaced", async () => {
  const idFor = async (given: string) =>
    (await gateway.ask({ url: "/livez", headers: { "x-request-id": given } })).headers["x-request-id"];
  expect(await idFor("trace-1.2:3_x")).toBe("trace-1.2:3_x");
  for (const harmful of ["two words", "x".repeat(65), '"}{"', "\u001b[31m", ""])
    expect(await idFor(harmful)).not.toBe(harmful);
});
