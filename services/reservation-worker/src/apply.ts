// One batch, one transaction: load → decide → write, tried again in place when the database stumbles, so that the
// order of commands holds. Knows neither queue nor replies.

import {
  endsOthers,
  Fenced,
  GATHERED_USERS_MAX,
  type LaneClaim,
  loadBatch,
  NoSuchEvent,
  SETTLE_MAX,
  SETTLE_ROOM,
  USER_LOCKS_MAX,
  writeBatch,
} from "@holdfast/db/inventory";
import {
  type AnyCommand,
  type Applied,
  applyBatch,
  type Batch,
  type BatchResult,
  type Change,
  type CommandId,
  type EpochMs,
  type EventId,
  type FollowUp,
  isKnown,
  logicalTime,
  type ReservationId,
} from "@holdfast/domain";
import { failpoint, type Logger, newId } from "@holdfast/runtime";
import type pg from "pg";
import { Contradiction, isUnwritable, troubleOf } from "./database-errors.ts";
import { messagesFor, type Notified, notifiedBy } from "./messages.ts";
import type { WorkerMetrics } from "./metrics.ts";

/** Commands of one transaction. More only make everybody wait longer. One due hold more than is settled is looked at. */
export const BATCH_COMMANDS_MAX = Math.min(256, USER_LOCKS_MAX - (SETTLE_ROOM + 1) - GATHERED_USERS_MAX);
/** Slots of which one transaction looks at the waiters: they share `GATHERED_USERS_MAX`. */
const BATCH_LINES_MAX = 4;
/** Times that a batch is tried again in place before the event is let go. */
export const BATCH_TRIES_MAX = 4;
/** Times that a command's row may be in the way: its own withdrawal, and that of another under its key. */
const WITHDRAWALS_PER_COMMAND = 2;
/** Milliseconds before the second try; doubled for each one after. */
const RETRY_PAUSE_MS = 10;

export type BatchOutcome =
  | {
      readonly kind: "applied";
      readonly fence: number;
      /** A prefix of the commands, in order. */
      readonly applied: readonly Applied[];
      readonly followUps: readonly FollowUp[];
      /** Of the holds that it made, offers included. */
      readonly deadlines: readonly EpochMs[];
      /** Endpoints that are to be told of something. */
      readonly notified: readonly Notified[];
      readonly now: EpochMs;
    }
  /** Somebody halted the event: nothing was applied. */
  | { readonly kind: "paused" }
  /** This database does not know the event: its commands can neither take effect nor end. */
  | { readonly kind: "no-such-event" }
  /** The first command cannot be written down in any form: it can neither take effect nor end. */
  | { readonly kind: "unwritable" };

/** The event is busy elsewhere, or its store is out of reach: let it go, and try again later. */
export class LetGo extends Error {
  override name = "LetGo";
}

export interface ApplyDeps {
  readonly pool: pg.Pool;
  readonly metrics: Pick<WorkerMetrics, "applied" | "retried">;
  readonly log: Logger;
  readonly pause: (ms: number) => Promise<void>;
}

/** How a drain has commands applied. An argument of the drain, so that a test can give it another store. */
export type Apply = (
  eventId: EventId,
  claim: LaneClaim,
  commands: readonly AnyCommand[],
  condemned?: ReadonlySet<CommandId>,
) => Promise<BatchOutcome>;

/**
 * Applies a prefix of the commands, as much of it as goes well at once. `condemned` ones end `failed` undecided.
 * Throws `Fenced` or `LetGo`.
 */
export function createApply({ pool, metrics, log, pause }: ApplyDeps): Apply {
  return async (eventId, claim, commands, condemned = new Set()) => {
    let batch = commands.slice(0, whatFits(commands));
    let doomed = condemned;
    let settleAtMost = SETTLE_MAX;
    let contradictions = 0;
    let overtakings = 0;
    // What a try may have committed before its answer was lost is no repeat of the asker's.
    const tried = new Set<CommandId>();

    for (let tries = 1; ; tries += 1) {
      const startedAt = performance.now();
      try {
        const outcome = await applyOnce(pool, log, eventId, claim, batch, {
          condemned: doomed,
          settleAtMost,
        });
        if (outcome.kind !== "applied") return outcome;
        const applied = outcome.applied.map((one) =>
          tried.has(one.command.id) && one.outcome.status !== "withdrawn" ? { ...one, replayed: false } : one,
        );
        metrics.applied(applied, outcome.now, performance.now() - startedAt);
        return { ...outcome, applied };
      } catch (error) {
        if (error instanceof Fenced) throw error;
        if (error instanceof NoSuchEvent) return { kind: "no-such-event" };
        const trouble = troubleOf(error);
        metrics.retried(trouble);
        log.debug({ err: error, eventId, commands: batch.length, tries, trouble }, "a batch was not applied");
        switch (trouble) {
          case "locked":
            throw new LetGo(`${eventId} is locked elsewhere`, { cause: error });
          case "slow":
            batch = firstHalf(batch);
            settleAtMost = Math.ceil(settleAtMost / 2); // fewer commands leave room for more of what is due
            break;
          case "transient":
            for (const { id } of batch) tried.add(id);
            break;
          case "overtaken":
            overtakings += 1;
            if (overtakings > WITHDRAWALS_PER_COMMAND * commands.length) {
              throw new LetGo(`${eventId} is overtaken by what cannot be seen`, { cause: error });
            }
            tries -= 1; // nobody is to blame, and nothing to wait for: what was in the way is seen now
            continue;
          case "contradiction": {
            contradictions += 1;
            if (contradictions === 1) break; // loaded again, it may be well
            const [only, ...others] = batch;
            if (only !== undefined && others.length === 0) {
              if (doomed.has(only.id)) {
                if (!isUnwritable(error)) {
                  throw new LetGo(`${eventId} contradicts its own rules`, { cause: error });
                }
                log.error({ err: error, eventId, command: only.id }, "a command cannot be written down");
                return { kind: "unwritable" };
              }
              doomed = new Set([...doomed, only.id]);
            }
            batch = firstHalf(batch);
            continue; // bisecting is bounded by the size of the batch
          }
        }
        if (tries >= BATCH_TRIES_MAX + contradictions) {
          throw new LetGo(`${eventId} could not be applied in ${tries} tries`, { cause: error });
        }
        await pause(RETRY_PAUSE_MS * 2 ** (tries - 1));
      }
    }
  };
}

/**
 * How many of the commands one transaction may take, for the locks of the users whom they concern: commands that end
 * what is others' concern two, and few look at whole lines of waiters. Each line is looked at once, from one place.
 */
export function whatFits(commands: readonly AnyCommand[]): number {
  const lines = new Set<string>();
  let concerned = 0;
  for (const [n, command] of commands.entries()) {
    concerned += endsOthers(command) ? 2 : 1;
    if (concerned > BATCH_COMMANDS_MAX) return n;
    const line = lineOf(command);
    if (line === null) continue;
    if (lines.has(line) || lines.has(ALONE) || lines.size >= (line === ALONE ? 1 : BATCH_LINES_MAX)) return n;
    lines.add(line);
  }
  return commands.length;
}

/** In the place of a line: what may concern so many that nothing else of the kind has room beside it. */
const ALONE = "";

function lineOf(command: AnyCommand): string | null {
  if (!isKnown(command)) return null;
  if (command.type === "wind-down") return ALONE;
  if (command.type !== "promote") return null;
  return command.input.recheck.length > 0 ? ALONE : command.input.slotId;
}

const firstHalf = <T>(items: readonly T[]): T[] => items.slice(0, Math.ceil(items.length / 2));

const MESSAGE_IDS = {
  newMessageId: () => newId("webhookMessage"),
  newDeliveryId: () => newId("delivery"),
};

async function applyOnce(
  pool: pg.Pool,
  log: Logger,
  eventId: EventId,
  claim: LaneClaim,
  commands: readonly AnyCommand[],
  { condemned, settleAtMost }: { condemned: ReadonlySet<CommandId>; settleAtMost: number },
): Promise<BatchOutcome> {
  failpoint("before-transaction");
  const tx = await pool.connect();
  let broken: Error | undefined;
  try {
    const judgedAt = Math.max(
      0,
      ...commands.map((command) => logicalTime(command, Number.POSITIVE_INFINITY)),
    );
    const loaded = await loadBatch(tx, eventId, claim, commands, judgedAt, settleAtMost);
    const { lane, state, now, strangers, promised, subscribers } = loaded;
    if (lane.paused) {
      await tx.query("COMMIT"); // the fence is taken all the same
      return { kind: "paused" };
    }
    const stranger = loaded.commands.findIndex(({ userId }) => userId !== null && strangers.has(userId));
    if (stranger === 0) {
      await tx.query("COMMIT");
      log.error({ eventId, command: commands[0]?.id }, "a command's sender is not there");
      return { kind: "unwritable" };
    }
    const result = decideAll(stranger < 0 ? loaded.commands : loaded.commands.slice(0, stranger), {
      ...loaded,
      condemned,
      logicalAt: lane.logicalAt,
      ...(subscribers.length === 0 ? {} : { notices: { nextSeq: lane.nextSeq } }),
      onFault: (command, error) => log.error({ err: error, command: command.id }, "a command failed"),
    });
    const messages = messagesFor(result.notices, subscribers, MESSAGE_IDS);
    failpoint("before-commit");
    const recheck = await writeBatch(tx, {
      eventId,
      lane,
      exclusive: state.terms.overlapPolicy === "refuse",
      changes: result.changes,
      applied: result.applied,
      logicalAt: result.logicalAt,
      now,
      messages,
      promised,
    });
    failpoint("after-commit");
    return {
      kind: "applied",
      fence: lane.fence,
      applied: result.applied,
      followUps: [...result.followUps, ...recheck],
      deadlines: deadlinesOf(result.changes),
      notified: notifiedBy(messages, subscribers),
      now,
    };
  } catch (error) {
    broken = await rollBack(tx, error);
    throw error;
  } finally {
    tx.release(broken);
  }
}

/** Of the holds that were made and have not ended since. */
function deadlinesOf(changes: readonly Change[]): EpochMs[] {
  const deadlines = new Map<ReservationId, EpochMs>();
  for (const change of changes) {
    if (change.kind === "held") deadlines.set(change.reservation.id, change.reservation.expiresAt ?? 0);
    else if ("reservation" in change) deadlines.delete(change.reservation.id);
  }
  return [...new Set(deadlines.values())];
}

function decideAll(commands: readonly AnyCommand[], batch: Batch): BatchResult {
  try {
    return applyBatch(commands, batch);
  } catch (error) {
    throw new Contradiction("the tables hold what the rules rule out", { cause: error });
  }
}

/** Ends the transaction; says with what the connection is to be thrown away, when it is. */
async function rollBack(tx: pg.PoolClient, cause: unknown): Promise<Error | undefined> {
  try {
    await tx.query("ROLLBACK");
    return undefined;
  } catch {
    return cause instanceof Error ? cause : new Error(String(cause));
  }
}
