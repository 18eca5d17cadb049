// Applies the commands of a batch one after another to the state it was loaded with: settles what is due first,
// answers repeats with what was answered before, and keeps count. Pure, like the rules it calls.
import type { AnyCommand } from "./commands.ts";
import { isKnown } from "./commands.ts";
import { decide } from "./decide.ts";
import { dueAsOf, settle } from "./endings.ts";
import { availableTickets, type Slot } from "./event.ts";
import type { CommandId, SlotId, UserId } from "./ids.ts";
import { SETTLE_GRACE_MS } from "./limits.ts";
import { type Notice, noticeOfCommand, noticesOf } from "./notices.ts";
import { type Change, type Decision, type FollowUp, fail, type Outcome, refuse } from "./outcomes.ts";
import { type EventState, type EventView, evolve, slotOf } from "./state.ts";
import type { EpochMs } from "./time.ts";
import { isParked } from "./waitlist-entry.ts";
import { liveEntryOf, promotionsDue } from "./waitlist-rules.ts";

export interface Batch {
  readonly state: EventState;
  /** Outcomes that commands of this batch already have. Added to as commands end. */
  readonly outcomes: Map<CommandId, Outcome>;
  /** Which command used a user's idempotency key, by `keyOf`. Added to as commands end. */
  readonly keys: Map<string, CommandId>;
  /** The greatest acceptance time of the event so far. */
  readonly logicalAt: EpochMs;
  readonly now: EpochMs;
  /** Holds with a later deadline than this were not loaded: what needs them waits for the next batch. */
  readonly settledUpTo: EpochMs;
  /** Commands that are not tried again: they end `failed` undecided. */
  readonly condemned?: ReadonlySet<CommandId>;
  /** Given when somebody is to be told of what happens: the number of the event's next outcome. */
  readonly notices?: { readonly nextSeq: number };
  /** Told of a command whose decision threw; it ends `failed`. */
  readonly onFault: (command: AnyCommand, error: unknown) => void;
}

export interface Applied {
  readonly command: AnyCommand;
  readonly outcome: Outcome;
  /** True when the outcome stood before this batch, or was given to an earlier command of it with the same id. */
  readonly replayed: boolean;
  /** What there was of the slot in question before; null when none was, and of a repeat. */
  readonly seen: Seen | null;
}

/** Of a slot, as a decision found it. */
export interface Seen {
  /** Tickets that the public could have. */
  readonly available: number;
  /** Entries of others in its waitlist; for who reserves, those that may have tickets. */
  readonly waitingAhead: number;
}

export interface BatchResult {
  /** A prefix of the commands given, in order. Shorter when more is due than was loaded. */
  readonly applied: readonly Applied[];
  readonly changes: readonly Change[];
  readonly followUps: readonly FollowUp[];
  /** In the order in which it happened; empty unless it was asked for. */
  readonly notices: readonly Notice[];
  readonly logicalAt: EpochMs;
}

export const keyOf = (user: UserId, idempotencyKey: string): string => `${user} ${idempotencyKey}`;

/** The time by which a command is judged due: its acceptance, and for a timer at least its second and the grace. */
export function logicalTime(command: AnyCommand, now: EpochMs): EpochMs {
  const accepted = Math.min(command.at, now);
  if (!isKnown(command) || command.type !== "expire-due") return accepted;
  return Math.min(Math.max(accepted, command.input.dueAt + SETTLE_GRACE_MS), now);
}

export function applyBatch(commands: readonly AnyCommand[], batch: Batch): BatchResult {
  const { state, now } = batch;
  const applied: Applied[] = [];
  const changes: Change[] = [];
  const followUps: FollowUp[] = [];
  const notices: Notice[] = [];
  let { logicalAt } = batch;
  let decided = 0;

  for (const command of commands) {
    const before = batch.outcomes.get(command.id);
    if (before !== undefined) {
      applied.push({ command, outcome: before, replayed: true, seen: null });
      continue;
    }
    const logical = Math.max(logicalAt, logicalTime(command, now));
    const settled = settle(state, dueAsOf(logical), now);
    for (const change of settled) evolve(state, change);
    changes.push(...settled);
    if (batch.notices !== undefined) notices.push(...noticesOf(state, settled, now));
    changes.push(...lookAgain(settled));
    if (dueAsOf(logical) > batch.settledUpTo) break;
    logicalAt = logical;

    const seen = seenBy(state, command, now);
    const decision = answer(command, batch);
    changes.push(...decision.changes);
    // A promotion says itself when the next one is due.
    if (command.type !== "promote") changes.push(...lookAgain(decision.changes));
    followUps.push(...decision.followUps);
    batch.outcomes.set(command.id, decision.outcome);
    applied.push({ command, outcome: decision.outcome, replayed: false, seen });
    if (batch.notices === undefined) continue;
    notices.push(...noticesOf(state, decision.changes, now));
    const { id, type, eventId, userId, at: submittedAt } = command;
    const seq = batch.notices.nextSeq + decided;
    decided += 1;
    const ended = { id, type, eventId, submittedAt, finishedAt: now, outcome: decision.outcome, seq, seen };
    const notice = noticeOfCommand(userId, ended);
    if (notice !== null) notices.push(notice);
  }
  return {
    applied,
    changes,
    followUps: [...followUps, ...promotions(state, changes, now)],
    notices,
    logicalAt,
  };

  function lookAgain(done: readonly Change[]): readonly Change[] {
    if (done.length === 0) return done;
    const due = promotionsDue(state, done, now);
    for (const change of due) evolve(state, change);
    return due;
  }
}

/** Slots whose waiters are to be looked at, now or when a collection runs out. */
function promotions(state: EventView, changes: readonly Change[], now: EpochMs): FollowUp[] {
  const touched = new Set(changes.flatMap((change) => (change.kind === "line" ? [change.slotId] : [])));
  return [...touched].flatMap((slotId): FollowUp[] => {
    const { promoteAt: at, collecting, lastSeq } = slotOf(state, slotId);
    if (at === null || at < now) return []; // earlier: a look that goes on by itself
    // Later, and nothing runs out then: is the head, which is in others' way, still to have tickets?
    const from = at > now && at !== collecting?.until ? { after: lastSeq, since: at } : null;
    return [{ kind: "promote", eventId: state.terms.id, slotId, at, from, recheck: [] }];
  });
}

function seenBy(state: EventView, command: AnyCommand, now: EpochMs): Seen | null {
  const slot = slotInQuestion(state, command);
  if (slot === undefined) return null;
  const waits = ownWaiting(state, command, slot.id);
  // Parked ones are before who joins, and not before who wants tickets now.
  const before = command.type === "reserve" ? slot.waiting - slot.parked : slot.waiting;
  return { available: availableTickets(state.terms, slot, now), waitingAhead: before - (waits ? 1 : 0) };
}

/** Does the sender wait for the slot, as far as was loaded? */
function ownWaiting(state: EventView, { type, userId }: AnyCommand, slotId: SlotId): boolean {
  const own = userId === null ? undefined : liveEntryOf(state, userId, slotId);
  return own?.status === "waiting" && (type !== "reserve" || !isParked(own));
}

/** The slot that a command is about, as far as one can tell before it is decided. */
function slotInQuestion(state: EventView, command: AnyCommand): Slot | undefined {
  const named = (id: SlotId | undefined): Slot | undefined =>
    id === undefined ? undefined : state.slots.get(id);
  if (!isKnown(command)) return undefined;
  const { input } = command;
  if ("reservationId" in input) return named(state.reservations.get(input.reservationId)?.slotId);
  if ("entryId" in input) return named(state.entries.get(input.entryId)?.slotId);
  if (!("slotId" in input)) return undefined;
  if (input.slotId !== null) return named(input.slotId);
  return state.slots.size === 1 ? state.slots.values().next().value : undefined;
}

/** Decides, and moves the state on by what was decided. A decision that throws changes nothing. */
function answer(command: AnyCommand, batch: Batch): Decision {
  if (command.userId !== null && command.idempotencyKey !== null) {
    const key = keyOf(command.userId, command.idempotencyKey);
    if (batch.keys.has(key)) return refuse({ code: "idempotency-key-reused" });
    batch.keys.set(key, command.id);
  }
  if (batch.condemned?.has(command.id)) return fail("internal");
  try {
    const decision = decide(batch.state, command, { at: Math.min(command.at, batch.now), now: batch.now });
    for (const change of decision.changes) evolve(batch.state, change);
    return decision;
  } catch (error) {
    batch.onFault(command, error);
    return fail("internal");
  }
}
