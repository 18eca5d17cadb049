// Looks through the deliveries for endpoints with something due that no job speaks of: lost signals, and every retry, for
// which no timer is kept. And removes what is old.
import {
  DELIVERIES_KEPT_DAYS,
  type EndpointWithPending,
  endpointsWithPending,
  inTransaction,
  removeOldDeliveries,
} from "@holdfast/db";
import type { WebhookEndpointId } from "@holdfast/domain";
import type { Deliveries } from "@holdfast/event-queue";
import type pg from "pg";

/** Milliseconds between sweeps of one worker: by so much a retry may be late. */
export const SWEEP_EVERY_MS = 1_000;
/** Endpoints with something pending that one sweep looks at. The next goes on behind them. */
export const LOOKED_AT_MAX = 2_000;
/** Old deliveries, and old messages, that one sweep removes. */
const REMOVED_MAX = 5_000;
/** Milliseconds after which a sweeper that froze loses its turn. */
const TURN_IDLE_MS = 5_000;
/** Sweepers of all webhook workers take turns on this advisory lock. */
const SWEEP_LOCK = 7_421_004;

export interface SweepDeps {
  readonly pool: pg.Pool;
  readonly deliveries: Pick<Deliveries, "signal" | "missing">;
  /** Instead of `LOOKED_AT_MAX`. */
  readonly lookedAtMax?: number;
}

export interface Swept {
  readonly signalled: number;
  readonly removed: number;
  /** Where the next sweep goes on; null: at the beginning. */
  readonly next: WebhookEndpointId | null;
}

/** One sweep, of endpoints behind `after`. Null when another worker is at it. */
export async function sweepOnce(
  { pool, deliveries, lookedAtMax = LOOKED_AT_MAX }: SweepDeps,
  after: WebhookEndpointId | null,
): Promise<Swept | null> {
  return inTransaction(pool, async (tx) => {
    await tx.query(`SET LOCAL idle_in_transaction_session_timeout = ${TURN_IDLE_MS}`);
    const { rows } = await tx.query<{ mine: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS mine", [
      SWEEP_LOCK,
    ]);
    if (rows[0]?.mine !== true) return null;
    const removed = await removeOldDeliveries(tx, { days: DELIVERIES_KEPT_DAYS, limit: REMOVED_MAX });
    const pending = await endpointsWithPending(tx, { after, limit: lookedAtMax });
    const signalled = await signalForgotten(pending, deliveries);
    const next = pending.length < lookedAtMax ? null : (pending.at(-1)?.id ?? null);
    return { signalled, removed, next };
  });
}

async function signalForgotten(
  pending: readonly EndpointWithPending[],
  deliveries: SweepDeps["deliveries"],
): Promise<number> {
  const due = new Map(pending.filter((one) => one.due).map(({ id, troubled }) => [id, troubled]));
  const forgotten = await deliveries.missing([...due.keys()]);
  await Promise.all(forgotten.map((id) => deliveries.signal(id, { troubled: due.get(id) === true })));
  return forgotten.length;
}
