// The tables as the rules need them, kept in memory: loads a batch as the worker's statements do (no more than a
// batch is promised), applies it, writes what came out, and sends what was asked for as the waitlist worker does.
// Knows no rules.
import {
  type ActiveClaim,
  type AnyCommand,
  type Applied,
  applyBatch,
  type Batch,
  type BatchResult,
  type Change,
  COOLDOWN_MS,
  COOLDOWN_WINDOW_MS,
  type Command,
  type CommandId,
  dueAsOf,
  type EntryPatched,
  type EpochMs,
  type EventChange,
  type EventDetails,
  type EventId,
  type EventTerms,
  type FollowUp,
  isActive,
  isKnown,
  isLive,
  isOfOrganizer,
  isParked,
  isUnpaidExpiry,
  keyOf,
  type LoadedLeftovers,
  type LoadedLine,
  type Outcome,
  offerIdOf,
  patched,
  promote,
  type Reservation,
  type ReservationChange,
  type ReservationCursor,
  type ReservationId,
  type Slot,
  type SlotId,
  type UserId,
  type WaitlistEntry,
  type WaitlistEntryId,
  waitlistClosesAt,
  windDown,
} from "../src/index.ts";
import { idOf } from "./names.ts";

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
}

/** What one batch loads at most. */
export interface LoadLimits {
  /** Holds that are due. */
  readonly dueMax: number;
  /** Waiters of a slot that is promoted. */
  readonly lineMax: number;
  /** Reservations, and waitlist entries, that are wound down. */
  readonly leftoverMax: number;
}

export const LOAD_LIMITS: LoadLimits = { dueMax: 100, lineMax: 128, leftoverMax: 128 };

const DETAILS: EventDetails = {
  name: "An event",
  description: null,
  venue: null,
  version: 1,
  createdAt: 0,
  updatedAt: 0,
};

export function createWorld(events: readonly EventRow[], reservations: readonly Reservation[] = []): World {
  const world: World = {
    terms: new Map(events.map(({ terms }) => [terms.id, terms])),
    details: new Map(events.map(({ terms }) => [terms.id, DETAILS])),
    slots: new Map(
      events.map(({ terms, slots }) => [terms.id, new Map(slots.map((slot) => [slot.id, slot]))]),
    ),
    reservations: new Map(),
    entries: new Map(),
    windingDown: new Set(),
    outcomes: new Map(),
    keys: new Map(),
    logicalAt: new Map(),
    accepted: new Map(),
  };
  for (const reservation of reservations) writeReservation(world, { before: null, reservation });
  return world;
}

const slotsOf = (world: World, eventId: EventId): Map<SlotId, Slot> => {
  const slots = world.slots.get(eventId);
  if (slots === undefined) throw new Error(`no event ${eventId}`);
  return slots;
};

const termsOf = (world: World, eventId: EventId): EventTerms => {
  const terms = world.terms.get(eventId);
  if (terms === undefined) throw new Error(`no event ${eventId}`);
  return terms;
};

/** What a batch is promised, and no more. */
export function loadBatch(
  world: World,
  eventId: EventId,
  commands: readonly AnyCommand[],
  now: EpochMs,
  { dueMax, lineMax, leftoverMax }: LoadLimits = LOAD_LIMITS,
): Batch {
  const known = commands.filter(isKnown);
  const slots = slotsOf(world, eventId);
  const awaitingPurchase = awaited(world);
  const lines = linesOf(world, known, lineMax);
  const leftovers = leftoversOf(world, eventId, known, now, leftoverMax);
  const entries = entriesOf(world, eventId, known, lines, leftovers);

  const ofEvent = [...world.reservations.values()].filter((row) => row.eventId === eventId);
  const holds = ofEvent.filter((row) => row.status === "held").sort((a, b) => deadlineOf(a) - deadlineOf(b));
  const due = holds.filter((row) => deadlineOf(row) <= dueAsOf(now) && !awaitingPurchase.has(row.id));
  const [firstLeftOut] = due.slice(dueMax);
  const wanted = new Set<ReservationId | null>([
    ...known.flatMap(namedBy),
    ...due.slice(0, dueMax).map(({ id }) => id),
    ...(leftovers?.reservations ?? []),
  ]);
  const loaded = ofEvent.filter((row) => wanted.has(row.id));

  const waiters = [...lines.values()].flatMap((line) => [...line.entries]);
  const users = new Set<UserId | null>([
    ...commands.map(({ userId }) => userId),
    ...waiters.map((id) => entries.get(id)?.userId ?? null),
  ]);
  const keys = commands.flatMap(({ userId, idempotencyKey }) =>
    userId === null || idempotencyKey === null ? [] : [keyOf(userId, idempotencyKey)],
  );
  const others = holds.filter((row) => !loaded.includes(row));
  return {
    state: {
      terms: termsOf(world, eventId),
      details: commands.some(isOfOrganizer) ? (world.details.get(eventId) ?? null) : null,
      slots: new Map(slots),
      reservations: new Map(loaded.map((row) => [row.id, row])),
      entries,
      claims: claimsOf(world, users),
      expiries: expiriesOf(world, users, now),
      awaitingPurchase,
      otherDeadlines: new Map(
        [...slots.keys()].map((id) => [id, others.filter((row) => row.slotId === id).map(deadlineOf)]),
      ),
      lines,
      leftovers,
    },
    outcomes: pick(
      world.outcomes,
      commands.map(({ id }) => id),
    ),
    keys: pick(world.keys, keys),
    logicalAt: world.logicalAt.get(eventId) ?? 0,
    now,
    settledUpTo: firstLeftOut === undefined ? dueAsOf(now) : deadlineOf(firstLeftOut) - 1,
    onFault: (command, error) => {
      throw new Error(`${command.id} must not fail`, { cause: error });
    },
  };
}

const bySeq = (a: WaitlistEntry, b: WaitlistEntry): number => a.seq - b.seq;

/** Of each slot that is promoted: the head of its line, those behind where the look goes on, and whom it names. */
function linesOf(world: World, commands: readonly Command[], lineMax: number): Map<SlotId, LoadedLine> {
  const looks = commands.filter((command) => command.type === "promote");
  return new Map(
    looks.map(({ eventId, input: { slotId, from, recheck } }) => {
      const waiting = [...world.entries.values()]
        .filter((entry) => entry.slotId === slotId && entry.status === "waiting")
        .sort(bySeq);
      const inTurn = waiting.filter((entry) => !isParked(entry));
      const next = inTurn.filter(({ seq }) => seq > (from?.after ?? 0)).slice(0, lineMax);
      const named = waiting.filter((entry) => isParked(entry) && recheck.includes(entry.id));
      const last = next.at(-1);
      const line: LoadedLine = {
        entries: new Set([...inTurn.slice(0, 1), ...next, ...named].map(({ id }) => id)),
        upTo: last === undefined || next.length < lineMax ? Number.POSITIVE_INFINITY : last.seq,
        lastSeq: slotsOf(world, eventId).get(slotId)?.lastSeq ?? 0,
      };
      return [slotId, line];
    }),
  );
}

/** A piece of what is to be wound down: reservations by time and id, then entries that can come to nothing. */
function leftoversOf(
  world: World,
  eventId: EventId,
  commands: readonly Command[],
  now: EpochMs,
  leftoverMax: number,
): LoadedLeftovers | null {
  const piece = commands.find((command) => command.type === "wind-down");
  if (piece === undefined) return null;
  const terms = termsOf(world, eventId);
  const { after } = piece.input;
  const active = [...world.reservations.values()]
    .filter((row) => row.eventId === eventId && isActive(row.status) && terms.cancelledAt !== null)
    .filter((row) => after === null || byCreation(row, after) > 0)
    .sort(byCreation);
  const closing = [...world.entries.values()].filter(
    (entry) => entry.eventId === eventId && entry.status === "waiting" && cannotCome(world, entry, now),
  );
  const reservations = active.slice(0, leftoverMax);
  const last = reservations.at(-1);
  const more = active.length >= leftoverMax || closing.length >= leftoverMax;
  const cursor = last === undefined ? after : { createdAt: last.createdAt, id: last.id };
  return {
    reservations: reservations.map(({ id }) => id),
    entries: closing.slice(0, leftoverMax).map(({ id }) => id),
    next: more ? { after: cursor } : null,
  };
}

const byCreation = (a: ReservationCursor, b: ReservationCursor): number =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : Number(a.id > b.id));

function cannotCome(world: World, { eventId, slotId, quantity }: WaitlistEntry, now: EpochMs): boolean {
  const terms = termsOf(world, eventId);
  const slot = slotsOf(world, eventId).get(slotId);
  if (terms.cancelledAt !== null) return true;
  return slot !== undefined && (now >= waitlistClosesAt(terms, slot) || quantity > slot.capacity);
}

/** Live ones of those who ask to wait, those that commands name, and what lines and leftovers consist of. */
function entriesOf(
  world: World,
  eventId: EventId,
  commands: readonly Command[],
  lines: ReadonlyMap<SlotId, LoadedLine>,
  leftovers: LoadedLeftovers | null,
): Map<WaitlistEntryId, WaitlistEntry> {
  const asking = new Set<UserId>();
  const wanted = new Set<WaitlistEntryId>(leftovers?.entries);
  for (const command of commands) {
    if (command.type === "join-waitlist") asking.add(command.userId);
    if (command.type === "reserve" && command.input.orWait === true) asking.add(command.userId);
    if (command.type === "leave-waitlist") wanted.add(command.input.entryId);
  }
  for (const line of lines.values()) for (const id of line.entries) wanted.add(id);
  const rows = [...world.entries].filter(
    ([id, entry]) =>
      entry.eventId === eventId && (wanted.has(id) || (isLive(entry.status) && asking.has(entry.userId))),
  );
  return new Map(rows);
}

export interface Ran {
  readonly applied: readonly Applied[];
  readonly changes: readonly Change[];
  readonly followUps: readonly FollowUp[];
}

/** How many of the commands one batch takes: it looks at each line once, and named waiters or leftovers alone. */
function together(commands: readonly AnyCommand[]): readonly AnyCommand[] {
  const looked = new Set<SlotId | "all">();
  for (const [n, command] of commands.entries()) {
    if (!isKnown(command) || (command.type !== "promote" && command.type !== "wind-down")) continue;
    const alone = command.type === "wind-down" || command.input.recheck.length > 0;
    const taken = command.type === "promote" && looked.has(command.input.slotId);
    if (taken || looked.has("all") || (alone && looked.size > 0)) return commands.slice(0, n);
    looked.add(command.type === "wind-down" || alone ? "all" : command.input.slotId);
  }
  return commands;
}

/** Applies the commands in as many batches as it takes; each is loaded, applied and written whole. */
export function run(
  world: World,
  eventId: EventId,
  commands: readonly AnyCommand[],
  now: EpochMs,
  limits: Partial<LoadLimits> = {},
): Ran {
  const applied: Applied[] = [];
  const changes: Change[] = [];
  const followUps: FollowUp[] = [];
  while (applied.length < commands.length) {
    const rest = together(commands.slice(applied.length));
    const batch = loadBatch(world, eventId, rest, now, { ...LOAD_LIMITS, ...limits });
    const result = applyBatch(rest, batch);
    if (result.applied.length === 0 && result.changes.length === 0) throw new Error("a batch made no way");
    commit(world, eventId, result);
    applied.push(...result.applied);
    changes.push(...result.changes);
    followUps.push(...result.followUps);
  }
  return { applied, changes, followUps };
}

/** Far more commands than following up on one batch can take. */
const FOLLOWED_MAX = 10_000;

/**
 * Sends what was asked for, as the waitlist worker and the event's own worker do, until nothing of it is due; parked
 * waiters are looked at again when a claim of theirs has ended. Tells what is left for later, or for other events.
 */
export function follow(
  world: World,
  { changes, followUps }: Pick<Ran, "changes" | "followUps">,
  now: EpochMs,
  limits: Partial<LoadLimits> = {},
): FollowUp[] {
  const later: FollowUp[] = [];
  const queue = [...followUps, ...rechecksOf(world, changes, now)];
  for (let sent = 0; ; sent += 1) {
    const next = queue.shift();
    if (next === undefined) return later;
    if (sent > FOLLOWED_MAX) throw new Error("follow-ups do not come to an end");
    if (next.kind === "expire-elsewhere" || (next.kind === "promote" && next.at > now)) {
      later.push(next);
      continue;
    }
    const ran = run(world, next.eventId, [commandOf(world, next, now)], now, limits);
    queue.push(...ran.followUps, ...rechecksOf(world, ran.changes, now));
  }
}

function commandOf(
  world: World,
  asked: Extract<FollowUp, { kind: "promote" | "wind-down" }>,
  now: EpochMs,
): AnyCommand {
  const id = idOf("command", `follow-up ${world.outcomes.size}`);
  if (asked.kind === "promote") return promote(id, asked, now);
  return windDown(id, asked.eventId, { at: now, after: asked.after });
}

/** Runs the commands and all that follows from them at once. */
export function runWhole(
  world: World,
  eventId: EventId,
  commands: readonly AnyCommand[],
  now: EpochMs,
  limits: Partial<LoadLimits> = {},
): Ran {
  const ran = run(world, eventId, commands, now, limits);
  return { ...ran, followUps: follow(world, ran, now, limits) };
}

/** Looks at parked waiters again whose own reservations, of any event, have ended. */
function rechecksOf(world: World, changes: readonly Change[], at: EpochMs): FollowUp[] {
  const freed = new Set(
    changes.flatMap((change) => (change.kind === "ended" ? [change.reservation.userId] : [])),
  );
  return recheck(
    [...world.entries.values()].filter((entry) => isParked(entry) && freed.has(entry.userId)),
    at,
  );
}

function recheck(entries: readonly WaitlistEntry[], at: EpochMs): FollowUp[] {
  return [...Map.groupBy(entries, ({ slotId }) => slotId).values()].flatMap((parked): FollowUp[] => {
    const [first] = parked;
    if (first === undefined) return [];
    const { eventId, slotId } = first;
    return [{ kind: "promote", eventId, slotId, at, from: null, recheck: parked.map(({ id }) => id) }];
  });
}

/** What a sweep finds: late promotions, parked waiters whose time has come, and what is to be wound down. */
export function sweepsDue(world: World, now: EpochMs): FollowUp[] {
  const slots = [...world.slots].flatMap(([eventId, all]) =>
    [...all.values()].map((slot) => ({ eventId, slot })),
  );
  const promotions = slots
    .filter(({ slot }) => slot.promoteAt !== null && slot.promoteAt <= now)
    .map(({ eventId, slot }): FollowUp => {
      return { kind: "promote", eventId, slotId: slot.id, at: now, from: null, recheck: [] };
    });
  const due = [...world.entries.values()].filter(({ recheckAt }) => recheckAt !== null && recheckAt <= now);
  const closing = [...world.entries.values()].filter(
    (entry) => entry.status === "waiting" && cannotCome(world, entry, now),
  );
  const events = new Set([...world.windingDown, ...closing.map(({ eventId }) => eventId)]);
  return [
    ...[...events].map((eventId): FollowUp => ({ kind: "wind-down", eventId, after: null })),
    ...promotions,
    ...recheck(due, now),
  ];
}

export function commit(world: World, eventId: EventId, result: BatchResult): void {
  for (const change of result.changes) write(world, eventId, change);
  for (const slot of slotsOf(world, eventId).values()) checkSlot(slot);
  for (const { command, outcome, replayed } of result.applied) {
    if (replayed) continue;
    if (world.outcomes.has(command.id)) throw new Error(`${command.id} ended twice`);
    world.outcomes.set(command.id, outcome);
    const reused = outcome.status === "rejected" && outcome.refusal.code === "idempotency-key-reused";
    if (command.userId === null || command.idempotencyKey === null || reused) continue;
    world.keys.set(keyOf(command.userId, command.idempotencyKey), command.id);
  }
  if (result.logicalAt < (world.logicalAt.get(eventId) ?? 0)) throw new Error("logical time ran backwards");
  world.logicalAt.set(eventId, result.logicalAt);
}

function write(world: World, eventId: EventId, change: Change): void {
  switch (change.kind) {
    case "held":
    case "purchased":
    case "ended":
      writeReservation(world, change);
      break;
    case "joined":
      insertEntry(world, change.entry);
      break;
    case "entry":
      updateEntry(world, eventId, change);
      break;
    default:
      writeEvent(world, eventId, change);
  }
}

/** Counters move by the row's difference alone, as the worker's UPDATE does it. */
function writeReservation(
  world: World,
  { before, reservation: row }: Pick<ReservationChange, "before" | "reservation">,
): void {
  const stored = world.reservations.get(row.id)?.status ?? null;
  if (stored !== before) throw new Error(`${row.id} is ${stored}, not ${before}`);
  const by = (status: Reservation["status"]) =>
    (row.status === status ? row.quantity : 0) - (before === status ? row.quantity : 0);
  updateSlot(world, row.eventId, row.slotId, (slot) => ({
    ...slot,
    held: slot.held + by("held"),
    purchased: slot.purchased + by("purchased"),
    used: true,
  }));
  world.reservations.set(row.id, row);
}

function updateSlot(world: World, eventId: EventId, slotId: SlotId, next: (slot: Slot) => Slot): void {
  const slots = slotsOf(world, eventId);
  const slot = slots.get(slotId);
  if (slot === undefined) throw new Error(`no slot ${slotId}`);
  slots.set(slotId, next(slot));
}

/** Each number of a slot's line is given once, and a user has one live entry of a slot. */
function insertEntry(world: World, entry: WaitlistEntry): void {
  const ofSlot = [...world.entries.values()].filter(({ slotId }) => slotId === entry.slotId);
  const twice = ofSlot.some(({ userId, status }) => userId === entry.userId && isLive(status));
  if (world.entries.has(entry.id) || twice) throw new Error(`${entry.userId} waits twice`);
  if (ofSlot.some(({ seq }) => seq >= entry.seq)) throw new Error(`${entry.id} is not the last of its slot`);
  checkEntry(entry);
  updateSlot(world, entry.eventId, entry.slotId, (slot) => ({
    ...slot,
    waiting: slot.waiting + 1,
    lastSeq: entry.seq,
  }));
  world.entries.set(entry.id, entry);
}

function updateEntry(world: World, eventId: EventId, change: EntryPatched): void {
  const { id, slotId, before, wasParked, patch } = change;
  const stored = world.entries.get(id);
  if (stored?.status !== before || isParked(stored) !== wasParked || stored.slotId !== slotId) {
    throw new Error(`${id} is ${JSON.stringify(stored)}, not ${before}, parked: ${wasParked}`);
  }
  const row = patched(stored, patch);
  checkEntry(row);
  updateSlot(world, eventId, slotId, (slot) => ({
    ...slot,
    waiting: slot.waiting + Number(row.status === "waiting") - Number(before === "waiting"),
    parked: slot.parked + Number(isParked(row)) - Number(wasParked),
  }));
  world.entries.set(id, row);
}

/** An edit writes what organizers change, and never a counter. */
function writeEvent(world: World, eventId: EventId, change: EventChange): void {
  const slots = slotsOf(world, eventId);
  switch (change.kind) {
    case "line":
      updateSlot(world, eventId, change.slotId, (slot) => ({ ...slot, ...change.line }));
      break;
    case "slot-added":
      if (slots.has(change.slot.id)) throw new Error(`${change.slot.id} is there already`);
      slots.set(change.slot.id, change.slot);
      break;
    case "slot-edited": {
      const { name, startsAt, endsAt, capacity } = change.slot;
      updateSlot(world, eventId, change.slot.id, (slot) => ({ ...slot, name, startsAt, endsAt, capacity }));
      break;
    }
    case "slot-removed":
      if (!slots.delete(change.slotId)) throw new Error(`no slot ${change.slotId}`);
      if (namesSlot(world, change.slotId)) throw new Error(`${change.slotId} is referred to`);
      break;
    case "event-edited":
      if (change.details.version !== (world.details.get(eventId)?.version ?? 0) + 1) {
        throw new Error(`${eventId} has another version`);
      }
      if (change.terms.cancelledAt !== null) world.windingDown.add(eventId);
      world.terms.set(eventId, change.terms);
      world.details.set(eventId, change.details);
      break;
    case "wound-down":
      world.windingDown.delete(eventId);
      break;
  }
}

const namesSlot = (world: World, id: SlotId): boolean =>
  [...world.reservations.values(), ...world.entries.values()].some(({ slotId }) => slotId === id);

/** As the table's CHECKs have it. */
function checkSlot({ id, held, purchased, capacity, waiting, parked, lastSeq }: Slot): void {
  const counts = held >= 0 && purchased >= 0 && held + purchased <= capacity;
  if (!counts) throw new Error(`slot ${id}: ${held} held, ${purchased} purchased of ${capacity}`);
  if (!(0 <= parked && parked <= waiting && waiting <= lastSeq)) {
    throw new Error(`slot ${id}: ${parked} parked, ${waiting} waiting of ${lastSeq}`);
  }
}

function checkEntry(entry: WaitlistEntry): void {
  const { id, status, endedAt, endReason, offeredAt, recheckAt } = entry;
  const fits =
    isLive(status) === (endedAt === null) &&
    isLive(status) === (endReason === null) &&
    (status !== "offered" || offeredAt !== null) &&
    (recheckAt === null || status === "waiting");
  if (!fits) throw new Error(`${id} contradicts itself: ${JSON.stringify(entry)}`);
}

const deadlineOf = (row: Reservation): EpochMs => row.expiresAt ?? Number.POSITIVE_INFINITY;

/** The reservations that a command names; of a waitlist entry that it names, the offer. */
function namedBy({ input }: Command): ReservationId[] {
  if ("reservationId" in input) return [input.reservationId];
  return "entryId" in input ? [offerIdOf(input.entryId)] : [];
}

/** Holds with an accepted purchase of their owner's, stamped in time, that has no outcome. */
function awaited(world: World): Set<ReservationId> {
  const waiting = [...world.accepted.values()].flatMap((command) => {
    if (!isKnown(command) || command.type !== "purchase") return [];
    const row = world.reservations.get(command.input.reservationId);
    const inTime = row !== undefined && row.userId === command.userId && command.at < deadlineOf(row);
    return inTime && !world.outcomes.has(command.id) ? [row.id] : [];
  });
  return new Set(waiting);
}

function claimsOf(world: World, users: ReadonlySet<UserId | null>): Map<UserId, ActiveClaim[]> {
  const claims = new Map<UserId, ActiveClaim[]>();
  for (const row of world.reservations.values()) {
    const slot = world.slots.get(row.eventId)?.get(row.slotId);
    if (!users.has(row.userId) || slot === undefined) continue;
    if (row.status !== "held" && row.status !== "purchased") continue;
    const { id, eventId, slotId, quantity, status, expiresAt } = row;
    const { startsAt, endsAt } = slot;
    const exclusive = world.terms.get(eventId)?.overlapPolicy === "refuse";
    const claim = { id, eventId, slotId, quantity, status, expiresAt, startsAt, endsAt, exclusive };
    claims.set(row.userId, [...(claims.get(row.userId) ?? []), claim]);
  }
  return claims;
}

/** No further back than a cooldown can reach that has not ended. */
function expiriesOf(world: World, users: ReadonlySet<UserId | null>, now: EpochMs): Map<UserId, EpochMs[]> {
  const expiries = new Map<UserId, EpochMs[]>();
  for (const row of world.reservations.values()) {
    const { userId, endedAt } = row;
    if (!users.has(userId) || !isUnpaidExpiry(row) || endedAt === null) continue;
    if (endedAt <= now - COOLDOWN_WINDOW_MS - COOLDOWN_MS) continue;
    expiries.set(userId, [...(expiries.get(userId) ?? []), endedAt]);
  }
  return expiries;
}

const pick = <K, V>(from: ReadonlyMap<K, V>, keys: readonly K[]): Map<K, V> =>
  new Map([...from].filter(([key]) => keys.includes(key)));
