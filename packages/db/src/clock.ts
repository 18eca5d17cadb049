// The database's time, told without asking it each time: a measured offset on top of this process's monotonic
// clock, so that a clock that is set wrong, or set back, on this machine changes no stamp.
import type { EpochMs } from "@holdfast/domain";
import type pg from "pg";

/** Milliseconds between measurements. */
const MEASURE_EVERY_MS = 2_000;
/** Readings of one measurement; the one with the shortest round trip counts. */
const READINGS = 3;
/** A measurement counts when its round trip is at most so many times the shortest ever seen … */
const POORER_AT_MOST = 2;
/** … or so many milliseconds, whatever was seen … */
const GOOD_ROUND_TRIP_MS = 2;
/** … or when the last one that counted is so many milliseconds ago. */
const STALE_AFTER_MS = 60_000;

export interface DatabaseClock {
  /** Milliseconds since 1970 by the database's clock, whole. */
  now(): EpochMs;
  stop(): void;
}

/** Measures the offset, then keeps measuring it. Rejects when the database cannot be asked at all. */
export async function openDatabaseClock(
  pool: Pick<pg.Pool, "connect">,
  onError: (error: unknown) => void,
  monotonicMs: () => number = () => performance.now(),
): Promise<DatabaseClock> {
  const first = await measure(pool, monotonicMs);
  let { offset } = first;
  let shortest = first.roundTrip;
  let countedAt = monotonicMs();
  const count = ({ roundTrip, offset: measured }: Measurement): void => {
    const good = roundTrip <= Math.max(GOOD_ROUND_TRIP_MS, POORER_AT_MOST * shortest);
    if (!good && monotonicMs() - countedAt < STALE_AFTER_MS) return;
    offset = measured;
    shortest = Math.min(shortest, roundTrip);
    countedAt = monotonicMs();
  };
  const timer = setInterval(() => {
    measure(pool, monotonicMs).then(count, onError);
  }, MEASURE_EVERY_MS);
  timer.unref();
  return {
    now: () => Math.floor(monotonicMs() + offset),
    stop: () => clearInterval(timer),
  };
}

interface Measurement {
  /** Milliseconds. Half of it is what the offset may be wrong by. */
  readonly roundTrip: number;
  readonly offset: number;
}

/** Takes a connection before it looks at the clock: waiting for one would count as half a round trip. */
async function measure(pool: Pick<pg.Pool, "connect">, monotonicMs: () => number): Promise<Measurement> {
  const connection = await pool.connect();
  try {
    return await readClock(connection, monotonicMs);
  } finally {
    connection.release();
  }
}

async function readClock(connection: pg.ClientBase, monotonicMs: () => number): Promise<Measurement> {
  let best: Measurement = { roundTrip: Number.POSITIVE_INFINITY, offset: 0 };
  for (let reading = 0; reading < READINGS; reading += 1) {
    const sent = monotonicMs();
    const { rows } = await connection.query<{ now: number }>({
      name: "clock",
      text: "SELECT date_part('epoch', clock_timestamp()) * 1000 AS now",
    });
    const received = monotonicMs();
    const now = rows[0]?.now ?? 0;
    if (received - sent < best.roundTrip) {
      best = { roundTrip: received - sent, offset: now - (sent + received) / 2 };
    }
  }
  return best;
}
