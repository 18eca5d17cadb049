// How the domain's words become what outsiders see. (The documents that they are held to: see the gateway's tests.)
import {
  encodeId,
  type Outcome,
  type Refusal,
  type Reservation,
  type Slot,
  type WaitlistEntry,
} from "@holdfast/domain";
import { describe, expect, test } from "vitest";
import {
  Availability,
  Command,
  CreateEventBody,
  EditEventBody,
  EditSlotBody,
  Event,
  eventTag,
  Limit,
  type LookedAt,
  PROBLEM_CODES,
  PROBLEMS,
  Problem,
  presentAvailability,
  presentCommand,
  presentEvent,
  presentProblem,
  presentReservation,
  presentUser,
  presentWaitlistEntry,
  problemOf,
  Reservation as ReservationShape,
  ReserveBody,
  TimeIn,
  User,
  versionsOf,
  WaitlistEntry as WaitlistEntryShape,
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
const entry: WaitlistEntry = {
  id: encodeId("waitlistEntry", bytes(6)),
  eventId: reservation.eventId,
  slotId: reservation.slotId,
  userId: reservation.userId,
  quantity: 2,
  status: "waiting",
  seq: 4,
  createdAt: AT,
  offeredAt: null,
  endedAt: null,
  endReason: null,
  recheckAt: AT + 60_000,
  lastPassedOver: { at: AT + 1, reason: "overlap", limit: null, reservationId: reservation.id },
};
const event: LookedAt = {
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
      waiting: 0,
      parked: 0,
      inventory: 3,
    },
  ],
};
/** The event, while so many wait for its slot, of whom some may not have its tickets. */
const waitedFor = (waiting: number, parked: number): LookedAt => ({
  ...event,
  slots: event.slots.map((slot) => ({ ...slot, waiting, parked })),
});

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
  expect(WaitlistEntryShape.parse(presentWaitlistEntry({ ...entry, position: 3, offer: null }))).toEqual({
    object: "waitlistEntry",
    id: entry.id,
    eventId: entry.eventId,
    slotId: entry.slotId,
    userId: entry.userId,
    quantity: 2,
    status: "waiting",
    position: 3,
    offer: null,
    lastPassedOver: {
      reason: "overlap",
      at: "2030-01-01T00:00:00.001Z",
      limit: null,
      reservationId: reservation.id,
    },
    createdAt: "2030-01-01T00:00:00.000Z",
    offeredAt: null,
    endedAt: null,
    endReason: null,
  });
  const user = {
    id: reservation.userId,
    email: "a@b.test",
    name: "A",
    role: "admin",
    createdAt: AT,
  } as const;
  expect(User.parse(presentUser({ ...user }))).toMatchObject({ object: "user", role: "admin" });
});

test.each([
  ["nobody waits", 0, 0, AT - 1, 2],
  ["somebody waits", 3, 0, AT - 1, 0],
  ["only those wait who may not have them", 3, 3, AT - 1, 2],
  ["the waitlist has closed, and its entries have not ended yet", 3, 0, AT, 2],
])("the public has what is free, but for what others wait for: %s", (_, waiting, parked, now, available) => {
  const seen = waitedFor(waiting, parked);
  expect(presentEvent(seen, now)).toMatchObject({
    availableTickets: available,
    slots: [{ available, waiting }],
  });
  expect(presentAvailability(seen, now)).toMatchObject({
    availableTickets: available,
    slots: [{ available, waiting }],
  });
});

test("an event's tag changes when its waitlist closes, by time alone", () => {
  const terms = { ...event, salesCloseAt: null, waitlist: { ...event.waitlist, closesBeforeSeconds: 60 } };
  const [slot] = waitedFor(3, 0).slots;
  const seen = { ...terms, slots: slot === undefined ? [] : [slot] };
  const closing = AT - 60_000;
  expect(eventTag(seen, closing - 1)).not.toBe(eventTag(seen, closing));
  expect(eventTag(seen, closing)).toBe(eventTag(seen, closing + 1));
});

test.each<[string, number[] | null]>([
  ['"3.17"', [3]],
  ['"3.17", "12.0" ,\t"4.1"', [3, 12, 4]],
  ["*", null],
  [" * ", null],
  ['W/"3.17"', []],
  ['W/"3.17", "4.1"', [4]],
  ['"3"', []],
  ['"3.17', []],
  ["3.17", []],
  ['"other"', []],
  ['"1234567890123456.1"', []],
  ["", []],
])("If-Match: %s names the versions %j", (tags, versions) => {
  expect(versionsOf(tags)).toEqual(versions);
});

describe("commands", () => {
  const seen = { available: 0, waitingAhead: 3 };
  const record = {
    id: encodeId("command", bytes(5)),
    type: "reserve",
    eventId: reservation.eventId,
    submittedAt: AT,
    finishedAt: AT + 1,
    position: null,
    estimatedWaitMs: null,
    seq: 7,
    seen,
  };
  const domainSlot = {
    ...event.slots[0],
    used: true,
    lastSeq: 0,
    passers: [],
    collecting: null,
    promoteAt: null,
  } as unknown as Slot;
  const { pausedAt: _, ...facts } = event;
  test.each<[Outcome, object]>([
    [
      { status: "succeeded", reservation },
      {
        result: { object: "reservation", id: reservation.id },
        problem: null,
        explanation: { rule: "purchased" },
      },
    ],
    [
      { status: "succeeded", reservation: null, entry, position: 4 },
      {
        result: { object: "waitlistEntry", id: entry.id, position: 4, offer: null },
        explanation: { rule: "waiting" },
      },
    ],
    [
      { status: "succeeded", reservation: null, entry: { ...entry, status: "left" }, position: null },
      { result: { object: "waitlistEntry", position: null }, explanation: { rule: "left" } },
    ],
    [
      { status: "succeeded", reservation: null, slot: domainSlot, available: 2 },
      {
        result: { object: "slot", id: reservation.slotId, eventId: event.id, available: 2 },
        explanation: { rule: "done" },
      },
    ],
    [
      {
        status: "succeeded",
        reservation: null,
        slot: { ...domainSlot, waiting: 2, parked: 1 },
        available: 0,
      },
      { result: { object: "slot", available: 0, waiting: 2 } },
    ],
    [
      { status: "succeeded", reservation: null, event: { ...facts, slots: [domainSlot] } },
      { result: { object: "event", id: event.id, status: "over" }, explanation: { rule: "done" } },
    ],
    [
      { status: "succeeded", reservation: null },
      { result: null, problem: null, explanation: { rule: "done" } },
    ],
    [
      { status: "rejected", refusal: { code: "sold-out" } },
      { result: null, problem: { code: "sold-out" }, explanation: { rule: "sold-out" } },
    ],
    [
      { status: "failed", failure: "unsupported" },
      { result: null, problem: { code: "internal", status: 500 }, explanation: { rule: "failed" } },
    ],
  ])("%j", (outcome, expected) => {
    const shown = presentCommand({ ...record, status: outcome.status, outcome }, "request");
    expect(Command.parse(shown)).toEqual(shown);
    expect(shown).toMatchObject({ status: outcome.status, ...expected });
    expect(shown.explanation).toMatchObject({
      seen,
      place: 7,
      acceptedAt: "2030-01-01T00:00:00.000Z",
      appliedAt: "2030-01-01T00:00:00.001Z",
    });
  });

  test("one that has not ended explains nothing, and tells its place", () => {
    const place = { position: 3, estimatedWaitMs: 1_500 };
    const queued = {
      ...record,
      ...place,
      finishedAt: null,
      seq: null,
      seen: null,
      status: "queued" as const,
    };
    expect(presentCommand({ ...queued, outcome: null }, "request")).toMatchObject({
      ...place,
      result: null,
      explanation: null,
    });
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
    "already-waiting": { code: "already-waiting", waitlistEntryId: entry.id },
    "waitlist-closed": { code: "waitlist-closed" },
    "waitlist-full": { code: "waitlist-full" },
    "tickets-available": { code: "tickets-available" },
    "capacity-below-committed": { code: "capacity-below-committed", held: 3, purchased: 4 },
    "slot-in-use": { code: "slot-in-use" },
    "precondition-failed": { code: "precondition-failed" },
    "validation-failed": { code: "validation-failed", pointer: "/endsAt" },
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

  test.each(["order", "capacity", "user", "holds", "slots"] as const)(
    "limit-exceeded says in words that it is the limit of %s",
    (limit) => {
      const { detail } = problemOf({ code: "limit-exceeded", limit });
      expect(detail).not.toBe(PROBLEMS["limit-exceeded"].detail);
    },
  );

  test("a cooldown says when to come back", () => {
    const facts = problemOf({ code: "limit-exceeded", limit: "cooldown", retryAt: AT });
    expect(presentProblem(facts, { instance: "/x", requestId: "r" })).toMatchObject({
      limit: "cooldown",
      retryAt: "2030-01-01T00:00:00.000Z",
      nextStep: "retry-after",
    });
  });

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
    expect(ReserveBody.parse({ onSoldOut: "waitlist" })).toEqual({ quantity: 1, onSoldOut: "waitlist" });
  });

  test("a change has what was given and nothing else; null clears, or puts the default back", () => {
    expect(EditEventBody.parse({})).toEqual({});
    expect(EditEventBody.parse({ venue: null, salesOpenAt: null, holdSeconds: null })).toEqual({
      venue: null,
      salesOpenAt: null,
      holdSeconds: 300,
    });
    expect(EditEventBody.parse({ waitlist: { mode: "strict", maxSkips: null } })).toEqual({
      waitlist: { mode: "strict", maxSkips: 5 },
    });
    expect(EditEventBody.parse({ waitlist: null })).toEqual({ waitlist: event.waitlist });
    expect(EditEventBody.safeParse({ name: null }).success).toBe(false);
    expect(EditSlotBody.parse({ name: null, capacity: 0 })).toEqual({ name: null, capacity: 0 });
    for (const field of ["startsAt", "endsAt", "capacity"])
      expect(EditSlotBody.safeParse({ [field]: null }).success).toBe(false);
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
