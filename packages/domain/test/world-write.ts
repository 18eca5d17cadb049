// Writes what a batch decided into the tests' tables, and refuses what their constraints would.
import {
  type BatchResult,
  type Change,
  type EntryPatched,
  type EventChange,
  type EventId,
  isLive,
  isParked,
  keyOf,
  patched,
  type Reservation,
  type ReservationChange,
  type Slot,
  type SlotId,
  type WaitlistEntry,
} from "../src/index.ts";
import { slotsOf, type World } from "./world-tables.ts";

export function commit(world: World, eventId: EventId, result: BatchResult): void {
  for (const change of result.changes) write(world, eventId, change);
  for (const slot of slotsOf(world, eventId).values()) checkSlot(slot);
  for (const { command, outcome, replayed } of result.applied) {
    if (replayed) continue;
    if (world.outcomes.has(command.id)) throw new Error(`${command.id} ended twice`);
    world.outcomes.set(command.id, outcome);
    const reused = outcome.status === "rejected" && outcome.refusal.code === "idempotency-key-reused";
    if (command.userId === null || command.idempotencyKey === null || reused) continue;
    world.keys.set(keyOf(command.userId, command.idempotencyKey), command.id);
  }
  world.told.push(...result.notices);
  if (result.logicalAt < (world.logicalAt.get(eventId) ?? 0)) throw new Error("logical time ran backwards");
  world.logicalAt.set(eventId, result.logicalAt);
}

function write(world: World, eventId: EventId, change: Change): void {
  switch (change.kind) {
    case "held":
    case "purchased":
    case "ended":
      writeReservation(world, change);
      break;
    case "joined":
      insertEntry(world, change.entry);
      break;
    case "entry":
      updateEntry(world, eventId, change);
      break;
    default:
      writeEvent(world, eventId, change);
  }
}

/** Counters move by the row's difference alone, as the worker's UPDATE does it. */
export function writeReservation(
  world: World,
  { before, reservation: row }: Pick<ReservationChange, "before" | "reservation">,
): void {
  const stored = world.reservations.get(row.id)?.status ?? null;
  if (stored !== before) throw new Error(`${row.id} is ${stored}, not ${before}`);
  const by = (status: Reservation["status"]) =>
    (row.status === status ? row.quantity : 0) - (before === status ? row.quantity : 0);
  updateSlot(world, row.eventId, row.slotId, (slot) => ({
    ...slot,
    held: slot.held + by("held"),
    purchased: slot.purchased + by("purchased"),
    used: true,
  }));
  world.reservations.set(row.id, row);
}

function updateSlot(world: World, eventId: EventId, slotId: SlotId, next: (slot: Slot) => Slot): void {
  const slots = slotsOf(world, eventId);
  const slot = slots.get(slotId);
  if (slot === undefined) throw new Error(`no slot ${slotId}`);
  slots.set(slotId, next(slot));
}

/** Each number of a slot's line is given once, and a user has one live entry of a slot. */
function insertEntry(world: World, entry: WaitlistEntry): void {
  const ofSlot = [...world.entries.values()].filter(({ slotId }) => slotId === entry.slotId);
  const twice = ofSlot.some(({ userId, status }) => userId === entry.userId && isLive(status));
  if (world.entries.has(entry.id) || twice) throw new Error(`${entry.userId} waits twice`);
  if (ofSlot.some(({ seq }) => seq >= entry.seq)) throw new Error(`${entry.id} is not the last of its slot`);
  checkEntry(entry);
  updateSlot(world, entry.eventId, entry.slotId, (slot) => ({
    ...slot,
    waiting: slot.waiting + 1,
    lastSeq: entry.seq,
  }));
  world.entries.set(entry.id, entry);
}

function updateEntry(world: World, eventId: EventId, change: EntryPatched): void {
  const { id, slotId, before, wasParked, patch } = change;
  const stored = world.entries.get(id);
  if (stored?.status !== before || isParked(stored) !== wasParked || stored.slotId !== slotId) {
    throw new Error(`${id} is ${JSON.stringify(stored)}, not ${before}, parked: ${wasParked}`);
  }
  const row = patched(stored, patch);
  checkEntry(row);
  updateSlot(world, eventId, slotId, (slot) => ({
    ...slot,
    waiting: slot.waiting + Number(row.status === "waiting") - Number(before === "waiting"),
    parked: slot.parked + Number(isParked(row)) - Number(wasParked),
  }));
  world.entries.set(id, row);
}

/** An edit writes what organizers change, and never a counter. */
function writeEvent(world: World, eventId: EventId, change: EventChange): void {
  const slots = slotsOf(world, eventId);
  switch (change.kind) {
    case "line":
      updateSlot(world, eventId, change.slotId, (slot) => ({ ...slot, ...change.line }));
      break;
    case "slot-added":
      if (slots.has(change.slot.id)) throw new Error(`${change.slot.id} is there already`);
      slots.set(change.slot.id, change.slot);
      break;
    case "slot-edited": {
      const { name, startsAt, endsAt, capacity } = change.slot;
      updateSlot(world, eventId, change.slot.id, (slot) => ({ ...slot, name, startsAt, endsAt, capacity }));
      break;
    }
    case "slot-removed":
      if (!slots.delete(change.slotId)) throw new Error(`no slot ${change.slotId}`);
      if (namesSlot(world, change.slotId)) throw new Error(`${change.slotId} is referred to`);
      break;
    case "event-edited":
      if (change.details.version !== (world.details.get(eventId)?.version ?? 0) + 1) {
        throw new Error(`${eventId} has another version`);
      }
      if (change.terms.cancelledAt !== null) world.windingDown.add(eventId);
      world.terms.set(eventId, change.terms);
      world.details.set(eventId, change.details);
      break;
    case "limit-raised":
      for (const entry of world.entries.values()) {
        const isLimited = isParked(entry) && entry.lastPassedOver?.limit === change.limit;
        if (entry.eventId !== eventId || !isLimited || (entry.recheckAt ?? 0) <= change.at) continue;
        world.entries.set(entry.id, { ...entry, recheckAt: change.at });
      }
      break;
    case "wound-down":
      world.windingDown.delete(eventId);
      break;
  }
}

const namesSlot = (world: World, id: SlotId): boolean =>
  [...world.reservations.values(), ...world.entries.values()].some(({ slotId }) => slotId === id);

/** As the table's CHECKs have it. */
function checkSlot({ id, held, purchased, capacity, waiting, parked, lastSeq }: Slot): void {
  const counts = held >= 0 && purchased >= 0 && held + purchased <= capacity;
  if (!counts) throw new Error(`slot ${id}: ${held} held, ${purchased} purchased of ${capacity}`);
  if (!(0 <= parked && parked <= waiting && waiting <= lastSeq)) {
    throw new Error(`slot ${id}: ${parked} parked, ${waiting} waiting of ${lastSeq}`);
  }
}

function checkEntry(entry: WaitlistEntry): void {
  const { id, status, endedAt, endReason, offeredAt, recheckAt } = entry;
  const fits =
    isLive(status) === (endedAt === null) &&
    isLive(status) === (endReason === null) &&
    (status !== "offered" || offeredAt !== null) &&
    (recheckAt === null || status === "waiting");
  if (!fits) throw new Error(`${id} contradicts itself: ${JSON.stringify(entry)}`);
}
