// Streams of commands: `queued` with the position while it waits, at most each second, then how it ended, then the end. The
// news of an end comes from the workers' progress; the tables say what it is.
import { presentCommand } from "@holdfast/contracts";
import type { EventId } from "@holdfast/domain";
import { type Pace, type Progress, placeIn } from "@holdfast/event-queue";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type EventStream, frameOf, type OpenStreams, tellAll } from "./event-stream.ts";
import type { CommandRecord, Commands } from "./submit.ts";

/** Milliseconds between two looks at how far queues have come. */
export const POSITIONS_EVERY_MS = 1_000;
/** Who has long to wait hears less often: about this many times until its turn, but after this many milliseconds. */
const TOLD_UNTIL_TURN = 20;
const POSITION_SILENCE_MAX_MS = 5_000;
/** Positions that are told in one go, in all: with more followers than that each hears less often. */
const POSITIONS_AT_ONCE = 1_000;
/** Events whose pace is read in one go. */
const PACES_AT_ONCE = 200;

export interface CommandStreamsDeps {
  readonly open: OpenStreams;
  readonly find: Commands["find"];
  readonly paces: (eventIds: readonly EventId[]) => Promise<readonly Pace[]>;
  readonly progress: Pick<Progress, "ofCommand">;
  readonly onError: (error: unknown) => void;
}

interface Follower {
  readonly stream: EventStream;
  /** As it was last told. */
  record: CommandRecord;
  /** Milliseconds of `performance.now()` before which no new position is told. */
  quietUntil: number;
  isLooking: boolean;
  mustLookAgain: boolean;
}

/** What a client knows that was told of this: the tag of a command's state. */
export const stateOf = ({ status, position }: Pick<CommandRecord, "status" | "position">): string =>
  status === "queued" ? `queued.${position ?? 0}` : status;

export class CommandStreams {
  readonly #deps: CommandStreamsDeps;
  readonly #followers = new Map<EventId, Set<Follower>>();
  /** Those whose look failed. */
  readonly #unanswered = new Set<Follower>();
  #timer: NodeJS.Timeout | undefined;
  #isTelling = false;
  #size = 0;
  /** How many may still be told in this go. */
  #left = 0;

  constructor(deps: CommandStreamsDeps) {
    this.#deps = deps;
  }

  /** Answers with a stream, or with 204 who knows the end already. Throws `Refused` when there is no room. */
  follow(record: CommandRecord, request: FastifyRequest, reply: FastifyReply, cacheControl: string): unknown {
    const known = request.headers["last-event-id"];
    if (record.status !== "queued" && known === stateOf(record)) return reply.code(204).send();
    const who = request.identity?.userId ?? null;
    const needs = who === record.userId ? null : ("admin" as const);
    const stream = this.#deps.open.open({ kind: "command", who, needs, request, reply, cacheControl });
    if (record.status !== "queued") {
      stream.end(this.#frameOf(record, request));
      return reply;
    }
    this.#add(stream, record);
    if (known !== stateOf(record)) stream.tell(this.#frameOf(record, request));
    return reply;
  }

  #add(stream: EventStream, record: CommandRecord): void {
    const { id, eventId } = record;
    const quietUntil = performance.now() + POSITIONS_EVERY_MS;
    const follower: Follower = { stream, record, quietUntil, isLooking: false, mustLookAgain: false };
    const look = (): void => void this.#look(follower);
    const others = this.#followers.get(eventId);
    if (others === undefined) this.#followers.set(eventId, new Set([follower]));
    else others.add(follower);
    this.#size += 1;
    this.#timer ??= setInterval(() => void this.#tellPositions(), POSITIONS_EVERY_MS);
    const leave = this.#deps.progress.ofCommand(eventId, id, look);
    stream.feed({
      check: look,
      ended: () => {
        leave();
        this.#remove(eventId, follower);
      },
    });
    look(); // it may have ended before anybody listened
  }

  #remove(eventId: EventId, follower: Follower): void {
    const others = this.#followers.get(eventId);
    if (others?.delete(follower) === true) this.#size -= 1;
    this.#unanswered.delete(follower);
    if (others?.size === 0) this.#followers.delete(eventId);
    if (this.#followers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Looks whether it has ended. Whoever asks meanwhile gets one look more. */
  async #look(follower: Follower): Promise<void> {
    follower.mustLookAgain = true;
    if (follower.isLooking) return;
    follower.isLooking = true;
    try {
      while (follower.mustLookAgain && !follower.stream.isOver) {
        follower.mustLookAgain = false;
        const { stream, record } = follower;
        const found = await this.#deps.find(record.id);
        if (found === null) stream.end();
        else if (found.status !== "queued") stream.end(this.#frameOf(found, stream.opening.request));
        else if (found.ticket !== null) follower.record = { ...record, ticket: found.ticket };
      }
    } catch (error) {
      if (!follower.stream.isOver) this.#unanswered.add(follower);
      this.#deps.onError(error);
    } finally {
      follower.isLooking = false;
    }
  }

  async #tellPositions(): Promise<void> {
    const unanswered = [...this.#unanswered];
    this.#unanswered.clear();
    for (const follower of unanswered) void this.#look(follower);
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#left = POSITIONS_AT_ONCE;
    try {
      const eventIds = [...this.#followers.keys()];
      for (let i = 0; i < eventIds.length; i += PACES_AT_ONCE) {
        const some = eventIds.slice(i, i + PACES_AT_ONCE);
        const paces = await this.#deps.paces(some);
        for (const [at, eventId] of some.entries()) await this.#tellPositionsOf(eventId, paces[at] as Pace);
      }
    } catch (error) {
      this.#deps.onError(error);
    } finally {
      this.#isTelling = false;
    }
  }

  async #tellPositionsOf(eventId: EventId, pace: Pace): Promise<void> {
    const now = performance.now();
    await tellAll(this.#followers.get(eventId) ?? [], (follower) => {
      if (this.#left === 0 || follower.stream.isOver || now < follower.quietUntil) return;
      const place = placeIn(pace, follower.record.ticket);
      if (place.position === follower.record.position) return;
      const record = { ...follower.record, ...place };
      if (!follower.stream.tell(this.#frameOf(record, follower.stream.opening.request))) return;
      follower.record = record;
      this.#left -= 1;
      follower.quietUntil = now + this.#silenceMs(place.estimatedWaitMs ?? 0);
    });
  }

  /** A little less than meant, for the timer's stroke may come a little early. */
  #silenceMs(estimatedWaitMs: number): number {
    const untilTurn = Math.min(estimatedWaitMs / TOLD_UNTIL_TURN, POSITION_SILENCE_MAX_MS);
    const untilAllAreTold = (this.#size / POSITIONS_AT_ONCE) * POSITIONS_EVERY_MS;
    return Math.max(POSITIONS_EVERY_MS, untilTurn, untilAllAreTold) - POSITIONS_EVERY_MS / 2;
  }

  #frameOf(record: CommandRecord, request: FastifyRequest): Buffer {
    const data = JSON.stringify(presentCommand(record, request.id));
    return frameOf(record.status, stateOf(record), data);
  }
}
