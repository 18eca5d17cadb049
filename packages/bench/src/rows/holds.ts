// Holds that are outstanding, a few and a million: how long a reserve takes among them, how late those end that fall due
// meanwhile, and how fast a great many end that are due at once.
import { setTimeout as sleep } from "node:timers/promises";
import { type EventId, SLOT_CAPACITY_MAX, type SlotId, type UserId } from "@holdfast/domain";
import { median } from "@holdfast/load";
import { createEvent, createUsers, until } from "@holdfast/testkit/fixtures";
import type pg from "pg";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { ReserveSlot } from "../load-generator/scripts/reserve-slot.ts";
import type { Findings, Row } from "../row.ts";
import type { Template } from "../stores.ts";
import { createHolds } from "./outstanding.ts";
import { faultsOf, inPairs, type Pair, type Size, shareGoal, timesTable } from "./two-sizes.ts";

const RESERVE_SLOT = import.meta.resolve("../load-generator/scripts/reserve-slot.ts");

interface Sizes {
  readonly rounds: number;
  readonly holds: Readonly<Record<Size, number>>;
  /** Holds that are due at once. */
  readonly wave: number;
  readonly perSecond: number;
  /** Beside the wave. */
  readonly calmPerSecond: number;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const FULL: Sizes = {
  rounds: 2,
  holds: { small: 10_000, large: 1_000_000 },
  wave: 200_000,
  perSecond: 1_000,
  calmPerSecond: 100,
  connections: 200,
  warmUpSeconds: 8,
  seconds: 10,
};
const SMOKE: Sizes = {
  rounds: 1,
  holds: { small: 100, large: 2_000 },
  wave: 2_000,
  perSecond: 100,
  calmPerSecond: 50,
  connections: 20,
  warmUpSeconds: 0.5,
  seconds: 1,
};

/** Slots over which outstanding holds are spread: as many as one user may have tickets of an event. */
const SLOTS = 10;
/** Seconds for which a reserve of the load holds: short, so that holds fall due while it is on. */
const HOLD_SECONDS = 3;
/** Seconds for which the outstanding ones go on: longer than any run. */
const OUTSTANDING_SECONDS = 36_000;
/** Milliseconds in which a wave must be over. */
const WAVE_MAX_MS = 120_000;
const MS_PER_SECOND = 1_000;

const SHARE_MAX = 1.2;
const LATE_MAX_SECONDS = 1.5;
const EXPIRIES_PER_SECOND_MIN = 10_000;

/** How late holds ended that fell due, in seconds. */
interface Lateness {
  readonly ended: number;
  readonly p99: number;
  readonly max: number;
}

interface Wave {
  readonly ended: number;
  readonly seconds: number;
}

interface World {
  readonly eventId: EventId;
  readonly slotId: SlotId;
  readonly userIds: readonly UserId[];
}

export const holds: Row = {
  name: "holds",
  title: "A million outstanding holds",
  about:
    `${FULL.perSecond} reserves a second of one event, in an open loop, while ${FULL.holds.small} and ` +
    `${FULL.holds.large} holds of it are outstanding, in turn. What is reserved is held for ${HOLD_SECONDS} seconds ` +
    "only, so that as many holds fall due each second: how late they end is read from their rows. Then " +
    `${FULL.wave} holds of one event are due at once, and end beside a calm event: how fast is read from their rows.`,
  minutes: 5,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    return withBench(run, async (bench) => {
      const pairs = await inPairs(
        run,
        run.rounds ?? sizes.rounds,
        async (size) => makeLoad(await bench(), sizes.holds[size], sizes),
        async (load) => pressed(await bench(), load, sizes),
      );
      run.signal.throwIfAborted();
      const wave = await run.block("wave", async () => breakWave(await bench(), sizes));
      return findingsOf(pairs, wave, sizes);
    });
  },
};

interface Load {
  readonly template: Template<World>;
  readonly args: ReserveSlot;
}

async function makeLoad(
  { stores, jwtSecret: secret }: Bench,
  count: number,
  { perSecond, warmUpSeconds, seconds }: Sizes,
): Promise<Load> {
  const template = await stores.template<World>(`${count} holds`, async (pool) => {
    const users = count / SLOTS;
    const event = await createEvent(pool, {
      capacities: [...Array<number>(SLOTS).fill(users), SLOT_CAPACITY_MAX],
      terms: { holdSeconds: HOLD_SECONDS },
    });
    const slotIds = event.slots.map(({ id }) => id);
    await createHolds(pool, event, { users, slotIds: slotIds.slice(0, SLOTS), seconds: OUTSTANDING_SECONDS });
    const asked = Math.ceil(perSecond * (warmUpSeconds + seconds)) + perSecond;
    return {
      eventId: event.id,
      slotId: slotIds.at(-1) ?? event.slotId,
      userIds: await createUsers(pool, asked),
    };
  });
  return { template, args: { secret, ...template.world } };
}

const pressed = (
  bench: Bench,
  { template, args }: Load,
  { perSecond, connections, warmUpSeconds, seconds }: Sizes,
): Promise<Block<Lateness>> =>
  runBlock<Lateness>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: RESERVE_SLOT, args },
    loop: { kind: "open", perSecond, connections },
    warmUpSeconds,
    seconds,
    async during({ pool }) {
      await sleep((warmUpSeconds + seconds) * MS_PER_SECOND);
      await untilNoneIsHeld(pool, template.world.slotId);
      return await latenessOf(pool, template.world.slotId);
    },
  });

const untilNoneIsHeld = (pool: pg.Pool, slotId: SlotId): Promise<boolean> =>
  until(
    "every hold of the load to end",
    async () => {
      const { rows } = await pool.query<{ held: number }>("SELECT held FROM slots WHERE id = $1", [slotId]);
      return rows[0]?.held === 0;
    },
    WAVE_MAX_MS,
  );

async function latenessOf(pool: pg.Pool, slotId: SlotId): Promise<Lateness> {
  const { rows } = await pool.query<Lateness>(
    `SELECT count(*)::int AS ended, coalesce(max(late), 0) AS max,
      coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY late), 0) AS p99
    FROM (
      SELECT date_part('epoch', ended_at - expires_at) AS late FROM reservations
      WHERE slot_id = $1 AND end_reason = 'deadline'
    ) each`,
    [slotId],
  );
  return rows[0] ?? { ended: 0, p99: 0, max: 0 };
}

interface WaveWorld extends World {
  readonly waveEventId: EventId;
}

/** The event with the wave is paused until services are warm. Then the sweep finds what is due. */
async function breakWave(bench: Bench, sizes: Sizes): Promise<Block<Wave>> {
  const { wave, calmPerSecond, connections, warmUpSeconds, seconds } = sizes;
  const template = await bench.stores.template<WaveWorld>(`${wave} due holds`, async (pool) => {
    const users = wave / SLOTS;
    const flooded = await createEvent(pool, { capacities: Array<number>(SLOTS).fill(users) });
    const slotIds = flooded.slots.map(({ id }) => id);
    await createHolds(pool, flooded, { users, slotIds, seconds: 0 });
    await pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [flooded.id]);
    const { id: eventId, slotId } = await createEvent(pool, { capacities: [SLOT_CAPACITY_MAX] });
    const asked = Math.ceil(calmPerSecond * (warmUpSeconds + seconds + 1));
    return { waveEventId: flooded.id, eventId, slotId, userIds: await createUsers(pool, asked) };
  });
  const { waveEventId, ...world } = template.world;
  return runBlock<Wave>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: RESERVE_SLOT, args: { secret: bench.jwtSecret, ...world } },
    loop: { kind: "open", perSecond: calmPerSecond, connections },
    warmUpSeconds,
    seconds,
    async during({ pool }) {
      await sleep(warmUpSeconds * MS_PER_SECOND);
      await pool.query("UPDATE event_lanes SET paused_at = NULL WHERE event_id = $1", [waveEventId]);
      await until(
        "every hold that is due to end",
        async () => (await heldOf(pool, waveEventId)) === 0,
        WAVE_MAX_MS,
      );
      const { rows } = await pool.query<Wave>(
        `SELECT count(*)::int AS ended, date_part('epoch', max(ended_at) - min(ended_at)) AS seconds
        FROM reservations WHERE event_id = $1 AND end_reason = 'deadline'`,
        [waveEventId],
      );
      return rows[0] ?? { ended: 0, seconds: 0 };
    },
  });
}

async function heldOf(pool: pg.Pool, eventId: EventId): Promise<number> {
  const { rows } = await pool.query<{ held: number }>(
    "SELECT sum(held)::int AS held FROM slots WHERE event_id = $1",
    [eventId],
  );
  return rows[0]?.held ?? 0;
}

const rateOf = ({ seen }: Block<Wave>): number => (seen === null ? 0 : seen.ended / seen.seconds);

function findingsOf(pairs: readonly Pair<Lateness>[], wave: Block<Wave>, sizes: Sizes): Findings {
  const blocks = pairs.flatMap(({ small, large }) => [small, large]);
  const lateness = blocks.flatMap(({ seen }) => (seen === null ? [] : [seen]));
  const names = { small: `${sizes.holds.small} holds`, large: `${sizes.holds.large} holds` };
  return {
    goals: [
      shareGoal(pairs, {
        kind: "reserve",
        sentence: `P99 of a reserve with ${names.large} outstanding, over that with ${sizes.holds.small}`,
        atMost: SHARE_MAX,
      }),
      {
        sentence: "how late a due hold ended, the latest of all",
        value: Math.max(...lateness.map(({ max }) => max)),
        unit: "s",
        direction: "at-most",
        floor: null,
        goal: LATE_MAX_SECONDS,
      },
      {
        sentence: `expiries a second, of ${sizes.wave} that are due at once`,
        value: rateOf(wave),
        unit: "",
        direction: "at-least",
        floor: null,
        goal: EXPIRIES_PER_SECOND_MIN,
      },
    ],
    tables: [
      timesTable(pairs, { kinds: ["reserve"], names }),
      {
        title: "Holds that fell due beside the load",
        columns: ["outstanding", "round", "ended", "late P99, s", "latest, s", "CPU µs a reserve"],
        rows: pairs.flatMap((pair, round) =>
          (["small", "large"] as const).map((size) => {
            const { seen, cpuMicrosServing } = pair[size];
            return [
              names[size],
              round + 1,
              seen?.ended ?? 0,
              seen?.p99 ?? 0,
              seen?.max ?? 0,
              cpuMicrosServing,
            ];
          }),
        ),
      },
      {
        title: "Holds that are due at once",
        columns: ["holds", "seconds", "expiries a second", "P99 of a reserve of another event meanwhile, ms"],
        rows: [
          [
            wave.seen?.ended ?? 0,
            wave.seen?.seconds ?? 0,
            rateOf(wave),
            wave.answers.kinds["reserve"]?.window.p99Ms ?? 0,
          ],
        ],
      },
    ],
    plots: [],
    notes: [
      `${SLOTS} slots of the event that is asked for have the outstanding holds, another one the load's. The wave is ` +
        "found by the sweep, as after a standstill of all services: from the first expiry to the last is what counts.",
      `Median of how many of the load's holds ended in a block: ${median(lateness.map(({ ended }) => ended))}.`,
    ],
    faults: [...faultsOf(pairs), ...wave.faults],
  };
}
