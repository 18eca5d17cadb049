// How a command ends. Succeeded and rejected are answers; failed is a fault of ours. Closed unions: a new
// refusal does not compile until every table that speaks of it has a line for it.
import type { Collecting, EventDetails, EventFacts, EventTerms, Slot } from "./event.ts";
import type { EventId, ReservationId, SlotId, WaitlistEntryId } from "./ids.ts";
import type { Reservation } from "./reservation.ts";
import type { EpochMs } from "./time.ts";
import type { EntryPatch, WaitlistEntry } from "./waitlist-entry.ts";

export type Refusal =
  | { readonly code: "not-found"; readonly pointer?: "/slotId" }
  | { readonly code: "event-cancelled" }
  | { readonly code: "event-over" }
  | { readonly code: "sales-not-open"; readonly salesOpenAt: EpochMs }
  | { readonly code: "sales-closed" }
  | { readonly code: "slot-required" }
  | {
      readonly code: "limit-exceeded";
      readonly limit: "order" | "capacity" | "user" | "holds" | "slots";
    }
  | { readonly code: "limit-exceeded"; readonly limit: "cooldown"; readonly retryAt: EpochMs }
  | { readonly code: "already-reserved"; readonly reservationId: ReservationId }
  | { readonly code: "already-waiting"; readonly waitlistEntryId: WaitlistEntryId }
  | { readonly code: "overlap"; readonly reservationId: ReservationId; readonly retryable: boolean }
  | { readonly code: "sold-out" }
  | { readonly code: "all-held"; readonly earliestReleaseAt: EpochMs | null }
  | { readonly code: "waitlist-closed" }
  | { readonly code: "waitlist-full" }
  | { readonly code: "tickets-available" }
  | { readonly code: "already-purchased" }
  | { readonly code: "hold-expired" }
  | { readonly code: "not-active" }
  | { readonly code: "cancellation-closed" }
  | { readonly code: "capacity-below-committed"; readonly held: number; readonly purchased: number }
  | { readonly code: "slot-in-use" }
  | { readonly code: "precondition-failed" }
  /** A change that makes no sense with what was there before: the field whose value does not fit. */
  | { readonly code: "validation-failed"; readonly pointer: "/salesCloseAt" | "/endsAt" }
  | { readonly code: "idempotency-key-reused" };

export type RefusalCode = Refusal["code"];

/** Why a command failed: a type that this version does not know, or a fault that follows it wherever it is tried. */
export type FailureCode = "unsupported" | "internal";

export interface Succeeded {
  readonly status: "succeeded";
  /** The reservation that was made or changed; null for commands that make none. */
  readonly reservation: Reservation | null;
  /** The waitlist entry that was made or ended. */
  readonly entry?: WaitlistEntry;
  /** The entry's place in the line, counted from 1; null when it does not wait. */
  readonly position?: number | null;
  /** The slot that was made or changed, and the tickets of it that the public may have. */
  readonly slot?: Slot;
  readonly available?: number;
  /** The event as it was at that time. */
  readonly event?: EventFacts;
  readonly asOf?: EpochMs;
}

export type Outcome =
  | Succeeded
  | { readonly status: "rejected"; readonly refusal: Refusal }
  | { readonly status: "failed"; readonly failure: FailureCode }
  /** Its sender took it back before it was applied. Never decided: a gateway writes it, and the outcome's key decides the race. */
  | { readonly status: "withdrawn" };

export const OUTCOME_STATUSES = [
  "succeeded",
  "rejected",
  "failed",
  "withdrawn",
] as const satisfies Outcome["status"][];
export type OutcomeStatus = Outcome["status"];

export type ReservationChange =
  | { readonly kind: "held"; readonly before: null; readonly reservation: Reservation }
  | { readonly kind: "purchased"; readonly before: "held"; readonly reservation: Reservation }
  | { readonly kind: "ended"; readonly before: "held" | "purchased"; readonly reservation: Reservation };

export interface EntryPatched {
  readonly kind: "entry";
  readonly id: WaitlistEntryId;
  readonly slotId: SlotId;
  readonly before: "waiting" | "offered";
  readonly wasParked: boolean;
  readonly patch: EntryPatch;
}

export type EntryChange = { readonly kind: "joined"; readonly entry: WaitlistEntry } | EntryPatched;

/** What is kept of a slot's waitlist beside its entries. */
export interface Line {
  readonly passers: readonly number[];
  readonly collecting: Collecting | null;
  readonly promoteAt: EpochMs | null;
}

export type EventChange =
  | { readonly kind: "line"; readonly slotId: SlotId; readonly line: Line }
  | { readonly kind: "slot-added"; readonly slot: Slot }
  | { readonly kind: "slot-edited"; readonly slot: Slot }
  | { readonly kind: "slot-removed"; readonly slotId: SlotId }
  /** `details.version` has been moved on. */
  | { readonly kind: "event-edited"; readonly terms: EventTerms; readonly details: EventDetails }
  /** The reason for which entries were parked may be gone: they are to be looked at again. */
  | { readonly kind: "limit-raised"; readonly limit: "user"; readonly at: EpochMs }
  /** Everything that a cancelled event left behind has ended. */
  | { readonly kind: "wound-down" };

/** What a decision does to the event, beside answering. Applied in order. */
export type Change = ReservationChange | EntryChange | EventChange;

/** Where a look through a slot's waiters goes on: behind this number, unless its `promoteAt` has moved since. */
export interface LookFrom {
  readonly after: number;
  readonly since: EpochMs;
}

/** Work that a decision asks of others, once it is committed. Each can be derived again from the tables. */
export type FollowUp =
  | { readonly kind: "expire-elsewhere"; readonly eventId: EventId; readonly dueAt: EpochMs }
  | {
      readonly kind: "promote";
      readonly eventId: EventId;
      readonly slotId: SlotId;
      /** Not before then. */
      readonly at: EpochMs;
      readonly from: LookFrom | null;
      /** Parked entries to look at again. */
      readonly recheck: readonly WaitlistEntryId[];
    }
  | { readonly kind: "wind-down"; readonly eventId: EventId; readonly after: ReservationCursor | null };

/** A place in an event's reservations, by time and id. */
export interface ReservationCursor {
  readonly createdAt: EpochMs;
  readonly id: ReservationId;
}

export interface Decision {
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
  readonly followUps: readonly FollowUp[];
}

const NONE: readonly never[] = [];

export const refuse = (refusal: Refusal, followUps: readonly FollowUp[] = NONE): Decision => ({
  outcome: { status: "rejected", refusal },
  changes: NONE,
  followUps,
});

export const succeed = (reservation: Reservation | null, ...changes: Change[]): Decision => ({
  outcome: { status: "succeeded", reservation },
  changes,
  followUps: NONE,
});

/** Success that made something else than a reservation, or nothing. */
export const done = (
  made: Omit<Succeeded, "status" | "reservation">,
  changes: readonly Change[] = NONE,
  followUps: readonly FollowUp[] = NONE,
): Decision => ({ outcome: { status: "succeeded", reservation: null, ...made }, changes, followUps });

export const fail = (failure: FailureCode): Decision => ({
  outcome: { status: "failed", failure },
  changes: NONE,
  followUps: NONE,
});
