// One event's queue as its owner sees it: acquire, claim in order, settle, let go. Decides nothing about commands.
import type { CommandId, EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { forgetBusy } from "./busy-events.ts";
import { type EventKeys, eventKeys } from "./names.ts";
import { ACQUIRE, RELEASE, SETTLE_AND_CLAIM } from "./scripts.ts";
import { type CommandJob, readJob } from "./wire.ts";

export interface ClaimedJob extends CommandJob {
  readonly id: string;
}

export interface Acquired {
  /** Jobs that a former owner had claimed and not settled, oldest first: they come before all that waits. */
  readonly leftBehind: readonly ClaimedJob[];
  /** How many owners in a row died with these in hand. */
  readonly deaths: number;
}

/** Another drain has taken the event over: stop, and touch nothing more. */
export class NotOwner extends Error {
  override name = "NotOwner";
}

export interface Settled {
  readonly jobs: readonly ClaimedJob[];
  /** True once nothing is left of what a former owner left behind. */
  readonly suspicionEnds: boolean;
}

/** What a drain needs from the carrier of commands. */
export interface EventQueue {
  acquire(): Promise<Acquired>;
  /** Settles what ended and claims up to about `commandsMax` commands. Throws `NotOwner`. */
  settleAndClaim(settled: Settled, commandsMax: number): Promise<ClaimedJob[]>;
  /** Counts a try of a suspected command before the try is made. */
  countTry(commandId: CommandId): Promise<number>;
  /** Takes a try back that the process has survived. */
  forgiveTry(commandId: CommandId): Promise<void>;
  /** Lets the event go. True when nothing is left to do for it. */
  release(): Promise<boolean>;
}

interface ScriptedRedis {
  hfAcquire(...args: string[]): Promise<[number, ...string[]]>;
  hfSettleAndClaim(...args: (string | number)[]): Promise<string[] | -1>;
  hfRelease(...args: string[]): Promise<1 | 0 | -1>;
}

/** Teaches a connection the drain's scripts. Once for each connection. */
export function withDrainScripts(redis: Redis): Redis & ScriptedRedis {
  redis.defineCommand("hfAcquire", { numberOfKeys: 3, lua: ACQUIRE });
  redis.defineCommand("hfSettleAndClaim", { numberOfKeys: 6, lua: SETTLE_AND_CLAIM });
  redis.defineCommand("hfRelease", { numberOfKeys: 7, lua: RELEASE });
  return redis as Redis & ScriptedRedis;
}

/** The queue of `eventId` for the drain that bears `token`. Each drain takes a token of its own. */
export function openEventQueue(
  redis: Redis & ScriptedRedis,
  prefix: string,
  eventId: EventId,
  token: string,
): EventQueue {
  const keys: EventKeys = eventKeys(prefix, eventId);
  return {
    async acquire() {
      const [deaths, ...jobs] = await redis.hfAcquire(
        keys.active,
        keys.owner,
        keys.trouble,
        token,
        keys.jobs,
      );
      return { deaths, leftBehind: readJobs(jobs) };
    },

    async settleAndClaim({ jobs, suspicionEnds }, commandsMax) {
      const claimed = await redis.hfSettleAndClaim(
        keys.wait,
        keys.active,
        keys.owner,
        keys.count,
        keys.trouble,
        keys.view,
        token,
        keys.jobs,
        commandsMax,
        jobs.reduce((sum, job) => sum + job.commands.length, 0),
        suspicionEnds ? "1" : "0",
        ...jobs.map((job) => job.id),
      );
      if (claimed === -1) throw new NotOwner(`${eventId} has another owner`);
      return readJobs(claimed);
    },

    countTry: (commandId) => redis.hincrby(keys.trouble, `tries:${commandId}`, 1),
    forgiveTry: async (commandId) => void (await redis.hincrby(keys.trouble, `tries:${commandId}`, -1)),

    async release() {
      const left = await redis.hfRelease(
        keys.wait,
        keys.active,
        keys.owner,
        keys.count,
        keys.trouble,
        keys.view,
        keys.withdrawn,
        token,
      );
      if (left !== 1) return false;
      return forgetBusy(redis, prefix, eventId);
    },
  };
}

function readJobs(flat: readonly string[]): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  for (let i = 0; i + 2 < flat.length; i += 3) {
    jobs.push({ id: flat[i] ?? "", ...readJob(flat[i + 2] ?? "") });
  }
  return jobs;
}
