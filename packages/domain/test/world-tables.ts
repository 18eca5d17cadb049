// The tables as the rules need them, kept in memory. Knows no rules.
import type {
  AnyCommand,
  CommandId,
  EpochMs,
  EventDetails,
  EventId,
  EventTerms,
  Notice,
  Outcome,
  Reservation,
  ReservationId,
  Slot,
  SlotId,
  WaitlistEntry,
  WaitlistEntryId,
} from "../src/index.ts";

export interface EventRow {
  readonly terms: EventTerms;
  readonly slots: readonly Slot[];
}

export interface World {
  readonly terms: Map<EventId, EventTerms>;
  readonly details: Map<EventId, EventDetails>;
  readonly slots: Map<EventId, Map<SlotId, Slot>>;
  readonly reservations: Map<ReservationId, Reservation>;
  readonly entries: Map<WaitlistEntryId, WaitlistEntry>;
  /** Cancelled events whose reservations and entries have not all ended. */
  readonly windingDown: Set<EventId>;
  readonly outcomes: Map<CommandId, Outcome>;
  readonly keys: Map<string, CommandId>;
  readonly logicalAt: Map<EventId, EpochMs>;
  /** Accepted-command rows. */
  readonly accepted: Map<CommandId, AnyCommand>;
  /** Everything that others were told of, in order. */
  readonly told: Notice[];
}

export const slotsOf = (world: World, eventId: EventId): Map<SlotId, Slot> => {
  const slots = world.slots.get(eventId);
  if (slots === undefined) throw new Error(`no event ${eventId}`);
  return slots;
};

export const termsOf = (world: World, eventId: EventId): EventTerms => {
  const terms = world.terms.get(eventId);
  if (terms === undefined) throw new Error(`no event ${eventId}`);
  return terms;
};
