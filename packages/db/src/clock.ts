// The database's time, told without asking it each time: a measured offset on top of this process's monotonic
// clock, so that a clock that is set wrong, or set back, on this machine changes no stamp.
import type { EpochMs } from "@holdfast/domain";
import type pg from "pg";

/** Milliseconds between measurements. */
const MEASURE_EVERY_MS = 2_000;
/** Readings of one measurement; the one with the shortest round trip counts. */
const READINGS = 3;

export interface DatabaseClock {
  /** Milliseconds since 1970 by the database's clock, whole. */
  now(): EpochMs;
  stop(): void;
}

/** Measures the offset, then keeps measuring it. Rejects when the database cannot be asked at all. */
export async function openDatabaseClock(
  pool: Pick<pg.Pool, "query">,
  onError: (error: unknown) => void,
  monotonicMs: () => number = () => performance.now(),
): Promise<DatabaseClock> {
  let offset = await measure(pool, monotonicMs);
  const timer = setInterval(() => {
    measure(pool, monotonicMs).then((measured) => {
      offset = measured;
    }, onError);
  }, MEASURE_EVERY_MS);
  timer.unref();
  return {
    now: () => Math.floor(monotonicMs() + offset),
    stop: () => clearInterval(timer),
  };
}

async function measure(pool: Pick<pg.Pool, "query">, monotonicMs: () => number): Promise<number> {
  let best = { roundTrip: Number.POSITIVE_INFINITY, offset: 0 };
  for (let reading = 0; reading < READINGS; reading += 1) {
    const sent = monotonicMs();
    const { rows } = await pool.query<{ now: number }>({
      name: "clock",
      text: "SELECT date_part('epoch', clock_timestamp()) * 1000 AS now",
    });
    const received = monotonicMs();
    const now = rows[0]?.now ?? 0;
    if (received - sent < best.roundTrip) {
      best = { roundTrip: received - sent, offset: now - (sent + received) / 2 };
    }
  }
  return best.offset;
}
