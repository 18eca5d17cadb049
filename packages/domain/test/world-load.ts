// Loads a batch out of the tests' tables as the worker's statements do: what a batch is promised, and no more.
import {
  type ActiveClaim,
  type AnyCommand,
  type Batch,
  COOLDOWN_MS,
  COOLDOWN_WINDOW_MS,
  type Command,
  dueAsOf,
  type EpochMs,
  type EventId,
  type EventState,
  isActive,
  isKnown,
  isLive,
  isOfOrganizer,
  isParked,
  isUnpaidExpiry,
  keyOf,
  type LoadedLeftovers,
  type LoadedLine,
  offerIdOf,
  type Reservation,
  type ReservationCursor,
  type ReservationId,
  type SlotId,
  type UserId,
  unknownEntries,
  type WaitlistEntry,
  type WaitlistEntryId,
  waitlistClosesAt,
} from "../src/index.ts";
import { slotsOf, termsOf, type World } from "./world-tables.ts";

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
  const state: EventState = {
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
  };
  for (const id of unknownEntries(state)) {
    const entry = world.entries.get(id);
    if (entry !== undefined) entries.set(id, entry);
  }
  return {
    state,
    notices: { nextSeq: world.outcomes.size + 1 },
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

export function cannotCome(
  world: World,
  { eventId, slotId, quantity }: WaitlistEntry,
  now: EpochMs,
): boolean {
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
