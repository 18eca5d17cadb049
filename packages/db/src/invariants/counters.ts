// What is kept of rows beside the rows: counters of tickets and waiters, which `repair` can rebuild.
import { STRETCH_ENTRIES } from "../waitlist.ts";
import { ofEvents, ofTheirSlots } from "./examined.ts";

/** Each slot with what its counters should be. What a statement does not ask of it is not read. */
export const SLOTS_BY_ROWS = `(
    SELECT s.*, coalesce(r.held, 0)::int AS rows_held, coalesce(r.purchased, 0)::int AS rows_purchased,
      coalesce(w.waiting, 0)::int AS rows_waiting, coalesce(w.parked, 0)::int AS rows_parked,
      coalesce(w.greatest_seq, 0)::int AS greatest_seq
    FROM slots s
    LEFT JOIN (
      SELECT slot_id, sum(quantity) FILTER (WHERE status = 'held') AS held,
        sum(quantity) FILTER (WHERE status = 'purchased') AS purchased
      FROM reservations WHERE status IN ('held', 'purchased') AND ${ofEvents("event_id")} GROUP BY slot_id
    ) r ON r.slot_id = s.id
    LEFT JOIN (
      SELECT slot_id, count(*) FILTER (WHERE status = 'waiting') AS waiting, count(recheck_at) AS parked,
        max(seq) AS greatest_seq
      FROM waitlist_entries WHERE ${ofTheirSlots("slot_id")} GROUP BY slot_id
    ) w ON w.slot_id = s.id
    WHERE ${ofEvents("s.event_id")}
  )`;

/** Each stretch with how many of its entries wait, where the two differ. */
export const WRONG_STRETCHES = `
  SELECT slot_id, stretch, coalesce(kept.waiting, 0) AS kept, coalesce(counted.waiting, 0)::int AS counted
  FROM (SELECT * FROM waitlist_stretches WHERE ${ofTheirSlots("slot_id")}) kept
  FULL JOIN (
    SELECT slot_id, (seq - 1) / ${STRETCH_ENTRIES} AS stretch, count(*) AS waiting
    FROM waitlist_entries WHERE status = 'waiting' AND ${ofTheirSlots("slot_id")}
    GROUP BY slot_id, (seq - 1) / ${STRETCH_ENTRIES}
  ) counted USING (slot_id, stretch)
  WHERE coalesce(kept.waiting, 0) <> coalesce(counted.waiting, 0)`;

export const HAD_RESERVATIONS = (slot: string): string =>
  `EXISTS (SELECT FROM reservations r WHERE r.slot_id = ${slot}.id AND r.event_id = ${slot}.event_id)`;

export const COUNTERS = {
  "a slot's counters equal its rows": `
    SELECT event_id, id AS slot_id, format('held counts %s, its rows have %s; purchased counts %s, its rows have %s',
      held, rows_held, purchased, rows_purchased) AS difference
    FROM ${SLOTS_BY_ROWS} s WHERE (held, purchased) <> (rows_held, rows_purchased)`,
  "a slot's counters of waiters equal its waitlist": `
    SELECT event_id, id AS slot_id, format('waiting counts %s, there are %s; parked counts %s, there are %s',
      waiting, rows_waiting, parked, rows_parked) AS difference
    FROM ${SLOTS_BY_ROWS} s WHERE (waiting, parked) <> (rows_waiting, rows_parked)`,
  "the counters of a waitlist's stretches equal its entries": `
    SELECT s.event_id, slot_id, format('stretch %s counts %s, there are %s', stretch, kept, counted) AS difference
    FROM (${WRONG_STRETCHES}) w LEFT JOIN slots s ON s.id = slot_id`,
  "no waitlist entry has a greater number than the last one that was given": `
    SELECT event_id, id AS slot_id, format('the last is %s, an entry has %s', last_seq, greatest_seq) AS difference
    FROM ${SLOTS_BY_ROWS} s WHERE greatest_seq > last_seq`,
  "a slot that had a reservation is marked as used": `
    SELECT s.event_id, s.id AS slot_id, 'it had one' AS difference
    FROM slots s WHERE NOT s.used AND ${ofEvents("s.event_id")} AND ${HAD_RESERVATIONS("s")}`,
} as const satisfies Record<string, string>;
