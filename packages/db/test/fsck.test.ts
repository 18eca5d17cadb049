// W8: valid histories have no contradictions, at rest or in the middle of things.
import { ENTRY_STATUSES, type EntryStatus, type EventId, expireDue, isKnown } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, promote, type TestDatabase } from "../../testkit/src/index.ts";
import { acceptCommands, withdrawCommand } from "../src/commands.ts";
import { insertEvent } from "../src/events.ts";
import { findContradictions } from "../src/invariants.ts";
import { History } from "./fsck-histories.ts";
import { openTestWorker } from "./fsck-worker.ts";
import { kindsOf, type Played, play, writeRows } from "./fsck-world.ts";

const HISTORIES = 1_000;
/** So few at once that nothing gets late between their end and the look at them. */
const AT_ONCE = 100;
const HISTORY_MS = 600_000;
/** Histories that are not played in memory, but by a batch's own statements. */
const WRITTEN_HISTORIES = 50;
const WRITTEN_STEPS = 8;
const TEST_MS = 60_000;

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const eventsOf = (played: readonly Played[]): EventId[] =>
  played.flatMap(({ history }) => history.events.map(({ terms }) => terms.id));

test(
  `W8: nothing is found in ${HISTORIES} valid histories, which have something of everything`,
  async () => {
    const kinds = new Set<string>();
    for (let first = 0; first < HISTORIES; first += AT_ONCE) {
      const end = Date.now();
      const start = end - HISTORY_MS;
      const played = Array.from({ length: AT_ONCE }, (_, n) =>
        play(new History(`history ${first + n}`, first + n, start), { start, end }),
      );
      await writeRows(database.pool, played, Date.now() - end);
      expect(await findContradictions(database.pool, { events: eventsOf(played) })).toEqual([]);
      for (const kind of played.flatMap(kindsOf)) kinds.add(kind);
    }
    expect(await findContradictions(database.pool, { late: false })).toEqual([]);
    expect([...kinds].sort()).toEqual([
      "a look is due",
      "collecting",
      "entry closed capacity",
      "entry closed cutoff",
      "entry closed event-cancelled",
      "entry closed slot-over",
      "entry declined organizer",
      "entry declined user",
      "entry fulfilled purchased",
      "entry lapsed deadline",
      "entry left organizer",
      "entry left user",
      "entry offered",
      "entry parked",
      "entry waiting",
      "failed",
      "fulfilled and cancelled later",
      "passed",
      "promised",
      "public cancelled event-cancelled",
      "public cancelled organizer",
      "public cancelled user",
      "public expired deadline",
      "public held",
      "public purchased",
      "rejected",
      "sold out",
      "succeeded",
      "waitlist cancelled declined",
      "waitlist cancelled event-cancelled",
      "waitlist cancelled organizer",
      "waitlist cancelled user",
      "waitlist expired deadline",
      "waitlist held",
      "waitlist purchased",
      "winding down",
      "withdrawn",
    ]);
  },
  TEST_MS,
);

test(
  `W8: nothing is found in ${WRITTEN_HISTORIES} histories that were applied and written as a worker does it`,
  async () => {
    const { pool } = database;
    const worker = openTestWorker(database.url);
    const events: EventId[] = [];
    try {
      for (let n = 0; n < WRITTEN_HISTORIES; n += 1) {
        const history = new History(`written ${n}`, 5_000 + n, Date.now());
        events.push(...(await makeEvents(history)));
        for (let step = 0; step < WRITTEN_STEPS; step += 1) await stepOn(history);
      }
    } finally {
      await worker.close();
    }
    expect(await findContradictions(pool, { events })).toEqual([]);
    const { rows } = await pool.query<{ status: EntryStatus }>(
      "SELECT DISTINCT status FROM waitlist_entries WHERE event_id = ANY ($1)",
      [events],
    );
    expect(rows.map(({ status }) => status).sort()).toEqual([...ENTRY_STATUSES].sort());

    async function stepOn(history: History): Promise<void> {
      const { chance } = history;
      const commands = Array.from({ length: chance.whole(1, 6) }, () => history.command(Date.now()));
      const promised = commands.filter(isKnown).filter(({ userId }) => userId !== null && chance.is(0.1));
      await acceptCommands(
        pool,
        promised.map((command) => ({ command, ticket: null })),
      );
      for (const { id } of promised.filter(() => chance.is(0.5))) await withdrawCommand(pool, id);
      for (const [eventId, some] of Map.groupBy(commands, (command) => command.eventId)) {
        history.heard(eventId, await worker.apply(eventId, some));
        if (!chance.is(0.2)) continue;
        const { rows } = await letTimePass(eventId);
        const due = { at: Date.now(), dueAt: Date.now() };
        const looks = rows.map(({ id }) => promote(eventId, id));
        await worker.apply(eventId, [expireDue(history.freshId(), eventId, due), ...looks]);
      }
    }
  },
  TEST_MS,
);

async function makeEvents(history: History): Promise<EventId[]> {
  await database.pool.query(
    `INSERT INTO users (id, email, name, password_hash)
    SELECT id, id || '@example.com', 'Somebody', 'none' FROM unnest($1::text[]) AS given(id)`,
    [history.users],
  );
  for (const { terms, slots } of history.events) {
    await insertEvent(database.pool, { ...terms, name: "An evening", description: null, venue: null, slots });
  }
  return history.events.map(({ terms }) => terms.id);
}

/** Some holds of the event fall due, and tickets are no longer collected. Resolves to slots to be looked at. */
const letTimePass = (eventId: EventId) =>
  database.pool.query<{ id: Played["history"]["events"][0]["slots"][0]["id"] }>(
    `WITH due AS (
      UPDATE reservations SET expires_at = clock_timestamp() - interval '1 second'
      WHERE event_id = $1 AND status = 'held' AND md5(id) < '8'
    )
    UPDATE slots SET collecting_until = clock_timestamp() - interval '1 second', promote_at = clock_timestamp()
    WHERE event_id = $1 AND collecting_until IS NOT NULL RETURNING id`,
    [eventId],
  );
