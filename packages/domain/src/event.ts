// What is sold, as the rules see it: an event's terms and its slots with their counters.

import type { EventId, SlotId, UserId } from "./ids.ts";
import type { EpochMs } from "./time.ts";

export const OVERLAP_POLICIES = ["refuse", "allow"] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

export const WAITLIST_MODES = ["skip", "strict"] as const;
export type WaitlistMode = (typeof WAITLIST_MODES)[number];

/** How the waitlists of an event's slots behave. */
export interface WaitlistTerms {
  /** False: nobody may join. Who waits already goes on waiting. */
  readonly enabled: boolean;
  readonly mode: WaitlistMode;
  /** Offers to others behind the head, when it wants more than is free, before tickets are collected for it. */
  readonly maxSkips: number;
  readonly collectSeconds: number;
  readonly maxEntries: number;
  /** Seconds before the slot's start at which its waitlist closes. */
  readonly closesBeforeSeconds: number;
}

export interface EventTerms {
  readonly id: EventId;
  readonly organizerId: UserId;
  readonly cancelledAt: EpochMs | null;
  readonly salesOpenAt: EpochMs | null;
  readonly salesCloseAt: EpochMs | null;
  /** Closed by hand, whatever the times say. */
  readonly salesClosed: boolean;
  readonly holdSeconds: number;
  readonly offerSeconds: number;
  readonly maxPerOrder: number;
  readonly maxPerUser: number;
  readonly overlapPolicy: OverlapPolicy;
  readonly cancelCutoffSeconds: number;
  readonly waitlist: WaitlistTerms;
}

/** What people read of an event, and no rule looks at. Loaded only for commands of its organizer. */
export interface EventDetails {
  readonly name: string;
  readonly description: string | null;
  readonly venue: string | null;
  /** Counts the changes that organizers make. */
  readonly version: number;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

/** Tickets are kept together for a waiter who wants more than is free. */
export interface Collecting {
  /** The waiter's number in the slot's waitlist. */
  readonly for: number;
  readonly until: EpochMs;
}

export interface Slot {
  readonly id: SlotId;
  readonly name: string | null;
  readonly startsAt: EpochMs;
  /** Exclusive: a slot takes its time range half-open. */
  readonly endsAt: EpochMs;
  readonly capacity: number;
  readonly held: number;
  readonly purchased: number;
  /** True once it had a reservation: from then on its times are fixed. */
  readonly used: boolean;
  /** Entries that wait for it, parked ones included. */
  readonly waiting: number;
  /** Of those, the ones that may not have its tickets at the moment. */
  readonly parked: number;
  /** The number of the entry that joined last; 0 before the first. */
  readonly lastSeq: number;
  /** Numbers of the entries that were offered tickets past somebody who waited longer, since the last collection ran out. */
  readonly passers: readonly number[];
  readonly collecting: Collecting | null;
  /** When its waiters are to be looked at; null while nothing could come of it. */
  readonly promoteAt: EpochMs | null;
}

/** What a slot has come to before anybody asked for it. */
export const UNTOUCHED = {
  held: 0,
  purchased: 0,
  used: false,
  waiting: 0,
  parked: 0,
  lastSeq: 0,
  passers: [],
  collecting: null,
  promoteAt: null,
} as const satisfies Partial<Slot>;

/** An event as a whole, at a moment: what its organizer's commands answer with. */
export interface EventFacts extends EventTerms, EventDetails {
  /** By start, then id. */
  readonly slots: readonly Slot[];
}

export const freeTickets = (slot: Pick<Slot, "capacity" | "held" | "purchased">): number =>
  slot.capacity - slot.held - slot.purchased;

/** When the slot's waitlist closes: from then on what is free goes to the public. */
export const waitlistClosesAt = (
  { waitlist }: Pick<EventTerms, "waitlist">,
  { startsAt }: Pick<Slot, "startsAt">,
): EpochMs => startsAt - waitlist.closesBeforeSeconds * 1000;

/** Does anybody wait for the slot who may have its tickets? Then the public gets none of them. */
export const somebodyWaits = (
  terms: Pick<EventTerms, "waitlist" | "cancelledAt">,
  slot: Pick<Slot, "startsAt" | "waiting" | "parked">,
  now: EpochMs,
): boolean => slot.waiting > slot.parked && terms.cancelledAt === null && now < waitlistClosesAt(terms, slot);

/** What the public may have of a slot now. */
export const availableTickets = (
  terms: Pick<EventTerms, "waitlist" | "cancelledAt">,
  slot: Pick<Slot, "startsAt" | "waiting" | "parked" | "capacity" | "held" | "purchased">,
  now: EpochMs,
): number => (somebodyWaits(terms, slot, now) ? 0 : freeTickets(slot));

export const byStart = (a: Slot, b: Slot): number => a.startsAt - b.startsAt || (a.id < b.id ? -1 : 1);

export const EVENT_STATUSES = ["scheduled", "onSale", "paused", "salesClosed", "over", "cancelled"] as const;
export type EventStatus = (typeof EVENT_STATUSES)[number];

/** What an event is called at a moment: the first line that applies. */
export function eventStatus(
  terms: Pick<EventTerms, "cancelledAt" | "salesOpenAt" | "salesCloseAt" | "salesClosed">,
  slots: readonly Pick<Slot, "startsAt">[],
  paused: boolean,
  now: EpochMs,
): EventStatus {
  if (terms.cancelledAt !== null) return "cancelled";
  if (slots.every((slot) => slot.startsAt <= now)) return "over";
  if (paused) return "paused";
  if (terms.salesClosed) return "salesClosed";
  if (terms.salesOpenAt !== null && now < terms.salesOpenAt) return "scheduled";
  if (terms.salesCloseAt !== null && now >= terms.salesCloseAt) return "salesClosed";
  return "onSale";
}
