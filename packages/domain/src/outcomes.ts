// How a command ends. Succeeded and rejected are answers; failed is a fault of ours. Closed unions: a new
// refusal does not compile until every table that speaks of it has a line for it.
import type { EventId, ReservationId } from "./ids.ts";
import type { Reservation } from "./reservation.ts";
import type { EpochMs } from "./time.ts";

export type Refusal =
  | { readonly code: "not-found"; readonly pointer?: "/slotId" }
  | { readonly code: "event-cancelled" }
  | { readonly code: "event-over" }
  | { readonly code: "sales-not-open"; readonly salesOpenAt: EpochMs }
  | { readonly code: "sales-closed" }
  | { readonly code: "slot-required" }
  | { readonly code: "limit-exceeded"; readonly limit: "order" | "capacity" | "user" | "holds" }
  | { readonly code: "already-reserved"; readonly reservationId: ReservationId }
  | { readonly code: "overlap"; readonly reservationId: ReservationId; readonly retryable: boolean }
  | { readonly code: "sold-out" }
  | { readonly code: "all-held"; readonly earliestReleaseAt: EpochMs | null }
  | { readonly code: "already-purchased" }
  | { readonly code: "hold-expired" }
  | { readonly code: "not-active" }
  | { readonly code: "cancellation-closed" }
  | { readonly code: "idempotency-key-reused" };

export type RefusalCode = Refusal["code"];

/** Why a command failed: a type that this version does not know, or a fault that follows it wherever it is tried. */
export type FailureCode = "unsupported" | "internal";

export type Outcome =
  /** The reservation that was made or changed; null for a timer's command, which makes nothing itself. */
  | { readonly status: "succeeded"; readonly reservation: Reservation | null }
  | { readonly status: "rejected"; readonly refusal: Refusal }
  | { readonly status: "failed"; readonly failure: FailureCode };

export const OUTCOME_STATUSES = ["succeeded", "rejected", "failed"] as const satisfies Outcome["status"][];
export type OutcomeStatus = Outcome["status"];

/** What a decision does to the event, beside answering. Applied in order. */
export type Change =
  | { readonly kind: "held"; readonly before: null; readonly reservation: Reservation }
  | { readonly kind: "purchased"; readonly before: "held"; readonly reservation: Reservation }
  | { readonly kind: "ended"; readonly before: "held" | "purchased"; readonly reservation: Reservation };

/** Work that a decision asks of others, once it is committed. Each can be derived again from the tables. */
export type FollowUp = {
  readonly kind: "expire-elsewhere";
  readonly eventId: EventId;
  readonly dueAt: EpochMs;
};

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

export const fail = (failure: FailureCode): Decision => ({
  outcome: { status: "failed", failure },
  changes: NONE,
  followUps: NONE,
});
