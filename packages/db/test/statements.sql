-- delete-accepted
DELETE FROM accepted_commands WHERE command_id = ANY ($1::text[]);

-- delete-slots
WITH gone AS (
    DELETE FROM slots WHERE id = ANY ($2::text[]) AND event_id = $1 AND NOT used AND last_seq = 0
      AND NOT EXISTS (SELECT FROM reservations r WHERE r.event_id = $1 AND r.slot_id = slots.id OFFSET 0)
    RETURNING id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM gone;

-- end-batch
WITH moved AS (
    UPDATE event_lanes SET logical_at = to_timestamp($14::float8 / 1000.0), next_seq = $2::bigint + cardinality($4::text[]),
      next_message = $15
    WHERE event_id = $1 AND fence = $16
  )
  INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, fingerprint, status, outcome,
    submitted_at, finished_at, seen_available, seen_waiting)
  SELECT u.command_id, $1, $2::bigint + u.nth - 1, u.type, u.user_id, u.idempotency_key, u.fingerprint, u.status,
    u.outcome::json, to_timestamp(u.submitted_at / 1000.0), to_timestamp($3::float8 / 1000.0), u.seen_available, u.seen_waiting
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    string_to_array($10::text, chr(30)), $11::float8[], $12::int[], $13::int[])
    WITH ORDINALITY
    AS u(command_id, type, user_id, idempotency_key, fingerprint, status, outcome, submitted_at, seen_available,
      seen_waiting, nth);

-- end-wind-down
UPDATE events SET winding_down = false WHERE id = $1;

-- find-owners
SELECT r.user_id FROM unnest($1::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT user_id FROM reservations WHERE id BETWEEN asked.id AND asked.id ORDER BY id LIMIT 1) r;

-- find-parked
SELECT e.id, e.event_id, e.slot_id FROM unnest($1::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT id, event_id, slot_id FROM waitlist_entries WHERE user_id = asked.id AND recheck_at IS NOT NULL OFFSET 0
  ) e;

-- find-strangers
SELECT asked.id FROM unnest($1::text[]) AS asked(id)
  WHERE NOT EXISTS (SELECT FROM users WHERE users.id = asked.id OFFSET 0);

-- hold-lane
SELECT fence, round(date_part('epoch', logical_at) * 1000) AS logical_at, next_seq, next_message,
  paused_at IS NOT NULL AS paused FROM event_lanes WHERE event_id = $1 AND fence = $2 FOR NO KEY UPDATE;

-- insert-deliveries
INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, next_attempt_at, created_at)
  SELECT u.id, u.endpoint_id, u.message_id, CASE WHEN u.missed THEN 'failed' ELSE 'pending' END,
    CASE WHEN NOT u.missed THEN to_timestamp($1::float8 / 1000.0) END, to_timestamp($1::float8 / 1000.0)
  FROM unnest($2::text[], $3::text[], $4::text[], $5::boolean[]) AS u(id, endpoint_id, message_id, missed);

-- insert-entries
WITH written AS (
    INSERT INTO waitlist_entries AS e (id, event_id, slot_id, user_id, quantity, status, seq, created_at, offered_at,
      ended_at, end_reason, recheck_at, last_passed_over)
    SELECT u.id, $1, u.slot_id, u.user_id, u.quantity, u.status, u.seq, to_timestamp(u.created_at / 1000.0), to_timestamp(u.offered_at / 1000.0),
      to_timestamp(u.ended_at / 1000.0), u.end_reason, to_timestamp(u.recheck_at / 1000.0), u.last_passed_over::json
    FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], $8::float8[], $9::float8[],
      $10::float8[], $11::text[], $12::float8[], $13::text[])
      AS u(id, slot_id, user_id, quantity, status, seq, created_at, offered_at, ended_at, end_reason, recheck_at,
        last_passed_over)
    RETURNING slot_id, seq, (e.status = 'waiting')::int AS waiting, (e.recheck_at IS NOT NULL)::int AS parked
  ), counted AS (
    UPDATE slots s SET waiting = s.waiting + d.waiting, parked = s.parked + d.parked, last_seq = d.last_seq,
      inventory = s.inventory + 1
    FROM (
      SELECT slot_id, sum(waiting)::int AS waiting, sum(parked)::int AS parked, max(seq) AS last_seq
      FROM written GROUP BY slot_id
    ) d WHERE s.event_id = $1 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ), stretched AS (
    INSERT INTO waitlist_stretches AS st (slot_id, stretch, waiting)
    SELECT slot_id, (seq - 1) / 512, sum(waiting)::int FROM written GROUP BY slot_id, (seq - 1) / 512
    ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = st.waiting + excluded.waiting
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written;

-- insert-messages
INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
  SELECT u.id, $1, $2::bigint + u.nth - 1, u.type, u.notice::json, to_timestamp($3::float8 / 1000.0)
  FROM unnest($4::text[], $5::text[], string_to_array($6::text, chr(30))) WITH ORDINALITY
    AS u(id, type, notice, nth);

-- insert-reservations
WITH written AS (
    INSERT INTO reservations AS r (id, event_id, slot_id, user_id, quantity, status, origin, payment_reference,
      expires_at, created_at, purchased_at, ended_at, end_reason, during, exclusive)
    SELECT u.id, $1, u.slot_id, u.user_id, u.quantity, u.status, u.origin, u.payment_reference,
      to_timestamp(u.expires_at / 1000.0), to_timestamp(u.created_at / 1000.0), to_timestamp(u.purchased_at / 1000.0), to_timestamp(u.ended_at / 1000.0), u.end_reason,
      tstzrange(s.starts_at, s.ends_at), $2
    FROM unnest($3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[], $10::float8[],
      $11::float8[], $12::float8[], $13::float8[], $14::text[])
      AS u(id, slot_id, user_id, quantity, status, origin, payment_reference, expires_at, created_at, purchased_at,
        ended_at, end_reason)
    JOIN slots s ON s.id = u.slot_id AND s.id = ANY ($4::text[]) AND s.event_id = $1
    RETURNING slot_id, CASE WHEN r.status = 'held' THEN r.quantity ELSE 0 END AS held, CASE WHEN r.status = 'purchased' THEN r.quantity ELSE 0 END AS purchased
  ), moved AS (
    UPDATE slots s SET held = s.held + d.held, purchased = s.purchased + d.purchased, inventory = s.inventory + 1, used = true
    FROM (SELECT slot_id, sum(held)::int AS held, sum(purchased)::int AS purchased FROM written GROUP BY slot_id) d
    WHERE s.event_id = $1 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ) SELECT expect_rows(count(*), cardinality($3::text[])) FROM written;

-- insert-slots
INSERT INTO slots (event_id, id, name, starts_at, ends_at, capacity)
  SELECT $1, u.id, u.name, to_timestamp(u.starts_at / 1000.0), to_timestamp(u.ends_at / 1000.0), u.capacity
  FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[], $6::int[])
    AS u(id, name, starts_at, ends_at, capacity);

-- load-claims
SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, round(date_part('epoch', r.expires_at) * 1000) AS expires_at,
    round(date_part('epoch', lower(r.during)) * 1000) AS starts_at, round(date_part('epoch', upper(r.during)) * 1000) AS ends_at, r.exclusive, round(date_part('epoch', r.ended_at) * 1000) AS ended_at
  FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT * FROM reservations WHERE user_id = asked.id AND status IN ('held', 'purchased')
    UNION ALL (
      SELECT * FROM reservations
      WHERE (user_id, ended_at) >= (asked.id, now() - interval '900000 milliseconds')
        AND (user_id, ended_at) <= (asked.id, 'infinity') AND status = 'expired' AND origin = 'public'
      ORDER BY user_id, ended_at
    )
    OFFSET 0
  ) r
  WHERE r.event_id = $1 OR r.status <> 'purchased' OR upper(r.during) > now()
  ORDER BY r.created_at, r.id;

-- load-details
SELECT name, description, venue, version, round(date_part('epoch', created_at) * 1000) AS "createdAt", round(date_part('epoch', updated_at) * 1000) AS "updatedAt"
  FROM events WHERE id = $1;

-- load-entries
SELECT e.id, e.event_id, e.slot_id, e.user_id, e.quantity, e.status, e.seq,
  round(date_part('epoch', e.created_at) * 1000) AS created_at, round(date_part('epoch', e.offered_at) * 1000) AS offered_at, round(date_part('epoch', e.ended_at) * 1000) AS ended_at, e.end_reason,
  round(date_part('epoch', e.recheck_at) * 1000) AS recheck_at, e.last_passed_over FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT * FROM waitlist_entries WHERE id BETWEEN asked.id AND asked.id ORDER BY id LIMIT 1) e WHERE e.event_id = $1;

-- load-event
SELECT round(date_part('epoch', clock_timestamp()) * 1000) AS now,
    EXISTS (SELECT FROM accepted_commands WHERE event_id = $1 OFFSET 0) AS promised, organizer_id, round(date_part('epoch', cancelled_at) * 1000) AS cancelled_at,
    round(date_part('epoch', sales_open_at) * 1000) AS sales_open_at, round(date_part('epoch', sales_close_at) * 1000) AS sales_close_at, sales_closed,
    hold_seconds, offer_seconds, max_per_order, max_per_user, overlap_policy, cancel_cutoff_seconds, waitlist
  FROM events WHERE id = $1;

-- load-keys
SELECT o.user_id, o.idempotency_key, o.command_id
  FROM unnest($1::text[], $2::text[]) AS asked(user_id, key)
  CROSS JOIN LATERAL (
    SELECT * FROM outcomes
    WHERE user_id = asked.user_id AND idempotency_key = asked.key AND idempotency_key IS NOT NULL OFFSET 0
  ) o;

-- load-left-entries
SELECT e.id, e.event_id, e.slot_id, e.user_id, e.quantity, e.status, e.seq,
  round(date_part('epoch', e.created_at) * 1000) AS created_at, round(date_part('epoch', e.offered_at) * 1000) AS offered_at, round(date_part('epoch', e.ended_at) * 1000) AS ended_at, e.end_reason,
  round(date_part('epoch', e.recheck_at) * 1000) AS recheck_at, e.last_passed_over
  FROM (
    SELECT s.*, v.cancelled_at IS NOT NULL
      OR clock_timestamp() >= s.starts_at - (v.waitlist ->> 'closesBeforeSeconds')::int * interval '1 second' AS closed
    FROM events v CROSS JOIN LATERAL (SELECT * FROM slots WHERE event_id = v.id OFFSET 0) s
    WHERE v.id = $1 AND s.waiting > 0
  ) s
  CROSS JOIN LATERAL (
    (SELECT * FROM waitlist_entries WHERE s.closed AND slot_id = s.id AND status = 'waiting' LIMIT $2)
    UNION ALL
    (SELECT * FROM waitlist_entries
      WHERE NOT s.closed AND slot_id = s.id AND status = 'waiting' AND quantity > s.capacity LIMIT $2)
  ) e LIMIT $2;

-- load-left-reservations
SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, round(date_part('epoch', r.expires_at) * 1000) AS expires_at, round(date_part('epoch', r.created_at) * 1000) AS created_at,
  round(date_part('epoch', r.purchased_at) * 1000) AS purchased_at, round(date_part('epoch', r.ended_at) * 1000) AS ended_at, r.end_reason FROM reservations r
    WHERE r.event_id = $1 AND (r.created_at, r.id) > (to_timestamp($2::float8 / 1000.0), $3) AND r.status NOT IN ('expired', 'cancelled')
      AND EXISTS (SELECT FROM events WHERE id = $1 AND cancelled_at IS NOT NULL)
    ORDER BY r.created_at, r.id LIMIT $4;

-- load-lines
SELECT e.id, e.event_id, e.slot_id, e.user_id, e.quantity, e.status, e.seq,
  round(date_part('epoch', e.created_at) * 1000) AS created_at, round(date_part('epoch', e.offered_at) * 1000) AS offered_at, round(date_part('epoch', e.ended_at) * 1000) AS ended_at, e.end_reason,
  round(date_part('epoch', e.recheck_at) * 1000) AS recheck_at, e.last_passed_over FROM unnest($1::text[], $2::int[]) AS asked(slot_id, after)
  CROSS JOIN LATERAL (
    (SELECT * FROM waitlist_entries WHERE slot_id = asked.slot_id AND status = 'waiting' AND recheck_at IS NULL
      ORDER BY seq LIMIT 1)
    UNION ALL
    (SELECT * FROM waitlist_entries WHERE slot_id = asked.slot_id AND status = 'waiting' AND recheck_at IS NULL
      AND seq > asked.after ORDER BY seq LIMIT $3)
    UNION ALL
    (SELECT w.* FROM unnest($4::text[]) AS parked(id)
      CROSS JOIN LATERAL (SELECT * FROM waitlist_entries WHERE id BETWEEN parked.id AND parked.id ORDER BY id LIMIT 1) w
      WHERE w.slot_id = asked.slot_id AND w.status = 'waiting' AND w.recheck_at IS NOT NULL)
  ) e;

-- load-live-entries
SELECT e.id, e.event_id, e.slot_id, e.user_id, e.quantity, e.status, e.seq,
  round(date_part('epoch', e.created_at) * 1000) AS created_at, round(date_part('epoch', e.offered_at) * 1000) AS offered_at, round(date_part('epoch', e.ended_at) * 1000) AS ended_at, e.end_reason,
  round(date_part('epoch', e.recheck_at) * 1000) AS recheck_at, e.last_passed_over FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT * FROM waitlist_entries WHERE user_id = asked.id AND status IN ('waiting', 'offered') OFFSET 0
  ) e WHERE e.event_id = $1;

-- load-outcomes
SELECT command_id, outcome FROM outcomes WHERE command_id = ANY ($1::text[]);

-- load-reservations
SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, round(date_part('epoch', r.expires_at) * 1000) AS expires_at, round(date_part('epoch', r.created_at) * 1000) AS created_at,
  round(date_part('epoch', r.purchased_at) * 1000) AS purchased_at, round(date_part('epoch', r.ended_at) * 1000) AS ended_at, r.end_reason, r.status = 'held' AND EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at OFFSET 0
  ) AS awaiting_purchase
  FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT * FROM reservations WHERE id BETWEEN asked.id AND asked.id ORDER BY id LIMIT 1) r WHERE r.event_id = $1;

-- load-slots
SELECT id, name, round(date_part('epoch', starts_at) * 1000) AS starts_at, round(date_part('epoch', ends_at) * 1000) AS ends_at, capacity, held,
  purchased, used, waiting, parked, last_seq, passers, collecting_for, round(date_part('epoch', collecting_until) * 1000) AS collecting_until,
  round(date_part('epoch', promote_at) * 1000) AS promote_at, CASE
      WHEN $3 > 0 AND (id = ANY ($2::text[]) OR cardinality($2::text[]) = 0)
        AND (capacity - held - purchased < $3 OR waiting > parked)
      THEN (
        SELECT round(date_part('epoch', r.expires_at) * 1000) FROM reservations r
        WHERE (r.slot_id, r.expires_at) >= (s.id, '-infinity') AND (r.slot_id, r.expires_at) <= (s.id, 'infinity')
          AND r.status = 'held'
          AND r.expires_at > clock_timestamp() - interval '500 milliseconds' AND r.id <> ALL ($4::text[])
        ORDER BY r.slot_id, r.expires_at LIMIT 1
      )
    END AS earliest_release
  FROM slots s WHERE event_id = $1 ORDER BY starts_at, id;

-- load-stamps
SELECT command_id, round(date_part('epoch', submitted_at) * 1000) AS submitted_at FROM accepted_commands
  WHERE command_id = ANY ($1::text[]);

-- load-subscribers
WITH anybody AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM webhook_endpoints WHERE status <> 'unverified'
        AND (status = 'active' OR failed_at > now() - interval '30 days') AND owner_id > '' OFFSET 0) AS others
  )
  SELECT anybody.others, heard.* FROM anybody LEFT JOIN (
    SELECT w.id, w.owner_id AS "ownerId", w.types, w.failing_since IS NOT NULL AS troubled,
      w.status = 'disabled' AS disabled,
      u.role = 'admin' OR (u.role = 'organizer' AND w.owner_id = e.organizer_id) AS "hearsAll"
    FROM (SELECT organizer_id FROM events WHERE id = $2) e
    CROSS JOIN LATERAL (
      SELECT * FROM webhook_endpoints
      WHERE status <> 'unverified'
        AND (status = 'active' OR failed_at > now() - interval '30 days')
        AND owner_id = ANY ($1::text[] || e.organizer_id || ARRAY(SELECT id FROM users WHERE role = 'admin')) OFFSET 0
    ) w
    CROSS JOIN LATERAL (SELECT role FROM users WHERE id = w.owner_id AND disabled_at IS NULL OFFSET 0) u
    WHERE (SELECT others FROM anybody)
  ) heard ON true;

-- lock-users-and-load-due
WITH due AS MATERIALIZED (
    SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, round(date_part('epoch', r.expires_at) * 1000) AS expires_at, round(date_part('epoch', r.created_at) * 1000) AS created_at,
  round(date_part('epoch', r.purchased_at) * 1000) AS purchased_at, round(date_part('epoch', r.ended_at) * 1000) AS ended_at, r.end_reason
    FROM slots s CROSS JOIN LATERAL (
      SELECT r.* FROM reservations r
      WHERE r.status = 'held' AND r.slot_id BETWEEN s.id AND s.id
        AND r.expires_at <= (
          SELECT greatest(least(to_timestamp($2::float8 / 1000.0), clock_timestamp()), logical_at)
            - interval '500 milliseconds'
          FROM event_lanes WHERE event_id = $1
        )
        AND NOT EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at OFFSET 0
  )
      ORDER BY r.slot_id, r.expires_at LIMIT $4
    ) r
    WHERE s.event_id = $1 ORDER BY r.expires_at LIMIT $4
  ), locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(key) FROM (
      SELECT DISTINCT hashtextextended(user_id, 0) AS key
      FROM (SELECT unnest($3::text[]) AS user_id UNION ALL SELECT user_id FROM due) concerned
      ORDER BY key
    ) sorted
  )
  SELECT (SELECT count(*) FROM locked)::int AS locks, due.* FROM (SELECT) one LEFT JOIN due ON true;

-- recheck-limited
UPDATE waitlist_entries e SET recheck_at = to_timestamp($3::float8 / 1000.0)
  FROM (
    SELECT w.ctid FROM slots s CROSS JOIN LATERAL (
      SELECT ctid, recheck_at, last_passed_over FROM waitlist_entries WHERE slot_id = s.id AND status = 'waiting' OFFSET 0
    ) w
    WHERE s.event_id = $1 AND s.parked > 0 AND w.recheck_at > to_timestamp($3::float8 / 1000.0)
      AND w.last_passed_over ->> 'limit' = $2 LIMIT 10000
  ) AS place WHERE e.ctid = place.ctid RETURNING e.id, e.event_id, e.slot_id;

-- take-lane
UPDATE event_lanes SET fence = fence + 1, owner = $2
  WHERE event_id = $1 AND (fence = $3 OR owner = $2) RETURNING fence, round(date_part('epoch', logical_at) * 1000) AS logical_at, next_seq, next_message,
  paused_at IS NOT NULL AS paused;

-- update-entries
WITH written AS (
    UPDATE waitlist_entries e SET status = u.status, offered_at = coalesce(to_timestamp(u.offered_at / 1000.0), e.offered_at),
      ended_at = to_timestamp(u.ended_at / 1000.0), end_reason = u.end_reason, recheck_at = to_timestamp(u.recheck_at / 1000.0),
      last_passed_over = coalesce(u.last_passed_over::json, e.last_passed_over)
    FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::float8[], $8::text[])
      AS u(id, before, status, offered_at, ended_at, end_reason, recheck_at, last_passed_over)
      CROSS JOIN LATERAL (
        SELECT ctid, event_id, status FROM waitlist_entries WHERE id BETWEEN u.id AND u.id ORDER BY id LIMIT 1
      ) AS place
    WHERE e.ctid = place.ctid AND place.event_id = $9 AND place.status = u.before
    RETURNING new.slot_id, new.seq, (new.status = 'waiting')::int - (old.status = 'waiting')::int AS waiting, (new.recheck_at IS NOT NULL)::int - (old.recheck_at IS NOT NULL)::int AS parked
  ), counted AS (
    UPDATE slots s SET waiting = s.waiting + d.waiting, parked = s.parked + d.parked, inventory = s.inventory + 1
    FROM (
      SELECT slot_id, sum(waiting)::int AS waiting, sum(parked)::int AS parked FROM written GROUP BY slot_id
      HAVING sum(waiting) <> 0 OR sum(parked) <> 0
    ) d WHERE s.event_id = $9 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ), stretched AS (
    UPDATE waitlist_stretches st SET waiting = st.waiting + d.waiting
    FROM (
      SELECT slot_id, (seq - 1) / 512 AS stretch, sum(waiting)::int AS waiting FROM written GROUP BY slot_id, (seq - 1) / 512
    ) d CROSS JOIN LATERAL (
      SELECT ctid FROM waitlist_stretches WHERE slot_id = d.slot_id AND stretch = d.stretch OFFSET 0
    ) AS place
    WHERE st.ctid = place.ctid AND d.waiting <> 0
  ) SELECT expect_rows(count(*), cardinality($1::text[])) FROM written;

-- update-event
UPDATE events e SET name = $2, description = $3, venue = $4, sales_open_at = to_timestamp($5::float8 / 1000.0),
    sales_close_at = to_timestamp($6::float8 / 1000.0), sales_closed = $7, hold_seconds = $8, offer_seconds = $9,
    max_per_order = $10, max_per_user = $11, overlap_policy = $12, cancel_cutoff_seconds = $13, waitlist = $14,
    winding_down = e.winding_down OR (e.cancelled_at IS NULL AND $15::float8 IS NOT NULL),
    cancelled_at = to_timestamp($15::float8 / 1000.0), version = $16, updated_at = to_timestamp($17::float8 / 1000.0),
    starts_at = s.starts_at, ends_at = s.ends_at
  FROM (SELECT min(starts_at) AS starts_at, max(ends_at) AS ends_at FROM slots WHERE event_id = $1) s
  WHERE e.id = $1;

-- update-lines
WITH written AS (
    UPDATE slots s SET passers = string_to_array(u.passers, ' ')::int[], collecting_for = u.collecting_for,
      collecting_until = to_timestamp(u.collecting_until / 1000.0), promote_at = to_timestamp(u.promote_at / 1000.0)
    FROM unnest($2::text[], $3::text[], $4::int[], $5::float8[], $6::float8[])
      AS u(id, passers, collecting_for, collecting_until, promote_at)
    WHERE s.id = u.id AND s.id = ANY ($2::text[]) AND s.event_id = $1 RETURNING s.id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written;

-- update-reservations
WITH written AS (
    UPDATE reservations r SET status = u.status, payment_reference = u.payment_reference,
      expires_at = to_timestamp(u.expires_at / 1000.0), purchased_at = to_timestamp(u.purchased_at / 1000.0),
      ended_at = to_timestamp(u.ended_at / 1000.0), end_reason = u.end_reason
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[], $8::text[])
      AS u(id, before, status, payment_reference, expires_at, purchased_at, ended_at, end_reason)
      CROSS JOIN LATERAL (
        SELECT ctid, event_id, status FROM reservations WHERE id BETWEEN u.id AND u.id ORDER BY id LIMIT 1
      ) AS place
    WHERE r.ctid = place.ctid AND place.event_id = $9 AND place.status = u.before
    RETURNING new.slot_id,
      CASE WHEN new.status = 'held' THEN new.quantity ELSE 0 END - CASE WHEN old.status = 'held' THEN old.quantity ELSE 0 END AS held,
      CASE WHEN new.status = 'purchased' THEN new.quantity ELSE 0 END - CASE WHEN old.status = 'purchased' THEN old.quantity ELSE 0 END AS purchased
  ), moved AS (
    UPDATE slots s SET held = s.held + d.held, purchased = s.purchased + d.purchased, inventory = s.inventory + 1
    FROM (SELECT slot_id, sum(held)::int AS held, sum(purchased)::int AS purchased FROM written GROUP BY slot_id) d
    WHERE s.event_id = $9 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ) SELECT expect_rows(count(*), cardinality($1::text[])) FROM written;

-- update-slots
WITH written AS (
    UPDATE slots s SET name = u.name, starts_at = to_timestamp(u.starts_at / 1000.0), ends_at = to_timestamp(u.ends_at / 1000.0),
      capacity = u.capacity, inventory = s.inventory + 1
    FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[], $6::int[])
      AS u(id, name, starts_at, ends_at, capacity)
    WHERE s.id = u.id AND s.id = ANY ($2::text[]) AND s.event_id = $1 RETURNING s.id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written;
