// Lists of reservations, as users and organizers page through them.
import { createHash } from "node:crypto";
import { type EventId, encodeId, type ReservationId, type UserId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { createEvent, createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  findReservationOrigins,
  listCommands,
  listReservations,
  organizersOf,
  type Queryable,
  type ReservationListing,
} from "../src/index.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** The id of what a keyed command made: a hash, which says nothing of when. */
const hashed = (n: number): ReservationId =>
  encodeId("reservation", createHash("sha256").update(`key ${n}`).digest().subarray(0, 16));

async function insert(
  eventId: EventId,
  userId: UserId,
  rows: readonly { id: ReservationId; createdAt: number }[],
): Promise<void> {
  await database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, created_at, ended_at,
      end_reason, during, exclusive)
    SELECT r.id, s.event_id, s.id, $2, 1, 'cancelled', 'public', r.created_at, r.created_at, 'user',
      tstzrange(s.starts_at, s.ends_at), false
    FROM slots s, unnest($3::text[], $4::timestamptz[]) AS r(id, created_at) WHERE s.event_id = $1`,
    [eventId, userId, rows.map(({ id }) => id), rows.map(({ createdAt }) => new Date(createdAt))],
  );
}

/** Everything that the pages give, in their order. */
async function walk(of: ReservationListing["of"], limit: number): Promise<ReservationId[]> {
  const seen: ReservationId[] = [];
  let after: ReservationListing["after"] = null;
  for (;;) {
    const listing = { of, status: null, when: "all", now: Date.now(), limit, after } as const;
    const page = await listReservations(database.pool, listing);
    seen.push(...page.map(({ id }) => id));
    const last = page.at(-1);
    if (last === undefined) return seen;
    after = { createdAt: last.createdAt, id: last.id };
  }
}

test("reservations are listed newest first though their ids are hashes, in pages of any length, none twice", async () => {
  const event = await createEvent(database.pool);
  const [user = newId("user")] = await createUsers(database.pool, 1);
  // Three in each millisecond, a millisecond before the one before.
  const made = Array.from({ length: 30 }, (_, n) => ({
    id: hashed(n),
    createdAt: 1_750_000_000_123 - Math.floor(n / 3),
  }));
  await insert(event.id, user, made);
  const newestFirst = made
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);
  expect(newestFirst).not.toEqual(newestFirst.toSorted().toReversed());
  for (const limit of [1, 2, 7, 30, 31]) {
    expect(await walk({ userId: user }, limit)).toEqual(newestFirst);
    expect(await walk({ eventId: event.id }, limit)).toEqual(newestFirst);
    expect(await walk({ userId: user, eventId: event.id }, limit)).toEqual(newestFirst);
  }
});

/** The indexes by which statements are read, and whether any of their rows are sorted or read all. */
async function plansOf(run: (db: Queryable) => Promise<unknown>): Promise<string[]> {
  const told: string[] = [];
  const db = {
    query: async (text: string, values: unknown[]) => {
      const { rows } = await database.pool.query<{ "QUERY PLAN": string }>(
        `EXPLAIN (COSTS OFF) ${text}`,
        values,
      );
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      told.push(
        ...(plan.match(/Scan Backward using \w+|Index Scan using \w+|Seq Scan on \w+|Sort(?= *$)/gm) ?? []),
      );
      return { rows: [] };
    },
  };
  await run(db as unknown as Queryable);
  return told;
}

test("pages are read from their index where they begin, and nothing is sorted, however much there is", async () => {
  const event = await createEvent(database.pool);
  const [user = newId("user")] = await createUsers(database.pool, 1);
  const rows = Array.from({ length: 3_000 }, (_, n) => ({ id: hashed(1_000 + n), createdAt: 1_000 * n }));
  await insert(event.id, user, rows);
  await database.pool.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    SELECT 'cmd_' || md5(n::text), $1, n, 'reserve', $2, 'rejected', '{}', to_timestamp(n), now()
    FROM generate_series(1, 3000) n`,
    [event.id, user],
  );
  await database.pool.query("ANALYZE");
  const last = { createdAt: 2_000_000, submittedAt: 2_000_000, id: newId("reservation") };
  const pages = { status: null, when: "all", now: Date.now(), limit: 20 } as const;
  for (const after of [null, last]) {
    const plans = (of: ReservationListing["of"]) =>
      plansOf((db) => listReservations(db, { ...pages, of, after }));
    expect(await plans({ userId: user })).toEqual(["Scan Backward using reservations_user_id_idx"]);
    expect(await plans({ eventId: event.id })).toEqual(["Scan Backward using reservations_event_id_idx"]);
  }
  for (const after of [null, { submittedAt: 2_000_000, id: newId("command") }]) {
    const page = { userId: user, status: null, limit: 20, after };
    const plan = await plansOf((db) => listCommands(db, page));
    expect(plan).toContain("Scan Backward using outcomes_user_id_idx");
    expect(plan).not.toContain("Seq Scan on outcomes");
  }
});

test("origins and organizers are told of those that there are", async () => {
  const [one, other] = [await createEvent(database.pool), await createEvent(database.pool)];
  const [user = newId("user")] = await createUsers(database.pool, 1);
  const ids = [newId("reservation"), newId("reservation")];
  for (const [n, event] of [one, other].entries())
    await insert(
      event.id,
      user,
      ids.slice(n, n + 1).map((id) => ({ id, createdAt: 1 })),
    );
  const origins = await findReservationOrigins(database.pool, [...ids, newId("reservation")]);
  expect([...origins].toSorted()).toEqual([
    [ids[0], { eventId: one.id, userId: user }],
    [ids[1], { eventId: other.id, userId: user }],
  ]);
  const organizers = await organizersOf(database.pool, [other.id, newId("event"), one.id]);
  expect(organizers).toEqual(
    new Map([
      [one.id, one.organizerId],
      [other.id, other.organizerId],
    ]),
  );
});
