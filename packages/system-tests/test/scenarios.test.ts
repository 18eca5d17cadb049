// Every scenario that the rules are held to, played on a running system: real stores, a real worker. All of them live
// through one day together, each line at its own millisecond.
import type { EpochMs } from "@holdfast/domain";
import {
  type Crowd,
  openCrowd,
  openTestDatabase,
  openTestRedis,
  type TestDatabase,
  until,
} from "@holdfast/testkit";
import { SCENARIOS } from "@holdfast/testkit/scenarios";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MIDNIGHT } from "../../domain/test/play-commands.ts";
import { inParallel, report } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { openPlayer, type Player } from "./scenario-player.ts";
import { type StoppedClock, stopClock } from "./stopped-clock.ts";
import { START_TIMEOUT_MS, type System, startSystemOn } from "./system.ts";

const DAY_MS = 86_400_000;
const PLAY_TIMEOUT_MS = 120_000;
/** Made at a time: more would only wait for connections. */
const OPENED_AT_ONCE = 8;

interface Played {
  /** Null when the scenario could not be begun. */
  readonly player: Player | null;
  fault: unknown;
}

const texts = Object.entries(SCENARIOS).flatMap(([topic, groups]) =>
  Object.entries(groups).flatMap(([group, scenarios]) =>
    Object.entries(scenarios).map(([name, text]) => ({ title: `${topic}: ${group}: ${name}`, text })),
  ),
);
const played = new Map<string, Played>();
let database: TestDatabase;
let clock: StoppedClock;
let system: System;
let door: Crowd;

beforeAll(async () => {
  database = await openTestDatabase();
  clock = await stopClock(database.url, MIDNIGHT);
  const redis = await openTestRedis();
  system = await startSystemOn(database, { gateways: 0, workers: 1 }, redis);
  door = await openCrowd(redis.url, redis.prefix);
}, START_TIMEOUT_MS);
afterAll(async () => {
  await door?.close();
  await system?.close();
  await clock?.close();
  await database?.close();
}, START_TIMEOUT_MS);

beforeAll(async () => {
  const startedAt = performance.now();
  await inParallel(texts, OPENED_AT_ONCE, async ({ title, text }, nth) => {
    played.set(
      title,
      await openPlayer(database.pool, door, text, nth).then(
        (player) => ({ player, fault: null }),
        (fault: unknown) => ({ player: null, fault }),
      ),
    );
  });
  const steps = [...played.values()].reduce((sum, { player }) => sum + (player?.written.length ?? 0), 0);
  const stops = await playAll([...played.values()]);
  const seconds = (performance.now() - startedAt) / 1_000;
  report(`scenarios: ${played.size} with ${steps} lines, ${stops} moments, in ${seconds.toFixed(1)} s`);
}, PLAY_TIMEOUT_MS);

/** Moves the clock from one moment at which somebody has something to do to the next. Tells how many there were. */
async function playAll(all: readonly Played[]): Promise<number> {
  for (let stops = 0; ; stops += 1) {
    const waiting = all.flatMap((one) => {
      const at = one.fault === null ? (one.player?.nextStop() ?? null) : null;
      return at === null ? [] : [{ one, at }];
    });
    if (waiting.length === 0) return stops;
    const now = Math.min(...waiting.map(({ at }) => at));
    await clock.set(now);
    await Promise.all(waiting.filter(({ at }) => at <= now).map(({ one }) => playOne(one, now)));
  }
}

async function playOne(one: Played, now: EpochMs): Promise<void> {
  try {
    await one.player?.play(now);
    const next = one.player?.nextStop() ?? null;
    if (next !== null && next <= now) throw new Error("the scenario makes no way");
  } catch (error) {
    one.fault = error;
  }
}

/** Holds, events that are being wound down, and slots with waiters, when all slots are over. */
async function leftToSweep(): Promise<number> {
  const { rows } = await database.pool.query<{ left: number }>(
    `SELECT (SELECT count(*) FROM reservations WHERE status = 'held')::int
      + (SELECT count(*) FROM events WHERE winding_down)::int
      + (SELECT count(*) FROM slots WHERE waiting > 0 OR promote_at IS NOT NULL)::int AS left`,
  );
  return rows[0]?.left ?? 0;
}

describe("played on the whole system", () => {
  test.for(texts)("$title", ({ title }) => {
    const { player, fault } = played.get(title) as Played;
    if (fault !== null) throw fault;
    expect(player?.lines).toEqual(player?.written);
  });

  test("what they leave behind contradicts no invariant", { timeout: PLAY_TIMEOUT_MS }, async () => {
    // Where a text says no more than that an event is cancelled, nobody has wound it down.
    await database.pool.query("UPDATE events SET winding_down = true WHERE cancelled_at IS NOT NULL");
    await clock.set(MIDNIGHT + 2 * DAY_MS);
    await clock.letSweep();
    await until("all to have ended", async () => (await leftToSweep()) === 0, PLAY_TIMEOUT_MS / 2);
    const known = / no command failed: .*unsupported/; // as some texts have it
    const found = await checkInvariants(database.pool);
    expect(found.filter((text) => !known.test(text))).toEqual([]);
  });
});
