// W7, N4, race 12: an event with ten thousand reservations is cancelled, and the worker that ends them dies half-way.
// Nobody delivers webhooks here: what is to be delivered is looked at.
import type { EventId, NoticeType, ReservationId, UserId } from "@holdfast/domain";
import {
  cancelEvent,
  createEndpoint,
  createEvent,
  createUsers,
  joinWaitlist,
  purchase,
  reserve,
  type TestEvent,
  until,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { offerTo, writeLine, writeReservations } from "./long-tables.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";

const HELD = 4_500;
const PURCHASED = 4_500;
const OFFERED = 1_000;
const WAITING = 3_000;
/** Reservations that have ended when the worker dies. */
const HALF = (HELD + PURCHASED + OFFERED) / 2;
const BUYERS = 8;
const ENDED_WITHIN_MS = 30_000;
const DRILL_TIMEOUT_MS = 60_000;

let house: SystemWithDoor;

beforeAll(async () => {
  house = await startSystemWithDoor({ workers: 1, expiryWorkers: 1, waitlistWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => house.close(), START_TIMEOUT_MS);

interface FullEvent extends TestEvent {
  readonly buyer: UserId;
  readonly offered: UserId;
  readonly waiter: UserId;
}

/** Ten thousand active reservations, offers among them, and three thousand who wait. One of each kind is named. */
async function fullEvent(): Promise<FullEvent> {
  const event = await createEvent(house.pool, { capacities: [HELD + PURCHASED + OFFERED], waitlist: {} });
  const users = await createUsers(house.pool, HELD + PURCHASED + OFFERED + WAITING);
  await writeReservations(house.pool, event, users.slice(0, HELD), "held");
  await writeReservations(house.pool, event, users.slice(HELD, HELD + PURCHASED), "purchased");
  await writeLine(house.pool, event, users.slice(HELD + PURCHASED), { parkedEvery: 10 });
  await offerTo(house.pool, event, OFFERED);
  const buyer = at(users, HELD);
  const offered = at(users, HELD + PURCHASED);
  return { ...event, buyer, offered, waiter: at(users, HELD + PURCHASED + OFFERED + WAITING / 2) };
}

const ENDS = ["reservation.cancelled", "waitlist.closed", "event.cancelled"] as const;

/** Endpoints of who hears of everything, of who hears of their own, and of who hears of nothing. By what they are called. */
async function listen(event: FullEvent, stranger: UserId): Promise<ReadonlyMap<string, string>> {
  const { pool } = house;
  const admins = await createUsers(pool, 2);
  const [admin, dismissed] = [at(admins, 0), at(admins, 1)];
  await pool.query("UPDATE users SET role = 'organizer' WHERE id = $1", [event.organizerId]);
  await pool.query("UPDATE users SET role = 'admin' WHERE id = ANY ($1::text[])", [admins]);
  await pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [dismissed]);
  const hearers: [string, UserId, (readonly NoticeType[])?][] = [
    ["organizer", event.organizerId],
    ["organizer, again", event.organizerId, ["event.cancelled"]],
    ["admin", admin, ENDS],
    ["disabled admin", dismissed],
    ["buyer", event.buyer],
    ["offered", event.offered],
    ["waiter", event.waiter, ["waitlist.closed"]],
    ["stranger", stranger],
  ];
  const made = hearers.map(async ([name, owner, types]): Promise<[string, string]> => {
    return [await createEndpoint(pool, owner, types === undefined ? {} : { types }), name];
  });
  return new Map(await Promise.all(made));
}

/** How many deliveries of each type each of them is to get, by `<who> <type>`. Each tells of another thing, or all is told. */
async function deliveriesTo(names: ReadonlyMap<string, string>): Promise<Record<string, number | string>> {
  const { rows } = await house.pool.query<{ to: string; type: string; count: number; things: number }>(
    `SELECT d.endpoint_id AS to, m.type, count(*)::int, count(DISTINCT coalesce(
        m.notice #>> '{reservation,id}', m.notice #>> '{entry,id}', m.notice #>> '{command,id}', m.type))::int AS things
    FROM webhook_deliveries d JOIN webhook_messages m ON m.id = d.message_id
    WHERE d.status = 'pending' GROUP BY 1, 2`,
  );
  return Object.fromEntries(
    rows.map(({ to, type, count, things }) => [
      `${names.get(to)} ${type}`,
      count === things ? count : `${count} of ${things}`,
    ]),
  );
}

/** The numbers of the event's messages, in words: `1 to n`, when none is missing and none comes twice. */
async function numbersOf(eventId: EventId): Promise<string> {
  const { rows } = await house.pool.query<{ numbers: string }>(
    `SELECT min(sequence) || ' to ' || CASE WHEN count(DISTINCT sequence) = l.next_message - 1 THEN 'n' ELSE 'gap' END
      AS numbers
    FROM webhook_messages m JOIN event_lanes l USING (event_id) WHERE event_id = $1 GROUP BY l.next_message`,
    [eventId],
  );
  return rows[0]?.numbers ?? "none";
}

/** From now on each end of a reservation or an entry leaves a mark. */
async function markEnds(): Promise<void> {
  await house.pool.query(`
    CREATE TABLE ends (id text NOT NULL, end_reason text);
    CREATE FUNCTION mark_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.ended_at IS NOT NULL THEN INSERT INTO ends VALUES (new.id, new.end_reason); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER mark_end AFTER UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION mark_end();
    CREATE TRIGGER mark_end AFTER UPDATE ON waitlist_entries FOR EACH ROW EXECUTE FUNCTION mark_end()`);
}

async function endedReservations(eventId: EventId): Promise<number> {
  const { rows } = await house.pool.query<{ ended: number }>(
    "SELECT count(*)::int AS ended FROM reservations WHERE event_id = $1 AND ended_at IS NOT NULL",
    [eventId],
  );
  return rows[0]?.ended ?? 0;
}

const isWoundDown = async (eventId: EventId): Promise<boolean> => {
  const { rows } = await house.pool.query("SELECT FROM events WHERE id = $1 AND NOT winding_down", [eventId]);
  return rows.length === 1;
};

/**
 * Holders, of offers too, who go on trying to buy what they hold, one after another, until told to stop. Not those who
 * listen: how often each of them would try is up to chance.
 */
async function keepBuying(eventId: EventId, over: AbortSignal): Promise<string[]> {
  const { rows } = await house.pool.query<{ id: ReservationId; user_id: UserId }>(
    `SELECT id, user_id FROM reservations r
    WHERE event_id = $1 AND status = 'held' AND NOT EXISTS (SELECT FROM webhook_endpoints WHERE owner_id = r.user_id)
    ORDER BY id`,
    [eventId],
  );
  const words: string[] = [];
  const buy = async (first: number): Promise<void> => {
    for (let nth = first; !over.aborted; nth += BUYERS) {
      const { id, user_id: user } = at(rows, nth * 7); // all over the event, not in the order of its ending
      words.push(wordOf((await house.door.ask(purchase(eventId, user, id))).outcome));
    }
  };
  await Promise.all(Array.from({ length: BUYERS }, (_, n) => buy(n)));
  return words;
}

test("W7, N4, race 12: ten thousand reservations of a cancelled event each end once and are told of once, though the worker dies half-way", {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  const { pool, door, system } = house;
  const event = await fullEvent();
  expect(await checkInvariants(pool)).toEqual([]);
  await markEnds();
  const [stranger, joiner] = await createUsers(pool, 2);
  if (stranger === undefined || joiner === undefined) throw new Error("two were made");
  const hearers = await listen(event, stranger);

  // Queued behind the cancelling, before anything of it is applied.
  await house.pause(event.id);
  const cancelled = door.ask(cancelEvent(event.id, event.organizerId));
  const behind = [reserve(event.id, stranger), joinWaitlist(event.id, joiner, event.slotId)].map((command) =>
    door.ask(command),
  );
  const over = new AbortController();
  const buying = keepBuying(event.id, over.signal);
  await until("all to be queued", async () => at(await door.depthsOf([event.id]), 0) >= 3 + BUYERS);
  const startedAt = performance.now();
  await house.resume(event.id);
  expect(wordOf((await cancelled).outcome)).toBe("done");

  await until("half of them to have ended", async () => (await endedReservations(event.id)) >= HALF);
  at(system.workers, 0).kill("SIGKILL");
  const left = HELD + PURCHASED + OFFERED - (await endedReservations(event.id));
  await system.startWorker();
  await until("the event to be wound down", () => isWoundDown(event.id), ENDED_WITHIN_MS);
  const tookMs = Math.round(performance.now() - startedAt);
  over.abort();
  const words = await buying;
  report(`W7 wound down after ${tookMs} ms, ${left} were left at the kill, ${words.length} tried to buy`);

  expect(left).toBeGreaterThan(0);
  expect(tally(words)).toEqual({ "event-cancelled": words.length });
  expect(words.length).toBeGreaterThan(2 * BUYERS);
  const refused = await Promise.all(behind);
  expect(refused.map(({ outcome }) => wordOf(outcome))).toEqual(["event-cancelled", "event-cancelled"]);
  const { rows } = await pool.query<{ kind: string; ends: number; ended: number; reasons: string }>(
    `SELECT left(id, 3) AS kind, count(*)::int AS ends, count(DISTINCT id)::int AS ended,
      string_agg(DISTINCT end_reason, ' ') AS reasons
    FROM ends GROUP BY 1 ORDER BY 1`,
  );
  const reservations = HELD + PURCHASED + OFFERED;
  const entries = OFFERED + WAITING;
  expect(rows).toEqual([
    { kind: "rsv", ends: reservations, ended: reservations, reasons: "event-cancelled" },
    { kind: "wle", ends: entries, ended: entries, reasons: "event-cancelled" },
  ]);

  const everyEnd = {
    "reservation.cancelled": reservations,
    "waitlist.closed": entries,
    "event.cancelled": 1,
  };
  const commands = { "command.succeeded": 1, "command.rejected": words.length + behind.length };
  const heard = (who: string, types: Record<string, number>) =>
    Object.entries(types).map(([type, count]) => [`${who} ${type}`, count] as const);
  expect(await deliveriesTo(hearers)).toEqual(
    Object.fromEntries([
      ...heard("organizer", { ...everyEnd, ...commands }),
      ...heard("organizer, again", { "event.cancelled": 1 }),
      ...heard("admin", everyEnd),
      ...heard("buyer", { "reservation.cancelled": 1 }),
      ...heard("offered", { "reservation.cancelled": 1, "waitlist.closed": 1 }),
      ...heard("waiter", { "waitlist.closed": 1 }),
      ...heard("stranger", { "command.rejected": 1 }),
    ]),
  );
  expect(await numbersOf(event.id)).toBe("1 to n");
  expect(await checkInvariants(pool)).toEqual([]);
});
