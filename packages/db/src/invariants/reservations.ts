// What must be true of reservations among themselves, and beside slots and events.
import { SLOTS_BY_ROWS } from "./counters.ts";
import { ofEvents, ofTheirSlots } from "./examined.ts";

export const RESERVATIONS = {
  "0 ≤ held + purchased ≤ capacity": `
    SELECT event_id, id AS slot_id, format('%s held and %s purchased of %s', rows_held, rows_purchased, capacity)
      AS difference
    FROM ${SLOTS_BY_ROWS} s WHERE rows_held + rows_purchased > capacity OR held < 0 OR purchased < 0`,
  "one active reservation for each user and slot": `
    SELECT event_id, slot_id, format('%s has %s', user_id, count(*)) AS difference FROM reservations
    WHERE status IN ('held', 'purchased') AND ${ofEvents("event_id")}
    GROUP BY event_id, slot_id, user_id HAVING count(*) > 1`,
  "no overlap among a user's active reservations": `
    SELECT a.event_id, a.slot_id, format('%s and %s of %s', a.id, b.id, a.user_id) AS difference
    FROM reservations a JOIN slots sa ON sa.id = a.slot_id JOIN events ea ON ea.id = a.event_id
    JOIN reservations b ON b.user_id = a.user_id AND b.status IN ('held', 'purchased')
      AND (b.id > a.id OR b.id < a.id AND NOT ${ofEvents("b.event_id")})
    JOIN slots sb ON sb.id = b.slot_id JOIN events eb ON eb.id = b.event_id
    WHERE a.status IN ('held', 'purchased') AND ea.overlap_policy = 'refuse' AND eb.overlap_policy = 'refuse'
      AND sa.starts_at < sb.ends_at AND sb.starts_at < sa.ends_at AND ${ofEvents("a.event_id")}`,
  // The limit may be lowered below what somebody has: only who took something since is judged.
  "nobody has more tickets of an event than one user may have": `
    SELECT r.event_id, NULL AS slot_id, format('%s has %s of %s', r.user_id, sum(r.quantity), e.max_per_user)
      AS difference
    FROM reservations r JOIN events e ON e.id = r.event_id
    WHERE r.status IN ('held', 'purchased') AND ${ofEvents("r.event_id")}
    GROUP BY r.event_id, r.user_id, e.max_per_user, e.updated_at
    HAVING sum(r.quantity) > e.max_per_user AND max(r.created_at) > e.updated_at`,
  "a reservation's time is its slot's": `
    SELECT r.event_id, r.slot_id, format('%s: %s, not %s', r.id, r.during, tstzrange(s.starts_at, s.ends_at))
      AS difference
    FROM reservations r JOIN slots s ON s.id = r.slot_id
    WHERE r.during <> tstzrange(s.starts_at, s.ends_at) AND ${ofEvents("r.event_id")}`,
  "a reservation keeps others off its time when its event says so, and only then": `
    SELECT r.event_id, r.slot_id, format('%s: exclusive is %s, its event says %s', r.id, r.exclusive, e.overlap_policy)
      AS difference
    FROM reservations r JOIN events e ON e.id = r.event_id
    WHERE r.exclusive <> (e.overlap_policy = 'refuse') AND ${ofEvents("r.event_id")}`,
  "no hold ends before its deadline": `
    SELECT event_id, slot_id, format('%s ended %s, its deadline was %s', id, ended_at, expires_at) AS difference
    FROM reservations WHERE end_reason = 'deadline' AND ended_at < expires_at AND ${ofEvents("event_id")}`,
  "no hold lasts longer than until its slot's start": `
    SELECT r.event_id, r.slot_id, format('%s until %s, the slot starts %s', r.id, r.expires_at, s.starts_at)
      AS difference
    FROM reservations r JOIN slots s ON s.id = r.slot_id
    WHERE r.expires_at > s.starts_at AND ${ofEvents("r.event_id")}`,
  "a reservation's state, times and reason fit together": `
    SELECT event_id, slot_id, format('%s is %s: made %s, bought %s, ended %s because of %s', id, status, created_at,
      purchased_at, ended_at, end_reason) AS difference
    FROM reservations
    WHERE ${ofEvents("event_id")} AND (
      purchased_at < created_at OR ended_at < coalesce(purchased_at, created_at)
      OR (expires_at IS NULL) <> (purchased_at IS NOT NULL)
      OR status IN ('held', 'expired') AND purchased_at IS NOT NULL
      OR (status = 'expired') <> (end_reason IS NOT DISTINCT FROM 'deadline')
      OR end_reason = 'declined' AND (origin = 'public' OR purchased_at IS NOT NULL)
      OR end_reason = 'user' AND origin = 'waitlist' AND purchased_at IS NULL
    )`,
  "what is reserved, waits or ended belongs to an event, a slot and a user that are there": `
    SELECT r.event_id, r.slot_id, format('%s of %s', r.id, r.user_id) AS difference
    FROM reservations r LEFT JOIN slots s ON s.id = r.slot_id AND s.event_id = r.event_id
    LEFT JOIN users u ON u.id = r.user_id
    WHERE (s.id IS NULL OR u.id IS NULL) AND ${ofEvents("r.event_id")}
    UNION ALL
    SELECT w.event_id, w.slot_id, format('%s of %s', w.id, w.user_id)
    FROM waitlist_entries w LEFT JOIN slots s ON s.id = w.slot_id
    LEFT JOIN users u ON u.id = w.user_id
    WHERE (w.event_id IS DISTINCT FROM s.event_id OR u.id IS NULL) AND ${ofTheirSlots("w.slot_id")}
    UNION ALL
    SELECT o.event_id, NULL, format('%s of %s', o.command_id, o.user_id)
    FROM outcomes o LEFT JOIN events e ON e.id = o.event_id LEFT JOIN users u ON u.id = o.user_id
    WHERE (e.id IS NULL OR o.user_id IS NOT NULL AND u.id IS NULL) AND ${ofEvents("o.event_id")}`,
} as const satisfies Record<string, string>;
