// What a batch's changes come to, before any of it is written.
import type { Change, Reservation } from "@holdfast/domain";
import { expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { netEffect } from "../src/inventory.ts";

const held: Reservation = {
  id: newId("reservation"),
  eventId: newId("event"),
  slotId: newId("slot"),
  userId: newId("user"),
  quantity: 2,
  status: "held",
  origin: "public",
  paymentReference: null,
  expiresAt: 10_000,
  createdAt: 1_000,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
};
const bought: Reservation = { ...held, status: "purchased", expiresAt: null, purchasedAt: 2_000 };
const cancelled: Reservation = { ...bought, status: "cancelled", endedAt: 3_000, endReason: "user" };

const hold: Change = { kind: "held", before: null, reservation: held };
const buy: Change = { kind: "purchased", before: "held", reservation: bought };
const cancelBought: Change = { kind: "ended", before: "purchased", reservation: cancelled };

test("nothing comes to nothing", () => {
  expect(netEffect([])).toEqual({ made: [], changed: [] });
});

test("what was made, bought and cancelled in one batch is written once, as it ended", () => {
  expect(netEffect([hold, buy, cancelBought])).toEqual({ made: [cancelled], changed: [] });
});

test("what was there before is changed once, from what it was to what it became", () => {
  expect(netEffect([buy, cancelBought])).toEqual({
    made: [],
    changed: [{ before: "held", reservation: cancelled }],
  });
});

test("each reservation stands for itself, in the order of its first change", () => {
  const other = { ...held, id: newId("reservation") };
  expect(netEffect([hold, { ...hold, reservation: other }, buy])).toEqual({
    made: [bought, other],
    changed: [],
  });
});
