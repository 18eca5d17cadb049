// What everything in Redis is called. Names of static queues are hash tags, an event's keys share its own tag:
// on a cluster events spread over slots, and each script touches one slot only.
import type { EventId, SlotId, WebhookEndpointId } from "@holdfast/domain";

/** Jobs that say "this event has work". Holding one is owning the event. */
export const ACTIVATIONS = "{activations}";
/** One delayed job for each event and second at which holds end. */
export const DEADLINES = "{deadlines}";
/** Delayed jobs that say "look at this slot's waiters". */
export const PROMOTIONS = "{promotions}";
/** Jobs that say "this endpoint has something to be delivered". */
export const DELIVERIES = "{deliveries}";
/** The same, of endpoints whose last attempt failed, or that are slow. */
export const DELIVERIES_TROUBLED = "{deliveries-troubled}";

export const eventQueueName = (eventId: EventId): string => `{${eventId}}`;

/** Events that may have jobs, for the sweep and for those who count events with work. */
export const busyEventsKey = (prefix: string): string => `${prefix}:{busy}`;

/** Stands while an event is wound down, or a slot's waiters are looked at, a piece at a time. */
export const underWayKey = (prefix: string, what: EventId | SlotId): string =>
  `${prefix}:{under-way}:${what}`;

/** Who delivers to an endpoint now. All share a tag: a process renews its own in one step. */
export const deliveryLeaseKey = (prefix: string, endpointId: WebhookEndpointId): string =>
  `${prefix}:{delivering}:${endpointId}`;

/** In place of a gateway's name: all of them hear what is said to it. */
export const EVERY_GATEWAY = "every-gateway";

export const replyChannel = (prefix: string, gateway: string): string => `${prefix}:replies:${gateway}`;

/** Where it is told what ended in an event's queue. */
export const progressChannel = (prefix: string, eventId: EventId): string => `${prefix}:progress:${eventId}`;

export interface EventKeys {
  /** What BullMQ puts before a job's id. */
  readonly jobs: string;
  readonly wait: string;
  readonly active: string;
  /** The token of the drain that may claim and settle now. */
  readonly owner: string;
  /** Commands ever enqueued and ever done, since the queue was last empty, and how fast: positions are made of them. */
  readonly count: string;
  /** Commands that were withdrawn, by their tickets: nobody waits behind them. */
  readonly withdrawn: string;
  /** Deaths with a batch in hand, and tries of the commands that were in it. */
  readonly trouble: string;
  /** What gateways have read of the event a moment ago. */
  readonly view: string;
}

export function eventKeys(prefix: string, eventId: EventId): EventKeys {
  const jobs = `${prefix}:${eventQueueName(eventId)}:`;
  return {
    jobs,
    wait: `${jobs}wait`,
    active: `${jobs}active`,
    owner: `${jobs}owner`,
    count: `${jobs}count`,
    withdrawn: `${jobs}withdrawn`,
    trouble: `${jobs}trouble`,
    view: `${jobs}view`,
  };
}
