-- B1's rules: what `decide` answers to a reserve, in the same order, as one function. What need not be locked comes
-- first; then the rows that everybody wants, slot and lane.
CREATE SCHEMA IF NOT EXISTS bench;

CREATE OR REPLACE FUNCTION bench.epoch_ms(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE
  RETURN round(date_part('epoch', at) * 1000)::bigint;

-- While somebody eligible waits, the public gets none.
CREATE OR REPLACE FUNCTION bench.available(
  free int, waiting int, parked int, closed timestamptz, now timestamptz
) RETURNS int LANGUAGE sql IMMUTABLE
  RETURN CASE WHEN waiting > parked AND now < closed THEN 0 ELSE free END;

CREATE OR REPLACE FUNCTION bench.reserve(
  command text, made text, event text, asker text, at_ms float8, key text, print text, wanted_slot text, tickets int,
  OUT outcome json, OUT replayed boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  accepted timestamptz;
  now timestamptz;
  e record;
  s record;
  c record;
  cooled timestamptz;
  refusal json;
  closed timestamptz; -- when the slot's waitlist closes
  seen_available int;
  seen_waiting int;
  key_kept text := key;
  expires timestamptz;
BEGIN
  -- Limits and overlaps span events: whoever decides about a user holds the user's lock. Then a new snapshot.
  PERFORM pg_advisory_xact_lock(hashtextextended(asker, 0));
  replayed := false;
  IF NOT EXISTS (SELECT FROM users WHERE id = asker) THEN
    RETURN; -- without an outcome: the sender is not there
  END IF;
  IF key IS NOT NULL THEN
    SELECT o.outcome INTO outcome FROM outcomes o WHERE o.command_id = command;
    IF FOUND THEN
      replayed := true;
      RETURN;
    END IF;
    IF EXISTS (SELECT FROM outcomes o WHERE o.user_id = asker AND o.idempotency_key = key) THEN
      refusal := '{"code": "idempotency-key-reused"}';
      key_kept := NULL;
    END IF;
  END IF;

  now := date_trunc('milliseconds', clock_timestamp());
  accepted := least(to_timestamp(at_ms / 1000.0), now);
  SELECT v.*, n.slots, n.last_starts_at INTO e
  FROM events v CROSS JOIN LATERAL (
    SELECT count(*) AS slots, max(starts_at) AS last_starts_at FROM slots WHERE event_id = v.id
  ) n WHERE v.id = event;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no event %', event;
  END IF;
  SELECT * INTO s FROM slots
  WHERE event_id = event AND (id = wanted_slot OR wanted_slot IS NULL AND e.slots = 1);
  closed := s.starts_at - make_interval(secs => (e.waitlist ->> 'closesBeforeSeconds')::int);
  seen_waiting := s.waiting - s.parked;
  seen_available := bench.available(s.capacity - s.held - s.purchased, s.waiting, s.parked, closed, now);

  IF refusal IS NOT NULL THEN NULL;
  ELSIF e.cancelled_at IS NOT NULL THEN refusal := '{"code": "event-cancelled"}';
  ELSIF coalesce(e.last_starts_at <= now, true) THEN refusal := '{"code": "event-over"}';
  ELSIF accepted < e.sales_open_at THEN
    refusal := json_build_object('code', 'sales-not-open', 'salesOpenAt', bench.epoch_ms(e.sales_open_at));
  ELSIF e.sales_closed OR accepted >= e.sales_close_at THEN refusal := '{"code": "sales-closed"}';
  ELSIF wanted_slot IS NULL AND e.slots > 1 THEN refusal := '{"code": "slot-required"}';
  ELSIF s.id IS NULL THEN refusal := '{"code": "not-found", "pointer": "/slotId"}';
  ELSIF s.starts_at <= now THEN refusal := '{"code": "event-over"}';
  ELSIF tickets > e.max_per_order THEN refusal := '{"code": "limit-exceeded", "limit": "order"}';
  ELSIF tickets > s.capacity THEN refusal := '{"code": "limit-exceeded", "limit": "capacity"}';
  ELSIF tickets > e.max_per_user
    OR EXISTS (SELECT FROM reservations WHERE user_id = asker AND status IN ('held', 'purchased'))
    OR EXISTS (SELECT FROM reservations WHERE user_id = asker AND status = 'expired' AND origin = 'public'
      AND ended_at > now - interval '5 minutes')
  THEN
    SELECT min(r.id) FILTER (WHERE r.slot_id = s.id) AS here,
      coalesce(sum(r.quantity) FILTER (WHERE r.event_id = event), 0) AS of_event,
      count(*) FILTER (WHERE r.status = 'held' AND r.expires_at > now) AS live_holds,
      (array_agg(r.id ORDER BY r.status = 'held', lower(r.during), r.created_at, r.id)
        FILTER (WHERE r.exclusive AND r.during && tstzrange(s.starts_at, s.ends_at)))[1] AS clash,
      bool_or(r.status = 'purchased') FILTER (WHERE r.exclusive AND r.during && tstzrange(s.starts_at, s.ends_at))
        AS clash_bought
    INTO c FROM reservations r WHERE r.user_id = asker AND r.status IN ('held', 'purchased');
    -- The last of five holds that ended unpaid within ten minutes.
    SELECT max(ended_at) + interval '5 minutes' INTO cooled FROM (
      SELECT ended_at, lead(ended_at, 4) OVER (ORDER BY ended_at DESC) AS first_of_five FROM reservations
      WHERE user_id = asker AND status = 'expired' AND origin = 'public' AND ended_at > now - interval '15 minutes'
    ) lapsed WHERE ended_at - first_of_five <= interval '10 minutes';
    refusal := CASE
      WHEN c.here IS NOT NULL THEN json_build_object('code', 'already-reserved', 'reservationId', c.here)
      WHEN c.of_event + tickets > e.max_per_user THEN '{"code": "limit-exceeded", "limit": "user"}'::json
      WHEN c.live_holds >= 20 THEN '{"code": "limit-exceeded", "limit": "holds"}'
      WHEN now < cooled THEN
        json_build_object('code', 'limit-exceeded', 'limit', 'cooldown', 'retryAt', bench.epoch_ms(cooled))
      WHEN e.overlap_policy = 'refuse' AND c.clash IS NOT NULL THEN
        json_build_object('code', 'overlap', 'reservationId', c.clash, 'retryable', NOT c.clash_bought)
    END;
  END IF;

  IF refusal IS NULL THEN
    UPDATE slots SET held = held + tickets, inventory = inventory + 1, used = true
    WHERE id = s.id AND bench.available(capacity - held - purchased, waiting, parked, closed, now) >= tickets
    RETURNING old.capacity - old.held - old.purchased, old.waiting - old.parked INTO seen_available, seen_waiting;
    IF FOUND THEN
      expires := least(to_timestamp(ceil(date_part('epoch', now + make_interval(secs => e.hold_seconds)))), s.starts_at);
      INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        during, exclusive)
      VALUES (made, event, s.id, asker, tickets, 'held', 'public', expires, now, tstzrange(s.starts_at, s.ends_at),
        e.overlap_policy = 'refuse');
      outcome := json_build_object('status', 'succeeded', 'reservation', json_build_object(
        'id', made, 'eventId', event, 'slotId', s.id, 'userId', asker, 'quantity', tickets, 'status', 'held',
        'origin', 'public', 'paymentReference', NULL, 'expiresAt', bench.epoch_ms(expires),
        'createdAt', bench.epoch_ms(now), 'purchasedAt', NULL, 'endedAt', NULL, 'endReason', NULL));
    ELSE
      SELECT CASE WHEN capacity - purchased < tickets THEN '{"code": "sold-out"}' ELSE
          json_build_object('code', 'all-held', 'earliestReleaseAt', (
            SELECT bench.epoch_ms(min(expires_at)) FROM reservations WHERE slot_id = s.id AND status = 'held'
          )) END,
        bench.available(capacity - held - purchased, waiting, parked, closed, now), waiting - parked
      INTO refusal, seen_available, seen_waiting FROM slots WHERE id = s.id;
    END IF;
  END IF;
  IF refusal IS NOT NULL THEN
    outcome := json_build_object('status', 'rejected', 'refusal', refusal);
  END IF;

  WITH lane AS (
    UPDATE event_lanes SET next_seq = next_seq + 1, logical_at = greatest(logical_at, accepted)
    WHERE event_id = event RETURNING old.next_seq
  )
  INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, fingerprint, status, outcome,
    submitted_at, finished_at, seen_available, seen_waiting)
  SELECT command, event, lane.next_seq, 'reserve', asker, key_kept, print, CASE WHEN refusal IS NULL THEN 'succeeded' ELSE 'rejected' END, outcome,
    to_timestamp(at_ms / 1000.0), clock_timestamp(), seen_available, seen_waiting
  FROM lane;
END
$$;
