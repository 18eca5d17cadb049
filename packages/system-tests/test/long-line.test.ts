// W5: what a long waitlist costs beside a short one: joining it, asking for a place in it, being promoted from it.
// `LINE=100000 LINE_BLOCKS=9` for the long form, which judges the slowest of a hundred; the short one has too few for that.
import { findEntryOf } from "@holdfast/db";
import type { ReservationId, UserId, WaitlistEntryId } from "@holdfast/domain";
import { cancel, createEvent, createUsers, joinWaitlist, promote, type TestEvent } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, median, quantile, report } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { writeLine, writeReservations } from "./long-tables.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";
import { makeEntry, succeed } from "./waiters.ts";

const LONG = Number(process.env["LINE"] ?? 10_000);
const SHORT = 1_000;
const BLOCKS = Number(process.env["LINE_BLOCKS"] ?? 3);
/** Of the long line: every so many'th is parked. */
const PARKED_EVERY = 10;
const IS_LONG_FORM = process.env["LINE"] !== undefined;
const SAMPLES = IS_LONG_FORM ? 200 : 25;
const JUDGED = IS_LONG_FORM ? 0.99 : 0.5;
const SHARE_MAX = 1.3;
const LINE_TIMEOUT_MS = 60_000 + LONG * 5 + BLOCKS * SAMPLES * 100;

const DEEDS = ["join", "position", "promotion"] as const;
type Deed = (typeof DEEDS)[number];

interface Line {
  readonly event: TestEvent;
  /** Who holds a ticket, and may give it back. */
  readonly holders: { readonly id: ReservationId; readonly user: UserId }[];
  readonly waiting: readonly { readonly id: WaitlistEntryId; readonly user: UserId }[];
}

let house: SystemWithDoor;

beforeAll(async () => {
  house = await startSystemWithDoor({ workers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => house.close(), START_TIMEOUT_MS);

async function lineOf(length: number): Promise<Line> {
  const { pool } = house;
  const tickets = (BLOCKS + 1) * SAMPLES;
  const event = await createEvent(pool, {
    capacities: [tickets],
    waitlist: { maxEntries: 1_000_000 },
  });
  await writeReservations(pool, event, await createUsers(pool, tickets), "held");
  await writeLine(pool, event, await createUsers(pool, length), { parkedEvery: PARKED_EVERY });
  const { rows: holders } = await pool.query<Line["holders"][number]>(
    `SELECT id, user_id AS user FROM reservations WHERE event_id = $1`,
    [event.id],
  );
  const { rows: waiting } = await pool.query<Line["waiting"][number]>(
    `SELECT id, user_id AS user FROM waitlist_entries WHERE slot_id = $1 ORDER BY seq DESC LIMIT 5000`,
    [event.slotId],
  );
  return { event, holders, waiting };
}

/** Milliseconds that it takes once. */
async function timeOf(
  deed: Deed,
  { event, holders, waiting }: Line,
  user: UserId,
  nth: number,
): Promise<number> {
  const { pool, door } = house;
  const giver = deed === "promotion" ? holders.pop() : undefined;
  if (giver !== undefined) await succeed(door, cancel(event.id, giver.user, giver.id));
  const startedAt = performance.now();
  switch (deed) {
    case "join":
      await makeEntry(door, joinWaitlist(event.id, user, event.slotId));
      break;
    case "position": {
      const one = at(waiting, nth * 37); // here and there in the last of the line
      const found = await findEntryOf(pool, one.user, one.id);
      if (found === null) throw new Error(`${one.id} is gone`);
      break;
    }
    case "promotion":
      await succeed(door, promote(event.id, event.slotId));
      break;
  }
  return performance.now() - startedAt;
}

/** The judged times of one block, of the short line and of the long one: they take turns, so that noise hits both. */
async function blockOf(deed: Deed, lines: readonly [Line, Line]): Promise<[number, number]> {
  const users = await createUsers(house.pool, SAMPLES);
  const took: [number[], number[]] = [[], []];
  for (const [nth, user] of users.entries()) {
    for (const turn of nth % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      took[turn].push(await timeOf(deed, lines[turn], user, nth));
    }
  }
  return [quantile(took[0], JUDGED), quantile(took[1], JUDGED)];
}

test(`W5: with ${LONG} who wait, joining, a place and a promotion take at most ${SHARE_MAX} times as long as with ${SHORT}`, {
  timeout: LINE_TIMEOUT_MS,
}, async () => {
  const { pool } = house;
  const lines = [await lineOf(SHORT), await lineOf(LONG)] as const;
  await pool.query("VACUUM ANALYZE");
  const figures: Record<Deed, [number, number][]> = { join: [], position: [], promotion: [] };
  for (let block = 0; block <= BLOCKS; block += 1) {
    for (const deed of DEEDS) {
      const figure = await blockOf(deed, lines);
      if (block > 0) figures[deed].push(figure); // the first one warms up
    }
  }
  const shares = DEEDS.map((deed) => {
    const share = median(figures[deed].map(([short, long]) => long / short));
    const [short, long] = [0, 1].map((turn) => median(figures[deed].map((figure) => figure[turn] ?? 0)));
    report(
      `W5 ${deed}: p${JUDGED * 100} ${short?.toFixed(2)} ms of ${SHORT}, ${long?.toFixed(2)} ms of ${LONG}, share ${share.toFixed(2)}`,
    );
    return share;
  });
  for (const share of shares) expect(share).toBeLessThanOrEqual(SHARE_MAX);
  expect(await checkInvariants(pool)).toEqual([]);
});
