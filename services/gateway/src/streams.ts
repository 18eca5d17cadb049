// All streams of a gateway, put together. Holds no rule.
import { findEvent } from "@holdfast/db";
import type { EpochMs } from "@holdfast/domain";
import { type Progress, readPaces } from "@holdfast/event-queue";
import type { Redis } from "ioredis";
import type pg from "pg";
import { AvailabilityStreams } from "./availability-streams.ts";
import { CommandStreams } from "./command-streams.ts";
import type { EventReads } from "./event-reads.ts";
import { OpenStreams, type OpenStreamsDeps } from "./event-stream.ts";
import type { Commands } from "./submit.ts";

export interface Streams {
  readonly commands: CommandStreams;
  readonly availability: AvailabilityStreams;
  /** Ends all of them: the gateway is about to stop. */
  stop(): void;
}

export interface StreamsDeps extends OpenStreamsDeps {
  readonly pool: pg.Pool;
  readonly redis: Redis;
  readonly prefix: string;
  readonly progress: Progress;
  readonly find: Commands["find"];
  readonly reads: Pick<EventReads, "told">;
  readonly now: () => EpochMs;
  readonly onError: (error: unknown) => void;
}

export function createStreams(deps: StreamsDeps): Streams {
  const { pool, redis, prefix, progress, reads, now, onError } = deps;
  const open = new OpenStreams(deps);
  return {
    commands: new CommandStreams({
      open,
      async find(id) {
        const record = await deps.find(id);
        if (record !== null && record.finishedAt !== null) reads.told(record.eventId, record.finishedAt);
        return record;
      },
      paces: (eventIds) => readPaces(redis, prefix, eventIds),
      progress,
      onError,
    }),
    availability: new AvailabilityStreams({
      open,
      findEvent: (id) => findEvent(pool, id),
      progress,
      now,
      onError,
    }),
    stop: () => open.stop(),
  };
}
