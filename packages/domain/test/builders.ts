// One event at one moment, its rows, commands and batches, for tests that look at a single thing.
import {
  type ActiveClaim,
  type AnyCommand,
  applyBatch,
  type Batch,
  type CancelCommand,
  type CancelEventCommand,
  type Change,
  type EventState,
  type EventTerms,
  type JoinWaitlistCommand,
  type LeaveWaitlistCommand,
  OFFER_SECONDS_DEFAULT,
  type PromoteCommand,
  type Promotion,
  type PurchaseCommand,
  promote,
  type Reservation,
  type ReservationCursor,
  type ReserveCommand,
  type SetCapacityCommand,
  type Slot,
  type UserId,
  WAITLIST_COLLECT_SECONDS_DEFAULT,
  WAITLIST_ENTRIES_DEFAULT,
  WAITLIST_MAX_SKIPS_DEFAULT,
  type WaitlistEntry,
  type WaitlistEntryId,
  type WaitlistTerms,
  type WindDownCommand,
  waitlistEntryIdOf,
  windDown,
} from "../src/index.ts";
import { idOf } from "./names.ts";

export const NOW = Date.UTC(2030, 0, 1, 12);
export const HOUR = 3_600_000;
export const EVENT = idOf("event", "play");
export const SLOT = idOf("slot", "main");

/** A slot that nobody has asked for yet. */
export const UNTOUCHED = {
  name: null,
  held: 0,
  purchased: 0,
  used: false,
  waiting: 0,
  parked: 0,
  lastSeq: 0,
  passers: [],
  collecting: null,
  promoteAt: null,
} as const;

export const WAITLIST: WaitlistTerms = {
  enabled: true,
  mode: "skip",
  maxSkips: WAITLIST_MAX_SKIPS_DEFAULT,
  collectSeconds: WAITLIST_COLLECT_SECONDS_DEFAULT,
  maxEntries: WAITLIST_ENTRIES_DEFAULT,
  closesBeforeSeconds: 0,
};

export const slot = (has: Partial<Slot> = {}): Slot => ({
  ...UNTOUCHED,
  id: SLOT,
  startsAt: NOW + HOUR,
  endsAt: NOW + 2 * HOUR,
  capacity: 10,
  ...has,
});

export const hold = (name: string, has: Partial<Reservation> = {}): Reservation => ({
  id: idOf("reservation", name),
  eventId: EVENT,
  slotId: SLOT,
  userId: idOf("user", name),
  quantity: 1,
  status: "held",
  origin: "public",
  paymentReference: null,
  expiresAt: NOW + 60_000,
  createdAt: NOW - 60_000,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
  ...has,
});

export const waiter = (name: string, has: Partial<WaitlistEntry> = {}): WaitlistEntry => ({
  id: idOf("waitlistEntry", name),
  eventId: EVENT,
  slotId: SLOT,
  userId: idOf("user", name),
  quantity: 1,
  status: "waiting",
  seq: 1,
  createdAt: NOW,
  offeredAt: null,
  endedAt: null,
  endReason: null,
  recheckAt: null,
  lastPassedOver: null,
  ...has,
});

export const TERMS: EventTerms = {
  id: EVENT,
  organizerId: idOf("user", "olga"),
  cancelledAt: null,
  salesOpenAt: null,
  salesCloseAt: null,
  salesClosed: false,
  holdSeconds: 60,
  offerSeconds: OFFER_SECONDS_DEFAULT,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  waitlist: WAITLIST,
};

export const stateOf = (
  rows: readonly Reservation[],
  slots: readonly Slot[],
  claims: ActiveClaim[] = [],
): EventState => ({
  terms: TERMS,
  details: null,
  slots: new Map(slots.map((each) => [each.id, each])),
  reservations: new Map(rows.map((row) => [row.id, row])),
  entries: new Map(),
  claims: new Map([[idOf("user", "ann"), claims]]),
  expiries: new Map(),
  awaitingPurchase: new Set(),
  otherDeadlines: new Map(),
  lines: new Map(),
  leftovers: null,
});

export const batchOf = (
  state: EventState,
  has: Partial<Batch> = {},
): Batch & { readonly faults: AnyCommand[] } => {
  const faults: AnyCommand[] = [];
  return {
    state,
    outcomes: new Map(),
    keys: new Map(),
    logicalAt: 0,
    now: NOW,
    settledUpTo: NOW,
    onFault: (command) => faults.push(command),
    ...has,
    faults,
  };
};

export const base = (name: string, user: string) => ({
  id: idOf("command", name),
  eventId: EVENT,
  at: NOW,
  userId: idOf("user", user),
  idempotencyKey: null,
  fingerprint: null,
});
export const reserves = (user: string, has: Partial<ReserveCommand> = {}): ReserveCommand => ({
  ...base(`${user} reserves`, user),
  type: "reserve",
  input: { slotId: SLOT, quantity: 1 },
  ...has,
});
export const purchases = (user: string, has: Partial<PurchaseCommand> = {}): PurchaseCommand => ({
  ...base(`${user} purchases`, user),
  type: "purchase",
  input: { reservationId: idOf("reservation", user), paymentReference: null },
  ...has,
});
export const cancels = (
  user: string,
  whose: string,
  role: CancelCommand["input"]["role"],
): CancelCommand => ({
  ...base(`${user} cancels ${whose}`, user),
  type: "cancel",
  input: { reservationId: idOf("reservation", whose), role },
});

/** Whose reservations were made or changed, each with what was done to it. */
export const movedBy = (changes: readonly Change[]): [kind: Change["kind"], userId: UserId][] =>
  changes
    .flatMap((change) => ("reservation" in change ? [[change.kind, change.reservation.userId] as const] : []))
    .map(([kind, user]) => [kind, user]);

const OF_ORGANIZER = { ...base("organizer", "olga"), at: NOW };

export const joins = (user: string, quantity: number): JoinWaitlistCommand => ({
  ...base(`${user} joins ${quantity}`, user),
  type: "join-waitlist",
  input: { slotId: SLOT, quantity },
});
/** The entry that a user's joining made. */
export const entryOf = (user: string, quantity: number): WaitlistEntryId =>
  waitlistEntryIdOf(joins(user, quantity).id);
export const leaves = (user: string, quantity: number): LeaveWaitlistCommand => ({
  ...base(`${user} leaves ${quantity}`, user),
  type: "leave-waitlist",
  input: { entryId: entryOf(user, quantity), role: "user" },
});
export const setsCapacity = (capacity: number): SetCapacityCommand => ({
  ...OF_ORGANIZER,
  id: idOf("command", `capacity ${capacity}`),
  type: "set-capacity",
  input: { slotId: SLOT, capacity, role: "organizer" },
});
export const cancelsEvent: CancelEventCommand = {
  ...OF_ORGANIZER,
  id: idOf("command", "cancels the event"),
  type: "cancel-event",
  input: { role: "organizer" },
};
/** Nothing but the name is looked at: each is a command of its own. */
export const promotes = (
  name: string,
  has: Partial<Pick<Promotion, "from" | "recheck">> = {},
): PromoteCommand =>
  promote(idOf("command", name), { eventId: EVENT, slotId: SLOT, from: null, recheck: [], ...has }, NOW);
export const windsDown = (name: string, after: ReservationCursor | null = null): WindDownCommand =>
  windDown(idOf("command", name), EVENT, { at: NOW, after });

export const outcomesOf = (commands: readonly AnyCommand[], batch: Batch) =>
  applyBatch(commands, batch).applied.map(({ outcome }) => outcome);
