// Events and their slots, as outsiders see them.
import {
  availableTickets,
  type EventFacts as DomainEventFacts,
  type Slot as DomainSlot,
  EVENT_STATUSES,
  EventId,
  eventStatus,
  OVERLAP_POLICIES,
  SLOTS_PER_EVENT_MAX,
  SlotId,
  somebodyWaits,
  UserId,
  WAITLIST_MODES,
  waitlistClosesAt,
} from "@holdfast/domain";
import { z } from "zod";
import { isoTime, isoTimeOrNull, TimeOut } from "./fields.ts";
import { listOf } from "./list.ts";

export const WaitlistPolicy = z
  .object({
    enabled: z.boolean(),
    mode: z.enum(WAITLIST_MODES),
    maxSkips: z.int(),
    collectSeconds: z.int(),
    maxEntries: z.int(),
    closesBeforeSeconds: z.int(),
  })
  .meta({ id: "WaitlistPolicy" });
export type WaitlistPolicy = z.infer<typeof WaitlistPolicy>;

const counters = {
  capacity: z.int(),
  held: z.int(),
  purchased: z.int(),
  available: z.int(),
  waiting: z.int(),
};

export const Slot = z
  .object({
    object: z.literal("slot"),
    id: SlotId,
    eventId: EventId,
    name: z.string().nullable(),
    startsAt: TimeOut,
    endsAt: TimeOut,
    ...counters,
  })
  .meta({ id: "Slot" });
export type Slot = z.infer<typeof Slot>;

const totals = {
  status: z.enum(EVENT_STATUSES),
  totalTickets: z.int(),
  availableTickets: z.int(),
};

export const Event = z
  .object({
    object: z.literal("event"),
    id: EventId,
    name: z.string(),
    description: z.string().nullable(),
    venue: z.string().nullable(),
    organizerId: UserId,
    ...totals,
    salesOpenAt: TimeOut.nullable(),
    salesCloseAt: TimeOut.nullable(),
    holdSeconds: z.int(),
    offerSeconds: z.int(),
    maxPerOrder: z.int(),
    maxPerUser: z.int(),
    overlapPolicy: z.enum(OVERLAP_POLICIES),
    cancelCutoffSeconds: z.int(),
    waitlist: WaitlistPolicy,
    slots: z.array(Slot),
    version: z.int(),
    createdAt: TimeOut,
    updatedAt: TimeOut,
  })
  .meta({ id: "Event" });
export type Event = z.infer<typeof Event>;

export const EventList = listOf(Event, "EventList");

export const Availability = z
  .object({
    object: z.literal("availability"),
    eventId: EventId,
    ...totals,
    slots: z.array(z.object({ slotId: SlotId, ...counters })),
  })
  .meta({ id: "Availability" });
export type Availability = z.infer<typeof Availability>;

/** What is told of a slot. */
export type SlotFacts = Pick<
  DomainSlot,
  "id" | "name" | "startsAt" | "endsAt" | "capacity" | "held" | "purchased" | "waiting" | "parked"
>;

export interface EventFacts extends Omit<DomainEventFacts, "slots"> {
  /** By start, then id. */
  readonly slots: readonly SlotFacts[];
}

/** An event as it is read, and not as a command left it. */
export interface LookedAt extends EventFacts {
  readonly pausedAt: number | null;
  /** Each with a count of every change of its counters. */
  readonly slots: readonly (SlotFacts & { readonly inventory: number })[];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const presentTotals = (event: EventFacts, paused: boolean, now: number) => ({
  status: eventStatus(event, event.slots, paused, now),
  totalTickets: sum(event.slots.map((slot) => slot.capacity)),
  availableTickets: sum(event.slots.map((slot) => availableTickets(event, slot, now))),
});

const presentCounters = ({ capacity, held, purchased, waiting }: SlotFacts, available: number) => ({
  capacity,
  held,
  purchased,
  available,
  waiting,
});

export const presentSlot = (eventId: EventId, slot: SlotFacts, available: number): Slot => ({
  object: "slot",
  id: slot.id,
  eventId,
  name: slot.name,
  startsAt: isoTime(slot.startsAt),
  endsAt: isoTime(slot.endsAt),
  ...presentCounters(slot, available),
});

function present(event: EventFacts, paused: boolean, now: number): Event {
  return {
    object: "event",
    id: event.id,
    name: event.name,
    description: event.description,
    venue: event.venue,
    organizerId: event.organizerId,
    ...presentTotals(event, paused, now),
    salesOpenAt: isoTimeOrNull(event.salesOpenAt),
    salesCloseAt: isoTimeOrNull(event.salesCloseAt),
    holdSeconds: event.holdSeconds,
    offerSeconds: event.offerSeconds,
    maxPerOrder: event.maxPerOrder,
    maxPerUser: event.maxPerUser,
    overlapPolicy: event.overlapPolicy,
    cancelCutoffSeconds: event.cancelCutoffSeconds,
    waitlist: event.waitlist,
    slots: event.slots.map((slot) => presentSlot(event.id, slot, availableTickets(event, slot, now))),
    version: event.version,
    createdAt: isoTime(event.createdAt),
    updatedAt: isoTime(event.updatedAt),
  };
}

export const presentEvent = (event: LookedAt, now: number): Event =>
  present(event, event.pausedAt !== null, now);

/** An event as a command left it: none is applied while it is paused. */
export const presentEventMade = (event: EventFacts, now: number): Event => present(event, false, now);

export const presentAvailability = (event: LookedAt, now: number): Availability => ({
  object: "availability",
  eventId: event.id,
  ...presentTotals(event, event.pausedAt !== null, now),
  slots: event.slots.map((slot) => ({
    slotId: slot.id,
    ...presentCounters(slot, availableTickets(event, slot, now)),
  })),
});

/** `"<version>.<inventory>"`: the second number changes with every counter, and with what only time changes. */
export function eventTag(event: LookedAt, now: number): string {
  const changes = sum(event.slots.map((slot) => slot.inventory));
  const status = EVENT_STATUSES.indexOf(eventStatus(event, event.slots, event.pausedAt !== null, now));
  const withheld = event.slots.filter((slot) => somebodyWaits(event, slot, now)).length;
  const moment = status * (SLOTS_PER_EVENT_MAX + 1) + withheld;
  return `"${event.version}.${changes * EVENT_STATUSES.length * (SLOTS_PER_EVENT_MAX + 1) + moment}"`;
}

/** The next moment from which time alone may change what is told of an event: its status, or what is withheld. */
export function nextMoment(event: LookedAt, now: number): number {
  const { salesOpenAt, salesCloseAt, slots } = event;
  let next = Number.POSITIVE_INFINITY;
  const consider = (moment: number | null): void => {
    if (moment !== null && moment > now && moment < next) next = moment;
  };
  consider(salesOpenAt);
  consider(salesCloseAt);
  for (const slot of slots) {
    consider(slot.startsAt);
    consider(waitlistClosesAt(event, slot));
  }
  return next;
}

/** The versions in a list of tags, such as `If-Match` brings; null for any. A tag that is not of an event names none. */
export function versionsOf(tags: string): number[] | null {
  if (tags.trim() === "*") return null;
  const found = [...tags.matchAll(/(?:^|,)[ \t]*"(\d{1,15})\.\d{1,20}"(?=[ \t]*(?:,|$))/g)];
  return found.map(([, version]) => Number(version));
}
