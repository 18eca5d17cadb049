// What people do on a stage, said with verbs. Each throws unless the rules let it be done.
import {
  type EpochMs,
  offerIdOf,
  type Reservation,
  type Slot,
  type UserId,
  type WaitlistEntry,
} from "@holdfast/domain";
import { MINUTE_MS } from "./ids.ts";
import { done, type Stage } from "./stage.ts";

export interface Party {
  readonly userId: UserId;
  readonly quantity: number;
  /** The number of the sitting, by start. */
  readonly sitting?: number;
}

/** By start. */
export function slotOf({ slots, event }: Stage, sitting = 0): Slot {
  const slot = slots[sitting];
  if (slot === undefined) throw new Error(`${event.name} has no sitting ${sitting}`);
  return slot;
}

export function reserves(stage: Stage, at: EpochMs, { userId, quantity, sitting }: Party): Reservation {
  const slotId = slotOf(stage, sitting).id;
  const { reservation } = done(stage.ask(at, userId, { type: "reserve", input: { slotId, quantity } }));
  if (reservation === null) throw new Error(`${userId} reserved nothing`);
  return reservation;
}

/** Reserves, and has bought a minute later. */
export function buys(stage: Stage, at: EpochMs, party: Party): Reservation {
  const reservation = reserves(stage, at, party);
  purchases(stage, at + MINUTE_MS, reservation);
  return reservation;
}

type Owned = Pick<Reservation, "id" | "userId">;

export function purchases(stage: Stage, at: EpochMs, { id, userId }: Owned): void {
  const input = { reservationId: id, paymentReference: `seed-${id.slice(-8)}` };
  done(stage.ask(at, userId, { type: "purchase", input }));
}

export function cancels(stage: Stage, at: EpochMs, { id, userId }: Owned): void {
  done(stage.ask(at, userId, { type: "cancel", input: { reservationId: id, role: "user" } }));
}

export function joins(stage: Stage, at: EpochMs, { userId, quantity, sitting }: Party): WaitlistEntry {
  const slotId = slotOf(stage, sitting).id;
  const { entry } = done(stage.ask(at, userId, { type: "join-waitlist", input: { slotId, quantity } }));
  if (entry === undefined) throw new Error(`${userId} does not wait`);
  return entry;
}

export function leaves(stage: Stage, at: EpochMs, { id, userId }: WaitlistEntry): void {
  done(stage.ask(at, userId, { type: "leave-waitlist", input: { entryId: id, role: "user" } }));
}

/** What an entry was offered, to be purchased or declined by its user. */
export const offerTo = ({ id, userId }: WaitlistEntry): Owned => ({ id: offerIdOf(id), userId });
