// Events and their slots, as outsiders see them.
import {
  type Slot as DomainSlot,
  EVENT_STATUSES,
  EventId,
  type EventTerms,
  eventStatus,
  freeTickets,
  HOLD_SECONDS_DEFAULT,
  HOLD_SECONDS_MAX,
  MAX_PER_ORDER_DEFAULT,
  MAX_PER_USER_DEFAULT,
  OFFER_SECONDS_DEFAULT,
  OFFER_SECONDS_MAX,
  OVERLAP_POLICIES,
  SLOT_CAPACITY_MAX,
  SLOTS_PER_EVENT_MAX,
  SlotId,
  UserId,
} from "@holdfast/domain";
import { z } from "zod";
import { INTEGER_MAX, isoTime, isoTimeOrNull, TimeIn, TimeOut, text, wholeNumber } from "./fields.ts";
import { listOf } from "./list.ts";

export const EVENT_NAME_LENGTH_MAX = 200;
export const EVENT_DESCRIPTION_LENGTH_MAX = 5_000;
export const VENUE_LENGTH_MAX = 200;
export const SLOT_NAME_LENGTH_MAX = 200;

/** How an event's waitlist behaves: what is not given is as the defaults say. */
export const WaitlistPolicyIn = z.strictObject({
  enabled: z.boolean().default(true),
  mode: z.enum(["skip", "strict"]).default("skip"),
  maxSkips: wholeNumber(0, 1_000).default(5),
  collectSeconds: wholeNumber(0, 604_800).default(900),
  maxEntries: wholeNumber(0, 1_000_000).default(100_000),
  closesBeforeSeconds: wholeNumber(0, 31_536_000).default(0),
});
export const WaitlistPolicy = z
  .object({
    enabled: z.boolean(),
    mode: z.enum(["skip", "strict"]),
    maxSkips: z.int(),
    collectSeconds: z.int(),
    maxEntries: z.int(),
    closesBeforeSeconds: z.int(),
  })
  .meta({ id: "WaitlistPolicy" });
export type WaitlistPolicy = z.infer<typeof WaitlistPolicy>;

const SlotBody = z
  .strictObject({
    name: text(SLOT_NAME_LENGTH_MAX).optional(),
    startsAt: TimeIn,
    endsAt: TimeIn,
    capacity: wholeNumber(1, SLOT_CAPACITY_MAX),
  })
  .refine(({ startsAt, endsAt }) => startsAt < endsAt, {
    error: "must be later than startsAt",
    path: ["endsAt"],
  });

export const CreateEventBody = z
  .strictObject({
    name: text(EVENT_NAME_LENGTH_MAX),
    description: z.string().max(EVENT_DESCRIPTION_LENGTH_MAX).optional(),
    venue: z.string().max(VENUE_LENGTH_MAX).optional(),
    salesOpenAt: TimeIn.optional(),
    salesCloseAt: TimeIn.optional(),
    holdSeconds: wholeNumber(1, HOLD_SECONDS_MAX).default(HOLD_SECONDS_DEFAULT),
    offerSeconds: wholeNumber(1, OFFER_SECONDS_MAX).default(OFFER_SECONDS_DEFAULT),
    maxPerOrder: wholeNumber(1, SLOT_CAPACITY_MAX).default(MAX_PER_ORDER_DEFAULT),
    maxPerUser: wholeNumber(1, SLOT_CAPACITY_MAX).default(MAX_PER_USER_DEFAULT),
    overlapPolicy: z.enum(OVERLAP_POLICIES).default("refuse"),
    cancelCutoffSeconds: wholeNumber(0, INTEGER_MAX).default(0),
    waitlist: WaitlistPolicyIn.default(WaitlistPolicyIn.parse({})),
    slots: z.array(SlotBody).min(1).max(SLOTS_PER_EVENT_MAX),
  })
  .refine(
    ({ salesOpenAt, salesCloseAt }) =>
      salesOpenAt === undefined || salesCloseAt === undefined || salesOpenAt < salesCloseAt,
    { error: "must be later than salesOpenAt", path: ["salesCloseAt"] },
  )
  .meta({ id: "CreateEventBody" });
export type CreateEventBody = z.infer<typeof CreateEventBody>;

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

export interface SlotFacts extends DomainSlot {
  readonly name: string | null;
  /** Counts every change of the counters. */
  readonly inventory: number;
}

export interface EventFacts extends EventTerms {
  readonly name: string;
  readonly description: string | null;
  readonly venue: string | null;
  readonly offerSeconds: number;
  readonly waitlist: WaitlistPolicy;
  readonly pausedAt: number | null;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** By start, then id. */
  readonly slots: readonly SlotFacts[];
}

const statusOf = (event: EventFacts, now: number) =>
  eventStatus(event, event.slots, event.pausedAt !== null, now);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const presentTotals = (event: EventFacts, now: number) => ({
  status: statusOf(event, now),
  totalTickets: sum(event.slots.map((slot) => slot.capacity)),
  availableTickets: sum(event.slots.map(freeTickets)),
});

const presentCounters = (slot: SlotFacts) => ({
  capacity: slot.capacity,
  held: slot.held,
  purchased: slot.purchased,
  available: freeTickets(slot),
  waiting: 0,
});

export function presentEvent(event: EventFacts, now: number): Event {
  return {
    object: "event",
    id: event.id,
    name: event.name,
    description: event.description,
    venue: event.venue,
    organizerId: event.organizerId,
    ...presentTotals(event, now),
    salesOpenAt: isoTimeOrNull(event.salesOpenAt),
    salesCloseAt: isoTimeOrNull(event.salesCloseAt),
    holdSeconds: event.holdSeconds,
    offerSeconds: event.offerSeconds,
    maxPerOrder: event.maxPerOrder,
    maxPerUser: event.maxPerUser,
    overlapPolicy: event.overlapPolicy,
    cancelCutoffSeconds: event.cancelCutoffSeconds,
    waitlist: event.waitlist,
    slots: event.slots.map((slot) => ({
      object: "slot",
      id: slot.id,
      eventId: event.id,
      name: slot.name,
      startsAt: isoTime(slot.startsAt),
      endsAt: isoTime(slot.endsAt),
      ...presentCounters(slot),
    })),
    version: event.version,
    createdAt: isoTime(event.createdAt),
    updatedAt: isoTime(event.updatedAt),
  };
}

export const presentAvailability = (event: EventFacts, now: number): Availability => ({
  object: "availability",
  eventId: event.id,
  ...presentTotals(event, now),
  slots: event.slots.map((slot) => ({ slotId: slot.id, ...presentCounters(slot) })),
});

/** `"<version>.<inventory>"`: the second number changes with every counter, and with what only time changes. */
export function eventTag(event: EventFacts, now: number): string {
  const changes = sum(event.slots.map((slot) => slot.inventory));
  return `"${event.version}.${changes * EVENT_STATUSES.length + EVENT_STATUSES.indexOf(statusOf(event, now))}"`;
}
