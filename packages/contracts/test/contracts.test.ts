// How the domain's words become what outsiders see. (The documents that they are held to: see the gateway's tests.)
import { encodeId, type Outcome, type Refusal, type Reservation } from "@holdfast/domain";
import { describe, expect, test } from "vitest";
import {
  Availability,
  Command,
  CreateEventBody,
  Event,
  type EventFacts,
  Limit,
  PROBLEM_CODES,
  PROBLEMS,
  Problem,
  presentAvailability,
  presentCommand,
  presentEvent,
  presentProblem,
  presentReservation,
  presentUser,
  problemOf,
  Reservation as ReservationShape,
  ReserveBody,
  TimeIn,
  User,
} from "../src/index.ts";

const bytes = (n: number) => new Uint8Array(16).fill(n);
const AT = Date.UTC(2030, 0, 1);
const reservation: Reservation = {
  id: encodeId("reservation", bytes(1)),
  eventId: encodeId("event", bytes(2)),
  slotId: encodeId("slot", bytes(3)),
  userId: encodeId("user", bytes(4)),
  quantity: 2,
  status: "purchased",
  origin: "public",
  paymentReference: "pay",
  expiresAt: null,
  createdAt: AT,
  purchasedAt: AT + 1,
  endedAt: null,
  endReason: null,
};
const event: EventFacts = {
  id: reservation.eventId,
  organizerId: reservation.userId,
  name: "Event",
  description: null,
  venue: null,
  salesOpenAt: null,
  salesCloseAt: AT,
  salesClosed: false,
  holdSeconds: 300,
  offerSeconds: 900,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  waitlist: CreateEventBody.shape.waitlist.parse(undefined),
  cancelledAt: null,
  pausedAt: null,
  version: 1,
  createdAt: AT,
  updatedAt: AT,
  slots: [
    {
      id: reservation.slotId,
      name: null,
      startsAt: AT,
      endsAt: AT + 1,
      capacity: 5,
      held: 1,
      purchased: 2,
      inventory: 3,
    },
  ],
};

test("what is presented fits the schemas that are published", () => {
  expect(ReservationShape.parse(presentReservation(reservation))).toMatchObject({
    purchasedAt: "2030-01-01T00:00:00.001Z",
    endedAt: null,
  });
  expect(Event.parse(presentEvent(event, AT - 1))).toMatchObject({ status: "onSale", availableTickets: 2 });
  expect(Event.parse(presentEvent(event, AT))).toMatchObject({ status: "over" });
  expect(Availability.parse(presentAvailability(event, AT - 1)).slots).toMatchObject([
    { held: 1, available: 2 },
  ]);
  const user = {
    id: reservation.userId,
    email: "a@b.test",
    name: "A",
    role: "admin",
    createdAt: AT,
  } as const;
  expect(User.parse(presentUser({ ...user }))).toMatchObject({ object: "user", role: "admin" });
});

describe("commands", () => {
  const record = {
    id: encodeId("command", bytes(5)),
    type: "reserve",
    eventId: reservation.eventId,
    submittedAt: AT,
    finishedAt: AT,
    position: null,
  };
  test.each<[Outcome, object]>([
    [
      { status: "succeeded", reservation },
      { result: { id: reservation.id }, problem: null },
    ],
    [
      { status: "succeeded", reservation: null },
      { result: null, problem: null },
    ],
    [
      { status: "rejected", refusal: { code: "sold-out" } },
      { result: null, problem: { code: "sold-out" } },
    ],
    [
      { status: "failed", failure: "unsupported" },
      { result: null, problem: { code: "internal", status: 500 } },
    ],
  ])("%j", (outcome, expected) => {
    const shown = presentCommand({ ...record, status: outcome.status, outcome }, "request");
    expect(Command.parse(shown)).toMatchObject({ status: outcome.status, ...expected });
  });
});

describe("problems", () => {
  const every: Record<Refusal["code"], Refusal> = {
    "not-found": { code: "not-found", pointer: "/slotId" },
    "event-cancelled": { code: "event-cancelled" },
    "event-over": { code: "event-over" },
    "sales-not-open": { code: "sales-not-open", salesOpenAt: AT },
    "sales-closed": { code: "sales-closed" },
    "slot-required": { code: "slot-required" },
    "limit-exceeded": { code: "limit-exceeded", limit: "user" },
    "already-reserved": { code: "already-reserved", reservationId: reservation.id },
    overlap: { code: "overlap", reservationId: reservation.id, retryable: false },
    "sold-out": { code: "sold-out" },
    "all-held": { code: "all-held", earliestReleaseAt: null },
    "already-purchased": { code: "already-purchased" },
    "hold-expired": { code: "hold-expired" },
    "not-active": { code: "not-active" },
    "cancellation-closed": { code: "cancellation-closed" },
    "idempotency-key-reused": { code: "idempotency-key-reused" },
  };
  test.each(Object.values(every))("$code carries its own members", (refusal) => {
    const shown = presentProblem(problemOf(refusal), { instance: "/x", requestId: "r" });
    expect(Problem.parse(shown)).toEqual(shown);
    const { code, pointer, salesOpenAt, earliestReleaseAt, ...members } = { ...refusal } as Record<
      string,
      unknown
    >;
    expect(shown).toMatchObject({ code, ...members });
    if (pointer !== undefined) expect(shown.errors).toEqual([{ pointer, detail: expect.any(String) }]);
    if (salesOpenAt !== undefined) expect(shown["salesOpenAt"]).toBe("2030-01-01T00:00:00.000Z");
    if (earliestReleaseAt !== undefined) expect(shown["earliestReleaseAt"]).toBeNull();
  });

  test.each(["order", "capacity", "user", "holds"] as const)(
    "limit-exceeded says in words that it is the limit of %s",
    (limit) => {
      const { detail } = problemOf({ code: "limit-exceeded", limit });
      expect(detail).not.toBe(PROBLEMS["limit-exceeded"].detail);
    },
  );

  test.each(PROBLEM_CODES)("%s has a title and a sentence", (code) => {
    const { title, detail, status } = PROBLEMS[code];
    expect(title).toMatch(/^[A-Z]/);
    expect(detail).toMatch(/^[A-Z].*[.]$|: /);
    expect(status).toBeGreaterThanOrEqual(400);
  });
});

describe("what may be sent", () => {
  test("a reservation asks for one ticket unless it says otherwise", () => {
    expect(ReserveBody.parse({})).toEqual({ quantity: 1, onSoldOut: "refuse" });
    expect(ReserveBody.safeParse({ onSoldOut: "waitlist" }).success).toBe(false);
  });

  test.each([
    ["2030-01-01T00:00:00Z", AT],
    ["2030-01-01T01:00:00.000+01:00", AT],
    ["2029-12-31T19:00:00-05:00", AT],
  ])("%s is a time", (text, ms) => {
    expect(TimeIn.parse(text)).toBe(ms);
  });

  test.each(["1", "20", "100"])("a limit of %s", (limit) => expect(Limit.parse(limit)).toBe(Number(limit)));
  test.each(["0", "101", "01", "1.0", " 1", "+1", "999"])("no limit of %j", (limit) => {
    expect(Limit.safeParse(limit).success).toBe(false);
  });
});
