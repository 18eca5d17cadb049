// Commands as data: what the parser in the worker takes and refuses, roles, and who may wait in a deeper queue.
import { describe, expect, test } from "vitest";
import {
  COMMAND_TYPES,
  Command,
  type CommandType,
  hasRole,
  isKnown,
  PAYMENT_REFERENCE_LENGTH_MAX,
  servesRunningHold,
  UnknownCommand,
  USER_ROLES,
} from "../src/index.ts";
import { idOf } from "./names.ts";

const from = {
  id: idOf("command", "one"),
  eventId: idOf("event", "play"),
  at: 1,
  userId: idOf("user", "ann"),
  idempotencyKey: null,
  fingerprint: null,
};
const reservationId = idOf("reservation", "one");
const slotId = idOf("slot", "one");
const entryId = idOf("waitlistEntry", "one");
const asOrganizer = { ...from, input: { role: "organizer" } } as const;
const fromNobody = { ...from, userId: null } as const;
const GOOD = {
  reserve: { ...from, type: "reserve", input: { slotId: null, quantity: 1 } },
  purchase: { ...from, type: "purchase", input: { reservationId, paymentReference: null } },
  cancel: { ...from, type: "cancel", input: { reservationId, role: "user" } },
  "join-waitlist": { ...from, type: "join-waitlist", input: { slotId, quantity: 2 } },
  "leave-waitlist": { ...from, type: "leave-waitlist", input: { entryId, role: "user" } },
  "edit-event": {
    ...from,
    type: "edit-event",
    input: { edits: { venue: null, waitlist: { mode: "strict" } }, ifVersion: [1, 2], role: "admin" },
  },
  "add-slot": {
    ...from,
    type: "add-slot",
    input: { name: null, startsAt: 1, endsAt: 2, capacity: 0, ifVersion: null, role: "organizer" },
  },
  "edit-slot": {
    ...from,
    type: "edit-slot",
    input: { slotId, edits: { capacity: 3 }, ifVersion: null, role: "organizer" },
  },
  "remove-slot": { ...from, type: "remove-slot", input: { slotId, ifVersion: [], role: "organizer" } },
  "set-capacity": { ...from, type: "set-capacity", input: { slotId, capacity: 0, role: "organizer" } },
  "close-sales": { ...asOrganizer, type: "close-sales" },
  "open-sales": { ...asOrganizer, type: "open-sales" },
  "cancel-event": { ...asOrganizer, type: "cancel-event" },
  "expire-due": { ...fromNobody, type: "expire-due", input: { dueAt: 0 } },
  promote: {
    ...fromNobody,
    type: "promote",
    input: { slotId, from: { after: 128, since: 1 }, recheck: [entryId] },
  },
  "wind-down": {
    ...fromNobody,
    type: "wind-down",
    input: { after: { createdAt: 1, id: reservationId } },
  },
} satisfies Record<CommandType, object>;

describe("commands", () => {
  test.each(COMMAND_TYPES)("%s goes through text and back unchanged", (type) => {
    const read = Command.parse(JSON.parse(JSON.stringify(GOOD[type])));
    expect(read).toEqual(GOOD[type]);
    expect(isKnown(read)).toBe(true);
  });

  test.each([
    ["a quantity of none", { ...GOOD.reserve, input: { slotId: null, quantity: 0 } }],
    ["a part of a ticket", { ...GOOD.reserve, input: { slotId: null, quantity: 1.5 } }],
    ["a quantity in words", { ...GOOD.reserve, input: { slotId: null, quantity: "1" } }],
    ["another kind's id", { ...GOOD.reserve, input: { slotId: from.eventId, quantity: 1 } }],
    ["no stamp", { ...GOOD.reserve, at: undefined }],
    ["a stamp before all time", { ...GOOD.reserve, at: -1 }],
    ["an empty key", { ...GOOD.reserve, idempotencyKey: "" }],
    ["a key that is too long", { ...GOOD.reserve, idempotencyKey: "k".repeat(256) }],
    ["a reservation of nobody", { ...GOOD.reserve, userId: null }],
    ["an unknown role", { ...GOOD.cancel, input: { reservationId, role: "root" } }],
    ["a timer with a sender", { ...GOOD["expire-due"], userId: from.userId }],
    [
      "a payment reference that is too long",
      {
        ...GOOD.purchase,
        input: { reservationId, paymentReference: "p".repeat(PAYMENT_REFERENCE_LENGTH_MAX + 1) },
      },
    ],
    ["a type that is not known", { ...GOOD.reserve, type: "juggle" }],
  ])("refuse %s", (_, value) => {
    expect(Command.safeParse(value).success).toBe(false);
  });

  test("of an unknown type keep what is needed to answer them, and nothing else", () => {
    const newer = { ...from, type: "juggle", input: { slotId: "anything" }, more: true };
    const read = UnknownCommand.parse(newer);
    expect(read).toEqual({ ...from, type: "juggle" });
    expect(isKnown(read)).toBe(false);
    expect(UnknownCommand.safeParse({ ...newer, id: from.eventId }).success).toBe(false);
  });

  test("have more room in the queue, all but those of the crowd at the door", () => {
    expect(COMMAND_TYPES.filter((type) => !servesRunningHold(type))).toEqual(["reserve", "join-waitlist"]);
  });
});

test("roles are cumulative", () => {
  const may = USER_ROLES.map((role) => USER_ROLES.map((needed) => hasRole(role, needed)));
  expect(may).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true],
  ]);
});
