// What is sold, as the rules see it: an event's terms and its slots with their counters.

import type { EventId, SlotId, UserId } from "./ids.ts";
import type { EpochMs } from "./time.ts";

export const OVERLAP_POLICIES = ["refuse", "allow"] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

export interface EventTerms {
  readonly id: EventId;
  readonly organizerId: UserId;
  readonly cancelledAt: EpochMs | null;
  readonly salesOpenAt: EpochMs | null;
  readonly salesCloseAt: EpochMs | null;
  /** Closed by hand, whatever the times say. */
  readonly salesClosed: boolean;
  readonly holdSeconds: number;
  readonly maxPerOrder: number;
  readonly maxPerUser: number;
  readonly overlapPolicy: OverlapPolicy;
  readonly cancelCutoffSeconds: number;
}

export interface Slot {
  readonly id: SlotId;
  readonly startsAt: EpochMs;
  /** Exclusive: a slot takes its time range half-open. */
  readonly endsAt: EpochMs;
  readonly capacity: number;
  readonly held: number;
  readonly purchased: number;
}

export const freeTickets = (slot: Slot): number => slot.capacity - slot.held - slot.purchased;

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
