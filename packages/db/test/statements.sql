-- delete-accepted
DELETE FROM accepted_commands WHERE command_id = ANY ($1::text[]);

-- find-strangers
SELECT asked.id FROM unnest($1::text[]) AS asked(id)
  WHERE NOT EXISTS (SELECT FROM users WHERE users.id = asked.id OFFSET 0);

-- hold-lane
SELECT fence, round(date_part('epoch', logical_at) * 1000) AS logical_at, next_seq, paused_at IS NOT NULL AS paused FROM event_lanes WHERE event_id = $1 AND fence = $2 FOR NO KEY UPDATE;

-- insert-outcomes
INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, fingerprint, status, outcome,
    submitted_at, finished_at)
  SELECT u.command_id, $1, $2::bigint + u.nth - 1, u.type, u.user_id, u.idempotency_key, u.fingerprint, u.status,
    u.outcome::json, to_timestamp(u.submitted_at / 1000.0), to_timestamp($3::float8 / 1000.0)
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    string_to_array($10::text, chr(30)), $11::float8[])
    WITH ORDINALITY
    AS u(command_id, type, user_id, idempotency_key, fingerprint, status, outcome, submitted_at, nth);

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
    UPDATE slots s SET held = s.held + d.held, purchased = s.purchased + d.purchased, inventory = s.inventory + 1
    FROM (SELECT slot_id, sum(held)::int AS held, sum(purchased)::int AS purchased FROM written GROUP BY slot_id) d
    WHERE s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ) SELECT expect_rows(count(*), cardinality($3::text[])) FROM written;

-- load-claims
SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, round(date_part('epoch', r.expires_at) * 1000) AS expires_at,
    round(date_part('epoch', lower(r.during)) * 1000) AS starts_at, round(date_part('epoch', upper(r.during)) * 1000) AS ends_at, r.exclusive
  FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT * FROM reservations WHERE user_id = asked.id AND status IN ('held', 'purchased') OFFSET 0
  ) r
  WHERE r.event_id = $1 OR r.status = 'held' OR upper(r.during) > now()
  ORDER BY r.created_at, r.id;

-- load-event
SELECT round(date_part('epoch', clock_timestamp()) * 1000) AS now,
    EXISTS (SELECT FROM accepted_commands WHERE event_id = $1 OFFSET 0) AS promised, organizer_id, round(date_part('epoch', cancelled_at) * 1000) AS cancelled_at,
    round(date_part('epoch', sales_open_at) * 1000) AS sales_open_at, round(date_part('epoch', sales_close_at) * 1000) AS sales_close_at, sales_closed,
    hold_seconds, max_per_order, max_per_user, overlap_policy, cancel_cutoff_seconds
  FROM events WHERE id = $1;

-- load-keys
SELECT o.user_id, o.idempotency_key, o.command_id
  FROM unnest($1::text[], $2::text[]) AS asked(user_id, key)
  CROSS JOIN LATERAL (
    SELECT * FROM outcomes
    WHERE user_id = asked.user_id AND idempotency_key = asked.key AND idempotency_key IS NOT NULL OFFSET 0
  ) o;

-- load-outcomes
SELECT command_id, outcome FROM outcomes WHERE command_id = ANY ($1::text[]);

-- load-releases
SELECT s.id, round(date_part('epoch', h.expires_at) * 1000) AS expires_at
  FROM slots s CROSS JOIN LATERAL (
    SELECT r.expires_at FROM reservations r
    WHERE (r.slot_id, r.expires_at) >= (s.id, '-infinity') AND (r.slot_id, r.expires_at) <= (s.id, 'infinity')
      AND r.status = 'held'
      AND r.expires_at > clock_timestamp() - interval '500 milliseconds' AND r.id <> ALL ($4::text[])
    ORDER BY r.slot_id, r.expires_at LIMIT 1
  ) h
  WHERE s.event_id = $1 AND (s.id = ANY ($2::text[]) OR cardinality($2::text[]) = 0)
    AND s.capacity - s.held - s.purchased < $3;

-- load-reservations
SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, round(date_part('epoch', r.expires_at) * 1000) AS expires_at, round(date_part('epoch', r.created_at) * 1000) AS created_at,
  round(date_part('epoch', r.purchased_at) * 1000) AS purchased_at, round(date_part('epoch', r.ended_at) * 1000) AS ended_at, r.end_reason, r.status = 'held' AND EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at OFFSET 0
  ) AS awaiting_purchase
  FROM reservations r WHERE r.id = ANY ($2::text[]) AND r.event_id = $1;

-- load-slots
SELECT id, round(date_part('epoch', starts_at) * 1000) AS starts_at, round(date_part('epoch', ends_at) * 1000) AS ends_at, capacity, held, purchased
  FROM slots WHERE event_id = $1 ORDER BY starts_at, id;

-- load-stamps
SELECT command_id, round(date_part('epoch', submitted_at) * 1000) AS submitted_at FROM accepted_commands
  WHERE command_id = ANY ($1::text[]);

-- lock-users-and-load-due
WITH due AS MATERIALIZED (
    SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, round(date_part('epoch', r.expires_at) * 1000) AS expires_at, round(date_part('epoch', r.created_at) * 1000) AS created_at,
  round(date_part('epoch', r.purchased_at) * 1000) AS purchased_at, round(date_part('epoch', r.ended_at) * 1000) AS ended_at, r.end_reason FROM reservations r
    WHERE r.event_id = $1 AND r.status = 'held'
      AND r.expires_at <= (
        SELECT greatest(least(to_timestamp($2::float8 / 1000.0), clock_timestamp()), logical_at)
          - interval '500 milliseconds'
        FROM event_lanes WHERE event_id = $1
      )
      AND NOT EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at OFFSET 0
  )
    ORDER BY r.expires_at LIMIT $4
  ), locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(key) FROM (
      SELECT DISTINCT hashtextextended(user_id, 0) AS key
      FROM (SELECT unnest($3::text[]) AS user_id UNION ALL SELECT user_id FROM due) concerned
      ORDER BY key
    ) sorted
  )
  SELECT (SELECT count(*) FROM locked)::int AS locks, due.* FROM (SELECT) one LEFT JOIN due ON true;

-- move-lane
UPDATE event_lanes SET logical_at = to_timestamp($3::float8 / 1000.0), next_seq = $4 WHERE event_id = $1 AND fence = $2;

-- take-lane
UPDATE event_lanes SET fence = fence + 1, owner = $2
  WHERE event_id = $1 AND (fence = $3 OR owner = $2) RETURNING fence, round(date_part('epoch', logical_at) * 1000) AS logical_at, next_seq, paused_at IS NOT NULL AS paused;

-- update-reservations
WITH written AS (
    UPDATE reservations r SET status = u.status, payment_reference = u.payment_reference,
      expires_at = to_timestamp(u.expires_at / 1000.0), purchased_at = to_timestamp(u.purchased_at / 1000.0),
      ended_at = to_timestamp(u.ended_at / 1000.0), end_reason = u.end_reason
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[], $8::text[])
      AS u(id, before, status, payment_reference, expires_at, purchased_at, ended_at, end_reason)
      CROSS JOIN LATERAL (
        SELECT ctid FROM reservations WHERE event_id = $9 AND id = u.id AND status = u.before OFFSET 0
      ) AS place
    WHERE r.ctid = place.ctid
    RETURNING new.slot_id,
      CASE WHEN new.status = 'held' THEN new.quantity ELSE 0 END - CASE WHEN old.status = 'held' THEN old.quantity ELSE 0 END AS held,
      CASE WHEN new.status = 'purchased' THEN new.quantity ELSE 0 END - CASE WHEN old.status = 'purchased' THEN old.quantity ELSE 0 END AS purchased
  ), moved AS (
    UPDATE slots s SET held = s.held + d.held, purchased = s.purchased + d.purchased, inventory = s.inventory + 1
    FROM (SELECT slot_id, sum(held)::int AS held, sum(purchased)::int AS purchased FROM written GROUP BY slot_id) d
    WHERE s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ) SELECT expect_rows(count(*), cardinality($1::text[])) FROM written;
