// What must be true of what others are told: messages of an event in their order, and what became of each delivery.
import { ofEvents } from "./examined.ts";

/** Days for which all messages are there. They are kept for one more, and then go one by one. */
const WHOLE_DAYS = 29;

const IS_WHOLE = `created_at > now() - interval '${WHOLE_DAYS} days'`;
const SUCCEEDED = "coalesce((d.attempts -> -1 ->> 'status')::int BETWEEN 200 AND 299, false)";

export const WEBHOOKS = {
  "messages of an event are numbered without gap, up to its lane's next": `
    SELECT event_id, NULL AS slot_id, format('message %s comes after %s', sequence, before) AS difference
    FROM (
      SELECT event_id, sequence, lag(sequence) OVER (PARTITION BY event_id ORDER BY sequence) AS before
      FROM webhook_messages WHERE event_id IS NOT NULL AND ${IS_WHOLE} AND ${ofEvents("event_id")}
    ) m WHERE sequence <> before + 1
    UNION ALL
    SELECT l.event_id, NULL, format('the last message has number %s, the next is to have %s', m.sequence, l.next_message)
    FROM event_lanes l CROSS JOIN LATERAL (
      SELECT sequence FROM webhook_messages WHERE event_id = l.event_id ORDER BY sequence DESC LIMIT 1
    ) m
    WHERE l.next_message <> m.sequence + 1 AND ${ofEvents("l.event_id")}`,
  "every message of an event is for somebody": `
    SELECT m.event_id, NULL AS slot_id, format('%s has no delivery', m.id) AS difference
    FROM webhook_messages m
    WHERE m.event_id IS NOT NULL AND m.${IS_WHOLE} AND ${ofEvents("m.event_id")}
      AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.message_id = m.id)`,
  // Of what is lost nobody knows the event.
  "every delivery has its message": `
    SELECT NULL AS event_id, NULL AS slot_id, format('%s has none', d.id) AS difference
    FROM webhook_deliveries d LEFT JOIN webhook_messages m ON m.id = d.message_id
    WHERE m.id IS NULL AND $1::text[] IS NULL`,
  // Asked for anew it has no tries, whatever its attempts came to. Proof of an endpoint takes more than an answer of 200.
  "a delivery's status fits its attempts": `
    SELECT m.event_id, NULL AS slot_id,
      format('%s is %s after %s tries, its attempts are %s', d.id, d.status, d.tries, d.attempts) AS difference
    FROM webhook_deliveries d JOIN webhook_messages m ON m.id = d.message_id
    WHERE ${ofEvents("m.event_id")} AND (
      d.tries > jsonb_array_length(d.attempts)
      OR d.status = 'delivered' AND (d.tries = 0 OR NOT ${SUCCEEDED})
      OR d.status <> 'delivered' AND d.tries > 0 AND ${SUCCEEDED} AND m.type <> 'endpoint.verification'
    )`,
} as const satisfies Record<string, string>;
