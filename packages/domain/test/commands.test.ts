// Commands as data: what the parser in the worker takes and refuses, roles, and who may wait in a deeper queue.
import { describe, expect, test } from "vitest";
import {
  COMMAND_TYPES,
  Command,
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
const GOOD = {
  reserve: { ...from, type: "reserve", input: { slotId: null, quantity: 1 } },
  purchase: { ...from, type: "purchase", input: { reservationId, paymentReference: null } },
  cancel: { ...from, type: "cancel", input: { reservationId, role: "user" } },
  "expire-due": { ...from, type: "expire-due", userId: null, input: { dueAt: 0 } },
} as const;

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
    ["a type that is not known", { ...GOOD.reserve, type: "promote" }],
  ])("refuse %s", (_, value) => {
    expect(Command.safeParse(value).success).toBe(false);
  });

  test("of an unknown type keep what is needed to answer them, and nothing else", () => {
    const newer = { ...from, type: "promote", input: { slotId: "anything" }, more: true };
    const read = UnknownCommand.parse(newer);
    expect(read).toEqual({ ...from, type: "promote" });
    expect(isKnown(read)).toBe(false);
    expect(UnknownCommand.safeParse({ ...newer, id: from.eventId }).success).toBe(false);
  });

  test("serve a running hold, all but reserve", () => {
    expect(COMMAND_TYPES.filter(servesRunningHold)).toEqual(["purchase", "cancel", "expire-due"]);
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
