// Puts commands into event queues. For each event at most one add is under way; commands that arrive meanwhile
// ride together in the next job: one job a command when it is calm, many in a rush, and no timer.
import { type Command, type EventId, QUEUE_DEPTH_MAX, servesRunningHold } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { type Activations, depthOf, turnOf } from "./activations.ts";
import { nameBusy } from "./busy-events.ts";
import { type EventKeys, eventKeys } from "./names.ts";
import { createRecentCommands } from "./recent-commands.ts";
import { ADD } from "./scripts.ts";
import { JOB_COMMANDS_MAX, jobName, writeJob } from "./wire.ts";

/** What a running hold needs may wait in a queue this many times deeper than the crowd's. */
const RUNNING_HOLD_DEPTH_FACTOR = 2;
/** Milliseconds for which a full queue's depth is believed before it is read again. */
const DEPTH_BELIEVED_MS = 250;
/** Of every job: once, whatever happens, for order must hold. Its outcome lives in PostgreSQL. */
const JOB_OPTIONS = JSON.stringify({ removeOnComplete: true, attempts: 1 });

export type Enqueued =
  /** In the queue; `ticket` counts all commands since it was last empty, `position` those ahead and this one. */
  | { readonly kind: "enqueued"; readonly ticket: number; readonly position: number }
  /** Refused: too many wait already. Nothing was sent. */
  | { readonly kind: "full" }
  /** The carrier did not take it: certainly not in the queue. */
  | { readonly kind: "not-sent"; readonly error: Error }
  /** No answer came: it may be in the queue. */
  | { readonly kind: "unknown"; readonly error: Error };

export interface Producer {
  /** Never rejects. */
  enqueue(command: Command): Promise<Enqueued>;
  /** Would the door refuse this command now, because too many wait? At once, unless a deep queue is looked at again. */
  isFull(command: Command): boolean | Promise<boolean>;
}

interface AddingRedis {
  hfAdd(...args: (string | number)[]): Promise<[enqueued: number, done: number, owned: 0 | 1]>;
}

function withAdd(redis: Redis): AddingRedis {
  redis.defineCommand("hfAdd", { numberOfKeys: 4, lua: ADD });
  return redis as Redis & AddingRedis;
}

export interface ProducerOptions {
  readonly redis: Redis;
  readonly prefix: string;
  /** Where outcomes are to be sent; null when nobody waits for them. */
  readonly replyTo: string | null;
  /** Makes ids of jobs; no two processes may share one, none may be all digits or hold a colon. */
  readonly newJobId: () => string;
  readonly activations: Activations;
  readonly monotonicMs: () => number;
  readonly onError: (error: unknown) => void;
  /** Told how many commands ride in each job. */
  readonly onJob?: ((commands: number) => void) | undefined;
}

type Added =
  | { readonly kind: "added"; readonly last: number; readonly done: number; readonly owned: boolean }
  | Extract<Enqueued, { kind: "not-sent" | "unknown" }>;

interface Lane {
  readonly keys: EventKeys;
  readonly pending: { command: Command; settle: (enqueued: Enqueued) => void }[];
  sending: boolean;
  /** Whether a drain owned the event when last heard of. */
  owned: boolean;
  depth: number;
  depthReadAt: number;
}

export function openProducer(options: ProducerOptions): Producer {
  const { redis, prefix, replyTo, newJobId, activations, monotonicMs, onError, onJob } = options;
  const scripted = withAdd(redis);
  const lanes = new Map<EventId, Lane>();
  const recentCommands = createRecentCommands(monotonicMs);

  function laneOf(eventId: EventId): Lane {
    let lane = lanes.get(eventId);
    if (lane === undefined) {
      const keys = eventKeys(prefix, eventId);
      lane = {
        keys,
        pending: [],
        sending: false,
        owned: false,
        depth: 0,
        depthReadAt: Number.NEGATIVE_INFINITY,
      };
      lanes.set(eventId, lane);
    }
    return lane;
  }

  async function add(keys: EventKeys, commands: readonly Command[]): Promise<Added> {
    const id = newJobId();
    onJob?.(commands.length);
    try {
      const [last, done, owned] = await scripted.hfAdd(
        keys.wait,
        keys.owner,
        keys.count,
        keys.jobs + id,
        id,
        jobName(commands.length),
        writeJob(replyTo, commands),
        JOB_OPTIONS,
        commands[0]?.at ?? 0, // when the first was accepted, in database time: the backlog's age is read here
        commands.length,
      );
      return { kind: "added", last, done, owned: owned === 1 };
    } catch (cause) {
      const error = asError(cause);
      return { kind: wasRefused(error) ? "not-sent" : "unknown", error };
    }
  }

  async function send(eventId: EventId, lane: Lane): Promise<void> {
    lane.sending = true;
    while (lane.pending.length > 0) {
      const riding = lane.pending.splice(0, JOB_COMMANDS_MAX);
      // Only what somebody asked for: timers make nobody hot.
      const asked = riding.filter(({ command }) => command.userId !== null).length;
      const recent = recentCommands.note(eventId, asked);
      const adding = add(
        lane.keys,
        riding.map(({ command }) => command),
      );
      // Right behind the add, on the same connection: should its answer get lost, the sweep looks after the event.
      const named = !lane.owned;
      if (named) nameBusy(redis, prefix, eventId).catch(onError);
      const added = await adding;
      if (added.kind !== "added") {
        lane.owned = false;
        for (const { settle } of riding) settle(added);
        continue;
      }
      const { last, done, owned } = added;
      lane.owned = owned;
      lane.depth = Math.max(0, last - done);
      lane.depthReadAt = monotonicMs();
      riding.forEach(({ settle }, i) => {
        const ticket = last - riding.length + i + 1;
        settle({ kind: "enqueued", ticket, position: Math.max(1, ticket - done) });
      });
      if (owned) continue; // that drain finds it
      if (!named) nameBusy(redis, prefix, eventId).catch(onError);
      activations.signal(eventId, turnOf({ depth: lane.depth, recent })).catch(onError); // the sweep finds an event that was not activated
    }
    lane.sending = false;
    if (lane.depth < QUEUE_DEPTH_MAX / 2) lanes.delete(eventId);
  }

  async function readDepth(eventId: EventId, lane: Lane): Promise<void> {
    lane.depthReadAt = monotonicMs(); // who comes meanwhile believes what was known: one looks, not everybody
    lane.depth = await depthOf(redis, prefix, eventId);
  }

  function isFull({ eventId, type }: Command): boolean | Promise<boolean> {
    const lane = lanes.get(eventId);
    if (lane === undefined) return false; // nothing known of a deep queue
    const room = QUEUE_DEPTH_MAX * (servesRunningHold(type) ? RUNNING_HOLD_DEPTH_FACTOR : 1);
    const isOver = (): boolean => lane.depth + lane.pending.length >= room;
    const isBelieved =
      lane.depth < room || lane.sending || monotonicMs() - lane.depthReadAt <= DEPTH_BELIEVED_MS;
    return isBelieved ? isOver() : readDepth(eventId, lane).catch(onError).then(isOver);
  }

  function push(command: Command, full: boolean): Promise<Enqueued> {
    return new Promise((settle) => {
      if (full) return settle({ kind: "full" });
      const lane = laneOf(command.eventId);
      lane.pending.push({ command, settle });
      if (!lane.sending) send(command.eventId, lane).catch(onError);
    });
  }

  return {
    isFull,
    enqueue(command) {
      const full = isFull(command);
      return typeof full === "boolean" ? push(command, full) : full.then((answer) => push(command, answer));
    },
  };
}

/** Errors of an add of which one knows that nothing was added: said by the server, or before anything was sent. */
const wasRefused = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === "ReplyError" || error.message.startsWith("Stream isn't writeable"));

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
