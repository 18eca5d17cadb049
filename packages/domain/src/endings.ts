// How reservations end, and with an offer the waitlist entry that it was made for.
import { entryIdOfOffer } from "./ids.ts";
import { SETTLE_GRACE_MS } from "./limits.ts";
import type { Change, EntryPatched } from "./outcomes.ts";
import { type EndReason, isActive, type Reservation } from "./reservation.ts";
import type { EventView } from "./state.ts";
import type { EpochMs } from "./time.ts";
import { type EntryEndReason, type EntryStatus, isParked, type WaitlistEntry } from "./waitlist-entry.ts";

/** At a logical time, holds with a deadline up to here are due: purchases get some grace to reach the queue. */
export const dueAsOf = (logicalAt: EpochMs): EpochMs => logicalAt - SETTLE_GRACE_MS;

/** Ends every hold whose deadline is `due` or earlier, the earliest first. Asked before each command: mostly none is. */
export function settle(state: EventView, due: EpochMs, now: EpochMs): Change[] {
  const holds: Reservation[] = [];
  for (const hold of state.reservations.values()) {
    if (isDue(hold, due) && !state.awaitingPurchase.has(hold.id)) holds.push(hold);
  }
  return holds
    .sort((a, b) => deadline(a) - deadline(b) || (a.id < b.id ? -1 : 1))
    .flatMap((hold) => end(hold, "deadline", now).changes);
}

const isDue = (reservation: Reservation, due: EpochMs): boolean =>
  reservation.status === "held" && deadline(reservation) <= due;

export const deadline = ({ expiresAt }: Reservation): EpochMs => expiresAt ?? Number.POSITIVE_INFINITY;

/** What becomes of the entry when its offer ends for a reason. */
const ENTRY_ENDS = {
  deadline: { status: "lapsed", endReason: "deadline" },
  user: { status: "left", endReason: "user" }, // as a hold; an offer is `declined` by its user
  declined: { status: "declined", endReason: "user" },
  organizer: { status: "declined", endReason: "organizer" },
  "event-cancelled": { status: "closed", endReason: "event-cancelled" },
} as const satisfies Record<EndReason, { status: EntryStatus; endReason: EntryEndReason }>;

export interface Ending {
  readonly reservation: Reservation;
  readonly changes: readonly Change[];
}

/** Ends a reservation; the entry of an offer ends as the reason says, unless it is told otherwise. */
export function end(
  reservation: Reservation,
  endReason: EndReason,
  now: EpochMs,
  entryEnd: { readonly status: EntryStatus; readonly endReason: EntryEndReason } = ENTRY_ENDS[endReason],
): Ending {
  const { status: before } = reservation;
  if (!isActive(before)) throw new Error(`${reservation.id} has ended already`);
  const status = endReason === "deadline" ? "expired" : "cancelled";
  const ended: Reservation = { ...reservation, status, endedAt: now, endReason };
  const change = { kind: "ended", before, reservation: ended } as const;
  if (!isOffer(reservation)) return { reservation: ended, changes: [change] };
  return { reservation: ended, changes: [change, endOfferedEntry(ended, entryEnd, now)] };
}

/** A hold that was made for a waitlist entry, which is then `offered`. */
export const isOffer = ({ origin, status }: Reservation): boolean =>
  origin === "waitlist" && status === "held";

export const endOfferedEntry = (
  offer: Reservation,
  { status, endReason }: { readonly status: EntryStatus; readonly endReason: EntryEndReason },
  now: EpochMs,
): EntryPatched => ({
  kind: "entry",
  id: entryIdOfOffer(offer.id),
  slotId: offer.slotId,
  before: "offered",
  wasParked: false,
  patch: { status, endedAt: now, endReason, recheckAt: null },
});

/** Ends an entry that waits. */
export const endWaiting = (
  entry: WaitlistEntry,
  { status, endReason }: { readonly status: "left" | "closed"; readonly endReason: EntryEndReason },
  now: EpochMs,
): EntryPatched => ({
  kind: "entry",
  id: entry.id,
  slotId: entry.slotId,
  before: "waiting",
  wasParked: isParked(entry),
  patch: { status, endedAt: now, endReason, recheckAt: null },
});
