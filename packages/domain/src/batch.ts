// Applies the commands of a batch one after another to the state it was loaded with: settles what is due first,
// answers repeats with what was answered before, and keeps count. Pure, like the rules it calls.
import type { AnyCommand } from "./commands.ts";
import { isKnown } from "./commands.ts";
import { decide, dueAsOf, settle } from "./decide.ts";
import type { CommandId, UserId } from "./ids.ts";
import { SETTLE_GRACE_MS } from "./limits.ts";
import { type Change, type Decision, type FollowUp, fail, type Outcome, refuse } from "./outcomes.ts";
import { type EventState, evolve } from "./state.ts";
import type { EpochMs } from "./time.ts";

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
  /** Told of a command whose decision threw; it ends `failed`. */
  readonly onFault: (command: AnyCommand, error: unknown) => void;
}

export interface Applied {
  readonly command: AnyCommand;
  readonly outcome: Outcome;
  /** True when the outcome stood before this batch, or was given to an earlier command of it with the same id. */
  readonly replayed: boolean;
}

export interface BatchResult {
  /** A prefix of the commands given, in order. Shorter when more is due than was loaded. */
  readonly applied: readonly Applied[];
  readonly changes: readonly Change[];
  readonly followUps: readonly FollowUp[];
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
  let { logicalAt } = batch;

  for (const command of commands) {
    const before = batch.outcomes.get(command.id);
    if (before !== undefined) {
      applied.push({ command, outcome: before, replayed: true });
      continue;
    }
    const logical = Math.max(logicalAt, logicalTime(command, now));
    for (const change of settle(state, dueAsOf(logical), now)) {
      evolve(state, change);
      changes.push(change);
    }
    if (dueAsOf(logical) > batch.settledUpTo) break;
    logicalAt = logical;

    const decision = answer(command, batch);
    changes.push(...decision.changes);
    followUps.push(...decision.followUps);
    batch.outcomes.set(command.id, decision.outcome);
    applied.push({ command, outcome: decision.outcome, replayed: false });
  }
  return { applied, changes, followUps, logicalAt };
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
