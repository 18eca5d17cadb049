// What stands in the way of somebody's having tickets, beside their being gone: what they have already, how often they
// let holds lapse, and where else they will be at that time. The same for the public and for who waits.
import type { Slot } from "./event.ts";
import type { UserId } from "./ids.ts";
import { COOLDOWN_AFTER, COOLDOWN_MS, COOLDOWN_WINDOW_MS, LIVE_HOLDS_MAX } from "./limits.ts";
import type { FollowUp, Refusal } from "./outcomes.ts";
import type { ActiveClaim } from "./reservation.ts";
import { claimsOf, type EventView } from "./state.ts";
import { type EpochMs, overlaps } from "./time.ts";

export interface Wish {
  readonly userId: UserId;
  readonly quantity: number;
}

export type Obstacle =
  | Extract<Refusal, { code: "already-reserved" | "overlap" }>
  | Extract<Refusal, { limit: "cooldown" }>
  | { readonly code: "limit-exceeded"; readonly limit: "user" | "holds" };

/** The user's active reservation of this very slot. */
export function alreadyReserved(state: EventView, userId: UserId, slot: Slot): Obstacle | null {
  const here = claimsOf(state, userId).find((claim) => claim.slotId === slot.id);
  return here === undefined ? null : { code: "already-reserved", reservationId: here.id };
}

/** With this they would have more tickets of the event than one user may have. */
export function overUserLimit(state: EventView, { userId, quantity }: Wish): Obstacle | null {
  const ofEvent = claimsOf(state, userId).filter((claim) => claim.eventId === state.terms.id);
  const tickets = ofEvent.reduce((sum, claim) => sum + claim.quantity, quantity);
  return tickets > state.terms.maxPerUser ? { code: "limit-exceeded", limit: "user" } : null;
}

/** Too many live holds, the cooldown, an overlap: what only matters when tickets are to be had at once. */
export function obstacleToHolding(
  state: EventView,
  userId: UserId,
  slot: Slot,
  now: EpochMs,
): { readonly obstacle: Obstacle; readonly followUps: readonly FollowUp[] } | null {
  const claims = claimsOf(state, userId);
  const live = claims.filter((claim) => claim.status === "held" && (claim.expiresAt ?? now) > now);
  if (live.length >= LIVE_HOLDS_MAX) {
    return { obstacle: { code: "limit-exceeded", limit: "holds" }, followUps: [] };
  }
  const retryAt = cooldownEndsAt(state.expiries.get(userId) ?? []);
  if (retryAt !== null && now < retryAt) {
    return { obstacle: { code: "limit-exceeded", limit: "cooldown", retryAt }, followUps: [] };
  }
  const clash = state.terms.overlapPolicy === "refuse" ? overlapping(claims, slot) : undefined;
  if (clash === undefined) return null;
  const retryable = clash.status === "held";
  return {
    obstacle: { code: "overlap", reservationId: clash.id, retryable },
    followUps: settleElsewhere(state, clash, now),
  };
}

/** The end of the latest cooldown that these unpaid expiries brought about, past or to come; null for none. */
export function cooldownEndsAt(expiries: readonly EpochMs[]): EpochMs | null {
  const latestFirst = expiries.toSorted((a, b) => b - a);
  const last = latestFirst.find((at, i) => {
    const first = latestFirst[i + COOLDOWN_AFTER - 1];
    return first !== undefined && at - first <= COOLDOWN_WINDOW_MS;
  });
  return last === undefined ? null : last + COOLDOWN_MS;
}

/** The claim that stands in the way; a purchased one before a held one, since waiting will not help with it. */
function overlapping(claims: readonly ActiveClaim[], slot: Slot): ActiveClaim | undefined {
  const clashes = claims
    .filter((claim) => claim.exclusive && overlaps(claim, slot))
    .sort((a, b) => a.startsAt - b.startsAt); // the order in which claims were loaded must not show
  return clashes.find((claim) => claim.status === "purchased") ?? clashes[0];
}

/** A hold of another event blocks whatever its deadline, for its own event settles it: ask that event to. */
function settleElsewhere(state: EventView, clash: ActiveClaim, now: EpochMs): FollowUp[] {
  const { eventId, status, expiresAt } = clash;
  if (status !== "held" || eventId === state.terms.id || expiresAt === null || expiresAt > now) return [];
  return [{ kind: "expire-elsewhere", eventId, dueAt: expiresAt }];
}
