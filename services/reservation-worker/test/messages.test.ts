// Who is told of what happened in a batch.
import type { Subscriber } from "@holdfast/db/inventory";
import type { Notice, NoticeType, UserId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { describe, expect, test } from "vitest";
import { messagesFor, notifiedBy } from "../src/messages.ts";

const [ann, bob, olga] = [newId("user"), newId("user"), newId("user")];
const IDS = { newMessageId: () => newId("webhookMessage"), newDeliveryId: () => newId("delivery") };

const subscriber = (ownerId: UserId, has: Partial<Subscriber> = {}): Subscriber => ({
  id: newId("webhookEndpoint"),
  ownerId,
  types: null,
  hearsAll: false,
  troubled: false,
  disabled: false,
  ...has,
});
const notice = (type: NoticeType, userId: UserId | null): Notice => ({ type, userId }) as unknown as Notice;

describe("a notice goes to", () => {
  const mine = subscriber(ann);
  const all = subscriber(olga, { hearsAll: true });
  const cancelled = subscriber(olga, { hearsAll: true, types: ["event.cancelled"] });
  const told = (...notices: Notice[]) =>
    messagesFor(notices, [mine, all, cancelled], IDS).map(({ notice: { type }, deliveries }) => [
      type,
      deliveries.map(({ endpointId }) => endpointId),
    ]);

  test("whom it concerns, and who hears of everything", () => {
    expect(told(notice("reservation.held", ann), notice("reservation.held", bob))).toEqual([
      ["reservation.held", [all.id, mine.id]],
      ["reservation.held", [all.id]],
    ]);
  });

  test("those alone that asked for its type", () => {
    expect(told(notice("event.cancelled", null))).toEqual([["event.cancelled", [all.id, cancelled.id]]]);
  });
});

test("what nobody wants makes no message", () => {
  const listens = subscriber(ann, { types: ["command.failed"] });
  const notices = [
    notice("command.succeeded", ann),
    notice("command.failed", bob),
    notice("command.failed", ann),
  ];
  expect(messagesFor(notices, [listens], IDS).map(({ notice: told }) => told)).toEqual([notices[2]]);
});

test("an endpoint of a user who hears of everything hears once of what concerns that user", () => {
  const messages = messagesFor(
    [notice("reservation.held", olga)],
    [subscriber(olga, { hearsAll: true })],
    IDS,
  );
  expect(messages.map(({ deliveries }) => deliveries.length)).toEqual([1]);
});

test("what a disabled endpoint misses is written down, and it is not told", () => {
  const listens = subscriber(ann, { disabled: true });
  const messages = messagesFor([notice("reservation.held", ann)], [listens], IDS);
  expect(messages).toMatchObject([{ deliveries: [{ endpointId: listens.id, missed: true }] }]);
  expect(notifiedBy(messages, [listens])).toEqual([]);
});

test("endpoints are to be told once a batch, and only those that got something", () => {
  const [idle, busy] = [subscriber(bob), subscriber(ann, { troubled: true })];
  const notices = [notice("reservation.held", ann), notice("command.succeeded", ann)];
  const messages = messagesFor(notices, [idle, busy], IDS);
  expect(notifiedBy(messages, [idle, busy])).toEqual([{ endpointId: busy.id, troubled: true }]);
});
