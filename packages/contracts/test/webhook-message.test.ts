// What endpoints are sent: worded out of what was kept, as its schema says.
import {
  type EventFacts,
  NOTICE_TYPES,
  type Notice,
  type Reservation,
  type WaitlistEntry,
} from "@holdfast/domain";
import { describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { type MessageFacts, presentMessage, WEBHOOK_TYPES, WebhookMessage } from "../src/index.ts";

const AT = Date.UTC(2030, 0, 1, 12);
const [userId, eventId, slotId] = [newId("user"), newId("event"), newId("slot")];
const reservation: Reservation = {
  id: newId("reservation"),
  eventId,
  slotId,
  userId,
  quantity: 2,
  status: "held",
  origin: "waitlist",
  paymentReference: null,
  expiresAt: AT + 1_000,
  createdAt: AT,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
};
const entry: WaitlistEntry = {
  id: newId("waitlistEntry"),
  eventId,
  slotId,
  userId,
  quantity: 2,
  status: "offered",
  seq: 4,
  createdAt: AT,
  offeredAt: AT,
  endedAt: null,
  endReason: null,
  recheckAt: null,
  lastPassedOver: null,
};
const command = {
  id: newId("command"),
  type: "reserve",
  eventId,
  submittedAt: AT - 5,
  finishedAt: AT,
  seq: 9,
  seen: { available: 3, waitingAhead: 0 },
};
const event: EventFacts = {
  id: eventId,
  organizerId: userId,
  cancelledAt: AT,
  salesOpenAt: null,
  salesCloseAt: null,
  salesClosed: false,
  holdSeconds: 300,
  offerSeconds: 900,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  name: "An evening",
  description: null,
  venue: null,
  version: 2,
  createdAt: AT - 9,
  updatedAt: AT,
  slots: [],
  waitlist: {
    enabled: true,
    mode: "skip",
    maxSkips: 5,
    collectSeconds: 900,
    maxEntries: 10,
    closesBeforeSeconds: 0,
  },
};

const message = (notice: MessageFacts["notice"], of: Partial<MessageFacts> = {}): MessageFacts => ({
  id: newId("webhookMessage"),
  createdAt: AT,
  eventId,
  sequence: 17,
  notice,
  ...of,
});
/** As whoever receives it reads it. */
const sent = (facts: MessageFacts): WebhookMessage =>
  WebhookMessage.parse(JSON.parse(JSON.stringify(presentMessage(facts))));

const NOTICES: Notice[] = [
  { type: "reservation.held", userId, reservation },
  { type: "waitlist.offered", userId, entry, position: null, offer: reservation },
  { type: "event.cancelled", userId: null, event, asOf: AT },
  {
    type: "command.succeeded",
    userId,
    command: { ...command, outcome: { status: "succeeded", reservation } },
  },
  {
    type: "command.rejected",
    userId,
    command: { ...command, outcome: { status: "rejected", refusal: { code: "sold-out" } } },
  },
];

describe("a message of an event", () => {
  test.each(NOTICES)("$type is as its schema says, and bears its place", (notice) => {
    const facts = message(notice);
    expect(sent(facts)).toMatchObject({
      id: facts.id,
      type: notice.type,
      timestamp: "2030-01-01T12:00:00.000Z",
      apiVersion: "1",
      data: { eventId, sequence: 17 },
    });
  });

  test("tells the resource as the API shows it", () => {
    const resources = NOTICES.map((notice) => sent(message(notice)).data);
    expect(resources).toMatchObject([
      { resource: { object: "reservation", id: reservation.id, status: "held" } },
      { resource: { object: "waitlistEntry", id: entry.id, position: null, offer: { id: reservation.id } } },
      { resource: { object: "event", id: eventId, status: "cancelled", totalTickets: 0 } },
      { resource: { object: "command", status: "succeeded", result: { id: reservation.id }, problem: null } },
      { resource: { object: "command", status: "rejected", result: null, problem: { code: "sold-out" } } },
    ]);
  });

  test("needs an event and a number", () => {
    const [notice] = NOTICES as [Notice];
    expect(() => presentMessage(message(notice, { eventId: null }))).toThrow("names none");
    expect(() => presentMessage(message(notice, { sequence: null }))).toThrow("names none");
  });
});

test("messages about endpoints are as their schemas say", () => {
  const endpointId = newId("webhookEndpoint");
  const about = { eventId: null, sequence: null };
  const all = [
    sent(message({ type: "endpoint.verification", challenge: "c" }, about)),
    sent(message({ type: "endpoint.test", endpointId }, about)),
    sent(message({ type: "endpoint.disabled", endpointId, reason: "gone" }, about)),
  ];
  expect(all.map(({ type, data }) => [type, data])).toEqual([
    ["endpoint.verification", { challenge: "c" }],
    ["endpoint.test", { endpointId }],
    ["endpoint.disabled", { endpointId, reason: "gone" }],
  ]);
});

test("an endpoint may ask for every type of notice there is", () => {
  expect(WEBHOOK_TYPES).toEqual(NOTICE_TYPES);
});
