// Pages of events are what the plain question would answer, and are found without reading what they do not show.
import type { EventId } from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import { type EventListing, listEvents, pageStatement } from "../src/event-listing.ts";
import { LASTING_HOURS } from "../src/lasting.ts";

const EVENTS = 4_000;
const LIMIT = 21;
/** Rows that one step of a plan may read: of each class of lengths as many as a search looks through in their order. */
const READ_MAX = (LASTING_HOURS.length + 1) * 300;
const NOW = Date.now();
const WHENS = ["upcoming", "past", "all"] as const;

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  const [organizer] = await createUsers(pool, 1);
  // Two years back and some weeks ahead, of every length, many at the same time; every seventh lasts exactly as long
  // as two classes of lengths part.
  await pool.query(
    `WITH made AS (
      SELECT n, to_timestamp($2 / 1000.0)
          + (CASE WHEN n % 10 = 0 THEN n ELSE -6 * n END / 5 * 5) * interval '1 hour' AS starts_at,
        CASE WHEN n % 7 = 0 THEN ($3::int[])[1 + n % cardinality($3::int[])] * interval '1 hour'
          ELSE (2 ^ (n % 13)) * interval '37 minutes' END AS lasting
      FROM generate_series(1, ${EVENTS}) n
    ), lanes AS (INSERT INTO event_lanes (event_id) SELECT 'evt_' || md5(n::text) FROM made),
    slots AS (
      INSERT INTO slots (id, event_id, starts_at, ends_at, capacity)
      SELECT 'slt_' || md5(n::text), 'evt_' || md5(n::text), starts_at, starts_at + lasting, 1 FROM made
    )
    INSERT INTO events (id, organizer_id, name, venue, description, starts_at, ends_at, hold_seconds, offer_seconds,
      max_per_order, max_per_user, overlap_policy, cancel_cutoff_seconds, waitlist)
    SELECT 'evt_' || md5(n::text), $1, 'Night ' || n,
      CASE WHEN n % 3 = 0 THEN 'Mill' WHEN n % 500 = 1 THEN 'Ölmühle & ''Söhne''' END,
      CASE WHEN n % 97 = 0 THEN E'A Theremin\\nand ' || chr(92) || ' 100%_' END,
      starts_at, starts_at + lasting, 300, 300, 1, 1, 'allow', 0, '{}'
    FROM made`,
    [organizer, NOW, LASTING_HOURS],
  );
  await pool.query("VACUUM ANALYZE events");
});
afterAll(() => database.close());

const listing = (given: Partial<EventListing>): EventListing => ({
  when: "upcoming",
  q: null,
  now: NOW,
  limit: LIMIT,
  after: null,
  ...given,
});

/** The ids of everything that is meant, in order, by the plain question. */
async function meant({ when, q, now }: EventListing): Promise<EventId[]> {
  const isOfThem = { upcoming: "ends_at > $1", past: "ends_at <= $1", all: "$1::timestamptz IS NOT NULL" }[
    when
  ];
  const direction = when === "past" ? "DESC" : "ASC";
  const { rows } = await pool.query<{ id: EventId }>(
    `SELECT id FROM events WHERE ${isOfThem}
      AND ($2::text IS NULL OR strpos(lower(name), lower($2)) > 0 OR strpos(lower(venue), lower($2)) > 0
        OR strpos(lower(description), lower($2)) > 0)
    ORDER BY starts_at ${direction}, id ${direction}`,
    [new Date(now), q],
  );
  return rows.map(({ id }) => id);
}

/** Ids, page by page. */
async function paged(given: Partial<EventListing>): Promise<EventId[]> {
  const ids: EventId[] = [];
  let after: EventListing["after"] = null;
  for (;;) {
    const page = await listEvents(pool, listing({ limit: 100, ...given, after }));
    ids.push(...page.map(({ id }) => id));
    const last = page.at(-1);
    if (last === undefined) return ids;
    after = last;
  }
}

describe.each(WHENS)("%s events", (when) => {
  test("are listed in their order, each once, from page to page", async () => {
    expect(await paged({ when })).toEqual(await meant(listing({ when })));
  });

  test.each([
    ["half of them have", "mill"],
    ["some have", "THEREMIN"],
    ["few have", "ölmühle & 'söhne'"],
    ["one has", "night 2999"],
    ["nobody has", "xylophone"],
    ["is a letter of all", "t"],
    ["is one letter, and seldom", "ö"],
    ["are two letters, and seldom", "\\ "],
    ["are two letters at the end", "0%"],
    ["is a pattern elsewhere", "%_"],
    ["is a quote", "'"],
    ["goes over a line", "in\nAND \\"],
    ["is in two parts of an event", "Mill\nA"],
    ["begins as others do, and is longer than what the index has", "a theremin\nand \\ 100%_ or none"],
  ])("are found by what %s: %j", async (_, q) => {
    expect(await paged({ when, q })).toEqual(await meant(listing({ when, q })));
  });
});

test("an event is upcoming until its last moment, and past from then on", async () => {
  const [first] = await listEvents(pool, listing({ when: "upcoming", limit: 1 }));
  const endsAt = first?.slots.at(-1)?.endsAt ?? 0;
  const isIn = async (when: EventListing["when"], now: number) =>
    (await listEvents(pool, listing({ when, now, limit: EVENTS }))).some(({ id }) => id === first?.id);
  expect(await isIn("upcoming", endsAt - 1)).toBe(true);
  expect(await isIn("past", endsAt - 1)).toBe(false);
  expect(await isIn("upcoming", endsAt)).toBe(false);
  expect(await isIn("past", endsAt)).toBe(true);
});

interface Step {
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Step[];
}

const readBy = (step: Step): number =>
  Math.max(
    (step["Actual Rows"] + (step["Rows Removed by Filter"] ?? 0)) * step["Actual Loops"],
    ...(step.Plans ?? []).map(readBy),
  );

test.each(
  WHENS.flatMap((when) => [null, "night", "theremin", "xylophone", "ö"].map((q) => [when, q] as const)),
)("a page of %s events, searched by %j, is found without reading the others", async (when, q) => {
  const { text, values } = pageStatement(listing({ when, q }));
  const { rows } = await pool.query<{ "QUERY PLAN": [{ Plan: Step }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    values,
  );
  const plan = rows[0]?.["QUERY PLAN"][0].Plan;
  expect(plan === undefined ? Number.NaN : readBy(plan)).toBeLessThanOrEqual(READ_MAX);
});
