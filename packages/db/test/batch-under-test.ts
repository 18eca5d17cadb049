// Batches over real tables, applied as the worker does it, and what the tables hold afterwards.
import {
  type AnyCommand,
  applyBatch,
  type BatchResult,
  type EventId,
  type FollowUp,
  logicalTime,
  type SlotId,
  type UserId,
  type WaitlistEntryId,
} from "@holdfast/domain";
import type pg from "pg";
import { expect } from "vitest";
import { openTestDatabase, promote, type TestDatabase, windDown, wordOf } from "../../testkit/src/index.ts";
import { contradictionText, findContradictions } from "../src/invariants.ts";
import {
  type BatchWrite,
  type LaneClaim,
  type LoadedBatch,
  loadBatch,
  writeBatch,
} from "../src/inventory.ts";
import { openBatchPool } from "../src/pool.ts";

export const OWNER: LaneClaim = { owner: "test", after: 0 };

export interface AppliedBatch extends BatchResult {
  readonly lane: LoadedBatch["lane"];
  readonly words: readonly string[];
}

export interface Batches {
  readonly database: TestDatabase;
  /** Applies a batch; `spoil` may change what is written. */
  apply(
    eventId: EventId,
    commands: readonly AnyCommand[],
    claim?: LaneClaim,
    spoil?: (write: BatchWrite) => BatchWrite,
  ): Promise<AppliedBatch>;
  /** Applies a batch, and one by one whatever it asks for at once. Tells what is left for later, or for nobody here. */
  applyWhole(
    eventId: EventId,
    commands: readonly AnyCommand[],
  ): Promise<AppliedBatch & { later: FollowUp[] }>;
  /** A connection of those that batches go through. */
  connect(): Promise<pg.PoolClient>;
  close(): Promise<void>;
}

/** Far more commands than following up on one batch can take. */
const FOLLOWED_MAX = 1_000;

export async function openBatches(): Promise<Batches> {
  const database = await openTestDatabase();
  const pool = openBatchPool({ url: database.url, name: "test-batches", max: 4, onError: () => undefined });
  const apply: Batches["apply"] = (eventId, commands, claim = OWNER, spoil = (write) => write) =>
    applyOver(pool, eventId, commands, claim, spoil);
  return {
    database,
    apply,
    async applyWhole(eventId, commands) {
      const first = await apply(eventId, commands);
      const queue = [...first.followUps];
      const later: FollowUp[] = [];
      for (let sent = 0; queue.length > 0; sent += 1) {
        if (sent > FOLLOWED_MAX) throw new Error("follow-ups do not come to an end");
        const next = queue.shift() as FollowUp;
        if (next.kind === "expire-elsewhere" || (next.kind === "promote" && next.at > Date.now() + 1_000)) {
          later.push(next);
          continue;
        }
        const { eventId: of } = next;
        const command = next.kind === "promote" ? promote(of, next.slotId, next) : windDown(of, next);
        queue.push(...(await apply(of, [command])).followUps);
      }
      return { ...first, later };
    },
    connect: () => pool.connect(),
    async close() {
      await pool.end();
      await database.close();
    },
  };
}

async function applyOver(
  pool: pg.Pool,
  eventId: EventId,
  commands: readonly AnyCommand[],
  claim: LaneClaim,
  spoil: (write: BatchWrite) => BatchWrite,
): Promise<AppliedBatch> {
  const tx = await pool.connect();
  try {
    const judgedAt = Math.max(
      0,
      ...commands.map((command) => logicalTime(command, Number.POSITIVE_INFINITY)),
    );
    const loaded = await loadBatch(tx, eventId, claim, commands, judgedAt);
    const result = applyBatch(loaded.commands, {
      ...loaded,
      logicalAt: loaded.lane.logicalAt,
      onFault: (_, error) => {
        throw error;
      },
    });
    const { lane, state, now, promised } = loaded;
    const exclusive = state.terms.overlapPolicy === "refuse";
    const recheck = await writeBatch(
      tx,
      spoil({ eventId, lane, exclusive, ...result, messages: [], now, promised }),
    );
    const words = result.applied.map(({ outcome }) => wordOf(outcome));
    return { ...result, followUps: [...result.followUps, ...recheck], lane, words };
  } catch (error) {
    await tx.query("ROLLBACK");
    throw error;
  } finally {
    tx.release();
  }
}

export interface EntryFound {
  readonly id: WaitlistEntryId;
  readonly userId: UserId;
  readonly seq: number;
  readonly status: string;
  readonly endReason: string | null;
  readonly parked: boolean;
  readonly lastPassedOver: { reason: string; limit: string | null; reservationId: string | null } | null;
}

/** The slot's waitlist, by number. */
export async function entriesOf(pool: pg.Pool, slotId: SlotId): Promise<EntryFound[]> {
  const { rows } = await pool.query<EntryFound>(
    `SELECT id, user_id AS "userId", seq, status, end_reason AS "endReason", recheck_at IS NOT NULL AS parked,
      last_passed_over AS "lastPassedOver"
    FROM waitlist_entries WHERE slot_id = $1 ORDER BY seq`,
    [slotId],
  );
  return rows;
}

/** How the entries of the slot stand, in their order. */
export const standingOf = async (pool: pg.Pool, slotId: SlotId): Promise<string[]> =>
  (await entriesOf(pool, slotId)).map(({ status, parked }) => (parked ? "parked" : status));

export interface SlotFound {
  readonly capacity: number;
  readonly held: number;
  readonly purchased: number;
  readonly inventory: number;
  readonly used: boolean;
  readonly waiting: number;
  readonly parked: number;
  readonly lastSeq: number;
  readonly passers: number[] | null;
  readonly collectingFor: number | null;
  readonly isToBeLookedAt: boolean;
}

export async function slotOf(pool: pg.Pool, slotId: SlotId): Promise<SlotFound> {
  const { rows } = await pool.query<SlotFound>(
    `SELECT capacity, held, purchased, inventory::int AS inventory, used, waiting, parked, last_seq AS "lastSeq", passers,
      collecting_for AS "collectingFor", promote_at <= clock_timestamp() IS TRUE AS "isToBeLookedAt"
    FROM slots WHERE id = $1`,
    [slotId],
  );
  return rows[0] as SlotFound;
}

/** Nothing of what the tables promise is broken. Lateness is not looked at: nobody is at work here. */
export async function expectSound(pool: pg.Pool, ...events: EventId[]): Promise<void> {
  const found = await findContradictions(pool, { events, late: false });
  expect(found.map(contradictionText)).toEqual([]);
}
