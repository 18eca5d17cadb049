// What there was to tell, read off the tables of what happened (never off those of webhooks), beside what was told.
import { WebhookMessage } from "@holdfast/contracts";
import type { EventId, UserId } from "@holdfast/domain";
import type pg from "pg";
import type { Mailbox, Tried } from "./webhook-receiver.ts";

/** Something that happened, and whose it was: null for what only concerns the event. */
export interface Happening {
  readonly type: string;
  /** Of the reservation, the waitlist entry, the command or the event. */
  readonly about: string;
  readonly eventId: EventId;
  readonly userId: UserId | null;
}

/** All that is told of, of all events. */
export async function happenings(pool: pg.Pool): Promise<Happening[]> {
  const { rows } = await pool.query<Happening>(
    `SELECT type, about, event_id AS "eventId", user_id AS "userId" FROM (
      SELECT 'command.' || status AS type, command_id AS about, event_id, user_id FROM outcomes
        WHERE user_id IS NOT NULL AND status <> 'withdrawn'
      UNION ALL SELECT 'reservation.held', id, event_id, user_id FROM reservations
      UNION ALL SELECT 'reservation.purchased', id, event_id, user_id FROM reservations WHERE purchased_at IS NOT NULL
      UNION ALL SELECT 'reservation.' || status, id, event_id, user_id FROM reservations WHERE ended_at IS NOT NULL
      UNION ALL SELECT 'waitlist.joined', id, event_id, user_id FROM waitlist_entries
      UNION ALL SELECT 'waitlist.offered', id, event_id, user_id FROM waitlist_entries WHERE offered_at IS NOT NULL
      UNION ALL SELECT 'waitlist.' || status, id, event_id, user_id FROM waitlist_entries WHERE ended_at IS NOT NULL
      UNION ALL SELECT 'event.cancelled', id, id, NULL FROM events WHERE cancelled_at IS NOT NULL
    ) happened`,
  );
  return rows;
}

type EventMessage = Extract<WebhookMessage, { data: { sequence: number } }>;

/** The messages that its receiver took, in the order of their sequence numbers, event by event. */
export function taken({ tries }: Mailbox): ReadonlyMap<EventId, readonly EventMessage[]> {
  const bodies = new Map(tries.filter(({ answered }) => answered === 200).map(({ id, body }) => [id, body]));
  const messages = [...bodies.values()]
    .map((body) => WebhookMessage.parse(JSON.parse(body)))
    .filter((message): message is EventMessage => "sequence" in message.data);
  return Map.groupBy(
    messages.toSorted((one, other) => one.data.sequence - other.data.sequence),
    ({ data }) => data.eventId,
  );
}

const keyOf = ({ type, about, eventId }: Happening): string => `${eventId} ${type} ${about}`;

/** What was told and did not happen, or happened and was not told, in words. Empty when both are the same, once each. */
export function differencesBetween(
  happened: readonly Happening[],
  told: ReadonlyMap<EventId, readonly EventMessage[]>,
): string[] {
  const missing = new Set(happened.map(keyOf));
  const found: string[] = [];
  for (const [eventId, messages] of told) {
    for (const { type, data } of messages) {
      const key = keyOf({ type, about: data.resource.id, eventId, userId: null });
      if (!missing.delete(key)) found.push(`told, and not so, or told before: ${key}`);
    }
  }
  return [...found, ...[...missing].map((key) => `not told: ${key}`)];
}

/** Tries of one message that are not the same message, in words. */
export function changedBetweenTries(tries: readonly Tried[]): string[] {
  const first = new Map<string, string>();
  return tries.flatMap(({ id, body }) => {
    const before = first.get(id);
    if (before === undefined) first.set(id, body);
    return before === undefined || before === body ? [] : [`${id} was ${before}, then ${body}`];
  });
}

/** Where messages in the order of their numbers tell a story that cannot be, in words: what is over does not begin again. */
export function unbelievable(messages: readonly EventMessage[]): string[] {
  const stages = new Map<string, number>();
  return messages.flatMap(({ type, data: { resource, sequence } }) => {
    const before = stages.get(resource.id) ?? -1;
    const stage = STAGES[type];
    stages.set(resource.id, stage);
    return stage > before ? [] : [`number ${sequence} says ${type} of ${resource.id}, which was further on`];
  });
}

const STAGES: Record<EventMessage["type"], number> = {
  "reservation.held": 0,
  "reservation.purchased": 1,
  "reservation.cancelled": 2,
  "reservation.expired": 2,
  "waitlist.joined": 0,
  "waitlist.offered": 1,
  "waitlist.fulfilled": 2,
  "waitlist.declined": 2,
  "waitlist.lapsed": 2,
  "waitlist.left": 2,
  "waitlist.closed": 2,
  "event.cancelled": 0,
  "command.succeeded": 0,
  "command.rejected": 0,
  "command.failed": 0,
};
