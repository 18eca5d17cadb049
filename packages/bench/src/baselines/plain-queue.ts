// B2: a job for each request, in a queue for each event, as BullMQ is used by the book. This is the gateway's end: it adds
// the job and hears of its end. The other one is plain-worker.ts.

import type { EventId, ReserveCommand } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { Queue, QueueEvents } from "bullmq";
import { Redis } from "ioredis";
import type { Ended } from "./baseline.ts";

/** A set of events that have a queue, and the channel on which each is told when it gets one. */
export const eventsKeyOf = (prefix: string): string => `${prefix}:plain-events`;
export const plainQueueName = (eventId: string): string => `plain-${eventId}`;

/** Entries kept of a queue's stream of events: a job makes four, and a slow listener must not lose one. */
const STREAM_LENGTH_MAX = 100_000;

export interface PlainQueuePlace {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

export interface PlainQueues {
  /** Null when the sender is not there. */
  reserve(command: ReserveCommand): Promise<Ended | null>;
  close(): Promise<void>;
}

interface Wait {
  resolve(ended: Ended | null): void;
  reject(error: Error): void;
}

interface EventQueue {
  readonly jobs: Queue<ReserveCommand>;
  readonly ends: QueueEvents;
}

export function openPlainQueues({ redisUrl, prefix, onError }: PlainQueuePlace): PlainQueues {
  // Adds of one turn of the loop leave in one write.
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null, enableAutoPipelining: true });
  connection.on("error", onError);
  const gateway = newId("session");
  const queues = new Map<EventId, Promise<EventQueue>>();
  const waits = new Map<string, Wait>();
  let added = 0;

  async function open(eventId: EventId): Promise<EventQueue> {
    const name = plainQueueName(eventId);
    const jobs = new Queue<ReserveCommand>(name, {
      connection,
      prefix,
      streams: { events: { maxLen: STREAM_LENGTH_MAX } },
    });
    // From the beginning: what ends before the first look is not missed.
    const ends = new QueueEvents(name, { connection: { url: redisUrl }, prefix, lastEventId: "0-0" });
    jobs.on("error", onError);
    ends.on("error", onError);
    const take = (jobId: string): Wait | undefined => {
      const wait = waits.get(jobId);
      waits.delete(jobId);
      return wait;
    };
    ends.on("completed", ({ jobId, returnvalue }) => {
      take(jobId)?.resolve(returnvalue as unknown as Ended | null);
    });
    ends.on("failed", ({ jobId, failedReason }) => take(jobId)?.reject(new Error(failedReason)));
    await connection.sadd(eventsKeyOf(prefix), eventId);
    await connection.publish(eventsKeyOf(prefix), eventId);
    return { jobs, ends };
  }

  const queueOf = (eventId: EventId): Promise<EventQueue> => {
    const known = queues.get(eventId);
    if (known !== undefined) return known;
    const opened = open(eventId);
    queues.set(eventId, opened);
    return opened;
  };

  return {
    async reserve(command) {
      const { jobs } = await queueOf(command.eventId);
      added += 1;
      const jobId = `${gateway}-${added}`;
      // Listens before it adds, which spares `waitUntilFinished` its question whether the job has ended already.
      const { promise, resolve, reject } = Promise.withResolvers<Ended | null>();
      waits.set(jobId, { resolve, reject });
      const add = jobs.add("reserve", command, { jobId, removeOnComplete: true, removeOnFail: true });
      add.catch((error: Error) => {
        waits.delete(jobId);
        reject(error);
      });
      return promise;
    },
    async close() {
      const opened = await Promise.all(queues.values());
      await Promise.all(opened.flatMap(({ jobs, ends }) => [jobs.close(), ends.close()]));
      connection.disconnect();
    },
  };
}
