// The tables as the rules need them, kept in memory: loads a batch as the worker's statements do (no more than a
// batch is promised), applies it, and writes what came out. Knows no rules.
import {
  type ActiveClaim,
  type AnyCommand,
  type Applied,
  applyBatch,
  type Batch,
  type BatchResult,
  type CommandId,
  dueAsOf,
  type EpochMs,
  type EventId,
  type EventTerms,
  type FollowUp,
  keyOf,
  type Outcome,
  type Reservation,
  type ReservationId,
  type Slot,
  type SlotId,
  type UserId,
} from "../src/index.ts";

export interface EventRow {
  readonly terms: EventTerms;
  readonly slots: readonly Slot[];
}

export interface World {
  readonly terms: Map<EventId, EventTerms>;
  readonly slots: Map<EventId, Map<SlotId, Slot>>;
  readonly reservations: Map<ReservationId, Reservation>;
  readonly outcomes: Map<CommandId, Outcome>;
  readonly keys: Map<string, CommandId>;
  readonly logicalAt: Map<EventId, EpochMs>;
  /** Accepted-command rows. */
  readonly accepted: Map<CommandId, AnyCommand>;
}

export function createWorld(events: readonly EventRow[], reservations: readonly Reservation[] = []): World {
  const world: World = {
    terms: new Map(events.map(({ terms }) => [terms.id, terms])),
    slots: new Map(
      events.map(({ terms, slots }) => [terms.id, new Map(slots.map((slot) => [slot.id, slot]))]),
    ),
    reservations: new Map(),
    outcomes: new Map(),
    keys: new Map(),
    logicalAt: new Map(),
    accepted: new Map(),
  };
  for (const reservation of reservations) write(world, null, reservation);
  return world;
}

/** What a batch is promised: at most `dueMax` holds that are due, and of other holds only their deadlines. */
export function loadBatch(
  world: World,
  eventId: EventId,
  commands: readonly AnyCommand[],
  now: EpochMs,
  dueMax: number,
): Batch {
  const terms = world.terms.get(eventId);
  if (terms === undefined) throw new Error(`no event ${eventId}`);
  const named = new Set(commands.map((command) => namedBy(command)));
  const awaitingPurchase = awaited(world);
  const holds = [...world.reservations.values()]
    .filter((row) => row.eventId === eventId && row.status === "held")
    .sort((a, b) => deadlineOf(a) - deadlineOf(b));
  const due = holds.filter((row) => deadlineOf(row) <= dueAsOf(now) && !awaitingPurchase.has(row.id));
  const [firstLeftOut] = due.slice(dueMax);
  const loaded = [...world.reservations.values()].filter(
    (row) => row.eventId === eventId && (named.has(row.id) || due.slice(0, dueMax).includes(row)),
  );
  const users = new Set(commands.map(({ userId }) => userId));
  const keys = commands.flatMap(({ userId, idempotencyKey }) =>
    userId === null || idempotencyKey === null ? [] : [keyOf(userId, idempotencyKey)],
  );
  const slots = world.slots.get(eventId) ?? new Map<SlotId, Slot>();
  const others = holds.filter((row) => !loaded.includes(row));
  return {
    state: {
      terms,
      slots: new Map(slots),
      reservations: new Map(loaded.map((row) => [row.id, row])),
      claims: claimsOf(world, users),
      awaitingPurchase,
      otherDeadlines: new Map(
        [...slots.keys()].map((id) => [id, others.filter((row) => row.slotId === id).map(deadlineOf)]),
      ),
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

export interface Ran {
  readonly applied: readonly Applied[];
  readonly followUps: readonly FollowUp[];
}

/** Applies the commands in as many batches as it takes; each is loaded, applied and written whole. */
export function run(
  world: World,
  eventId: EventId,
  commands: readonly AnyCommand[],
  now: EpochMs,
  dueMax = 100,
): Ran {
  const applied: Applied[] = [];
  const followUps: FollowUp[] = [];
  while (applied.length < commands.length) {
    const rest = commands.slice(applied.length);
    const result = applyBatch(rest, loadBatch(world, eventId, rest, now, dueMax));
    if (result.applied.length === 0 && result.changes.length === 0) throw new Error("a batch made no way");
    commit(world, eventId, result);
    applied.push(...result.applied);
    followUps.push(...result.followUps);
  }
  return { applied, followUps };
}

export function commit(world: World, eventId: EventId, result: BatchResult): void {
  for (const { before, reservation } of result.changes) write(world, before, reservation);
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

/** Counters move by the row's difference alone, as the worker's UPDATE does it. */
function write(world: World, before: Reservation["status"] | null, row: Reservation): void {
  const stored = world.reservations.get(row.id)?.status ?? null;
  if (stored !== before) throw new Error(`${row.id} is ${stored}, not ${before}`);
  const slots = world.slots.get(row.eventId);
  const slot = slots?.get(row.slotId);
  if (slots === undefined || slot === undefined) throw new Error(`no slot ${row.slotId}`);
  const by = (status: Reservation["status"]) =>
    (row.status === status ? row.quantity : 0) - (before === status ? row.quantity : 0);
  slots.set(slot.id, { ...slot, held: slot.held + by("held"), purchased: slot.purchased + by("purchased") });
  world.reservations.set(row.id, row);
}

const deadlineOf = (row: Reservation): EpochMs => row.expiresAt ?? Number.POSITIVE_INFINITY;

const namedBy = (command: AnyCommand): ReservationId | null =>
  command.input !== undefined && "reservationId" in command.input ? command.input.reservationId : null;

/** Holds with an accepted purchase of their owner's, stamped in time, that has no outcome. */
function awaited(world: World): Set<ReservationId> {
  const waiting = [...world.accepted.values()].flatMap((command) => {
    const row = world.reservations.get(namedBy(command) ?? ("" as ReservationId));
    const inTime = row !== undefined && row.userId === command.userId && command.at < deadlineOf(row);
    return command.type === "purchase" && inTime && !world.outcomes.has(command.id) ? [row.id] : [];
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

const pick = <K, V>(from: ReadonlyMap<K, V>, keys: readonly K[]): Map<K, V> =>
  new Map([...from].filter(([key]) => keys.includes(key)));
