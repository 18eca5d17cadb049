// What others are told of when it happens: a notice for each change of a reservation or waitlist entry, for an event that
// is cancelled, and for each command of a user that ends. Who hears of which is not decided here.

import { isOffer } from "./endings.ts";
import { byStart, type EventFacts } from "./event.ts";
import {
  type CommandId,
  type EventId,
  entryIdOfOffer,
  offerIdOf,
  type UserId,
  type WaitlistEntryId,
} from "./ids.ts";
import type { Change, EntryPatched, Outcome, ReservationChange } from "./outcomes.ts";
import type { Reservation } from "./reservation.ts";
import { type EventView, slotOf } from "./state.ts";
import type { EpochMs } from "./time.ts";
import type { EntryStatus, WaitlistEntry } from "./waitlist-entry.ts";

export const NOTICE_TYPES = [
  "command.succeeded",
  "command.rejected",
  "command.failed",
  "reservation.held",
  "reservation.purchased",
  "reservation.cancelled",
  "reservation.expired",
  "waitlist.joined",
  "waitlist.offered",
  "waitlist.fulfilled",
  "waitlist.declined",
  "waitlist.lapsed",
  "waitlist.left",
  "waitlist.closed",
  "event.cancelled",
] as const;
export type NoticeType = (typeof NOTICE_TYPES)[number];

/** A command of a user, as it ended. */
export interface CommandEnded {
  readonly id: CommandId;
  readonly type: string;
  readonly eventId: EventId;
  readonly submittedAt: EpochMs;
  readonly finishedAt: EpochMs;
  readonly outcome: Outcome;
  /** Its number among the event's outcomes. */
  readonly seq: number;
  readonly seen: { readonly available: number; readonly waitingAhead: number } | null;
}

/** Also the form in which it is kept. Each is as it was at that moment, whatever became of it since. */
export type Notice =
  | {
      readonly type: Extract<NoticeType, `reservation.${string}`>;
      /** Whom it concerns. */
      readonly userId: UserId;
      readonly reservation: Reservation;
    }
  | {
      readonly type: Extract<NoticeType, `waitlist.${string}`>;
      readonly userId: UserId;
      readonly entry: WaitlistEntry;
      /** Its place in the line when it joined, from 1; null when it does not wait. */
      readonly position: number | null;
      /** The hold that was made for it, while it is offered. */
      readonly offer: Reservation | null;
    }
  | {
      readonly type: "event.cancelled";
      readonly userId: null;
      readonly event: EventFacts;
      readonly asOf: EpochMs;
    }
  | {
      readonly type: Extract<NoticeType, `command.${string}`>;
      readonly userId: UserId;
      readonly command: CommandEnded;
    };

const OF_RESERVATION = {
  held: "reservation.held",
  purchased: "reservation.purchased",
  cancelled: "reservation.cancelled",
  expired: "reservation.expired",
} as const satisfies Record<Reservation["status"], NoticeType>;

/** Whoever begins to wait has joined, which is told with the entry; to be parked or looked at is no news. */
const OF_ENTRY = {
  waiting: null,
  offered: "waitlist.offered",
  fulfilled: "waitlist.fulfilled",
  declined: "waitlist.declined",
  lapsed: "waitlist.lapsed",
  left: "waitlist.left",
  closed: "waitlist.closed",
} as const satisfies Record<EntryStatus, NoticeType | null>;

const OF_COMMAND = {
  succeeded: "command.succeeded",
  rejected: "command.rejected",
  failed: "command.failed",
} as const satisfies Record<Exclude<Outcome["status"], "withdrawn">, NoticeType>;

/** Of changes that the state has just been moved on by. It must hold every entry whose status changed. */
export const noticesOf = (state: EventView, changes: readonly Change[], now: EpochMs): Notice[] =>
  changes.flatMap((change) => noticeOf(state, change, now) ?? []);

function noticeOf(state: EventView, change: Change, now: EpochMs): Notice | null {
  switch (change.kind) {
    case "held":
    case "purchased":
    case "ended":
      return ofReservation(change);
    case "joined": {
      const { entry } = change;
      const position = slotOf(state, entry.slotId).waiting;
      return { type: "waitlist.joined", userId: entry.userId, entry, position, offer: null };
    }
    case "entry":
      return ofEntry(state, change);
    case "event-edited":
      return ofEvent(state, change, now);
    case "line":
    case "slot-added":
    case "slot-edited":
    case "slot-removed":
    case "limit-raised":
    case "wound-down":
      return null;
  }
}

const ofReservation = ({ reservation }: ReservationChange): Notice => ({
  type: OF_RESERVATION[reservation.status],
  userId: reservation.userId,
  reservation,
});

function ofEntry(state: EventView, { id, patch }: EntryPatched): Notice | null {
  const type = OF_ENTRY[patch.status];
  if (type === null) return null;
  const entry = state.entries.get(id);
  if (entry === undefined) throw new Error(`nothing is known of ${id}, which is told of`);
  const hold = state.reservations.get(offerIdOf(id));
  return { type, userId: entry.userId, entry, position: null, offer: hold?.status === "held" ? hold : null };
}

/** A cancelled event is not changed any more, so that this is told once. */
function ofEvent(
  state: EventView,
  { terms, details }: Extract<Change, { kind: "event-edited" }>,
  now: EpochMs,
): Notice | null {
  if (terms.cancelledAt === null) return null;
  const slots = [...state.slots.values()].sort(byStart);
  return { type: "event.cancelled", userId: null, event: { ...terms, ...details, slots }, asOf: now };
}

/** Null when nobody is told: of what the system asked itself, and of what its sender took back. */
export function noticeOfCommand(userId: UserId | null, command: CommandEnded): Notice | null {
  const { status } = command.outcome;
  if (userId === null || status === "withdrawn") return null;
  return { type: OF_COMMAND[status], userId, command };
}

/** The entries that running offers were made for and the state does not hold: what ends such a hold ends its entry, too. */
export const unknownEntries = ({ reservations, entries }: EventView): WaitlistEntryId[] =>
  [...reservations.values()]
    .filter(isOffer)
    .map(({ id }) => entryIdOfOffer(id))
    .filter((id) => !entries.has(id));

export const WEBHOOK_ENDPOINT_STATUSES = ["unverified", "active", "disabled"] as const;
export type WebhookEndpointStatus = (typeof WEBHOOK_ENDPOINT_STATUSES)[number];

/** It answered 410, or has failed for days. */
export const WEBHOOK_DISABLED_REASONS = ["gone", "failing"] as const;
export type WebhookDisabledReason = (typeof WEBHOOK_DISABLED_REASONS)[number];

export const DELIVERY_STATUSES = ["pending", "delivered", "failed"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];
