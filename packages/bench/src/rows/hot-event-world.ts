// One event that everybody wants one ticket of, each request from another user: its template, its script, and what must
// be in the tables once all of them are answered.
import type { EventId, UserId } from "@holdfast/domain";
import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { createEvent, createUsers } from "@holdfast/testkit/fixtures";
import type pg from "pg";
import { type Bench, type Block, type BlockWish, runBlock } from "../block.ts";
import type { Answers } from "../load-generator/answers.ts";
import type { ReserveAmong } from "../load-generator/scripts/reserve-among.ts";
import type { RowRun } from "../row.ts";
import type { Template } from "../stores.ts";

export const RESERVE = "reserve";
const RESERVE_AMONG = import.meta.resolve("../load-generator/scripts/reserve-among.ts");
/** Users of a row: each asks once in a block, so more than the fastest variant answers in the longest one. */
const USERS = 250_000;
const SMOKE_USERS = 60_000;

export const usersOf = ({ smoke }: { readonly smoke: boolean }): number => (smoke ? SMOKE_USERS : USERS);

export interface HotWorld {
  readonly eventId: EventId;
  readonly userIds: readonly UserId[];
}

export interface HotEvent {
  readonly template: Template<HotWorld>;
  readonly script: BlockWish["script"];
}

/** What has been made for a bench: a script whose arguments stay the same is sent to the generator once. */
const made = new WeakMap<Bench, Map<number, Promise<HotEvent>>>();

/** With as many tickets as a slot may have, unless there are to be too few. The same for the same bench and tickets. */
export function hotEvent(
  bench: Bench,
  { users, capacity = SLOT_CAPACITY_MAX }: { readonly users: number; readonly capacity?: number },
): Promise<HotEvent> {
  const ofBench = made.get(bench) ?? new Map<number, Promise<HotEvent>>();
  made.set(bench, ofBench);
  const event = ofBench.get(capacity) ?? makeHotEvent(bench, users, capacity);
  ofBench.set(capacity, event);
  return event;
}

async function makeHotEvent(
  { stores, jwtSecret: secret }: Bench,
  users: number,
  capacity: number,
): Promise<HotEvent> {
  const template = await stores.template<HotWorld>(
    `one event with ${capacity} tickets, ${users} users`,
    async (pool) => ({
      eventId: (await createEvent(pool, { capacities: [capacity] })).id,
      userIds: await createUsers(pool, users),
    }),
  );
  const { eventId, userIds } = template.world;
  const oversold = capacity < users;
  const args: ReserveAmong = { secret, kind: RESERVE, eventIds: [eventId], userIds, oversold };
  return { template, script: { module: RESERVE_AMONG, args } };
}

/** Holdfast selling that event, with its default settings. */
export async function pressHotEvent(
  run: Pick<RowRun, "smoke">,
  bench: Bench,
  { loop, warmUpSeconds, seconds }: Pick<BlockWish, "loop" | "warmUpSeconds" | "seconds">,
): Promise<Block> {
  return runBlock(bench, {
    variant: "holdfast",
    pool: null,
    ...(await hotEvent(bench, { users: usersOf(run) })),
    loop,
    warmUpSeconds,
    seconds,
    check: reserveFaults,
  });
}

/** Outcomes of the block, told apart by what they are. */
interface Kept {
  readonly type: string;
  readonly status: string;
  readonly code: string | null;
  readonly count: number;
}

const SOLD_OUT_CODES: readonly (string | null)[] = ["sold-out", "all-held"];

/** All are answered with an outcome, each of which is kept: as many held as told so, the others because there were none. */
export async function reserveFaults(
  pool: pg.Pool,
  { kinds }: Answers,
  capacity = SLOT_CAPACITY_MAX,
): Promise<string[]> {
  const { "201": held = 0, "409": refused = 0, ...others } = kinds[RESERVE]?.statuses ?? {};
  const faults = Object.entries(others).map(([status, count]) => `${count} answers were ${status}`);
  const [reservations, outcomes] = await Promise.all([heldIn(pool), outcomesIn(pool)]);
  const kept = (fits: (one: Kept) => boolean): number =>
    outcomes.filter(fits).reduce((sum, { count }) => sum + count, 0);
  const mustBe = (what: string, found: number, told: number): void => {
    if (found !== told) faults.push(`${what}: ${found}, but ${told} were told so`);
  };
  mustBe("reservations", reservations, held);
  mustBe(
    "commands that succeeded",
    kept(({ status }) => status === "succeeded"),
    held,
  );
  mustBe(
    "commands refused because there were no tickets",
    kept(({ status, code }) => status === "rejected" && SOLD_OUT_CODES.includes(code)),
    refused,
  );
  mustBe(
    "all outcomes",
    kept(() => true),
    held + refused,
  );
  if (refused > 0 && held !== capacity) faults.push(`${held} got a ticket of ${capacity}`);
  return faults;
}

/** Who only answers leaves nothing behind. */
export async function writtenFaults(pool: pg.Pool): Promise<string[]> {
  const found = (await heldIn(pool)) + (await outcomesIn(pool)).length;
  return found === 0 ? [] : ["something was written"];
}

async function heldIn(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM reservations WHERE status = 'held'",
  );
  return rows[0]?.count ?? 0;
}

export async function outcomesIn(pool: pg.Pool): Promise<Kept[]> {
  const { rows } = await pool.query<Kept>(
    `SELECT type, status, outcome->'refusal'->>'code' AS code, count(*)::int AS count
    FROM outcomes GROUP BY 1, 2, 3`,
  );
  return rows;
}
