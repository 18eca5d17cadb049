// From a command to its answer: into the event's queue, wait for the outcome, else promise it in the tables first
// and answer 202. Decides nothing about inventory.
import type { CommandFacts } from "@holdfast/contracts";
import {
  type AcceptedCommand,
  acceptCommands,
  findCommands,
  isUnknownSender,
  type CommandRecord as KeptCommand,
  listCommands,
  noteTickets,
  withdrawCommand,
} from "@holdfast/db";
import type { Command, CommandId, EpochMs, EventId, Outcome, UserId } from "@holdfast/domain";
import {
  type Enqueued,
  EVERY_GATEWAY,
  noteWithdrawn,
  type Pace,
  type Place,
  type Producer,
  type Progress,
  placeIn,
  publishProgress,
  publishReplies,
  type Replies,
  type Reply,
  readPaces,
} from "@holdfast/event-queue";
import { FreeList, FreeListMap } from "@holdfast/runtime/free-list";
import type { Redis } from "ioredis";
import type pg from "pg";
import { coalesce } from "./coalesce.ts";
import { retryAfterSeconds } from "./retry-after.ts";

/** Rows that one coalesced statement reads or inserts. */
const ROWS_PER_STATEMENT_MAX = 500;
/** Milliseconds, a little more or less, between looks at the tables for a long poll: the news may have been lost. */
const WATCH_SAFETY_MS = 5_000;
/** They are made at full strokes of so many milliseconds: those of one stroke ride in one statement. */
const WATCH_STROKE_MS = 500;
/** Milliseconds for which a promise waits for hints: the command's number in the queue, and how many are before it. */
const HINT_WAIT_MS = 200;

export interface CommandRecord extends CommandFacts {
  readonly userId: UserId | null;
  /** Its number in the event's queue, when that is known: positions are made of it. */
  readonly ticket: number | null;
}

export interface Submission {
  readonly command: Command;
  /** Milliseconds to wait for the outcome. */
  readonly waitMs: number;
  /** Promise first, then send: the asker does not want to wait. */
  readonly respondAsync: boolean;
}

export type Submitted =
  | { readonly kind: "ended"; readonly outcome: Outcome; readonly replayed: boolean }
  | {
      readonly kind: "queued";
      readonly record: CommandRecord;
      readonly replayed: boolean;
      readonly retryAfterSeconds: number;
    };

export type SubmitRefused =
  | { readonly kind: "queue-full"; readonly retryAfterSeconds: number }
  | { readonly kind: "unavailable"; readonly retryAfterSeconds: number }
  /** The token was good, but its user is not there any more. */
  | { readonly kind: "unknown-sender" };

export interface Withdrawal {
  readonly record: CommandRecord;
  /** True when this ended it; else it had ended, or is none that can be withdrawn. */
  readonly withdrawn: boolean;
}

export interface Commands {
  submit(submission: Submission): Promise<Submitted | SubmitRefused>;
  find(id: CommandId): Promise<CommandRecord | null>;
  /** Resolves when it ended, or after `waitMs` milliseconds with what is known then. */
  watch(
    known: Pick<CommandRecord, "id" | "eventId">,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<CommandRecord | null>;
  /** Takes it back, unless it has ended. Null when nobody knows it. */
  withdraw(id: CommandId): Promise<Withdrawal | null>;
  list(
    userId: UserId,
    status: CommandRecord["status"] | null,
    limit: number,
    after: { readonly submittedAt: EpochMs; readonly id: CommandId } | null,
  ): Promise<CommandRecord[]>;
  /** Lets everybody who waits be answered at once with what is known: the gateway is about to stop. */
  hurry(): void;
}

export interface CommandsDeps {
  readonly pool: pg.Pool;
  readonly redis: Redis;
  readonly prefix: string;
  readonly producer: Producer;
  readonly replies: Replies;
  readonly progress: Pick<Progress, "ofCommand">;
  readonly onError: (error: unknown) => void;
  /** From 0 to 1: spreads those who ask again. */
  readonly random?: () => number;
}

/** True when what bears this stamp was asked for before the command: the command repeats it. */
const isEarlier = (at: EpochMs | null, command: Command): boolean => at !== null && at < command.at;

const stopWaiting = (wait: Wait): void => wait.stop();

class UnknownSender extends Error {
  override name = "UnknownSender";
}

/** Keeps all of them; one whose sender is not there is refused by itself, and spoils it for nobody else. */
async function acceptAll(
  pool: pg.Pool,
  accepted: readonly AcceptedCommand[],
): Promise<(UnknownSender | null)[]> {
  try {
    await acceptCommands(pool, accepted);
    return accepted.map(() => null);
  } catch (error) {
    if (!isUnknownSender(error)) throw error;
    if (accepted.length === 1)
      return [new UnknownSender("the sender of a command is not there", { cause: error })];
    const refusals: (UnknownSender | null)[] = [];
    for (const one of accepted) refusals.push(...(await acceptAll(pool, [one])));
    return refusals;
  }
}

/** How waiting for an outcome ends: with it, with the news that the command was not taken, or not at all. */
type Heard = Reply | Exclude<Enqueued, { kind: "enqueued" }> | "nothing";

/** A submission on its way into the queue. */
interface Sending {
  readonly command: Command;
  readonly enqueued: Promise<Enqueued>;
}

/** Somebody who is waiting. */
interface Wait {
  /** Ends it with what is known. */
  stop(): void;
  /** Ends it when the outcome is there: its message may have been lost. */
  look?(): void;
}

/** Milliseconds until the first stroke that is at least `ms` away. */
function untilStroke(ms: number): number {
  const now = performance.now();
  return Math.ceil((now + ms) / WATCH_STROKE_MS) * WATCH_STROKE_MS - now;
}

/** Wakes a long poll. Rung while nobody listens, it wakes the next one who does at once. */
class Bell implements Wait {
  #isRung = false;
  #wake: (() => void) | null = null;

  stop(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves when it was rung, or after so many milliseconds. */
  rung(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        this.#isRung = false;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wake = wake;
      if (this.#isRung) wake();
    });
  }
}

export function createCommands(deps: CommandsDeps): Commands {
  const { pool, redis, prefix, producer, replies, progress, onError, random = Math.random } = deps;
  const read = coalesce(async (ids: readonly CommandId[]) => {
    const found = new Map((await findCommands(pool, ids)).map((kept) => [kept.id, kept]));
    return ids.map((id) => found.get(id) ?? null);
  }, ROWS_PER_STATEMENT_MAX);
  const accept = coalesce(
    (accepted: readonly AcceptedCommand[]) => acceptAll(pool, accepted),
    ROWS_PER_STATEMENT_MAX,
  );
  const note = coalesce(async (tickets: readonly { id: CommandId; ticket: number }[]) => {
    await noteTickets(pool, tickets);
    return tickets.map(() => undefined);
  }, ROWS_PER_STATEMENT_MAX);
  const paceOf = coalesce(async (eventIds: readonly EventId[]): Promise<Pace[]> => {
    const asked = [...new Set(eventIds)];
    const paces = await readPaces(redis, prefix, asked);
    return eventIds.map((eventId) => paces[asked.indexOf(eventId)] as Pace);
  }, ROWS_PER_STATEMENT_MAX);

  /** Submissions here that are not answered yet: a repeat rides along with the first. Without a key nobody repeats. */
  const sending = new FreeListMap<CommandId, Sending>();
  const waits = new FreeList<Wait>();
  let hurried = false;
  replies.onReturn(() => {
    for (const wait of waits) wait.look?.();
  });

  async function submit({ command, waitMs, respondAsync }: Submission): Promise<Submitted | SubmitRefused> {
    try {
      if (respondAsync) return await promiseFirst(command);
      if (command.idempotencyKey === null) {
        // It repeats nothing: no ear is made for what would not be taken. Most who are refused come by here.
        const full = producer.isFull(command);
        if (typeof full === "boolean" ? full : await full) return queueFull();
      }
      const first = firstOf(command);
      const ear = new Ear(command.id, waitMs);
      ear.listenTo((first ?? send(command)).enqueued);
      const heard = await ear.heard;
      if (first === undefined) forget(command);
      if (heard !== "nothing" && "outcome" in heard) {
        // While a repeat waits, the queue may answer the job of the first.
        const replayed = heard.replayed || first !== undefined || isEarlier(heard.at, command);
        return { kind: "ended", outcome: heard.outcome, replayed };
      }
      if (heard !== "nothing" && heard.kind !== "unknown") return await notTaken(command, heard.kind);
      return await promiseLate(command, ear.ticket, first !== undefined);
    } catch (error) {
      if (error instanceof UnknownSender) return { kind: "unknown-sender" };
      onError(error);
      return { kind: "unavailable", retryAfterSeconds: retryAfterSeconds(null, random) };
    }
  }

  const queueFull = (): SubmitRefused => ({
    kind: "queue-full",
    retryAfterSeconds: retryAfterSeconds(null, random),
  });

  const firstOf = ({ id, idempotencyKey }: Command): Sending | undefined =>
    idempotencyKey === null ? undefined : sending.get(id);

  function send(command: Command): Sending {
    const sent = { command, enqueued: producer.enqueue(command) };
    if (command.idempotencyKey !== null) sending.set(command.id, sent);
    return sent;
  }

  function forget({ id, idempotencyKey }: Command): void {
    if (idempotencyKey !== null) sending.delete(id);
  }

  /**
   * Hears the first thing that is told of a command, or after `waitMs` milliseconds nothing. To be made before the
   * command is sent. A class, and not a handful of closures: there is one for each request that waits.
   */
  class Ear implements Wait {
    readonly heard: Promise<Heard>;
    /** The command's number in the queue, once it is known. */
    ticket: number | null = null;
    readonly #id: CommandId;
    readonly #place = waits.add(this);
    readonly #giveUp: () => void;
    readonly #timer: NodeJS.Timeout;
    #resolve: (heard: Heard) => void = () => undefined;

    constructor(id: CommandId, waitMs: number) {
      this.#id = id;
      this.heard = new Promise((resolve) => {
        this.#resolve = resolve;
      });
      this.#giveUp = replies.expect(id, (reply) => this.#end(reply));
      this.#timer = setTimeout(stopWaiting, hurried ? 0 : waitMs, this);
    }

    listenTo(enqueued: Promise<Enqueued>): void {
      enqueued.then((sent) => {
        if (sent.kind === "enqueued") this.ticket = sent.ticket;
        else this.#endUnheard(sent);
      }, onError);
    }

    stop(): void {
      this.#endUnheard("nothing");
    }

    look(): void {
      read(this.#id).then((kept) => {
        if ((kept?.outcome ?? null) !== null) this.stop();
      }, onError);
    }

    #endUnheard(instead: Exclude<Heard, Reply>): void {
      this.#giveUp();
      this.#end(instead);
    }

    #end(heard: Heard): void {
      clearTimeout(this.#timer);
      waits.remove(this.#place, this);
      this.#resolve(heard);
    }
  }

  /** Refused at the door, unless it is the repeat of a command that has ended. */
  async function notTaken(command: Command, kind: "full" | "not-sent"): Promise<Submitted | SubmitRefused> {
    const kept = command.idempotencyKey === null ? null : await read(command.id);
    if (kept !== null) return told(kept, true);
    return {
      kind: kind === "full" ? "queue-full" : "unavailable",
      retryAfterSeconds: retryAfterSeconds(null, random),
    };
  }

  /** Nothing was heard in time: the outcome's row, or a promise in the tables. */
  async function promiseLate(command: Command, ticket: number | null, repeated: boolean): Promise<Submitted> {
    const kept = await read(command.id);
    // Asked for before this request came: then it is a repeat, of which the queue has not said so yet.
    if (kept !== null) return told(kept, repeated || isEarlier(kept.submittedAt, command));
    await promise(command, ticket);
    return queued(command, ticket, repeated);
  }

  /** What is known of a command that was asked for before, or has ended meanwhile. */
  async function told(kept: KeptCommand, replayed: boolean): Promise<Submitted> {
    if (kept.outcome !== null) return { kind: "ended", outcome: kept.outcome, replayed };
    return queuedAs(await recordOf(kept), replayed);
  }

  async function promise(command: Command, ticket: number | null): Promise<void> {
    const refusal = await accept({ command, ticket });
    if (refusal !== null) throw refusal;
  }

  async function promiseFirst(command: Command): Promise<Submitted | SubmitRefused> {
    const first = firstOf(command);
    const kept = command.idempotencyKey === null ? null : await read(command.id);
    if (kept !== null) return told(kept, true);
    if (first === undefined && (await producer.isFull(command))) return queueFull();
    await promise(first?.command ?? command, null);
    // From here on it is promised: should the queue not take it, the sweep sends it again.
    const numbered = (first ?? send(command)).enqueued.then(async (sent) => {
      if (first === undefined) forget(command);
      if (sent.kind !== "enqueued") return null;
      await note({ id: command.id, ticket: sent.ticket });
      return sent.ticket;
    });
    numbered.catch(onError);
    return queued(first?.command ?? command, await soon(numbered), first !== undefined);
  }

  /** The hint, when it comes soon enough. */
  function soon<Hint>(hint: Promise<Hint | null>): Promise<Hint | null> {
    return new Promise((resolve) => {
      const answer = (known: Hint | null): void => {
        clearTimeout(timer);
        waits.remove(place, wait);
        resolve(known);
      };
      const giveUp = (): void => answer(null);
      const wait: Wait = { stop: giveUp };
      const timer = setTimeout(giveUp, HINT_WAIT_MS);
      const place = waits.add(wait);
      hint.then(answer, giveUp);
    });
  }

  async function queued(command: Command, ticket: number | null, replayed: boolean): Promise<Submitted> {
    const { id, type, eventId, userId, at } = command;
    const unended = { finishedAt: null, outcome: null, seq: null, seen: null };
    const kept = { id, type, eventId, userId, submittedAt: at, ...unended, ticket };
    return queuedAs(await recordOf(kept), replayed);
  }

  const queuedAs = (record: CommandRecord, replayed: boolean): Submitted => ({
    kind: "queued",
    record,
    replayed,
    retryAfterSeconds: retryAfterSeconds(record.estimatedWaitMs, random),
  });

  async function recordOf(kept: KeptCommand): Promise<CommandRecord> {
    const { outcome, eventId, ticket } = kept;
    const place = outcome === null ? await placeOf(eventId, ticket) : null;
    return {
      ...kept,
      status: outcome?.status ?? "queued",
      position: place?.position ?? null,
      estimatedWaitMs: place?.estimatedWaitMs ?? null,
    };
  }

  /** A hint, made of counters. */
  function placeOf(eventId: EventId, ticket: number | null): Promise<Place | null> {
    const place = paceOf(eventId).then((pace) => placeIn(pace, ticket));
    place.catch(onError);
    return soon(place);
  }

  async function find(id: CommandId): Promise<CommandRecord | null> {
    const kept = await read(id);
    return kept === null ? null : recordOf(kept);
  }

  async function watch(
    { id, eventId }: Pick<CommandRecord, "id" | "eventId">,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<CommandRecord | null> {
    const until = performance.now() + waitMs;
    const bell = new Bell();
    const ring = (): void => bell.stop();
    const place = waits.add(bell);
    signal.addEventListener("abort", ring);
    const leave = progress.ofCommand(eventId, id, ring); // before the first look: what ends behind that is heard
    try {
      for (;;) {
        const kept = await read(id);
        const left = until - performance.now();
        if (kept === null || kept.outcome !== null || left <= 0 || hurried || signal.aborted) {
          return kept === null ? null : await recordOf(kept);
        }
        await bell.rung(Math.min(left, untilStroke(WATCH_SAFETY_MS * (0.75 + random() / 2))));
      }
    } finally {
      leave();
      waits.remove(place, bell);
      signal.removeEventListener("abort", ring);
    }
  }

  async function withdraw(id: CommandId): Promise<Withdrawal | null> {
    const withdrawn = await withdrawCommand(pool, id);
    if (withdrawn === null) {
      const kept = await read(id);
      return kept === null ? null : { record: await recordOf(kept), withdrawn: false };
    }
    const { eventId, outcome, submittedAt, ticket } = withdrawn;
    publishProgress(redis, prefix, eventId, [id]).catch(onError);
    // Its queue may stand still, and any gateway may have somebody who waits for it.
    const reply = { commandId: id, outcome, replayed: false, at: submittedAt };
    publishReplies(redis, prefix, EVERY_GATEWAY, [reply]).catch(onError);
    if (ticket !== null) {
      const noted = noteWithdrawn(redis, prefix, eventId, { id, ticket }).then(() => null);
      noted.catch(onError);
      await soon(noted); // then whoever looks next, at any gateway, stands further ahead
    }
    return { record: await recordOf(withdrawn), withdrawn: true };
  }

  return {
    submit,
    find,
    watch,
    withdraw,
    async list(userId, status, limit, after) {
      return Promise.all((await listCommands(pool, { userId, status, limit, after })).map(recordOf));
    },
    hurry() {
      hurried = true;
      for (const wait of waits) wait.stop();
    },
  };
}
