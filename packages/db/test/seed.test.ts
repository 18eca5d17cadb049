// The example data keeps its promises: counts, states, and the invariants of the rules.
import type { EventId, UserId } from "@holdfast/domain";
import { verify } from "@node-rs/argon2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// By path: the kit depends on this package, and packages must not depend on each other in a circle.
import { openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import { createBuyers, listReservations, type ReservationListing } from "../src/index.ts";
import { SEED_ACCOUNTS, seed } from "../src/seed.ts";

let database: TestDatabase;
const now = new Date("2026-06-01T09:30:00.000Z");

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const column = async (sql: string): Promise<unknown[]> => {
  const { rows } = await database.pool.query<{ value: unknown }>(sql);
  return rows.map((row) => row.value);
};

describe("the seed", () => {
  test("makes 300 users and 100 events, once", async () => {
    const first = await seed(database.pool, { now });
    expect(first).toMatchObject({ users: 300, events: 100, created: true });
    expect(first.reservations).toBeGreaterThan(250);
    const second = await seed(database.pool, { now });
    expect(second).toEqual({ ...first, created: false });
  });

  test("puts 30 events into the past and 70 into the future of the time of seeding", async () => {
    const past = `SELECT count(*)::int AS value FROM events WHERE ends_at <= '${now.toISOString()}'`;
    const upcoming = `SELECT count(*)::int AS value FROM events WHERE starts_at > '${now.toISOString()}'`;
    expect(await column(past)).toEqual([30]);
    expect(await column(upcoming)).toEqual([70]);
    expect(
      await column("SELECT count(*) > 0 AS value FROM slots GROUP BY event_id HAVING count(*) > 2 LIMIT 1"),
    ).toEqual([true]);
  });

  test("hashes each distinct password once, and the accounts' passwords are true", async () => {
    expect(await column("SELECT count(DISTINCT password_hash)::int AS value FROM users")).toEqual([2]);
    for (const { email, password, role } of SEED_ACCOUNTS) {
      const { rows } = await database.pool.query<{ role: string; password_hash: string }>(
        "SELECT role, password_hash FROM users WHERE email = $1",
        [email],
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]?.role).toBe(role);
      expect(await verify(rows[0]?.password_hash ?? "", password)).toBe(true);
    }
  });

  test("gives the busy user reservations in every state", async () => {
    const states = await column(
      `SELECT DISTINCT status AS value FROM reservations r JOIN users u ON u.id = r.user_id
      WHERE u.email = 'busy@test.com' ORDER BY 1`,
    );
    expect(states).toEqual(["cancelled", "expired", "held", "purchased"]);
  });

  test("holds what is told of it: counters equal the rows, nothing ends before it began", async () => {
    const wrongCounters = await column(
      `SELECT s.id AS value FROM slots s LEFT JOIN reservations r ON r.slot_id = s.id
      GROUP BY s.id HAVING s.held <> coalesce(sum(r.quantity) FILTER (WHERE r.status = 'held'), 0)
        OR s.purchased <> coalesce(sum(r.quantity) FILTER (WHERE r.status = 'purchased'), 0)`,
    );
    expect(wrongCounters).toEqual([]);
    const wrongTimes = await column(
      `SELECT id AS value FROM reservations WHERE ended_at < created_at OR purchased_at < created_at
        OR created_at > '${now.toISOString()}' OR (status = 'expired' AND ended_at < expires_at)`,
    );
    expect(wrongTimes).toEqual([]);
  });

  test("can be paged through, the newest first, by everybody who reserved and for every event", async () => {
    const owners = await database.pool.query<{ userId: UserId }>(
      'SELECT DISTINCT user_id AS "userId" FROM reservations',
    );
    const events = await database.pool.query<{ eventId: EventId }>('SELECT id AS "eventId" FROM events');
    let seen = 0;
    for (const of of [...owners.rows, ...events.rows]) {
      const listing = { of, status: null, when: "all", now: now.getTime() } as const;
      const whole = await listReservations(database.pool, { ...listing, limit: 1_000, after: null });
      const times = whole.map(({ createdAt }) => createdAt);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      const paged: typeof whole = [];
      for (let after: ReservationListing["after"] = null; ; ) {
        const page = await listReservations(database.pool, { ...listing, limit: 3, after });
        const last = page.at(-1);
        if (last === undefined) break;
        paged.push(...page);
        after = { createdAt: last.createdAt, id: last.id };
      }
      expect(paged).toEqual(whole);
      seen += whole.length;
    }
    const count = await column("SELECT 2 * count(*)::int AS value FROM reservations");
    expect([seen]).toEqual(count);
  });

  test("is the same at every seeding, but for the time", async () => {
    const other = await openTestDatabase();
    try {
      await seed(other.pool, { now });
      const told = [
        "SELECT id, name, venue, starts_at FROM events ORDER BY id",
        "SELECT id, slot_id, user_id, status, expires_at FROM reservations ORDER BY id",
        "SELECT id, slot_id, user_id, status, seq, ended_at FROM waitlist_entries ORDER BY id",
        "SELECT command_id, seq, type, status, finished_at FROM outcomes ORDER BY command_id",
      ];
      for (const sql of told) {
        expect((await other.pool.query(sql)).rows).toEqual((await database.pool.query(sql)).rows);
      }
    } finally {
      await other.close();
    }
  });
});

test.each(["2026-06-01T00:00:00.000Z", "2026-06-01T23:59:59.999Z"])("it may be seeded at %s", async (at) => {
  const other = await openTestDatabase();
  try {
    const { events, scenarios } = await seed(other.pool, { now: new Date(at) });
    expect([events, scenarios.length]).toEqual([100, 7]);
    const { rows } = await other.pool.query<{ past: number; upcoming: number }>(
      `SELECT count(*) FILTER (WHERE ends_at <= $1)::int AS past, count(*) FILTER (WHERE starts_at > $1)::int AS upcoming
      FROM events`,
      [at],
    );
    expect(rows).toEqual([{ past: 30, upcoming: 70 }]);
  } finally {
    await other.close();
  }
});

test("1,500 buyers share one password hash and are no organizers", async () => {
  const buyers = await createBuyers(database.pool, 1_500);
  expect(new Set(buyers.map((buyer) => buyer.userId)).size).toBe(1_500);
  const told = await column(
    `SELECT count(*)::int || ' ' || count(DISTINCT password_hash)::int || ' ' || min(role) || max(role) AS value
    FROM users WHERE email LIKE 'buyer-%'`,
  );
  expect(told).toEqual(["1500 1 useruser"]);
});
