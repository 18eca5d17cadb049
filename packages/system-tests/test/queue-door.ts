// A system whose queues a drill fills itself: commands go in as a gateway would put them, and replies come back.
import { setPaused } from "@holdfast/db";
import type { EventId } from "@holdfast/domain";
import { type Crowd, openCrowd, openTestDatabase, openTestRedis } from "@holdfast/testkit";
import type pg from "pg";
import { type System, type SystemSize, startSystemOn } from "./system.ts";

export interface SystemWithDoor {
  readonly system: System;
  readonly pool: pg.Pool;
  readonly door: Crowd;
  /** Nothing of the event is applied until `resume`. */
  pause(eventId: EventId): Promise<void>;
  resume(eventId: EventId): Promise<void>;
  close(): Promise<void>;
}

/** Without a gateway, unless told otherwise. */
export async function startSystemWithDoor(size: SystemSize): Promise<SystemWithDoor> {
  const database = await openTestDatabase();
  const redis = await openTestRedis();
  const system = await startSystemOn(database, { gateways: 0, ...size }, redis);
  const door = await openCrowd(redis.url, redis.prefix);
  const { pool } = database;
  return {
    system,
    pool,
    door,
    pause: (eventId) => setPaused(pool, eventId, true),
    resume: async (eventId) => {
      await setPaused(pool, eventId, false);
      await door.activations.signal(eventId);
    },
    close: async () => {
      await door.close();
      await system.close();
      await database.close();
    },
  };
}
