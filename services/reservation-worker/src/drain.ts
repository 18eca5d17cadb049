// Drains one event's queue: claims commands in order, has them applied, tells who waits, settles, until nothing is
// left or the time slice is used up. Whoever runs this owns the event, or finds out at the next step that it does not.

import { Fenced, type LaneClaim } from "@holdfast/db/inventory";
import type { AnyCommand, Applied, CommandId, EventId } from "@holdfast/domain";
import { type ClaimedJob, type EventQueue, NotOwner, type Reply, type Settled } from "@holdfast/event-queue";
import { failpoint, type Logger } from "@holdfast/runtime";
import { type Apply, BATCH_COMMANDS_MAX, type BatchOutcome } from "./apply.ts";
import type { Asked } from "./follow-ups.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Solitude } from "./solitude.ts";

/** Milliseconds for which an event keeps its drain while nobody else waits for one. */
export const SLICE_MS = 1_000;
/** Milliseconds for which it keeps it when other events wait for their turn, and only while its batches are large. */
export const CROWDED_SLICE_MS = 25;
/**
 * Milliseconds between two claims while commands trickle in: they end together, and what each batch costs is paid less
 * often. Whoever came alone shows no stream that is worth waiting for, and a large batch has gathered enough.
 */
export const GATHER_MS = 8;
/** Commands from which on a batch is large: it has gathered enough. */
export const LARGE_BATCH_COMMANDS = 64;
/** Owners in a row that died with the same jobs in hand, from which on these are tried one command at a time. */
export const SUSPICIOUS_DEATHS = 2;
/** Tries of a suspected command, alone in its process, after which it ends `failed`. */
export const SUSPECT_TRIES_MAX = 2;

const NOTHING_SETTLED: Settled = { jobs: [], suspicionEnds: false };

export interface DrainDeps {
  readonly openQueue: (eventId: EventId, token: string) => EventQueue;
  readonly newToken: () => string;
  /** The fence of the event's lane as it is now. */
  readonly fence: (eventId: EventId) => Promise<number>;
  readonly apply: Apply;
  readonly solitude: Solitude;
  /** Asks for another drain of the event. */
  readonly activate: (eventId: EventId) => Promise<void>;
  readonly publish: (gateway: string, replies: readonly Reply[]) => Promise<void>;
  /** Says to whoever watches the event that these ended: none of them when only holds did. */
  readonly progress: (eventId: EventId, ended: readonly CommandId[]) => Promise<void>;
  /** What a batch asks of others. Hints: nothing waits for them. */
  readonly followUp: (eventId: EventId, asked: Asked) => void;
  /** True when other events wait for a drain. */
  readonly crowded: () => boolean;
  readonly stopping: AbortSignal;
  readonly monotonicMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
  readonly metrics: Pick<WorkerMetrics, "dropped" | "tookOver">;
  readonly log: Logger;
}

export type DrainEnd =
  /** Nothing is left. */
  | "finished"
  /** The slice is over, or the worker stops, or more came at the last moment: another drain was asked for. */
  | "handed-over"
  /** Somebody halted the event. */
  | "paused"
  /** Another drain has the event: Redis refused this one's token. */
  | "overtaken"
  /** Another drain has the event: PostgreSQL refused this one's fence. */
  | "fenced";

/** Rejects when the event had to be let go with work left: it is then tried again after a delay. */
export async function drain(eventId: EventId, deps: DrainDeps): Promise<DrainEnd> {
  const { log, metrics, monotonicMs } = deps;
  const token = deps.newToken();
  const queue = deps.openQueue(eventId, token);
  const hand = createHand();

  try {
    // Looked at before anything is claimed: who takes the event over from here on takes a later fence.
    const [after, { leftBehind, deaths }] = await Promise.all([deps.fence(eventId), queue.acquire()]);
    let claim: LaneClaim = { owner: token, after };
    hand.add(leftBehind);
    let suspected = leftBehind.length;
    metrics.tookOver(suspected);
    if (suspected > 0) log.info({ eventId, jobs: suspected, deaths }, "took over what another owner left");

    // From here on, however long that took: a turn does not end before it has claimed.
    const startedAt = monotonicMs();
    const sliceIsOver = (): boolean =>
      deps.stopping.aborted || monotonicMs() - startedAt > (deps.crowded() ? CROWDED_SLICE_MS : SLICE_MS);
    let claimedAt = startedAt;
    for (;;) {
      const careful = suspected > 0 && deaths >= SUSPICIOUS_DEATHS;
      const commands = hand.commands(careful ? 1 : BATCH_COMMANDS_MAX);
      let wasWhole = true;
      if (commands.length > 0) {
        const outcome: BatchOutcome = careful
          ? await tryAlone(eventId, claim, commands, queue, deps)
          : await deps.solitude.together(() => deps.apply(eventId, claim, commands));
        if (outcome.kind === "paused") {
          await queue.release(); // whoever resumes the event activates it
          return "paused";
        }
        if (outcome.kind === "no-such-event") {
          log.error(
            { eventId, commands: commands.length },
            "dropped commands of an event that does not exist",
          );
          metrics.dropped("no-such-event", commands.length);
          hand.drop(commands.length);
        } else if (outcome.kind === "unwritable") {
          metrics.dropped("unwritable", 1);
          hand.drop(1);
        } else {
          claim = { fence: outcome.fence };
          wasWhole = outcome.applied.length === commands.length;
          tell(hand.end(outcome.applied), deps);
          tellProgress(eventId, outcome.applied, deps);
          deps.followUp(eventId, outcome);
          // More was due than one batch settles, and its commands wait behind that: others take their turn, too.
          if (outcome.applied.length === 0 && sliceIsOver()) break;
        }
      }
      const jobs = hand.takeEnded();
      for (const { id, unreadable } of jobs) {
        metrics.dropped("unreadable", unreadable);
        if (unreadable > 0) log.error({ eventId, job: id, unreadable }, "dropped what is no command");
      }
      const suspicionEnds = suspected > 0 && jobs.length >= suspected;
      suspected = Math.max(0, suspected - jobs.length);
      // What is left of the last job is too little for a batch of its own. But nothing new is taken beside suspects,
      // or to what a slow or contradicting store has just made a smaller batch of.
      const handFirst = (suspected > 0 || !wasWhole) && !hand.isEmpty();
      const isSmall = commands.length > 0 && commands.length < LARGE_BATCH_COMMANDS;
      const claimMax = (): number =>
        handFirst || sliceIsOver() || (isSmall && deps.crowded())
          ? 0
          : Math.max(0, BATCH_COMMANDS_MAX - hand.size());
      let settled: Settled = { jobs, suspicionEnds };
      if (jobs.length > 0) failpoint("before-settle");
      const rest = GATHER_MS - (monotonicMs() - claimedAt);
      if (isSmall && commands.length > 1 && hand.isEmpty() && rest >= 1 && claimMax() > 0) {
        await queue.settleAndClaim(settled, 0);
        settled = NOTHING_SETTLED;
        await deps.pause(rest);
      }
      claimedAt = monotonicMs();
      const room = claimMax();
      if (settled.jobs.length > 0 || room > 0) hand.add(await queue.settleAndClaim(settled, room));
      if (hand.isEmpty()) break;
    }
    if (await queue.release()) return "finished";
    await deps.activate(eventId);
    return "handed-over";
  } catch (error) {
    if (error instanceof NotOwner) return "overtaken"; // with everything that was in hand
    await queue.release().catch((cause: unknown) => log.debug({ err: cause, eventId }, "not released"));
    if (!(error instanceof Fenced)) throw error;
    await deps.activate(eventId);
    return "fenced";
  }
}

/** Not awaited either: who watches looks at the tables now and then. */
function tellProgress(eventId: EventId, applied: readonly Applied[], { progress, log }: DrainDeps): void {
  const ended = applied.map(({ command }) => command.id);
  progress(eventId, ended).catch((error: unknown) =>
    log.warn({ err: error, eventId }, "progress not published"),
  );
}

/** One suspected command, alone in its process, its try counted before it is made. */
async function tryAlone(
  eventId: EventId,
  claim: LaneClaim,
  commands: readonly AnyCommand[],
  queue: EventQueue,
  deps: DrainDeps,
): Promise<BatchOutcome> {
  return deps.solitude.alone(async () => {
    const condemned = new Set<CommandId>();
    for (const { id } of commands) {
      if ((await queue.countTry(id)) > SUSPECT_TRIES_MAX) condemned.add(id);
    }
    let undecided = commands;
    try {
      const outcome = await deps.apply(eventId, claim, commands, condemned);
      if (outcome.kind === "applied") undecided = commands.slice(outcome.applied.length);
      return outcome;
    } finally {
      // Not decided, and the process lives: that is no mark against the command.
      for (const { id } of undecided) await queue.forgiveTry(id);
    }
  });
}

function tell(replies: ReadonlyMap<string, readonly Reply[]>, { publish, log }: DrainDeps): void {
  for (const [gateway, ended] of replies) {
    // Not awaited: who hears nothing reads the outcome's row.
    publish(gateway, ended).catch((error: unknown) =>
      log.warn({ err: error, gateway }, "replies not published"),
    );
  }
}

/** The jobs that a drain has claimed, and how far into them it has got. */
interface Hand {
  add(jobs: readonly ClaimedJob[]): void;
  isEmpty(): boolean;
  /** How many commands are left. */
  size(): number;
  /** The next commands, without taking them out. */
  commands(max: number): AnyCommand[];
  /** Takes out those that ended, the first ones in order; gives the replies for each gateway. */
  end(applied: readonly Applied[]): Map<string, Reply[]>;
  drop(count: number): void;
  /** Takes out the jobs of which every command has ended. */
  takeEnded(): ClaimedJob[];
}

function createHand(): Hand {
  const jobs: ClaimedJob[] = [];
  const left: { command: AnyCommand; replyTo: string | null }[] = []; // of all these jobs, in order
  let done = 0; // commands of the first job that have ended, and of those behind it when it is whole

  const take = (count: number) => {
    done += count;
    return left.splice(0, count);
  };

  return {
    add(claimed) {
      for (const job of claimed) {
        jobs.push(job);
        for (const command of job.commands) left.push({ command, replyTo: job.replyTo });
      }
    },
    isEmpty: () => jobs.length === 0,
    size: () => left.length,
    commands: (max) => left.slice(0, max).map(({ command }) => command),
    end(applied) {
      const replies = new Map<string, Reply[]>();
      const ended = take(applied.length);
      applied.forEach(({ command, outcome, replayed }, i) => {
        const replyTo = ended[i]?.replyTo ?? null;
        if (replyTo === null) return;
        const reply = { commandId: command.id, outcome, replayed, at: command.at };
        const others = replies.get(replyTo);
        if (others === undefined) replies.set(replyTo, [reply]);
        else others.push(reply);
      });
      return replies;
    },
    drop: (count) => void take(count),
    takeEnded() {
      const ended: ClaimedJob[] = [];
      for (let first = jobs[0]; first !== undefined && first.commands.length <= done; first = jobs[0]) {
        done -= first.commands.length;
        ended.push(first);
        jobs.shift();
      }
      return ended;
    },
  };
}
