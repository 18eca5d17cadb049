// Whose turn it is for free tickets: what says that somebody will look must stand where a waiter could have them.
import { ofEvents } from "./examined.ts";

/** When the slot's waitlist closes; of a slot `s` of an event `e`. */
export const CLOSES_AT = `s.starts_at - (e.waitlist ->> 'closesBeforeSeconds')::int * interval '1 second'`;

/**
 * Slots of which a waiter may have tickets now, and nobody is asked to look. It is the turn of the head, which is the
 * first one that is not parked and not larger than the slot; in mode `skip` also of those behind, while the head may
 * be passed. The clock is read late, so that no waitlist counts as open that a batch has seen closed.
 */
export const UNSEEN_TURNS = `
  SELECT s.event_id, s.id AS slot_id, head.id AS head_id, head.quantity, s.capacity - s.held - s.purchased AS free,
    s.promote_at
  FROM slots s JOIN events e ON e.id = s.event_id
  CROSS JOIN LATERAL (
    SELECT id, seq, quantity FROM waitlist_entries
    WHERE slot_id = s.id AND status = 'waiting' AND recheck_at IS NULL AND quantity <= s.capacity
    ORDER BY seq LIMIT 1
  ) head
  WHERE ${ofEvents("s.event_id")} AND s.last_seq > 0 AND s.held + s.purchased < s.capacity
    AND e.cancelled_at IS NULL AND clock_timestamp() < ${CLOSES_AT}
    AND (s.promote_at IS NULL OR s.promote_at > clock_timestamp())
    AND (
      head.quantity <= s.capacity - s.held - s.purchased
      OR e.waitlist ->> 'mode' = 'skip' AND s.collecting_for IS DISTINCT FROM head.seq
        AND (SELECT count(*) FROM unnest(s.passers) AS passer WHERE passer > head.seq)
          < (e.waitlist ->> 'maxSkips')::int
        AND EXISTS (
          SELECT FROM waitlist_entries
          WHERE slot_id = s.id AND status = 'waiting' AND recheck_at IS NULL AND seq > head.seq
            AND quantity <= s.capacity - s.held - s.purchased
        )
    )`;

export const TURNS = {
  "where tickets are free for a waiter whose turn it is, a look at the waitlist is due": `
    SELECT event_id, slot_id, format('%s free, %s wants %s first, the look is due %s', free, head_id, quantity,
      coalesce(promote_at::text, 'never')) AS difference
    FROM (${UNSEEN_TURNS}) t`,
} as const satisfies Record<string, string>;
