// Events and their slots, as outsiders see them, and the bodies that make and change them.
import {
  availableTickets,
  type EventFacts as DomainEventFacts,
  type Slot as DomainSlot,
  EVENT_DESCRIPTION_LENGTH_MAX,
  EVENT_NAME_LENGTH_MAX,
  EVENT_STATUSES,
  EventId,
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
  SLOT_NAME_LENGTH_MAX,
  SLOTS_PER_EVENT_MAX,
  SlotId,
  somebodyWaits,
  UserId,
  VENUE_LENGTH_MAX,
  WAITLIST_CLOSES_BEFORE_SECONDS_MAX,
  WAITLIST_COLLECT_SECONDS_DEFAULT,
  WAITLIST_COLLECT_SECONDS_MAX,
  WAITLIST_ENTRIES_DEFAULT,
  WAITLIST_ENTRIES_MAX,
  WAITLIST_MAX_SKIPS_DEFAULT,
  WAITLIST_MAX_SKIPS_MAX,
  WAITLIST_MODES,
  type WaitlistTerms,
} from "@holdfast/domain";
import { z } from "zod";
import { INTEGER_MAX, isoTime, isoTimeOrNull, TimeIn, TimeOut, text, wholeNumber } from "./fields.ts";
import { listOf } from "./list.ts";

const WAITLIST_DEFAULTS: WaitlistTerms = {
  enabled: true,
  mode: "skip",
  maxSkips: WAITLIST_MAX_SKIPS_DEFAULT,
  collectSeconds: WAITLIST_COLLECT_SECONDS_DEFAULT,
  maxEntries: WAITLIST_ENTRIES_DEFAULT,
  closesBeforeSeconds: 0,
};

const TERMS_DEFAULTS = {
  holdSeconds: HOLD_SECONDS_DEFAULT,
  offerSeconds: OFFER_SECONDS_DEFAULT,
  maxPerOrder: MAX_PER_ORDER_DEFAULT,
  maxPerUser: MAX_PER_USER_DEFAULT,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
} as const;

const waitlistFields = {
  enabled: z.boolean(),
  mode: z.enum(WAITLIST_MODES),
  maxSkips: wholeNumber(0, WAITLIST_MAX_SKIPS_MAX),
  collectSeconds: wholeNumber(0, WAITLIST_COLLECT_SECONDS_MAX),
  maxEntries: wholeNumber(0, WAITLIST_ENTRIES_MAX),
  closesBeforeSeconds: wholeNumber(0, WAITLIST_CLOSES_BEFORE_SECONDS_MAX),
};

const termsFields = {
  holdSeconds: wholeNumber(1, HOLD_SECONDS_MAX),
  offerSeconds: wholeNumber(1, OFFER_SECONDS_MAX),
  maxPerOrder: wholeNumber(1, SLOT_CAPACITY_MAX),
  maxPerUser: wholeNumber(1, SLOT_CAPACITY_MAX),
  overlapPolicy: z.enum(OVERLAP_POLICIES),
  cancelCutoffSeconds: wholeNumber(0, INTEGER_MAX),
};

const nameField = text(EVENT_NAME_LENGTH_MAX);
const descriptionField = z.string().max(EVENT_DESCRIPTION_LENGTH_MAX);
const venueField = z.string().max(VENUE_LENGTH_MAX);
const slotNameField = text(SLOT_NAME_LENGTH_MAX);

/** How an event's waitlist behaves: what is not given is as the defaults say. */
export const WaitlistPolicyIn = z.strictObject({
  enabled: waitlistFields.enabled.default(WAITLIST_DEFAULTS.enabled),
  mode: waitlistFields.mode.default(WAITLIST_DEFAULTS.mode),
  maxSkips: waitlistFields.maxSkips.default(WAITLIST_DEFAULTS.maxSkips),
  collectSeconds: waitlistFields.collectSeconds.default(WAITLIST_DEFAULTS.collectSeconds),
  maxEntries: waitlistFields.maxEntries.default(WAITLIST_DEFAULTS.maxEntries),
  closesBeforeSeconds: waitlistFields.closesBeforeSeconds.default(WAITLIST_DEFAULTS.closesBeforeSeconds),
});
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

const endsLater = <Times extends { startsAt?: number | undefined; endsAt?: number | undefined }>({
  startsAt,
  endsAt,
}: Times): boolean => startsAt === undefined || endsAt === undefined || startsAt < endsAt;
const ENDS_LATER = { error: "must be later than startsAt", path: ["endsAt"] };

/** A slot that is made, with its event or later. */
export const SlotBody = z
  .strictObject({
    name: slotNameField.optional(),
    startsAt: TimeIn,
    endsAt: TimeIn,
    capacity: wholeNumber(1, SLOT_CAPACITY_MAX),
  })
  .refine(endsLater, ENDS_LATER)
  .meta({ id: "SlotBody" });
export type SlotBody = z.infer<typeof SlotBody>;

interface SalesTimes {
  readonly salesOpenAt?: number | null | undefined;
  readonly salesCloseAt?: number | null | undefined;
}
const closesLater = ({ salesOpenAt, salesCloseAt }: SalesTimes): boolean =>
  salesOpenAt == null || salesCloseAt == null || salesOpenAt < salesCloseAt;
const CLOSES_LATER = { error: "must be later than salesOpenAt", path: ["salesCloseAt"] };

export const CreateEventBody = z
  .strictObject({
    name: nameField,
    description: descriptionField.optional(),
    venue: venueField.optional(),
    salesOpenAt: TimeIn.optional(),
    salesCloseAt: TimeIn.optional(),
    holdSeconds: termsFields.holdSeconds.default(TERMS_DEFAULTS.holdSeconds),
    offerSeconds: termsFields.offerSeconds.default(TERMS_DEFAULTS.offerSeconds),
    maxPerOrder: termsFields.maxPerOrder.default(TERMS_DEFAULTS.maxPerOrder),
    maxPerUser: termsFields.maxPerUser.default(TERMS_DEFAULTS.maxPerUser),
    overlapPolicy: termsFields.overlapPolicy.default(TERMS_DEFAULTS.overlapPolicy),
    cancelCutoffSeconds: termsFields.cancelCutoffSeconds.default(TERMS_DEFAULTS.cancelCutoffSeconds),
    waitlist: WaitlistPolicyIn.default(WAITLIST_DEFAULTS),
    slots: z.array(SlotBody).min(1).max(SLOTS_PER_EVENT_MAX),
  })
  .refine(closesLater, CLOSES_LATER)
  .meta({ id: "CreateEventBody" });
export type CreateEventBody = z.infer<typeof CreateEventBody>;

/** A field of a merge patch: null puts its default back. */
const cleared = <Field extends z.ZodType>(field: Field, normal: z.output<Field>) =>
  field
    .nullable()
    .transform((given): z.output<Field> => given ?? normal)
    .optional();

const EditWaitlistPolicy = z.strictObject({
  enabled: cleared(waitlistFields.enabled, WAITLIST_DEFAULTS.enabled),
  mode: cleared(waitlistFields.mode, WAITLIST_DEFAULTS.mode),
  maxSkips: cleared(waitlistFields.maxSkips, WAITLIST_DEFAULTS.maxSkips),
  collectSeconds: cleared(waitlistFields.collectSeconds, WAITLIST_DEFAULTS.collectSeconds),
  maxEntries: cleared(waitlistFields.maxEntries, WAITLIST_DEFAULTS.maxEntries),
  closesBeforeSeconds: cleared(waitlistFields.closesBeforeSeconds, WAITLIST_DEFAULTS.closesBeforeSeconds),
});

/** A JSON merge patch: what is not given stays, null clears. */
export const EditEventBody = z
  .strictObject({
    name: nameField.optional(),
    description: descriptionField.nullable().optional(),
    venue: venueField.nullable().optional(),
    salesOpenAt: TimeIn.nullable().optional(),
    salesCloseAt: TimeIn.nullable().optional(),
    holdSeconds: cleared(termsFields.holdSeconds, TERMS_DEFAULTS.holdSeconds),
    offerSeconds: cleared(termsFields.offerSeconds, TERMS_DEFAULTS.offerSeconds),
    maxPerOrder: cleared(termsFields.maxPerOrder, TERMS_DEFAULTS.maxPerOrder),
    maxPerUser: cleared(termsFields.maxPerUser, TERMS_DEFAULTS.maxPerUser),
    overlapPolicy: cleared(termsFields.overlapPolicy, TERMS_DEFAULTS.overlapPolicy),
    cancelCutoffSeconds: cleared(termsFields.cancelCutoffSeconds, TERMS_DEFAULTS.cancelCutoffSeconds),
    waitlist: cleared(EditWaitlistPolicy, WAITLIST_DEFAULTS),
  })
  .refine(closesLater, CLOSES_LATER)
  .meta({ id: "EditEventBody" });
export type EditEventBody = z.infer<typeof EditEventBody>;

/** A JSON merge patch. */
export const EditSlotBody = z
  .strictObject({
    name: slotNameField.nullable().optional(),
    startsAt: TimeIn.optional(),
    endsAt: TimeIn.optional(),
    capacity: wholeNumber(0, SLOT_CAPACITY_MAX).optional(),
  })
  .refine(endsLater, ENDS_LATER)
  .meta({ id: "EditSlotBody" });
export type EditSlotBody = z.infer<typeof EditSlotBody>;

export const SetCapacityBody = z
  .strictObject({ capacity: wholeNumber(0, SLOT_CAPACITY_MAX) })
  .meta({ id: "SetCapacityBody" });
export type SetCapacityBody = z.infer<typeof SetCapacityBody>;

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

const presentSlot = (eventId: EventId, slot: SlotFacts, available: number): Slot => ({
  object: "slot",
  id: slot.id,
  eventId,
  name: slot.name,
  startsAt: isoTime(slot.startsAt),
  endsAt: isoTime(slot.endsAt),
  ...presentCounters(slot, available),
});

/** A slot as a command left it, which says nothing of when its waitlist closes: until then who waits has its tickets. */
export const presentSlotMade = (eventId: EventId, slot: SlotFacts): Slot =>
  presentSlot(eventId, slot, slot.waiting > slot.parked ? 0 : freeTickets(slot));

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

/** The versions in a list of tags, such as `If-Match` brings; null for any. A tag that is not of an event names none. */
export function versionsOf(tags: string): number[] | null {
  if (tags.trim() === "*") return null;
  const found = [...tags.matchAll(/(?:^|,)[ \t]*"(\d{1,15})\.\d{1,20}"(?=[ \t]*(?:,|$))/g)];
  return found.map(([, version]) => Number(version));
}
