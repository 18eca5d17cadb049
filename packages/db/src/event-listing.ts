// Pages of events, and the search for them. Whatever is asked, a page costs about the same of a thousand events and of
// a million: see docs/decisions/0022.
import type { EpochMs, EventId } from "@holdfast/domain";
import { EVENT_COLUMNS, type EventRecord, WITH_LANE_AND_SLOTS } from "./events.ts";
import { LASTING, LASTING_HOURS } from "./lasting.ts";
import type { Queryable } from "./queryable.ts";

/** Events that a search looks through in their order before it asks the index. */
const WALKED_EVENTS = 300;
/** Seconds of start times that share their keys in the index, as `search_window` has them. */
const WINDOW_SECONDS = 2_592_000;
const HOUR_MS = 3_600_000;

export interface EventListing {
  readonly when: "upcoming" | "past" | "all";
  /** Part of the name, the venue or the description, compared without case. */
  readonly q: string | null;
  readonly now: EpochMs;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after: { readonly startsAt: EpochMs; readonly id: EventId } | null;
}

/** Upcoming and all by start; past ones the latest first. Past: the last slot has ended. */
export async function listEvents(db: Queryable, listing: EventListing): Promise<EventRecord[]> {
  const { text, values } = pageStatement(listing);
  const { rows } = await db.query<EventRecord>(text, values);
  return rows;
}

/** Planned anew each time: what is best depends on where the page is. */
export function pageStatement(listing: EventListing): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const value: Value = (given) => `$${values.push(given)}`;
  const direction = listing.when === "past" ? "DESC" : "ASC";
  const page =
    listing.q === null
      ? `WITH page AS MATERIALIZED (${inOrder(listing, value(listing.limit), value)})`
      : search(listing, listing.q, value);
  const text = `${page}
    SELECT ${EVENT_COLUMNS}
    FROM page CROSS JOIN LATERAL (SELECT * FROM events WHERE id = page.id OFFSET 0) e ${WITH_LANE_AND_SLOTS}
    ORDER BY e.starts_at ${direction}, e.id ${direction}`;
  return { text, values };
}

/** Makes a parameter of what is given. */
type Value = (given: unknown) => string;

/** The first ones behind the cursor, `id` and `starts_at`, whatever they are called. */
function inOrder(listing: EventListing, limit: string, value: Value): string {
  switch (listing.when) {
    case "upcoming":
      return upcoming(listing, limit, value);
    case "past":
      return past(listing, limit, value);
    case "all":
      return behind(
        listing.after === null ? "true" : `(starts_at, id) > ${cursor(listing.after, value)}`,
        limit,
      );
  }
}

const cursor = ({ startsAt, id }: NonNullable<EventListing["after"]>, value: Value): string =>
  `(${value(new Date(startsAt))}, ${value(id)})`;

const behind = (condition: string, limit: string): string =>
  `SELECT id, starts_at FROM events WHERE ${condition} ORDER BY starts_at, id LIMIT ${limit}`;

/**
 * What has not started yet, in its order; before that, what is still going on. Of events that last less than so many
 * hours only those can be that started as many hours ago or later.
 */
function upcoming({ now, after }: EventListing, limit: string, value: Value): string {
  if (after !== null && after.startsAt > now)
    return behind(`(starts_at, id) > ${cursor(after, value)}`, limit);
  const since = [...LASTING_HOURS.map((hours) => now - hours * HOUR_MS), Number.NEGATIVE_INFINITY].map(
    (startsAt) => (after !== null && after.startsAt >= startsAt ? after : { startsAt, id: "" }),
  );
  const at = value(new Date(now));
  return `SELECT id, starts_at FROM (
      SELECT started.* FROM ${classes(since, value)} CROSS JOIN LATERAL (
        SELECT id, starts_at FROM events
        WHERE (${LASTING}, starts_at, id) > (class.lasting, class.starts_at, class.id)
          AND (${LASTING}, starts_at) <= (class.lasting, ${at}) AND ends_at > ${at}
        ORDER BY ${LASTING}, starts_at, id LIMIT ${limit}
      ) started
      UNION ALL (${behind(`starts_at > ${at}`, limit)})
    ) either ORDER BY starts_at, id LIMIT ${limit}`;
}

/** Of events that last so many hours or more only those can have ended that started as many hours ago or earlier. */
function past({ now, after }: EventListing, limit: string, value: Value): string {
  const until = [0, ...LASTING_HOURS]
    .map((hours) => now - hours * HOUR_MS)
    .map((startsAt) => (after !== null && after.startsAt <= startsAt ? after : { startsAt, id: "~" }));
  return `SELECT ended.id, ended.starts_at FROM ${classes(until, value)} CROSS JOIN LATERAL (
      SELECT id, starts_at FROM events
      WHERE (${LASTING}, starts_at, id) < (class.lasting, class.starts_at, class.id)
        AND (${LASTING}, starts_at) >= (class.lasting, '-infinity') AND ends_at <= ${value(new Date(now))}
      ORDER BY ${LASTING} DESC, starts_at DESC, id DESC LIMIT ${limit}
    ) ended ORDER BY starts_at DESC, id DESC LIMIT ${limit}`;
}

/** Each class of lengths with the place in its order at which to begin. Compared as rows, no other index will do. */
function classes(from: readonly { startsAt: EpochMs; id: string }[], value: Value): string {
  const starts = from.map(({ startsAt }) => (Number.isFinite(startsAt) ? new Date(startsAt) : "-infinity"));
  const ids = from.map(({ id }) => id);
  return `unnest(${value(from.map((_, lasting) => lasting))}::int[], ${value(starts)}::timestamptz[],
        ${value(ids)}::text[]) AS class(lasting, starts_at, id)`;
}

/**
 * First some are looked through in their order: what is often found fills its page with them. Else it goes on behind
 * them through the index, window after window, until the page is full; a window without any event is never asked for.
 */
function search(listing: EventListing, q: string, value: Value): string {
  const limit = value(listing.limit);
  const pattern = value(`%${q.replaceAll(/[\\%_]/g, "\\$&")}%`);
  const isMeant = `(name ILIKE ${pattern} OR venue ILIKE ${pattern} OR description ILIKE ${pattern})`;
  const walked = inOrder(listing, String(WALKED_EVENTS), value);
  const now = (): string => value(new Date(listing.now));
  const isOfThem = {
    upcoming: () => `ends_at > ${now()}`,
    past: () => `ends_at <= ${now()}`,
    all: () => "true",
  }[listing.when]();
  const [order, is, next] =
    listing.when === "past"
      ? [
          "starts_at DESC, id DESC",
          "<",
          `starts_at < to_timestamp(nth * ${WINDOW_SECONDS}.0) ORDER BY starts_at DESC`,
        ]
      : [
          "starts_at, id",
          ">",
          `starts_at >= to_timestamp((nth + 1) * ${WINDOW_SECONDS}.0) ORDER BY starts_at`,
        ];
  // Rows of CTEs and of UNION ALL are made as they are needed, in this order: a full page ends it.
  return `WITH RECURSIVE walked AS MATERIALIZED (${walked}),
    reached AS MATERIALIZED (SELECT starts_at, id FROM walked ORDER BY ${order} OFFSET ${WALKED_EVENTS - 1}),
    windows AS (
      SELECT search_window(starts_at) AS nth FROM reached
      UNION ALL
      SELECT (SELECT search_window(starts_at) FROM events WHERE ${next} LIMIT 1) FROM windows WHERE nth IS NOT NULL
    ),
    page AS MATERIALIZED (
      SELECT id FROM (
        (SELECT walked.id FROM walked
          CROSS JOIN LATERAL (SELECT FROM events WHERE id = walked.id AND ${isMeant} OFFSET 0) meant
          ORDER BY ${order.replaceAll(/starts_at|id/g, "walked.$&")} LIMIT ${limit})
        UNION ALL
        SELECT found.id FROM windows CROSS JOIN LATERAL (
          SELECT id FROM (
            SELECT id, starts_at, ends_at FROM events
            WHERE search_keys(starts_at, name, venue, description) @@ search_query(windows.nth, ${value(q)}) AND ${isMeant}
            OFFSET 0
          ) meant
          WHERE ${isOfThem} AND (starts_at, id) ${is} (SELECT starts_at, id FROM reached)
          ORDER BY ${order} LIMIT ${limit}
        ) found
      ) either LIMIT ${limit}
    )`;
}
