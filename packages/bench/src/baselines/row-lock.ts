// B0: an interactive transaction a request, as most would write it, and well: lock the row that everybody wants, read
// what the rules need, decide, write, commit. Five round trips. The rules are the product's own.
import { inTransaction, ms, time } from "@holdfast/db";
import {
  type ActiveClaim,
  applyBatch,
  COOLDOWN_MS,
  COOLDOWN_WINDOW_MS,
  type CommandId,
  type EventState,
  type EventTerms,
  keyOf,
  type Outcome,
  type ReserveCommand,
  type Slot,
} from "@holdfast/domain";
import type pg from "pg";
import type { Ended } from "./baseline.ts";

/** The user is locked, too: limits and overlaps span events. One order for all: user, then lane. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended($2, 0)), ${ms("logical_at")} AS "logicalAt",
    next_seq::float8 AS "nextSeq", EXISTS (SELECT FROM users WHERE id = $2) AS "isKnown"
  FROM event_lanes WHERE event_id = $1 FOR UPDATE`;

/** A row for each slot. Claims and expiries do not depend on the row, so they are read once. */
const LOAD = `SELECT ${ms("clock_timestamp()")} AS now,
    e.organizer_id AS "organizerId", ${ms("e.cancelled_at")} AS "cancelledAt",
    ${ms("e.sales_open_at")} AS "salesOpenAt", ${ms("e.sales_close_at")} AS "salesCloseAt",
    e.sales_closed AS "salesClosed", e.hold_seconds AS "holdSeconds", e.max_per_order AS "maxPerOrder",
    e.max_per_user AS "maxPerUser", e.overlap_policy AS "overlapPolicy",
    e.cancel_cutoff_seconds AS "cancelCutoffSeconds", e.offer_seconds AS "offerSeconds", e.waitlist,
    s.id AS "slotId", s.name, ${ms("s.starts_at")} AS "startsAt", ${ms("s.ends_at")} AS "endsAt", s.capacity, s.held,
    s.purchased, s.used, s.waiting, s.parked, s.last_seq AS "lastSeq", ${ms("s.promote_at")} AS "promoteAt",
    CASE WHEN s.capacity - s.held - s.purchased < $3 OR s.waiting > s.parked THEN (
      SELECT ${ms("min(expires_at)")} FROM reservations WHERE slot_id = s.id AND status = 'held'
    ) END AS "earliestReleaseAt",
    (SELECT jsonb_agg(jsonb_build_object('id', id, 'eventId', event_id, 'slotId', slot_id, 'quantity', quantity,
        'status', status, 'expiresAt', ${ms("expires_at")}, 'startsAt', ${ms("lower(during)")},
        'endsAt', ${ms("upper(during)")}, 'exclusive', exclusive) ORDER BY created_at, id)
      FROM reservations WHERE user_id = $2 AND status IN ('held', 'purchased')) AS claims,
    (SELECT array_agg(${ms("ended_at")}) FROM reservations
      WHERE user_id = $2 AND status = 'expired' AND origin = 'public'
        AND ended_at > now() - interval '${COOLDOWN_WINDOW_MS + COOLDOWN_MS} milliseconds') AS expiries
  FROM events e JOIN slots s ON s.event_id = e.id WHERE e.id = $1 ORDER BY s.starts_at, s.id`;

const LOAD_EARLIER = `SELECT command_id AS id, outcome FROM outcomes
  WHERE command_id = $1 OR (user_id = $2 AND idempotency_key = $3)`;

const INSERT_OUTCOME = `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, fingerprint,
    status, outcome, submitted_at, finished_at, seen_available, seen_waiting)
  VALUES ($1, $2, $3, 'reserve', $4, $5, $6, $7, $8, ${time("$9::float8")}, ${time("$10::float8")}, $12, $13)`;

const MOVE_LANE = `lane AS (
    UPDATE event_lanes SET next_seq = next_seq + 1, logical_at = ${time("$11::float8")} WHERE event_id = $2
  )`;

const REFUSE = `WITH ${MOVE_LANE} ${INSERT_OUTCOME}`;

const HOLD = `WITH ${MOVE_LANE}, moved AS (
    UPDATE slots SET held = held + $16, inventory = inventory + 1, used = true WHERE id = $15
    RETURNING id, starts_at, ends_at
  ), made AS (
    INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at, during,
      exclusive)
    SELECT $14, $2, id, $4, $16, 'held', 'public', ${time("$17::float8")}, ${time("$18::float8")},
      tstzrange(starts_at, ends_at), $19
    FROM moved
  ) ${INSERT_OUTCOME}`;

interface LaneRow {
  logicalAt: number;
  nextSeq: number;
  /** Whether the sender is there. */
  isKnown: boolean;
}

type LoadedRow = Omit<EventTerms, "id"> &
  Omit<Slot, "id" | "passers" | "collecting"> & {
    now: number;
    slotId: Slot["id"];
    earliestReleaseAt: number | null;
    claims: ActiveClaim[] | null;
    expiries: number[] | null;
  };

/** Null when the sender is not there. */
export const reserveUnderRowLock = (pool: pg.Pool, command: ReserveCommand): Promise<Ended | null> =>
  inTransaction(pool, async (tx) => {
    const { id, eventId, userId, idempotencyKey: key, fingerprint, at } = command;
    const lanes = await tx.query<LaneRow>({ name: "lock", text: LOCK, values: [eventId, userId] });
    if (lanes.rows[0]?.isKnown === false) return null;
    const loaded = await tx.query<LoadedRow>({
      name: "load",
      text: LOAD,
      values: [eventId, userId, command.input.quantity],
    });
    const earlier =
      key === null
        ? []
        : (
            await tx.query<{ id: CommandId; outcome: Outcome }>({
              name: "load-earlier",
              text: LOAD_EARLIER,
              values: [id, userId, key],
            })
          ).rows;
    const lane = lanes.rows[0];
    const row = loaded.rows[0];
    if (lane === undefined || row === undefined) throw new Error(`there is no event ${eventId}`);

    const { applied, changes, logicalAt } = applyBatch([command], {
      state: stateOf(command, loaded.rows, row),
      outcomes: new Map(earlier.map((one) => [one.id, one.outcome])),
      keys: new Map(key === null ? [] : earlier.map((one) => [keyOf(userId, key), one.id])),
      logicalAt: lane.logicalAt,
      now: row.now,
      settledUpTo: Number.POSITIVE_INFINITY,
      onFault: (_command, error) => {
        throw error;
      },
    });
    const ended = applied[0];
    if (ended === undefined) throw new Error(`${id} was not decided`);
    const { outcome, replayed, seen } = ended;
    if (replayed) return { outcome, replayed };
    const keyAgain = outcome.status === "rejected" && outcome.refusal.code === "idempotency-key-reused";
    const outcomeValues = [
      id,
      eventId,
      lane.nextSeq,
      userId,
      keyAgain ? null : key,
      fingerprint,
      outcome.status,
      outcome,
      at,
      row.now,
      logicalAt,
      seen?.available ?? null,
      seen?.waitingAhead ?? null,
    ];
    const made = changes.find((change) => change.kind === "held")?.reservation;
    await tx.query(
      made === undefined
        ? { name: "refuse", text: REFUSE, values: outcomeValues }
        : {
            name: "hold",
            text: HOLD,
            values: [
              ...outcomeValues,
              made.id,
              made.slotId,
              made.quantity,
              made.expiresAt,
              made.createdAt,
              row.overlapPolicy === "refuse",
            ],
          },
    );
    return { outcome, replayed };
  });

/** What concerns other commands than a reserve is not there. */
const stateOf = ({ eventId, userId }: ReserveCommand, rows: LoadedRow[], terms: LoadedRow): EventState => ({
  terms: { ...terms, id: eventId },
  details: null,
  slots: new Map(
    rows.map((row) => [row.slotId, { ...row, id: row.slotId, passers: NOBODY, collecting: null }]),
  ),
  reservations: new Map(),
  entries: new Map(),
  claims: new Map([[userId, terms.claims ?? []]]),
  expiries: new Map([[userId, terms.expiries ?? []]]),
  awaitingPurchase: new Set(),
  otherDeadlines: new Map(
    rows.map((row) => [row.slotId, row.earliestReleaseAt === null ? [] : [row.earliestReleaseAt]]),
  ),
  lines: new Map(),
  leftovers: null,
});

const NOBODY: readonly number[] = [];
