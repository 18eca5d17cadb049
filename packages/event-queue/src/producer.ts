// Puts commands into event queues. For each event at most one add is under way; commands that arrive meanwhile
// ride together in the next job: one job a command when it is calm, many in a rush, and no timer.
import { type Command, type EventId, QUEUE_DEPTH_MAX, servesRunningHold } from "@holdfast/domain";
import { type JobJson, Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { Activations } from "./activations.ts";
import { ACTIVATIONS, busyEventsKey, eventKeys, eventQueueName } from "./names.ts";
import { JOB_COMMANDS_MAX, jobName, writeJob } from "./wire.ts";

/** What a running hold needs may wait in a queue this many times deeper than the crowd's. */
const RUNNING_HOLD_DEPTH_FACTOR = 2;
/** Milliseconds for which a full queue's depth is believed before it is read again. */
const DEPTH_BELIEVED_MS = 250;

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
  /** Would the door refuse this command now, because too many wait? */
  isFull(command: Command): Promise<boolean>;
  close(): Promise<void>;
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
  | { readonly kind: "added"; readonly last: number; readonly done: number }
  | Extract<Enqueued, { kind: "not-sent" | "unknown" }>;

interface Lane {
  readonly pending: { command: Command; settle: (enqueued: Enqueued) => void }[];
  sending: boolean;
  depth: number;
  depthReadAt: number;
}

export function openProducer(options: ProducerOptions): Producer {
  const { redis, prefix, replyTo, newJobId, activations, monotonicMs, onError, onJob } = options;
  // Only a door to BullMQ's add: handles of event queues share its connection.
  const door = new Queue(ACTIVATIONS, {
    connection: redis,
    prefix,
    skipMetasUpdate: true,
    skipVersionCheck: true, // as in `openActivations`
  });
  door.on("error", () => undefined); // the connection reports its own errors
  const lanes = new Map<EventId, Lane>();

  function laneOf(eventId: EventId): Lane {
    let lane = lanes.get(eventId);
    if (lane === undefined) {
      lane = { pending: [], sending: false, depth: 0, depthReadAt: Number.NEGATIVE_INFINITY };
      lanes.set(eventId, lane);
    }
    return lane;
  }

  async function add(eventId: EventId, commands: readonly Command[]): Promise<Added> {
    const { count } = eventKeys(prefix, eventId);
    const job = jobJson(newJobId(), commands, writeJob(replyTo, commands));
    onJob?.(commands.length);
    const [added, last, done] = await Promise.allSettled([
      door.getBackend().forQueue(eventQueueName(eventId), prefix).addJob(job, job.id),
      redis.hincrby(count, "enqueued", commands.length),
      redis.hget(count, "done"),
      redis.sadd(busyEventsKey(prefix), eventId),
    ]);
    if (added.status === "rejected") {
      return { kind: wasRefused(added.reason) ? "not-sent" : "unknown", error: asError(added.reason) };
    }
    // The job is there; only its number is not known.
    if (last.status === "rejected") return { kind: "unknown", error: asError(last.reason) };
    return {
      kind: "added",
      last: last.value,
      done: Number((done.status === "fulfilled" && done.value) || 0),
    };
  }

  async function send(eventId: EventId, lane: Lane): Promise<void> {
    lane.sending = true;
    while (lane.pending.length > 0) {
      const riding = lane.pending.splice(0, JOB_COMMANDS_MAX);
      const added = await add(
        eventId,
        riding.map(({ command }) => command),
      );
      if (added.kind !== "added") {
        for (const { settle } of riding) settle(added);
        continue;
      }
      const { last, done } = added;
      lane.depth = Math.max(0, last - done);
      lane.depthReadAt = monotonicMs();
      riding.forEach(({ settle }, i) => {
        const ticket = last - riding.length + i + 1;
        settle({ kind: "enqueued", ticket, position: Math.max(1, ticket - done) });
      });
      redis.sadd(busyEventsKey(prefix), eventId).catch(onError); // once more after the add: see `release`
      activations.signal(eventId, lane.depth).catch(onError); // the sweep finds an event that was not activated
    }
    lane.sending = false;
    if (lane.depth < QUEUE_DEPTH_MAX / 2) lanes.delete(eventId);
  }

  async function readDepth(eventId: EventId, lane: Lane): Promise<void> {
    const [enqueued, done] = await redis.hmget(eventKeys(prefix, eventId).count, "enqueued", "done");
    lane.depth = Math.max(0, Number(enqueued ?? 0) - Number(done ?? 0));
    lane.depthReadAt = monotonicMs();
  }

  async function isFull({ eventId, type }: Command): Promise<boolean> {
    const lane = lanes.get(eventId);
    if (lane === undefined) return false; // nothing known of a deep queue
    const room = QUEUE_DEPTH_MAX * (servesRunningHold(type) ? RUNNING_HOLD_DEPTH_FACTOR : 1);
    if (lane.depth >= room && !lane.sending && monotonicMs() - lane.depthReadAt > DEPTH_BELIEVED_MS) {
      await readDepth(eventId, lane).catch(onError);
    }
    return lane.depth + lane.pending.length >= room;
  }

  return {
    isFull,
    async enqueue(command) {
      if (await isFull(command)) return { kind: "full" };
      const { eventId } = command;
      const lane = laneOf(eventId);
      return new Promise<Enqueued>((settle) => {
        lane.pending.push({ command, settle });
        if (!lane.sending) send(eventId, lane).catch(onError);
      });
    },
    close: () => door.close(),
  };
}

function jobJson(id: string, commands: readonly Command[], data: string): JobJson {
  return {
    id,
    name: jobName(commands.length),
    data,
    opts: { removeOnComplete: true, attempts: 1 },
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    timestamp: commands[0]?.at ?? 0, // when the first was accepted, in database time: the backlog's age is read here
    failedReason: "",
    returnvalue: "",
    stalledCounter: 0,
  };
}

/** Errors of an add of which one knows that nothing was added: said by the server, or before anything was sent. */
const wasRefused = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === "ReplyError" || error.message.startsWith("Stream isn't writeable"));

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
