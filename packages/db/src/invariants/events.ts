// What must be true of events, and of what a cancelled one leaves behind.
import { ofEvents } from "./examined.ts";

export const EVENTS = {
  "an event begins with its first slot and ends with its last": `
    SELECT e.id AS event_id, NULL AS slot_id, format('%s to %s, its slots %s to %s', e.starts_at, e.ends_at,
      s.starts_at, s.ends_at) AS difference
    FROM events e LEFT JOIN (
      SELECT event_id, min(starts_at) AS starts_at, max(ends_at) AS ends_at FROM slots
      WHERE ${ofEvents("event_id")} GROUP BY event_id
    ) s ON s.event_id = e.id
    WHERE (e.starts_at, e.ends_at) IS DISTINCT FROM (s.starts_at, s.ends_at) AND ${ofEvents("e.id")}`,
  "every event has a lane": `
    SELECT e.id AS event_id, NULL AS slot_id, 'it has none' AS difference
    FROM events e LEFT JOIN event_lanes l ON l.event_id = e.id WHERE l.event_id IS NULL AND ${ofEvents("e.id")}`,
  "only a cancelled event winds down": `
    SELECT id AS event_id, NULL AS slot_id, 'it was not cancelled' AS difference
    FROM events WHERE winding_down AND cancelled_at IS NULL AND ${ofEvents("id")}`,
  "of a cancelled event that has wound down nothing is reserved, and nobody waits": `
    SELECT r.event_id, r.slot_id, format('%s is %s', r.id, r.status) AS difference
    FROM events e JOIN reservations r ON r.event_id = e.id
    WHERE e.cancelled_at IS NOT NULL AND NOT e.winding_down AND r.status IN ('held', 'purchased') AND ${ofEvents("e.id")}
    UNION ALL
    SELECT s.event_id, s.id, format('%s is %s', w.id, w.status)
    FROM events e JOIN slots s ON s.event_id = e.id JOIN waitlist_entries w ON w.slot_id = s.id
    WHERE e.cancelled_at IS NOT NULL AND NOT e.winding_down AND w.status IN ('waiting', 'offered') AND ${ofEvents("e.id")}`,
  "nobody reserves, buys, joins or is offered anything of an event that was cancelled before": `
    SELECT r.event_id, r.slot_id, format('%s, cancelled %s', r.id, e.cancelled_at) AS difference
    FROM events e JOIN reservations r ON r.event_id = e.id
    WHERE greatest(r.created_at, r.purchased_at) > e.cancelled_at AND ${ofEvents("e.id")}
    UNION ALL
    SELECT s.event_id, s.id, format('%s, cancelled %s', w.id, e.cancelled_at)
    FROM events e JOIN slots s ON s.event_id = e.id JOIN waitlist_entries w ON w.slot_id = s.id
    WHERE greatest(w.created_at, w.offered_at) > e.cancelled_at AND ${ofEvents("e.id")}`,
} as const satisfies Record<string, string>;
