// R3: Redis and PostgreSQL die under load and come back, and Redis forgets: what was answered stands, and the rest
// goes on within seconds. `STORE_KILLS=10` for the long form, `SEED=…` to choose the same moments again.
import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { EventId } from "@holdfast/domain";
import { chanceOf, type MortalStores, openMortalStores, type PostgresDeath, until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, queueOf, report, tally } from "./crowd.ts";
import { wordOf } from "./endings.ts";
import { contradictionsOf } from "./history.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type MadeEvent } from "./population.ts";
import { startShoppers } from "./shoppers.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

/** Deaths of each store; Redis forgets half as often, in each of two ways. */
const KILLS = Number(process.env["STORE_KILLS"] ?? 2);
const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const HOLD_SECONDS = [1, 2, 3];
const CAPACITIES = [20, 1_000];
const SHOPPERS = 16;
const PEOPLE = 5_000 + 3_000 * KILLS;
/** Endings between two faults, and after the last. */
const ENDINGS = { min: 100, max: 400 };
/** Refused or broken requests after which a dead store comes back: sometimes at once, sometimes after seconds. */
const FELT = { min: 3, max: 30 * KILLS };
/** Milliseconds of its file that Redis loses when its disk has lied. */
const LOST_MS = 1_000;

/** Milliseconds from a store's return within which a new command is answered with its outcome: R. */
const RECOVERED_WITHIN_MS = 5_000;
/** Milliseconds after its deadline by which a hold has ended when nothing is wrong. */
const LATE_MAX_MS = 1_500;
/** Milliseconds that an answer may take beyond the wait that was asked for. */
const PAST_WAIT_MAX_MS = 1_000;
/** Milliseconds after the last request in which all that was promised ends, and every hold. */
const CLEAN_WITHIN_MS = 30_000;
const DRILL_TIMEOUT_MS = 90_000 + 30_000 * KILLS;

const POSTGRES_DEATHS: readonly PostgresDeath[] = ["SIGKILL", "SIGINT", "SIGQUIT"];

/** Milliseconds for which all holds of an event share a timer: one that is lost is lost for all of them. */
const TIMER_MS = 1_000;

/** In milliseconds since 1970. */
interface Outage {
  /** A store's last moment, its first new one, and when all events had decided something since. */
  readonly from: number;
  readonly to: number;
  readonly overAt: number;
}

let stores: MortalStores;
let system: System;
const ended: string[] = [];

beforeAll(async () => {
  stores = await openMortalStores();
  system = await startSystemOn(
    stores.database,
    { gateways: 2, workers: 2, expiryWorkers: 1, rateLimits: "on" },
    stores.redis,
  );
  for (const { process } of system.gateways) void process.ended.then(() => ended.push("a gateway"));
  for (const worker of system.workers) void worker.ended.then(() => ended.push("a worker"));
  for (const worker of system.expiryWorkers) void worker.ended.then(() => ended.push("an expiry worker"));
}, START_TIMEOUT_MS);
afterAll(async () => {
  await system?.close();
  await stores?.close();
}, START_TIMEOUT_MS);

/** Does its harm, and says what it was. A store that dies stays away until `meanwhile` is over. */
type Fault = (meanwhile: () => Promise<void>) => Promise<string>;

const redisDies: Fault = async (meanwhile) => {
  await stores.killRedis();
  await meanwhile();
  await stores.reviveRedis();
  return "Redis killed";
};
const redisLosesItsLastSecond: Fault = async () => {
  await stores.killRedis();
  const bytes = stores.loseLastOfRedis(LOST_MS);
  expect(bytes).toBeGreaterThan(0);
  await stores.reviveRedis();
  return `Redis lost ${bytes} bytes`;
};
const redisIsEmptied: Fault = async () => {
  const keys = await system.redis.dbsize();
  expect(keys).toBeGreaterThan(0);
  await system.redis.flushall();
  return `FLUSHALL of ${keys} keys`;
};
const postgresDies =
  (death: PostgresDeath): Fault =>
  async (meanwhile) => {
    await stores.killPostgres(death);
    await meanwhile();
    await stores.revivePostgres();
    return `PostgreSQL ${death}`;
  };

/** All of them, one kind after the other, so that each meets what the others have left. */
function faults(): Fault[] {
  const planned: Fault[] = [];
  for (let i = 0; i < KILLS; i += 1) {
    planned.push(redisDies, postgresDies(at(POSTGRES_DEATHS, i)));
    if (i % 2 === 0) planned.push(redisIsEmptied, redisLosesItsLastSecond);
  }
  return planned;
}

test(`R3: stores die or forget ${faults().length} times under load: every answer stands, and new ones come within 5 s`, {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  report(`R3 seed ${SEED}`);
  const chance = chanceOf(SEED);
  const nextPerson = queueOf(await createPeople(system.pool, PEOPLE));
  const events = await Promise.all(
    HOLD_SECONDS.flatMap((holdSeconds, i) =>
      CAPACITIES.map((capacity, j) =>
        createEvent(system.pool, { capacity, holdSeconds, inDays: 10 + CAPACITIES.length * i + j }),
      ),
    ),
  );
  const { clients } = system;
  const shoppers = startShoppers({ clients, chance, events, nextPerson, count: SHOPPERS });
  const { told } = shoppers;
  await shoppers.warmUp(ENDINGS.max);
  const outages: Outage[] = [];
  const waits: number[] = [];
  for (const fault of faults()) {
    await shoppers.goOn(chance.between(ENDINGS.min, ENDINGS.max));
    const from = Date.now();
    const what = await fault(() => shoppers.feelOutage(chance.between(FELT.min, FELT.max)));
    const to = Date.now();
    const wait = await shoppers.probe(performance.now());
    waits.push(wait);
    outages.push({ from, to, overAt: Date.now() });
    report(
      `R3 ${new Date(from).toISOString()} ${what}: gone for ${to - from} ms, all events decide again after ${Math.round(wait)} ms`,
    );
  }
  await shoppers.goOn(2 * ENDINGS.max);
  await shoppers.stop();
  const stoppedAt = performance.now();
  await untilNothingIsUnderWay();
  report(`R3 nothing was under way ${Math.round(performance.now() - stoppedAt)} ms after the last request`);

  const { history, unknowns, statuses, slowest } = told;
  report(
    `R3 ${history.length} endings: ${JSON.stringify(tally(history.map(({ ending }) => wordOf(ending))))}`,
  );
  report(`R3 statuses: ${JSON.stringify(statuses)}, never answered: ${unknowns.length}`);
  report(`R3 slowest answer: ${slowest.pastWaitMs} ms beyond its wait, ${slowest.what}`);
  const lateness = await latenessOf(outages);
  for (const { what, holds, earliest, latest } of lateness) {
    report(`R3 ${holds} holds ended, ${what}: ${earliest} to ${latest} ms late`);
  }

  expect(await contradictionsOf(history, system.pool, chance.pick(clients), unknowns)).toEqual([]);
  expect(await checkInvariants(system.pool)).toEqual([]);
  expect(ended).toEqual([]);
  expect(Object.keys(statuses).filter((status) => Number(status) >= 500 && status !== "503")).toEqual([]);
  expect(Math.max(...waits)).toBeLessThan(RECOVERED_WITHIN_MS);
  expect(slowest.pastWaitMs).toBeLessThan(PAST_WAIT_MAX_MS);
  expect(lateness.flatMap(({ tooLate, tooEarly }) => [...tooLate, ...tooEarly])).toEqual([]);
  for (const { holds } of lateness) expect(holds).toBeGreaterThan(0);
  expect(history.length).toBeGreaterThan(outages.length * ENDINGS.min);
});

test("R3: a store dies while nobody wants anything: a hold that was due meanwhile ends in time, a first command is decided within 5 s", {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  const nextPerson = queueOf(await createPeople(system.pool, PEOPLE));
  const [kept, asked] = await Promise.all(
    [10, 11].map((inDays) => createEvent(system.pool, { capacity: PEOPLE, holdSeconds: 1, inDays })),
  );
  const visitorOf = (event: MadeEvent | undefined) =>
    startShoppers({
      clients: system.clients,
      chance: chanceOf(SEED),
      events: event === undefined ? [] : [event],
      nextPerson,
      count: 0,
    });
  // Two events: a command in the one must not end the hold in the other.
  const [holder, visitor] = [visitorOf(kept), visitorOf(asked)];
  const outages: Outage[] = [];
  const waits: number[] = [];
  for (let i = 0; i < KILLS; i += 1) {
    await untilNothingIsUnderWay();
    await holder.probe(performance.now());
    const due = await lastDeadline();
    const fault = i % 2 === 0 ? redisDies : postgresDies("SIGKILL");
    const from = Date.now();
    await fault(() => pause(Math.max(0, due - Date.now())));
    const to = Date.now();
    waits.push(await visitor.probe(performance.now()));
    outages.push({ from, to, overAt: Date.now() });
  }
  await Promise.all([holder.stop(), visitor.stop()]);
  await untilNothingIsUnderWay();
  const [late] = await latenessOf(outages, kept?.eventId);
  report(`R3 quiet: decided again after ${waits.map(Math.round).join(", ")} ms`);
  report(`R3 quiet: ${late?.holds} holds ended ${late?.earliest} to ${late?.latest} ms after it`);
  expect(await checkInvariants(system.pool)).toEqual([]);
  expect(ended).toEqual([]);
  for (const wait of waits) expect(wait).toBeLessThan(RECOVERED_WITHIN_MS);
  expect(late).toMatchObject({ holds: KILLS, tooLate: [], tooEarly: [] });
});

/** By the database's clock, which on this machine is everybody's. */
async function lastDeadline(): Promise<number> {
  const { rows } = await system.pool.query<{ due: Date }>("SELECT max(expires_at) AS due FROM reservations");
  return rows[0]?.due.getTime() ?? Number.NaN;
}

/** No promise, no job, no hold. */
async function untilNothingIsUnderWay(): Promise<void> {
  const isIdle = async (): Promise<boolean> => {
    const { rows } = await system.pool.query<{ left: number }>(
      `SELECT (SELECT count(*) FROM accepted_commands)::int
        + (SELECT count(*) FROM reservations WHERE status = 'held')::int AS left`,
    );
    const jobs = await Promise.all(["wait", "active"].map((state) => system.keysLike(`{evt_*}:${state}`)));
    return rows[0]?.left === 0 && jobs.flat().length === 0;
  };
  await until("everything to have ended", isIdle, CLEAN_WITHIN_MS);
}

interface HoldRow {
  readonly id: string;
  readonly made: number;
  readonly due: number;
  readonly ended: number;
  /** How long the commands that ended between `due` and `ended` had waited, at most. */
  readonly age: number;
}

interface Lateness {
  readonly what: string;
  readonly holds: number;
  /** Milliseconds from the deadline, or from the end of the outage when that came later. */
  readonly earliest: number;
  readonly latest: number;
  readonly tooLate: readonly string[];
  readonly tooEarly: readonly string[];
}

const GROUPS = ["due while a store was gone", "made or due around an outage", "undisturbed"] as const;

/** How late all holds ended, or those of one event, that ended by their deadline. */
async function latenessOf(outages: readonly Outage[], eventId: EventId | null = null): Promise<Lateness[]> {
  const { rows } = await system.pool.query<HoldRow>(
    `SELECT r.id, ms(r.created_at) AS made, ms(r.expires_at) AS due, ms(r.ended_at) AS ended, (
        SELECT coalesce(max(ms(o.finished_at) - ms(o.submitted_at)), 0) FROM outcomes o
        WHERE o.event_id = r.event_id AND o.finished_at BETWEEN r.expires_at AND r.ended_at
      ) AS age
    FROM reservations r WHERE r.end_reason = 'deadline' AND ($1::text IS NULL OR r.event_id = $1)`.replaceAll(
      /ms\(([a-z_.]+)\)/g,
      "(date_part('epoch', $1) * 1000)",
    ),
    [eventId],
  );
  const judged = rows.map((hold) => judge(hold, outages));
  return GROUPS.map((what) => {
    const group = judged.filter((hold) => hold.what === what);
    const late = group.map((hold) => hold.late);
    return {
      what,
      holds: group.length,
      earliest: Math.min(...late),
      latest: Math.max(...late),
      tooLate: group.filter((hold) => hold.late > hold.allowed).map(({ id, late: ms }) => `${id}: ${ms} ms`),
      tooEarly: group.filter((hold) => hold.early).map(({ id }) => id),
    };
  });
}

/** An outage concerns the holds that were there when it began, whose timers may be lost, and those made until it was over. */
function judge({ id, made, due, ended, age }: HoldRow, outages: readonly Outage[]) {
  const concerning = outages.filter(({ from, overAt }) => from <= ended && made <= overAt + TIMER_MS);
  const isDueMeanwhile = concerning.some(({ from, to }) => due + LATE_MAX_MS >= from && due <= to);
  const undisturbed = concerning.length === 0;
  const since = Math.max(due, ...concerning.map(({ to }) => to));
  return {
    id,
    what: isDueMeanwhile ? GROUPS[0] : undisturbed ? GROUPS[2] : GROUPS[1],
    late: Math.round(ended - since),
    allowed: LATE_MAX_MS + (undisturbed ? age : RECOVERED_WITHIN_MS),
    early: ended < due,
  };
}
