// A calendar for a row's template: events of some years in one statement, nine of ten past, with words to search for.
import type pg from "pg";
import { inBulk } from "./bulk.ts";

/** What can be searched for, and how often it is there: the same share of any number of events, or the same number. */
export const WORDS = {
  /** In the names of half of all. */
  common: "night",
  /** In one description of 250. */
  seldom: "theremin",
  /** Ten of all. */
  rare: "zwiefacher",
  absent: "xylotomy",
  /** In nearly all, and in ten. */
  shortCommon: "a",
  shortRare: "q7",
} as const;

/** Events that have the rare words. */
export const RARE_EVENTS = 10;
/** Days over which past events are spread, and coming ones. */
const PAST_DAYS = 1_095;
const COMING_DAYS = 120;

/**
 * Most last three hours, some two days, a few thirty days. Ids are made out of numbers, so that a script knows them.
 * $1 how many · $2 how many of them have the rare words
 */
const INSERT_EVENTS = `
  WITH organizer AS (
    INSERT INTO users (id, email, name, role, password_hash)
    VALUES ('usr_0' || left(md5('organizer'), 25), 'organizer@example.com', 'Somebody', 'organizer', 'none') RETURNING id
  ), given AS (
    SELECT n, '0' || left(md5('event ' || n), 25) AS suffix,
      CASE WHEN n % 10 = 0 THEN make_interval(secs => n * ${COMING_DAYS * 86_400}.0 / $1)
        ELSE make_interval(secs => -n * ${PAST_DAYS * 86_400}.0 / $1) END AS away,
      CASE WHEN n % 50 = 0 THEN interval '30 days' WHEN n % 12 = 0 THEN interval '2 days' ELSE interval '3 hours' END
        AS lasting
    FROM generate_series(1, $1::int) n
  ), made AS (
    SELECT *, date_trunc('minute', now()) + away AS starts_at, date_trunc('minute', now()) + away + lasting AS ends_at
    FROM given
  ), events_made AS (
    INSERT INTO events (id, organizer_id, name, description, venue, hold_seconds, offer_seconds, max_per_order,
      max_per_user, overlap_policy, cancel_cutoff_seconds, waitlist, starts_at, ends_at)
    SELECT 'evt_' || suffix, organizer.id,
      (ARRAY['Blues', 'Chamber music', 'Comedy', 'Dance', 'Folk', 'Jazz', 'Opera', 'Poetry', 'Puppets', 'Theatre'])
        [1 + n / 3 % 10] || ' ' || CASE WHEN n / 10 % 2 = 0 THEN 'night' ELSE 'matinee' END || ' ' || n
        || CASE WHEN n % ($1 / $2) = 10 THEN ' Zwiefacher Q7' ELSE '' END,
      'An evening with ' || (ARRAY['friends', 'strangers', 'masters', 'students', 'an orchestra'])[1 + n / 7 % 5]
        || CASE WHEN n / 10 % 250 = 3 THEN ' and a theremin' ELSE '' END || '. Doors open an hour before.',
      (ARRAY['Town hall', 'Old mill', 'Harbour stage', 'Lime grove', 'Studio'])[1 + n / 11 % 5] || ' ' || n % 97,
      300, 900, 10, 10, 'refuse', 0, '{"enabled": false, "mode": "skip", "maxSkips": 5, "collectSeconds": 900,
        "maxEntries": 100000, "closesBeforeSeconds": 0}', starts_at, ends_at
    FROM made, organizer
  ), lanes_made AS (
    INSERT INTO event_lanes (event_id) SELECT 'evt_' || suffix FROM made
  )
  INSERT INTO slots (id, event_id, starts_at, ends_at, capacity)
  SELECT 'slt_' || suffix, 'evt_' || suffix, starts_at, ends_at, 100 FROM made`;

/** So many events, at least as many as have the rare words. */
export async function createCalendar(pool: pg.Pool, count: number): Promise<void> {
  await inBulk(pool, ["users", "events", "event_lanes", "slots"], async (tx) => {
    await tx.query(INSERT_EVENTS, [count, RARE_EVENTS]);
  });
}
