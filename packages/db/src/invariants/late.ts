// What must have happened by now, while the system runs: judged by the database's clock, with bounds that leave room
// for a fault, its recovery and one sweep. An event that is paused waits, and so does one whose queue is long.
import { ofEvents } from "./examined.ts";
import { CLOSES_AT } from "./turns.ts";

/** Seconds past its deadline by which a hold has ended: 1.5 and 5 are promised, without and with a fault. */
export const HOLD_LATE_MAX_SECONDS = 30;
/** Seconds after which somebody has looked whom free tickets may be offered to: 1 is promised. */
export const LOOK_LATE_MAX_SECONDS = 30;
/** Seconds after which a promised command has ended: 15 are promised, and the age of the queue's head. */
export const PROMISE_LATE_MAX_SECONDS = 120;
/** Seconds after which nobody waits any more for a slot whose waitlist has closed; a long one closes in pieces. */
export const CLOSING_LATE_MAX_SECONDS = 600;

const seconds = (count: number): string => `interval '${count} seconds'`;

/** The age of the event's queue does not count, as far as promised commands tell it. */
const isLate = (event: string, at: string, max: number): string =>
  `${at} < now() - ${seconds(max)}
      AND NOT EXISTS (SELECT FROM event_lanes WHERE event_id = ${event} AND paused_at IS NOT NULL)
      AND ${at} < coalesce(
        (SELECT min(submitted_at) FROM accepted_commands WHERE event_id = ${event}), 'infinity'
      ) - ${seconds(max)}`;

export const LATE = {
  "no hold outlives its deadline, unless its purchase was promised in time": `
    SELECT r.event_id, r.slot_id, format('%s is held, its deadline was %s', r.id, r.expires_at) AS difference
    FROM reservations r
    WHERE r.status = 'held' AND ${ofEvents("r.event_id")}
      AND NOT EXISTS (
        SELECT FROM accepted_commands a
        WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at
      )
      AND ${isLate("r.event_id", "r.expires_at", HOLD_LATE_MAX_SECONDS)}`,
  "no look at a waitlist is overdue": `
    SELECT s.event_id, s.id AS slot_id, format('it was due %s', s.promote_at) AS difference
    FROM slots s WHERE ${ofEvents("s.event_id")} AND ${isLate("s.event_id", "s.promote_at", LOOK_LATE_MAX_SECONDS)}`,
  "every promised command ends": `
    SELECT a.event_id, NULL AS slot_id, format('%s was promised %s', a.command_id, a.accepted_at) AS difference
    FROM accepted_commands a JOIN event_lanes l ON l.event_id = a.event_id
    WHERE a.accepted_at < now() - ${seconds(PROMISE_LATE_MAX_SECONDS)} AND l.paused_at IS NULL
      AND NOT EXISTS (SELECT FROM outcomes o WHERE o.command_id = a.command_id) AND ${ofEvents("a.event_id")}`,
  "nobody waits for a slot whose waitlist has closed": `
    SELECT s.event_id, s.id AS slot_id, format('%s wait, it closed %s', s.waiting, ${CLOSES_AT}) AS difference
    FROM slots s JOIN events e ON e.id = s.event_id
    WHERE s.waiting > 0 AND ${ofEvents("s.event_id")} AND ${isLate("s.event_id", CLOSES_AT, CLOSING_LATE_MAX_SECONDS)}`,
} as const satisfies Record<string, string>;
