// The list of events that may have jobs, for those who look after them. Who adds a job names its event, right after the
// add; who finds an event without jobs forgets it, and looks once more.
import type { EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { busyEventsKey, eventKeys } from "./names.ts";

export async function nameBusy(redis: Redis, prefix: string, eventId: EventId): Promise<void> {
  await redis.sadd(busyEventsKey(prefix), eventId);
}

/** False when the event has a job again: then it stays on the list. */
export async function forgetBusy(redis: Redis, prefix: string, eventId: EventId): Promise<boolean> {
  await redis.srem(busyEventsKey(prefix), eventId);
  if ((await redis.llen(eventKeys(prefix, eventId).wait)) === 0) return true;
  await nameBusy(redis, prefix, eventId);
  return false;
}

export const countBusy = (redis: Redis, prefix: string): Promise<number> =>
  redis.scard(busyEventsKey(prefix));

/** At most `max` of them, by chance when there are more. */
export const someBusy = (redis: Redis, prefix: string, max: number): Promise<EventId[]> =>
  redis.srandmember(busyEventsKey(prefix), max) as Promise<EventId[]>;

/** Asks something of each event, `atOnce` of them in one go: others use the connection, too. */
export async function askOfEach<Answer>(
  eventIds: readonly EventId[],
  atOnce: number,
  ask: (eventId: EventId) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < eventIds.length; i += atOnce) {
    answers.push(...(await Promise.all(eventIds.slice(i, i + atOnce).map(ask))));
  }
  return answers;
}
