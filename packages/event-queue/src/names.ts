// What everything in Redis is called. Names of static queues are hash tags, an event's keys share its own tag:
// on a cluster events spread over slots, and each script touches one slot only.
import type { EventId } from "@holdfast/domain";

/** Jobs that say "this event has work". Holding one is owning the event. */
export const ACTIVATIONS = "{activations}";
/** One delayed job for each event and second at which holds end. */
export const DEADLINES = "{deadlines}";

export const eventQueueName = (eventId: EventId): string => `{${eventId}}`;

/** Events that may have jobs, for the sweep and for those who count events with work. */
export const busyEventsKey = (prefix: string): string => `${prefix}:{busy}`;

export const replyChannel = (prefix: string, gateway: string): string => `${prefix}:replies:${gateway}`;

export interface EventKeys {
  /** What BullMQ puts before a job's id. */
  readonly jobs: string;
  readonly wait: string;
  readonly active: string;
  /** The token of the drain that may claim and settle now. */
  readonly owner: string;
  /** Commands ever enqueued and ever done, since the queue was last empty: positions are made of them. */
  readonly count: string;
  /** Deaths with a batch in hand, and tries of the commands that were in it. */
  readonly trouble: string;
}

export function eventKeys(prefix: string, eventId: EventId): EventKeys {
  const jobs = `${prefix}:${eventQueueName(eventId)}:`;
  return {
    jobs,
    wait: `${jobs}wait`,
    active: `${jobs}active`,
    owner: `${jobs}owner`,
    count: `${jobs}count`,
    trouble: `${jobs}trouble`,
  };
}
