// What must be true of outcomes, and of what commands made.
import { ofEvents, ofTheirSlots } from "./examined.ts";

/** Succeeded commands of a kind, as `o`, beside what bears their bits. */
const succeeded = (condition: string): string =>
  `SELECT * FROM outcomes WHERE status = 'succeeded' AND ${condition} AND ${ofEvents("event_id")}`;
const MADE_ENTRY = "outcome #>> '{entry,id}' IS NOT NULL";

export const COMMANDS = {
  "outcomes of an event are numbered from 1 without gap": `
    SELECT event_id, NULL AS slot_id, format('number %s comes after %s', seq, before) AS difference
    FROM (
      SELECT event_id, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY event_id ORDER BY seq) AS before
      FROM outcomes WHERE ${ofEvents("event_id")}
    ) o WHERE seq <> before + 1
    UNION ALL
    SELECT l.event_id, NULL, format('the last has number %s, the next is to have %s', coalesce(o.seq, 0), l.next_seq)
    FROM event_lanes l LEFT JOIN LATERAL (
      SELECT seq FROM outcomes WHERE event_id = l.event_id ORDER BY seq DESC LIMIT 1
    ) o ON true
    WHERE l.next_seq <> coalesce(o.seq, 0) + 1 AND ${ofEvents("l.event_id")}`,
  "commands of an event ended in the order of their numbers": `
    SELECT event_id, NULL AS slot_id, format('number %s ended %s, the one before %s', seq, finished_at, before)
      AS difference
    FROM (
      SELECT event_id, seq, finished_at, lag(finished_at) OVER (PARTITION BY event_id ORDER BY seq) AS before
      FROM outcomes WHERE ${ofEvents("event_id")}
    ) o WHERE finished_at < before`,
  "an outcome's status is as it is worded": `
    SELECT event_id, NULL AS slot_id, format('%s is %s, its outcome says %s', command_id, status, outcome ->> 'status')
      AS difference
    FROM outcomes WHERE status IS DISTINCT FROM outcome ->> 'status' AND ${ofEvents("event_id")}`,
  "every reservation was made by one command that succeeded, as it answered, and every such command made one": `
    SELECT coalesce(r.event_id, o.event_id) AS event_id, r.slot_id, CASE
        WHEN r.id IS NULL THEN format('%s made none', o.command_id)
        WHEN o.command_id IS NULL THEN format('%s was made by none', r.id)
        ELSE format('%s is %s of %s for %s, its command answered %s', r.id, r.quantity, r.slot_id, r.user_id,
          o.outcome -> 'reservation')
      END AS difference
    FROM (SELECT * FROM reservations WHERE origin = 'public' AND ${ofEvents("event_id")}) r
    FULL JOIN (${succeeded(`type = 'reserve' AND NOT ${MADE_ENTRY}`)}) o ON substr(o.command_id, 5) = substr(r.id, 5)
    WHERE r.id IS NULL OR o.command_id IS NULL
      OR (r.id, r.event_id, r.slot_id, r.user_id, r.quantity::text) IS DISTINCT FROM (
        o.outcome #>> '{reservation,id}', o.event_id, o.outcome #>> '{reservation,slotId}', o.user_id,
        o.outcome #>> '{reservation,quantity}')`,
  "every waitlist entry was made by one command that succeeded, as it answered, and every such command made one": `
    SELECT coalesce(w.event_id, o.event_id) AS event_id, w.slot_id, CASE
        WHEN w.id IS NULL THEN format('%s made none', o.command_id)
        WHEN o.command_id IS NULL THEN format('%s was made by none', w.id)
        ELSE format('%s is number %s, %s of %s for %s, its command answered %s', w.id, w.seq, w.quantity, w.slot_id,
          w.user_id, o.outcome -> 'entry')
      END AS difference
    FROM (SELECT * FROM waitlist_entries WHERE ${ofTheirSlots("slot_id")}) w
    FULL JOIN (
      ${succeeded(`(type = 'join-waitlist' OR type = 'reserve' AND ${MADE_ENTRY})`)}
    ) o ON substr(o.command_id, 5) = substr(w.id, 5)
    WHERE w.id IS NULL OR o.command_id IS NULL
      OR (w.id, w.event_id, w.slot_id, w.user_id, w.quantity::text, w.seq::text) IS DISTINCT FROM (
        o.outcome #>> '{entry,id}', o.event_id, o.outcome #>> '{entry,slotId}', o.user_id,
        o.outcome #>> '{entry,quantity}', o.outcome #>> '{entry,seq}')`,
  "a user's key belongs to one command": `
    SELECT min(event_id) AS event_id, NULL AS slot_id, format('%s: %s', user_id, idempotency_key) AS difference
    FROM outcomes WHERE idempotency_key IS NOT NULL AND ${ofEvents("event_id")}
    GROUP BY user_id, idempotency_key HAVING count(*) > 1`,
} as const satisfies Record<string, string>;
