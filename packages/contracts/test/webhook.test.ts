// What endpoints of webhooks may be, and how they, their deliveries and their messages look from outside.
import { encodeId, type Notice } from "@holdfast/domain";
import { describe, expect, test } from "vitest";
import {
  CreateWebhookBody,
  Delivery,
  EditWebhookBody,
  type EndpointNotice,
  presentDelivery,
  presentMessage,
  presentWebhookEndpoint,
  ReplayBody,
  TIME_MAX,
  TIME_MIN,
  WEBHOOK_TYPES,
  WebhookEndpoint,
  WebhookMessage,
} from "../src/index.ts";

const bytes = (n: number) => new Uint8Array(16).fill(n);
const AT = Date.UTC(2030, 0, 1);
const id = encodeId("webhookEndpoint", bytes(1));
const url = "https://example.com/hooks?tenant=1";

const mistakes = (body: unknown, schema: typeof CreateWebhookBody | typeof EditWebhookBody): string[] => {
  const { error } = schema.safeParse(body);
  return error?.issues.map(({ path }) => `/${path.join("/")}`) ?? [];
};

describe("an endpoint's URL", () => {
  test.each([
    "https://example.com",
    "https://EXAMPLE.com/Hooks?a=1#b",
    "http://10.0.0.1:8080/where-it-may-not-go",
    "ftp://example.com/is-a-url",
    "https://b\u00fccher.example/",
    `https://example.com/${"x".repeat(2_028)}`,
  ])("%s is one, whether or not webhooks may go there, and is kept as it is written", (given) => {
    expect(CreateWebhookBody.parse({ url: given })).toEqual({ url: given });
  });

  test.each([
    "",
    "example.com",
    "//example.com",
    "/hooks",
    "https://",
    "https://exa mple.com",
    " https://example.com",
    "https://exam\nple.com",
    "https://example.com/\t",
    "https:\\\\example.com",
    "https://example.com/\u0007",
    "https://example.com/\u202egnp.exe",
    "https://example.com:99999/",
    "https://999.999.999.999/",
    "https://[::1",
    `https://example.com/${"x".repeat(2_029)}`,
    1,
    null,
    ["https://example.com"],
  ])("%j is none (F7)", (given) => {
    expect(mistakes({ url: given }, CreateWebhookBody)).toContain("/url");
    expect(mistakes({ url: given }, EditWebhookBody)).toContain("/url");
  });
});

describe("an endpoint's types", () => {
  test("are some that there are, each once", () => {
    expect(CreateWebhookBody.parse({ url, types: [...WEBHOOK_TYPES] }).types).toEqual(WEBHOOK_TYPES);
    for (const [types, pointer] of [
      [[], "/types"],
      ["reservation.held", "/types"],
      [null, "/types"],
      [["reservation.held", "reservation.*"], "/types/1"],
      [["endpoint.test"], "/types/0"],
      [["event.cancelled", "reservation.held", "event.cancelled"], "/types/2"],
    ] as const)
      expect(mistakes({ url, types }, CreateWebhookBody)).toEqual([pointer]);
  });

  test("are all again when a change clears them, and stay when it does not name them", () => {
    expect(EditWebhookBody.parse({ types: null, description: null })).toEqual({
      types: null,
      description: null,
    });
    expect(EditWebhookBody.parse({})).toEqual({});
    expect(mistakes({ status: "active", secret: "whsec_" }, EditWebhookBody)).toEqual(["/"]);
  });
});

test("a replay begins at a time with a zone", () => {
  expect(ReplayBody.parse({ since: "2030-01-01T01:00:00+01:00" })).toEqual({ since: AT });
  expect(ReplayBody.parse({ since: "1970-01-01T00:00:00Z" })).toEqual({ since: TIME_MIN });
  expect(ReplayBody.parse({ since: "9999-12-31T23:59:59Z" })).toEqual({ since: TIME_MAX });
  for (const since of [undefined, null, AT, "2030-01-01", "2030-01-01T00:00:00", "yesterday"])
    expect(ReplayBody.safeParse({ since }).success).toBe(false);
});

test("an endpoint that names no types has all there are", () => {
  const facts = {
    id,
    url,
    description: null,
    status: "active",
    disabledReason: null,
    createdAt: AT,
  } as const;
  expect(presentWebhookEndpoint({ ...facts, types: null }).types).toEqual(WEBHOOK_TYPES);
  expect(presentWebhookEndpoint({ ...facts, types: ["event.cancelled"] }).types).toEqual(["event.cancelled"]);
});

test("an endpoint shows nothing of its secret, and a delivery nothing of what was answered", () => {
  const endpoint = presentWebhookEndpoint({
    id,
    url,
    types: ["event.cancelled"],
    description: null,
    status: "disabled",
    disabledReason: "gone",
    createdAt: AT,
    ...{ secret: "sealed", ownerId: "somebody" },
  });
  expect(WebhookEndpoint.strict().parse(endpoint)).toEqual(endpoint);
  const delivery = presentDelivery({
    id: encodeId("delivery", bytes(2)),
    endpointId: id,
    messageId: encodeId("webhookMessage", bytes(3)),
    type: "endpoint.test",
    status: "pending",
    attempts: [{ at: AT, status: null, durationMs: 15_000, ...{ body: "secret" } }],
    nextAttemptAt: AT + 5_000,
    createdAt: AT,
  });
  expect(Delivery.strict().parse(delivery)).toEqual(delivery);
  expect(delivery).toMatchObject({
    webhookId: encodeId("webhookMessage", bytes(3)),
    attempts: [{ at: "2030-01-01T00:00:00.000Z", status: null, durationMs: 15_000 }],
    nextAttemptAt: "2030-01-01T00:00:05.000Z",
  });
  expect(JSON.stringify([endpoint, delivery])).not.toMatch(/sealed|somebody|"body"/);
});

describe("a message", () => {
  const message = {
    id: encodeId("webhookMessage", bytes(3)),
    createdAt: AT,
    eventId: null,
    sequence: null,
  };
  const eventId = encodeId("event", bytes(4));
  const userId = encodeId("user", bytes(5));
  const ofEvent = { ...message, eventId, sequence: 7 };

  test.each<EndpointNotice>([
    { type: "endpoint.verification", challenge: "a challenge" },
    { type: "endpoint.test", endpointId: id },
    { type: "endpoint.disabled", endpointId: id, reason: "failing" },
  ])("about an endpoint carries what it is about: %j", (notice) => {
    const { type, ...data } = notice;
    const sent = presentMessage({ ...message, notice });
    expect(sent).toEqual({
      id: message.id,
      type,
      timestamp: "2030-01-01T00:00:00.000Z",
      apiVersion: "1",
      data,
    });
    expect(WebhookMessage.parse(sent)).toEqual(sent);
  });

  test("about an event carries the event, its number among the event's messages, and the resource", () => {
    const notice: Notice = {
      type: "reservation.held",
      userId,
      reservation: {
        id: encodeId("reservation", bytes(6)),
        eventId,
        slotId: encodeId("slot", bytes(7)),
        userId,
        quantity: 1,
        status: "held",
        origin: "waitlist",
        paymentReference: null,
        expiresAt: AT + 1_000,
        createdAt: AT,
        purchasedAt: null,
        endedAt: null,
        endReason: null,
      },
    };
    const sent = presentMessage({ ...ofEvent, notice });
    expect(WebhookMessage.parse(sent)).toEqual(sent);
    expect(sent).toMatchObject({
      type: "reservation.held",
      data: { eventId, sequence: 7, resource: { object: "reservation", status: "held", origin: "waitlist" } },
    });
    expect(() => presentMessage({ ...message, notice })).toThrow("is about an event");
  });

  test("about a command carries it as the API shows it", () => {
    const notice: Notice = {
      type: "command.rejected",
      userId,
      command: {
        id: encodeId("command", bytes(8)),
        type: "reserve",
        eventId,
        submittedAt: AT - 20,
        finishedAt: AT,
        outcome: { status: "rejected", refusal: { code: "sold-out" } },
        seq: 3,
        seen: { available: 0, waitingAhead: 2 },
      },
    };
    const sent = presentMessage({ ...ofEvent, notice });
    expect(WebhookMessage.parse(sent)).toEqual(sent);
    expect(sent).toMatchObject({
      data: {
        resource: {
          object: "command",
          status: "rejected",
          problem: { code: "sold-out", instance: `/v1/commands/${notice.command.id}` },
          explanation: { rule: "sold-out", place: 3, seen: { available: 0, waitingAhead: 2 } },
        },
      },
    });
  });
});
