// Who may use which route: a table that a person has checked, held to the router.

import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayUnderTest, openGateway } from "./gateway-under-test.ts";

const ROUTES = `
GET    /docs                                                  anyone
GET    /docs/                                                 anyone
GET    /docs/js/scalar.js                                     anyone
GET    /docs/problems                                         anyone
GET    /livez                                                 anyone
GET    /openapi.json                                          anyone
GET    /ops/login                                             anyone
POST   /ops/login                                             anyone
GET    /ops/logout                                            anyone
POST   /ops/logout                                            anyone
GET    /ops/queues                                            operator
GET    /ops/queues/                                           operator
GET    /ops/queues/api/job-schedulers                         operator
GET    /ops/queues/api/queues                                 operator
GET    /ops/queues/api/queues/:queueName/:jobId               operator
GET    /ops/queues/api/queues/:queueName/:jobId/flow          operator
GET    /ops/queues/api/queues/:queueName/:jobId/logs          operator
GET    /ops/queues/api/queues/:queueName/default-job-options  operator
GET    /ops/queues/api/queues/:queueName/job-data-schema      operator
GET    /ops/queues/api/queues/:queueName/metrics              operator
GET    /ops/queues/api/queues/:queueName/rate-limit           operator
GET    /ops/queues/api/queues/:queueName/workers              operator
GET    /ops/queues/api/redis/stats                            operator
GET    /ops/queues/job-schedulers                             operator
GET    /ops/queues/metrics-history                            operator
GET    /ops/queues/queue/:queueName                           operator
GET    /ops/queues/queue/:queueName/:jobId                    operator
GET    /ops/queues/static/*                                   operator
POST   /ops/queues/api/*                                      operator
PUT    /ops/queues/api/*                                      operator
PATCH  /ops/queues/api/*                                      operator
DELETE /ops/queues/api/*                                      operator
GET    /readyz                                                anyone
POST   /v1/auth/login                                         anyone
POST   /v1/auth/logout                                        anyone
POST   /v1/auth/refresh                                       anyone
POST   /v1/auth/register                                      anyone
GET    /v1/commands                                           user
GET    /v1/commands/:id                                       user
DELETE /v1/commands/:id                                       user
POST   /v1/deliveries/:id/redeliver                           user
GET    /v1/events                                             anyone
POST   /v1/events                                             organizer
GET    /v1/events/:id                                         anyone
PATCH  /v1/events/:id                                         organizer
GET    /v1/events/:id/availability                            anyone
POST   /v1/events/:id/cancel                                  organizer
POST   /v1/events/:id/close-sales                             organizer
POST   /v1/events/:id/open-sales                              organizer
POST   /v1/events/:id/pause                                   organizer
GET    /v1/events/:id/reservations                            organizer
POST   /v1/events/:id/reserve                                 user
POST   /v1/events/:id/resume                                  organizer
POST   /v1/events/:id/slots                                   organizer
GET    /v1/me                                                 user
GET    /v1/reservations                                       user
GET    /v1/reservations/:id                                   user
POST   /v1/reservations/:id/cancel                            user
POST   /v1/reservations/:id/purchase                          user
PATCH  /v1/slots/:id                                          organizer
DELETE /v1/slots/:id                                          organizer
POST   /v1/slots/:id/capacity                                 organizer
GET    /v1/slots/:id/waitlist                                 organizer
POST   /v1/slots/:id/waitlist                                 user
GET    /v1/users                                              admin
PATCH  /v1/users/:id                                          admin
GET    /v1/waitlist                                           user
GET    /v1/waitlist/:id                                       user
DELETE /v1/waitlist/:id                                       user
GET    /v1/webhooks                                           user
POST   /v1/webhooks                                           user
GET    /v1/webhooks/:id                                       user
PATCH  /v1/webhooks/:id                                       user
DELETE /v1/webhooks/:id                                       user
GET    /v1/webhooks/:id/deliveries                            user
POST   /v1/webhooks/:id/replay                                user
POST   /v1/webhooks/:id/rotate-secret                         user
POST   /v1/webhooks/:id/test                                  user
POST   /v1/webhooks/:id/verify                                user
`;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
const checked = ROUTES.trim()
  .split("\n")
  .map(
    (line) => line.split(/ +/) as [Method, string, "anyone" | "user" | "organizer" | "admin" | "operator"],
  );

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

test("the router has these routes and no others", () => {
  const printed = gateway.app.printRoutes();
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

const TOKEN_NEEDED = ["user", "organizer", "admin"];
test.each(checked.filter(([, , access]) => TOKEN_NEEDED.includes(access)))(
  "%s %s is closed without a token",
  async (method, url) => {
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")) });
    expect(status).toBe(401);
  },
);

test.each(checked.filter(([, , access]) => access === "organizer" || access === "admin"))(
  "%s %s is closed to users",
  async (method, url) => {
    const { auth } = await gateway.person("user");
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")), headers: auth });
    expect(status).toBe(403);
  },
);

test.each(checked.filter(([, , access]) => access === "admin"))(
  "%s %s is closed to organizers",
  async (method, url) => {
    const { auth } = await gateway.person("organizer");
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("user")), headers: auth });
    expect(status).toBe(403);
  },
);

test.each(checked.filter(([, , access]) => access === "operator"))(
  "%s %s is closed without an operator's cookie, even to an admin's token",
  async (method, url) => {
    const { auth } = await gateway.person("admin");
    const { status, headers } = await gateway.ask({ method, url, headers: auth });
    if (status === 303) expect(headers["location"]).toBe("/ops/login");
    else expect(status).toBe(401);
  },
);

test.each(checked.filter(([, , access]) => access === "anyone" || access === "user"))(
  "%s %s is open to users",
  async (method, url) => {
    const { auth } = await gateway.person("user");
    const { status } = await gateway.ask({ method, url: url.replace(":id", newId("event")), headers: auth });
    expect([200, 301, 303, 400, 404]).toContain(status);
  },
);

describe("every answer", () => {
  const PLAIN = {
    "cache-control": "no-store",
    "content-security-policy":
      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };

  test.each([
    ["/livez", {}],
    ["/v1/nothing", {}],
    ["/v1/me", {}],
    ["/v1/events/%zz", {}],
    ["/v1/events?x=1", {}],
    [
      "/docs/problems",
      { "content-security-policy": expect.stringMatching(/^default-src 'none'; script-src [^,]*$/) },
    ],
    [
      "/ops/login",
      { "referrer-policy": "same-origin", "content-security-policy": expect.stringMatching(/^[^,]*$/) },
    ],
  ])("carries closed headers, each once, and no open door to other sites: %s", async (url, changed) => {
    const { headers } = await gateway.ask({ url, headers: { origin: "https://elsewhere.test" } });
    expect(headers, "sent twice, values are joined by a comma").toMatchObject({ ...PLAIN, ...changed });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers["server"] ?? headers["x-powered-by"]).toBeUndefined();
  });

  test.each(["/livez", "/v1/nothing", "/v1/me", "/v1/events/%zz", "/v1/events?x=1"])(
    "carries its request's id: %s",
    async (url) => {
      const { headers, body } = await gateway.ask({ url });
      expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
      if (body.requestId !== undefined) expect(body.requestId).toBe(headers["x-request-id"]);
    },
  );
});

test("a request's id is taken over when it is harmless, else replaced", async () => {
  const idFor = async (given: string) =>
    (await gateway.ask({ url: "/livez", headers: { "x-request-id": given } })).headers["x-request-id"];
  expect(await idFor("trace-1.2:3_x")).toBe("trace-1.2:3_x");
  for (const harmful of ["two words", "x".repeat(65), '"}{"', "caf\u00e9", ""])
    expect(await idFor(harmful)).not.toBe(harmful);
  const coloured = "\u001b[31m"; // which no client of Node's sends
  const { headers } = await gateway.app.inject({ url: "/livez", headers: { "x-request-id": coloured } });
  expect(headers["x-request-id"]).not.toBe(coloured);
});
