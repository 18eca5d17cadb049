// What a batch's changes come to, before any of it is written.
import type { Change, EntryPatch, Reservation, Slot, WaitlistEntry } from "@holdfast/domain";
import { describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { netEffect } from "../src/inventory.ts";
import { netEvent } from "../src/inventory-event.ts";
import { netEntries } from "../src/inventory-waitlist.ts";

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

describe("waitlist entries", () => {
  const entry: WaitlistEntry = {
    id: newId("waitlistEntry"),
    eventId: held.eventId,
    slotId: held.slotId,
    userId: held.userId,
    quantity: 2,
    status: "waiting",
    seq: 1,
    createdAt: 1_000,
    offeredAt: null,
    endedAt: null,
    endReason: null,
    recheckAt: null,
    lastPassedOver: null,
  };
  const live = { endedAt: null, endReason: null, recheckAt: null };
  const why = { at: 2_000, reason: "too-few", limit: null, reservationId: null } as const;
  const change = (before: "waiting" | "offered", patch: EntryPatch): Change => ({
    kind: "entry",
    id: entry.id,
    slotId: entry.slotId,
    before,
    wasParked: false,
    patch,
  });
  const passed = change("waiting", { ...live, status: "waiting", lastPassedOver: why });
  const offered = change("waiting", { ...live, status: "offered", offeredAt: 3_000 });
  const ended = { status: "declined", endedAt: 4_000, endReason: "user", recheckAt: null } as const;

  test("one that joined, was offered tickets and declined them is written once, as it ended", () => {
    const joined: Change = { kind: "joined", entry };
    expect(netEntries([joined, passed, offered, change("offered", ended)])).toEqual({
      made: [{ ...entry, ...ended, offeredAt: 3_000, lastPassedOver: why }],
      changed: [],
    });
  });

  test("one that was there is changed once, from what it was, and keeps what only an earlier change says", () => {
    expect(netEntries([passed, offered, change("offered", ended)])).toEqual({
      made: [],
      changed: [
        {
          id: entry.id,
          before: "waiting",
          patch: { ...ended, offeredAt: 3_000, lastPassedOver: why },
        },
      ],
    });
  });
});

describe("slots and what is kept of their lines", () => {
  const slot: Slot = {
    id: held.slotId,
    name: null,
    startsAt: 10_000,
    endsAt: 20_000,
    capacity: 1,
    held: 0,
    purchased: 0,
    used: false,
    waiting: 0,
    parked: 0,
    lastSeq: 0,
    passers: [],
    collecting: null,
    promoteAt: null,
  };
  const added: Change = { kind: "slot-added", slot };
  const edited: Change = { kind: "slot-edited", slot: { ...slot, capacity: 5 } };
  const removed: Change = { kind: "slot-removed", slotId: slot.id };

  test("one that was added and changed is added as it is in the end", () => {
    expect(netEvent([added, edited])).toMatchObject({ added: [edited.slot], edited: [], removed: [] });
  });

  test("one that was added and removed never was; one that was there and changed is only removed", () => {
    expect(netEvent([added, edited, removed])).toMatchObject({ added: [], edited: [], removed: [] });
    expect(netEvent([edited, removed])).toMatchObject({ added: [], edited: [], removed: [slot.id] });
  });

  test("of a line only the last word counts", () => {
    const line = (promoteAt: number | null): Change => ({
      kind: "line",
      slotId: slot.id,
      line: { passers: [], collecting: null, promoteAt },
    });
    expect(netEvent([line(1), line(2), line(null)]).lines).toEqual(
      new Map([[slot.id, { passers: [], collecting: null, promoteAt: null }]]),
    );
  });
});
