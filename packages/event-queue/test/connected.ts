// What the tests of this package share: the run's Redis, a crowd that sends, a connection that drains, and queues of single
// events.
import { randomUUID } from "node:crypto";
import type { EventId, ReserveCommand } from "@holdfast/domain";
import { newId } from "../../runtime/src/index.ts";
import { type Crowd, openCrowd, openTestRedis, reserve, type TestRedis } from "../../testkit/src/index.ts";
import {
  type EventKeys,
  type EventQueue,
  eventKeys,
  openEventQueue,
  openRedis,
  untilReady,
  withDrainScripts,
} from "../src/index.ts";

export interface Connected extends TestRedis {
  /** Who sends commands. */
  readonly crowd: Crowd;
  /** An event's keys and its queue as a new drain sees it, the drain's token given. */
  queueOf(eventId: EventId): EventKeys & { as(token?: string): EventQueue };
  newEvent(): EventId;
}

export async function connect(): Promise<Connected> {
  const store = await openTestRedis();
  const drains = withDrainScripts(
    openRedis({ url: store.url, name: "test-drains", onError: () => undefined }),
  );
  await untilReady(drains);
  const crowd = await openCrowd(store.url, store.prefix);
  return {
    ...store,
    crowd,
    newEvent: () => newId("event"),
    queueOf: (eventId) => ({
      ...eventKeys(store.prefix, eventId),
      as: (token = randomUUID()) => openEventQueue(drains, store.prefix, eventId, token),
    }),
    close: async () => {
      await crowd.close();
      drains.disconnect();
      await store.close();
    },
  };
}

export const NOTHING_SETTLED = { jobs: [], suspicionEnds: false };

/** Of somebody who is in no table: no worker drains these queues. */
export const aReserve = (eventId: EventId): ReserveCommand => reserve(eventId, newId("user"));

export const reserves = (eventId: EventId, count: number): ReserveCommand[] =>
  Array.from({ length: count }, () => aReserve(eventId));
