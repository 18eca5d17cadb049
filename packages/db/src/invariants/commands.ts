// What must be true of outcomes, and of what commands made.
import { ofEvents, ofTheirSlots } from "./examined.ts";

/**
 * Succeeded commands, each with what it made. Only what is compared is carried along; OFFSET keeps an outcome from being
 * parsed for each field.
 */
const succeeded = (types: string, made: "reservation" | "entry"): string => `
      SELECT command_id, event_id, user_id, ${made} ->> 'id' AS id, ${made} ->> 'slotId' AS slot_id,
        ${made} ->> 'quantity' AS quantity, ${made} ->> 'seq' AS seq
      FROM (
        SELECT command_id, type, event_id, user_id, outcome -> 'reservation' AS reservation, outcome -> 'entry' AS entry
        FROM outcomes WHERE type IN (${types}) AND status = 'succeeded' AND ${ofEvents("event_id")} OFFSET 0
      ) parsed
      WHERE type <> 'reserve' OR (entry IS NOT NULL) = ${made === "entry"}`;

export const COMMANDS = {
  // Those that were withdrawn never had a turn: they have no number, and no place in the order.
  "outcomes of an event are numbered from 1 without gap": `
    SELECT event_id, NULL AS slot_id, format('number %s comes after %s', seq, before) AS difference
    FROM (
      SELECT event_id, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY event_id ORDER BY seq) AS before
      FROM outcomes WHERE seq IS NOT NULL AND ${ofEvents("event_id")}
    ) o WHERE seq <> before + 1
    UNION ALL
    SELECT l.event_id, NULL, format('the last has number %s, the next is to have %s', coalesce(o.seq, 0), l.next_seq)
    FROM event_lanes l LEFT JOIN LATERAL (
      SELECT seq FROM outcomes WHERE event_id = l.event_id AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1
    ) o ON true
    WHERE l.next_seq <> coalesce(o.seq, 0) + 1 AND ${ofEvents("l.event_id")}`,
  "commands of an event ended in the order of their numbers": `
    SELECT event_id, NULL AS slot_id, format('number %s ended %s, the one before %s', seq, finished_at, before)
      AS difference
    FROM (
      SELECT event_id, seq, finished_at, lag(finished_at) OVER (PARTITION BY event_id ORDER BY seq) AS before
      FROM outcomes WHERE seq IS NOT NULL AND ${ofEvents("event_id")}
    ) o WHERE finished_at < before`,
  "an outcome's status is as it is worded": `
    SELECT event_id, NULL AS slot_id, format('%s is %s, its outcome says %s', command_id, status, outcome ->> 'status')
      AS difference
    FROM outcomes WHERE status IS DISTINCT FROM outcome ->> 'status' AND ${ofEvents("event_id")}`,
  "every reservation was made by one command that succeeded, as it answered, and every such command made one": `
    SELECT coalesce(r.event_id, o.event_id) AS event_id, r.slot_id, CASE
        WHEN r.id IS NULL THEN format('%s made none', o.command_id)
        WHEN o.command_id IS NULL THEN format('%s was made by none', r.id)
        ELSE format('%s is %s of %s for %s, its command answered %s: %s of %s for %s', r.id, r.quantity, r.slot_id,
          r.user_id, o.id, o.quantity, o.slot_id, o.user_id)
      END AS difference
    FROM (
      SELECT id, event_id, slot_id, user_id, quantity FROM reservations
      WHERE origin = 'public' AND ${ofEvents("event_id")}
    ) r
    FULL JOIN (${succeeded("'reserve'", "reservation")}
    ) o ON substr(o.command_id, 5) = substr(r.id, 5)
    WHERE r.id IS NULL OR o.command_id IS NULL
      OR (r.id, r.event_id, r.slot_id, r.user_id, r.quantity::text)
        IS DISTINCT FROM (o.id, o.event_id, o.slot_id, o.user_id, o.quantity)`,
  "every waitlist entry was made by one command that succeeded, as it answered, and every such command made one": `
    SELECT coalesce(w.event_id, o.event_id) AS event_id, w.slot_id, CASE
        WHEN w.id IS NULL THEN format('%s made none', o.command_id)
        WHEN o.command_id IS NULL THEN format('%s was made by none', w.id)
        ELSE format('%s is number %s, %s of %s for %s, its command answered %s: number %s, %s of %s for %s', w.id, w.seq,
          w.quantity, w.slot_id, w.user_id, o.id, o.seq, o.quantity, o.slot_id, o.user_id)
      END AS difference
    FROM (
      SELECT id, event_id, slot_id, user_id, quantity, seq FROM waitlist_entries WHERE ${ofTheirSlots("slot_id")}
    ) w
    FULL JOIN (${succeeded("'join-waitlist', 'reserve'", "entry")}
    ) o ON substr(o.command_id, 5) = substr(w.id, 5)
    WHERE w.id IS NULL OR o.command_id IS NULL
      OR (w.id, w.event_id, w.slot_id, w.user_id, w.quantity::text, w.seq::text)
        IS DISTINCT FROM (o.id, o.event_id, o.slot_id, o.user_id, o.quantity, o.seq)`,
  "a command that was withdrawn made nothing": `
    SELECT o.event_id, made.slot_id, format('%s was withdrawn, and made %s', o.command_id, made.id) AS difference
    FROM outcomes o CROSS JOIN LATERAL (
      SELECT id, slot_id FROM reservations WHERE id = 'rsv_' || substr(o.command_id, 5)
      UNION ALL SELECT id, slot_id FROM waitlist_entries WHERE id = 'wle_' || substr(o.command_id, 5)
    ) made
    WHERE o.status = 'withdrawn' AND ${ofEvents("o.event_id")}`,
  "a user's key belongs to one command": `
    SELECT min(event_id) AS event_id, NULL AS slot_id, format('%s: %s', user_id, idempotency_key) AS difference
    FROM (
      SELECT event_id, user_id, idempotency_key FROM outcomes
      WHERE idempotency_key IS NOT NULL AND ${ofEvents("event_id")} OFFSET 0
    ) keyed
    GROUP BY user_id, idempotency_key HAVING count(*) > 1`,
} as const satisfies Record<string, string>;
