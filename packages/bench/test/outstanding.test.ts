// What rows start from: a great many rows at once, which are as a worker would have left them.
import { findContradictions } from "@holdfast/db/invariants";
import { createEvent, createUsers, openTestDatabase, type TestDatabase } from "@holdfast/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCalendar, RARE_EVENTS, WORDS } from "../src/rows/many-events.ts";
import { createHolds, createLine, sellOut } from "../src/rows/outstanding.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

const indexes = async (): Promise<unknown[]> =>
  (
    await database.pool.query(
      "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
    )
  ).rows;

test("holds that are outstanding, or due, contradict nothing, and all indexes are there again", async () => {
  const { pool } = database;
  const before = await indexes();
  for (const seconds of [3_600, 0]) {
    const event = await createEvent(pool, { capacities: [50, 50, 50] });
    const slotIds = event.slots.slice(0, 2).map(({ id }) => id);
    await createHolds(pool, event, { users: 40, slotIds, seconds });
  }
  const { rows } = await pool.query("SELECT held, used FROM slots ORDER BY event_id, starts_at");
  const taken = [40, 40, 0].map((held) => ({ held, used: held > 0 }));
  expect(rows).toEqual([...taken, ...taken]);
  expect(await findContradictions(pool, { atRest: true })).toEqual([]);
  expect(await indexes()).toEqual(before);
});

test("a line of who waits for a slot that is sold out contradicts nothing", async () => {
  const { pool } = database;
  const event = await createEvent(pool, { capacities: [3], waitlist: { maxEntries: 10_000 } });
  const [buyer = event.organizerId] = await createUsers(pool, 1);
  await sellOut(pool, event, buyer);
  const some = await createLine(pool, event, { length: 1_500, every: 500 });
  expect(some).toHaveLength(3);
  expect(await findContradictions(pool, { atRest: true })).toEqual([]);
});

test("a calendar contradicts nothing, and has the words that are searched for as often as is said", async () => {
  const { pool } = database;
  const events = 2_500;
  await createCalendar(pool, events);
  const having = async (word: string): Promise<number> => {
    const { rowCount } = await pool.query(
      "SELECT FROM events WHERE name ILIKE $1 OR venue ILIKE $1 OR description ILIKE $1",
      [`%${word}%`],
    );
    return rowCount ?? 0;
  };
  expect(await having(WORDS.common)).toBe(events / 2);
  expect(await having(WORDS.seldom)).toBe(events / 250);
  expect(await having(WORDS.rare)).toBe(RARE_EVENTS);
  expect(await having(WORDS.shortRare)).toBe(RARE_EVENTS);
  expect(await having(WORDS.absent)).toBe(0);
  expect(await findContradictions(pool, { atRest: true })).toEqual([]);
});
