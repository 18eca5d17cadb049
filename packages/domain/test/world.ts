// A world whose tables are in memory: batches are loaded, applied and written as the worker does it, and what they ask
// for is sent as the waitlist worker does it. Knows no rules.
import {
  type AnyCommand,
  type Applied,
  applyBatch,
  type Change,
  type EpochMs,
  type EventDetails,
  type EventId,
  type FollowUp,
  isKnown,
  isParked,
  promote,
  type Reservation,
  type SlotId,
  type WaitlistEntry,
  windDown,
} from "../src/index.ts";
import { idOf } from "./names.ts";
import { cannotCome, LOAD_LIMITS, type LoadLimits, loadBatch } from "./world-load.ts";
import type { EventRow, World } from "./world-tables.ts";
import { commit, writeReservation } from "./world-write.ts";

export { LOAD_LIMITS, type LoadLimits, loadBatch } from "./world-load.ts";
export type { EventRow, World } from "./world-tables.ts";
export { commit } from "./world-write.ts";

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
    told: [],
  };
  for (const reservation of reservations) writeReservation(world, { before: null, reservation });
  return world;
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

export function commandOf(
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

/** Looks at parked waiters again whose own reservations, of any event, have ended, or whose limit was raised. */
export function rechecksOf(world: World, changes: readonly Change[], at: EpochMs): FollowUp[] {
  const freed = new Set(
    changes.flatMap((change) => (change.kind === "ended" ? [change.reservation.userId] : [])),
  );
  const limits = new Set(changes.flatMap((change) => (change.kind === "limit-raised" ? [change.limit] : [])));
  const isRaised = ({ lastPassedOver, recheckAt }: WaitlistEntry): boolean =>
    recheckAt === at && limits.has(lastPassedOver?.limit as "user");
  return recheck(
    [...world.entries.values()].filter(
      (entry) => isParked(entry) && (freed.has(entry.userId) || isRaised(entry)),
    ),
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
