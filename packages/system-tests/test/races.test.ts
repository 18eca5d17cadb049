// Races 6, 7, 10 and 11 with real workers: what one user, or one slot, is asked for at once, and what is left of
// waitlists when Redis is emptied. The others: 1 to 3 are scenarios, 2 also frozen-worker, 4 no-sniping, 5 overlap,
// 8 and 9 failpoints and worker-death, 12 event-cancelled, 13 rush, 14 idempotency.
import { randomInt } from "node:crypto";
import { acceptCommands } from "@holdfast/db";
import { type Command, LIVE_HOLDS_MAX, type Outcome, offerIdOf, type UserId } from "@holdfast/domain";
import {
  cancel,
  chanceOf,
  createEvent,
  createUsers,
  joinWaitlist,
  leaveWaitlist,
  purchase,
  reserve,
  setCapacity,
  type TestEvent,
  until,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { writeLine, writeReservations } from "./long-tables.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";
import { makeReservation, succeed } from "./waiters.ts";

const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const RACE_TIMEOUT_MS = 30_000;
const chance = chanceOf(SEED);
const DAY_MS = 86_400_000;

let house: SystemWithDoor;

beforeAll(async () => {
  report(`races seed ${SEED}`);
  house = await startSystemWithDoor({ workers: 2, waitlistWorkers: 1, expiryWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => house.close(), START_TIMEOUT_MS);

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: chance.between(0, 2 ** 30) }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** All at once, in an order of chance. Resolves to the outcomes in the order of the commands. */
async function atOnce(commands: readonly Command[]): Promise<Outcome[]> {
  const outcomes = new Map<Command, Outcome>();
  await Promise.all(
    shuffled(commands).map(async (command) => outcomes.set(command, (await house.door.ask(command)).outcome)),
  );
  return commands.map((command) => outcomes.get(command) as Outcome);
}

/** Until no slot of these events is to be looked at. */
async function untilPromoted(events: readonly TestEvent[]): Promise<void> {
  await until("all waiters to be looked at", async () => {
    const { rowCount } = await house.pool.query(
      "SELECT FROM slots WHERE event_id = ANY ($1::text[]) AND promote_at IS NOT NULL LIMIT 1",
      [events.map(({ id }) => id)],
    );
    return rowCount === 0;
  });
}

test("race 6: a user at the event's limit reserves, joins and is offered a ticket at once: the limit holds", {
  timeout: RACE_TIMEOUT_MS,
}, async () => {
  const { pool, door } = house;
  const USERS = 100;
  const event = await createEvent(pool, {
    capacities: [USERS, 2 * USERS, 1],
    terms: { maxPerUser: 1 },
    waitlist: {},
  });
  const [full, open, gone] = event.slots;
  if (full === undefined || open === undefined || gone === undefined)
    throw new Error("three slots were made");
  const holders = await createUsers(pool, USERS);
  const users = await createUsers(pool, USERS);
  await makeReservation(door, reserve(event.id, at(await createUsers(pool, 1), 0), { slotId: gone.id }));
  const held = await Promise.all(
    holders.map((user) => makeReservation(door, reserve(event.id, user, { slotId: full.id }))),
  );
  await Promise.all(users.map((user) => succeed(door, joinWaitlist(event.id, user, full.id))));

  const wishesOf = (user: UserId): Command[] => [
    reserve(event.id, user, { slotId: open.id }),
    joinWaitlist(event.id, user, gone.id),
  ];
  const half = USERS / 2;
  const first = atOnce([
    ...held.map(({ id, userId }) => cancel(event.id, userId, id)),
    ...users.slice(0, half).flatMap(wishesOf),
  ]);
  // The others ask while the line is being asked.
  await until("somebody to be offered a ticket", async () => (await statuses(event))["offered"]);
  await Promise.all([first, atOnce(users.slice(half).flatMap(wishesOf))]);
  await untilPromoted([event]);
  const { rows } = await pool.query<{ origin: string; users: number; most: number }>(
    `SELECT origin, count(*)::int AS users, max(tickets)::int AS most FROM (
      SELECT user_id, min(origin) AS origin, sum(quantity) AS tickets FROM reservations
      WHERE event_id = $1 AND status = 'held' AND user_id = ANY ($2::text[]) GROUP BY user_id
    ) each GROUP BY origin ORDER BY origin`,
    [event.id, users],
  );
  expect(rows.map(({ most }) => most)).toEqual(rows.map(() => 1));
  expect(rows.reduce((sum, row) => sum + row.users, 0)).toBe(USERS);
  report(`race 6 ${JSON.stringify(Object.fromEntries(rows.map((row) => [row.origin, row.users])))}`);
});

test("race 6: a user at the limit of live holds reserves and is offered tickets at several events at once: the limit holds", {
  timeout: RACE_TIMEOUT_MS,
}, async () => {
  const { pool, door } = house;
  const USERS = 10;
  const users = await createUsers(pool, USERS);
  const startsAt = Math.ceil(Date.now() / 1_000) * 1_000 + 10 * DAY_MS;
  const tour = await createEvent(pool, {
    capacities: Array.from({ length: LIVE_HOLDS_MAX - 1 }, () => USERS),
    startsAt,
    terms: { maxPerUser: LIVE_HOLDS_MAX },
  });
  const others = await Promise.all(
    [20, 21, 22, 23].map((days) =>
      createEvent(pool, { capacities: [USERS], startsAt: startsAt + days * DAY_MS, waitlist: {} }),
    ),
  );
  for (const slot of tour.slots) {
    await Promise.all(
      users.map((user) => makeReservation(door, reserve(tour.id, user, { slotId: slot.id }))),
    );
  }
  const [offering, ...open] = others;
  if (offering === undefined) throw new Error("four events were made");
  const holders = await createUsers(pool, USERS);
  const held = await Promise.all(holders.map((user) => makeReservation(door, reserve(offering.id, user))));
  await Promise.all(users.map((user) => succeed(door, joinWaitlist(offering.id, user, offering.slotId))));

  await atOnce([
    ...held.map(({ id, userId }) => cancel(offering.id, userId, id)),
    ...users.flatMap((user) => open.map(({ id }) => reserve(id, user))),
  ]);
  await untilPromoted(others);
  const { rows } = await pool.query<{ holds: number }>(
    `SELECT count(*)::int AS holds FROM reservations WHERE user_id = ANY ($1::text[]) AND status = 'held'
    GROUP BY user_id`,
    [users],
  );
  expect(rows.map(({ holds }) => holds)).toEqual(users.map(() => LIVE_HOLDS_MAX));
});

test("race 7: an offer is declined, left and purchased at once: one outcome each, and one end", {
  timeout: RACE_TIMEOUT_MS,
}, async () => {
  const { pool, door } = house;
  const OFFERS = 200;
  const event = await createEvent(pool, { capacities: [OFFERS], waitlist: {} });
  const users = await createUsers(pool, OFFERS);
  const entries = await Promise.all(
    (await fillThenJoin(event, users)).map(async ({ user, entryId, frees }) => {
      await succeed(door, frees);
      return { user, entryId };
    }),
  );
  await until("all to be offered tickets", async () => {
    const { rows } = await pool.query<{ offers: number }>(
      "SELECT count(*)::int AS offers FROM waitlist_entries WHERE event_id = $1 AND status = 'offered'",
      [event.id],
    );
    return rows[0]?.offers === OFFERS;
  });

  const outcomes = await atOnce(
    entries.flatMap(({ user, entryId }) => [
      purchase(event.id, user, offerIdOf(entryId)),
      cancel(event.id, user, offerIdOf(entryId)),
      leaveWaitlist(event.id, user, entryId),
    ]),
  );
  const { rows } = await pool.query<{ id: string; entry: string; reservation: string }>(
    `SELECT w.id, w.status AS entry, concat(r.status, ' by ', r.end_reason) AS reservation FROM waitlist_entries w
    JOIN reservations r ON substr(r.id, 5) = substr(w.id, 5) WHERE w.event_id = $1`,
    [event.id],
  );
  const ends = new Map(rows.map(({ id, entry, reservation }) => [id, `${entry}: ${reservation}`]));
  const seen = entries.map(({ entryId }, i) => {
    const words = outcomes.slice(3 * i, 3 * i + 3).map(wordOf);
    return `${words.join(", ")} -> ${ends.get(entryId)}`;
  });
  report(`race 7 ${JSON.stringify(tally(seen))}`);
  const possible = new Set([
    "purchased, cancelled, not-active -> fulfilled: cancelled by user",
    "not-active, cancelled, not-active -> declined: cancelled by declined",
    "not-active, cancelled, left -> left: cancelled by declined",
  ]);
  expect(seen.filter((what) => !possible.has(what))).toEqual([]);
  expect(new Set(seen).size).toBeGreaterThan(1);
});

/** The event's tickets are held by others, and these wait for them; each with what frees a ticket. */
async function fillThenJoin(event: TestEvent, users: readonly UserId[]) {
  const { pool, door } = house;
  const holders = await createUsers(pool, users.length);
  const held = await Promise.all(holders.map((user) => makeReservation(door, reserve(event.id, user))));
  const joined = await Promise.all(
    users.map((user) => succeed(door, joinWaitlist(event.id, user, event.slotId))),
  );
  return users.map((user, i) => {
    const { id, userId } = at(held, i);
    const entryId = joined[i]?.entry?.id;
    if (entryId === undefined) throw new Error("somebody does not wait");
    return { user, entryId, frees: cancel(event.id, userId, id) };
  });
}

test("race 11: capacity is lowered amid a rush: never below what is held, and a refusal says how much that is", {
  timeout: RACE_TIMEOUT_MS,
}, async () => {
  const { pool } = house;
  const CAPACITY = 100;
  const event = await createEvent(pool, { capacities: [CAPACITY] });
  const users = await createUsers(pool, CAPACITY);
  const wishes = Array.from({ length: 60 }, () => chance.between(10, CAPACITY));
  const lowering = wishes.map((capacity) => setCapacity(event.id, event.organizerId, event.slotId, capacity));
  await atOnce([...users.map((user) => reserve(event.id, user)), ...lowering]);

  const { rows } = await pool.query<{ type: string; outcome: Outcome; command_id: string }>(
    "SELECT type, outcome, command_id FROM outcomes WHERE event_id = $1 ORDER BY seq",
    [event.id],
  );
  let [held, capacity] = [0, CAPACITY];
  const refusals: unknown[] = [];
  for (const { type, outcome, command_id } of rows) {
    const word = wordOf(outcome);
    if (type === "reserve") {
      expect(word).toBe(held < capacity ? "held" : "all-held");
      if (word === "held") held += 1;
      continue;
    }
    const wish = wishes[lowering.findIndex(({ id }) => id === command_id)] ?? Number.NaN;
    if (wish < held) {
      expect(outcome).toEqual({
        status: "rejected",
        refusal: { code: "capacity-below-committed", held, purchased: 0 },
      });
      refusals.push(outcome);
    } else {
      expect(word).toBe("done");
      capacity = wish;
    }
  }
  expect(refusals.length).toBeGreaterThan(0);
});

test("race 10: Redis is emptied, twice, while people wait and offers run: each is asked in turn, and what was promised ends", {
  timeout: RACE_TIMEOUT_MS,
}, async () => {
  const { pool, door, system } = house;
  const TICKETS = 5;
  const WAITERS = 7;
  const OFFER_SECONDS = 1;
  /** Milliseconds after which an offer has ended, with its timer lost: lateness, a sweep, a lease, slack. */
  const ENDED_LATE_MAX_MS = 6_500;
  const event = await createEvent(pool, {
    capacities: [TICKETS],
    terms: { offerSeconds: OFFER_SECONDS },
    waitlist: {},
  });
  const holders = await createUsers(pool, TICKETS);
  await writeReservations(pool, event, holders, "held");
  await writeLine(pool, event, await createUsers(pool, WAITERS));
  const { rows: held } = await pool.query<{ id: Parameters<typeof cancel>[2]; user_id: UserId }>(
    "SELECT id, user_id FROM reservations WHERE event_id = $1",
    [event.id],
  );
  const promised = held.map(({ id, user_id }) => cancel(event.id, user_id, id));
  const before = await fenceOf(event);

  await acceptCommands(
    pool,
    promised.map((command) => ({ command, ticket: null })),
  );
  await Promise.all(promised.map((command) => door.send(command)));
  await system.loseRedis();
  await until(
    "somebody to be offered a ticket",
    async () => (await statuses(event))["offered"],
    RACE_TIMEOUT_MS,
  );
  await system.loseRedis();
  await until(
    "everybody to have been asked in vain",
    async () => (await statuses(event))["lapsed"] === WAITERS,
    RACE_TIMEOUT_MS,
  );

  const { rows } = await pool.query<{ late: number; order: number }>(
    `SELECT date_part('epoch', r.ended_at - r.expires_at) * 1000 AS late,
      w.seq - row_number() OVER (ORDER BY w.offered_at, w.seq) AS order
    FROM waitlist_entries w JOIN reservations r ON substr(r.id, 5) = substr(w.id, 5) WHERE w.event_id = $1`,
    [event.id],
  );
  const late = rows.map((row) => Math.round(row.late));
  report(`race 10: offers ended ${Math.min(...late)} to ${Math.max(...late)} ms late`);
  expect(rows.map(({ order }) => Number(order))).toEqual(rows.map(() => 0));
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...late)).toBeLessThan(ENDED_LATE_MAX_MS);
  expect(await fenceOf(event)).toBeGreaterThan(before);
  const { rowCount: left } = await pool.query("SELECT FROM accepted_commands WHERE event_id = $1", [
    event.id,
  ]);
  expect(left).toBe(0);
});

async function fenceOf({ id }: TestEvent): Promise<number> {
  const { rows } = await house.pool.query<{ fence: number }>(
    "SELECT fence::int AS fence FROM event_lanes WHERE event_id = $1",
    [id],
  );
  return rows[0]?.fence ?? Number.NaN;
}

/** How many entries of the event's waitlist are what. */
async function statuses({ id }: TestEvent): Promise<Record<string, number>> {
  const { rows } = await house.pool.query<{ status: string }>(
    "SELECT status FROM waitlist_entries WHERE event_id = $1",
    [id],
  );
  return tally(rows.map(({ status }) => status));
}

test("after all of them nothing contradicts the invariants", { timeout: RACE_TIMEOUT_MS }, async () => {
  expect(await checkInvariants(house.pool)).toEqual([]);
});
