// What must be true of waitlist entries, of the offers that are made for them, and of who passed whom.
import { ofEvents, ofTheirSlots } from "./examined.ts";

/** Entries that were ever offered tickets, and reservations that were made for entries: each bears the other's bits. */
const OFFERED_ENTRIES = `SELECT * FROM waitlist_entries
    WHERE (offered_at IS NOT NULL OR status IN ('offered', 'fulfilled', 'declined', 'lapsed')) AND ${ofTheirSlots("slot_id")}`;
const OFFERS = `SELECT * FROM reservations WHERE origin = 'waitlist' AND ${ofEvents("event_id")}`;
const BEAR_THE_SAME = "substr(w.id, 5) = substr(r.id, 5)";

/** What becomes of an entry, by what became of its reservation. */
const ENDS_AS = `CASE
      WHEN r.purchased_at IS NOT NULL THEN w.status = 'fulfilled'
      WHEN r.status = 'expired' THEN w.status = 'lapsed'
      WHEN r.end_reason = 'event-cancelled' THEN w.status = 'closed'
      WHEN r.end_reason = 'declined' THEN w.status IN ('declined', 'left') AND w.end_reason = 'user'
      WHEN r.end_reason = 'organizer' THEN w.status IN ('declined', 'left') AND w.end_reason = 'organizer'
      ELSE false
    END`;

export const WAITLIST = {
  "one live waitlist entry for each user and slot": `
    SELECT min(event_id) AS event_id, slot_id, format('%s has %s', user_id, count(*)) AS difference
    FROM waitlist_entries WHERE status IN ('waiting', 'offered') AND ${ofTheirSlots("slot_id")}
    GROUP BY slot_id, user_id HAVING count(*) > 1`,
  "every entry of a slot's waitlist has a number of its own": `
    SELECT min(event_id) AS event_id, slot_id, format('%s: %s', seq, string_agg(id, ', ' ORDER BY id)) AS difference
    FROM waitlist_entries WHERE ${ofTheirSlots("slot_id")}
    GROUP BY slot_id, seq HAVING count(*) > 1`,
  "every offered entry has a hold, and every hold of the waitlist an offered entry": `
    SELECT coalesce(w.event_id, r.event_id) AS event_id, coalesce(w.slot_id, r.slot_id) AS slot_id, CASE
        WHEN r.id IS NULL THEN format('%s is offered and has none', w.id)
        ELSE format('%s is held, its entry is not offered', r.id)
      END AS difference
    FROM (SELECT * FROM waitlist_entries WHERE status = 'offered' AND ${ofTheirSlots("slot_id")}) w
    FULL JOIN (
      SELECT * FROM reservations WHERE status = 'held' AND origin = 'waitlist' AND ${ofEvents("event_id")}
    ) r ON ${BEAR_THE_SAME}
    WHERE w.id IS NULL OR r.id IS NULL`,
  "every reservation of the waitlist was made for one entry, as it wished, and every offer made one": `
    SELECT coalesce(w.event_id, r.event_id) AS event_id, coalesce(w.slot_id, r.slot_id) AS slot_id, CASE
        WHEN r.id IS NULL THEN format('%s was offered none', w.id)
        WHEN w.id IS NULL THEN format('%s was offered to no entry', r.id)
        ELSE format('%s is %s of %s for %s, made %s; its entry wished %s of %s for %s, offered %s', r.id, r.quantity,
          r.slot_id, r.user_id, r.created_at, w.quantity, w.slot_id, w.user_id, w.offered_at)
      END AS difference
    FROM (${OFFERED_ENTRIES}) w FULL JOIN (${OFFERS}) r ON ${BEAR_THE_SAME}
    WHERE w.id IS NULL OR r.id IS NULL
      OR (w.slot_id, w.user_id, w.quantity, w.offered_at) IS DISTINCT FROM (r.slot_id, r.user_id, r.quantity, r.created_at)`,
  "an entry that was offered tickets ended as its reservation did": `
    SELECT w.event_id, w.slot_id, format('%s is %s because of %s, %s is %s because of %s', w.id, w.status, w.end_reason,
      r.id, r.status, r.end_reason) AS difference
    FROM (${OFFERED_ENTRIES}) w JOIN (${OFFERS}) r ON ${BEAR_THE_SAME}
    WHERE w.status <> 'offered' AND r.status <> 'held' AND NOT ${ENDS_AS}`,
  "an entry's state, times and reason fit together": `
    SELECT event_id, slot_id, format('%s is %s: joined %s, offered %s, ended %s because of %s', id, status, created_at,
      offered_at, ended_at, end_reason) AS difference
    FROM waitlist_entries
    WHERE ${ofTheirSlots("slot_id")} AND (
      offered_at < created_at OR ended_at < coalesce(offered_at, created_at)
      OR status = 'waiting' AND offered_at IS NOT NULL
      OR NOT CASE status
        WHEN 'fulfilled' THEN end_reason = 'purchased'
        WHEN 'lapsed' THEN end_reason = 'deadline'
        WHEN 'declined' THEN end_reason IN ('user', 'organizer')
        WHEN 'left' THEN end_reason IN ('user', 'organizer')
        WHEN 'closed' THEN end_reason IN ('event-cancelled', 'slot-over', 'cutoff', 'capacity')
        ELSE end_reason IS NULL
      END
    )`,
  "an entry that is passed over for the time being says why": `
    SELECT event_id, slot_id, id AS difference
    FROM waitlist_entries
    WHERE recheck_at IS NOT NULL AND last_passed_over IS NULL AND ${ofTheirSlots("slot_id")}`,
  "who passed somebody was offered tickets, and those that are collected are for an entry": `
    SELECT s.event_id, s.id AS slot_id, format('number %s passed somebody', passer) AS difference
    FROM slots s CROSS JOIN LATERAL unnest(s.passers) AS passer
    WHERE ${ofEvents("s.event_id")} AND NOT EXISTS (
      SELECT FROM waitlist_entries WHERE slot_id = s.id AND seq = passer AND offered_at IS NOT NULL
    )
    UNION ALL
    SELECT s.event_id, s.id, format('tickets are collected for number %s', s.collecting_for)
    FROM slots s
    WHERE s.collecting_for IS NOT NULL AND ${ofEvents("s.event_id")} AND NOT EXISTS (
      SELECT FROM waitlist_entries WHERE slot_id = s.id AND seq = s.collecting_for
    )`,
} as const satisfies Record<string, string>;
