// The part of a batch that concerns waitlists: who stands in a line, and how entries are written. Counters of lines
// move by what was written, like those of tickets.
import {
  type Change,
  type EntryPatch,
  type EpochMs,
  type EventId,
  type LoadedLeftovers,
  type LoadedLine,
  type PromoteCommand,
  patched,
  type Reservation,
  type ReservationCursor,
  type SlotId,
  type UserId,
  type WaitlistEntry,
  type WaitlistEntryId,
} from "@holdfast/domain";
import type pg from "pg";
import { ms, time } from "./epoch.ts";
import { arrayOf, byKey, NO_ROWS, statement } from "./statement.ts";
import { STRETCH_ENTRIES } from "./waitlist.ts";

/** Users that a batch may look into beside senders and owners of due holds: waiters, and who loses a reservation. */
export const GATHERED_USERS_MAX = 128;
/** Waiting entries that are closed in one piece: they concern nobody's claims, and each is told to all who listen. */
const CLOSED_AT_ONCE_MAX = 256;

const ENTRY_COLUMNS = `e.id, e.event_id, e.slot_id, e.user_id, e.quantity, e.status, e.seq,
  ${ms("e.created_at")} AS created_at, ${ms("e.offered_at")} AS offered_at, ${ms("e.ended_at")} AS ended_at, e.end_reason,
  ${ms("e.recheck_at")} AS recheck_at, e.last_passed_over`;

/**
 * Of each slot the head of its line, those behind a number, and the parked ones that are asked for.
 * $1 slots · $2 numbers · $3 how many of each · $4 parked entries
 */
const LOAD_LINES = statement(
  "load-lines",
  `SELECT ${ENTRY_COLUMNS} FROM unnest($1::text[], $2::int[]) AS asked(slot_id, after)
  CROSS JOIN LATERAL (
    (SELECT * FROM waitlist_entries WHERE slot_id = asked.slot_id AND status = 'waiting' AND recheck_at IS NULL
      ORDER BY seq LIMIT 1)
    UNION ALL
    (SELECT * FROM waitlist_entries WHERE slot_id = asked.slot_id AND status = 'waiting' AND recheck_at IS NULL
      AND seq > asked.after ORDER BY seq LIMIT $3)
    UNION ALL
    (SELECT w.* FROM unnest($4::text[]) AS parked(id)
      CROSS JOIN LATERAL (SELECT * FROM waitlist_entries WHERE ${byKey("id", "parked.id")}) w
      WHERE w.slot_id = asked.slot_id AND w.status = 'waiting' AND w.recheck_at IS NOT NULL)
  ) e`,
);

const LOAD_ENTRIES = statement(
  "load-entries",
  `SELECT ${ENTRY_COLUMNS} FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT * FROM waitlist_entries WHERE ${byKey("id", "asked.id")}) e WHERE e.event_id = $1`,
);

const LOAD_LIVE_ENTRIES = statement(
  "load-live-entries",
  `SELECT ${ENTRY_COLUMNS} FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT * FROM waitlist_entries WHERE user_id = asked.id AND status IN ('waiting', 'offered') OFFSET 0
  ) e WHERE e.event_id = $1`,
);

/**
 * NOT IN, for it implies no partial index: of few reservations the active ones of all users look cheapest to read.
 * $1 event · $2, $3 behind this reservation · $4 how many
 */
const LOAD_LEFT_RESERVATIONS = (columns: string) =>
  statement(
    "load-left-reservations",
    `SELECT ${columns} FROM reservations r
    WHERE r.event_id = $1 AND (r.created_at, r.id) > (${time("$2::float8")}, $3) AND r.status NOT IN ('expired', 'cancelled')
      AND EXISTS (SELECT FROM events WHERE id = $1 AND cancelled_at IS NOT NULL)
    ORDER BY r.created_at, r.id LIMIT $4`,
  );

const LOAD_LEFT_ENTRIES = statement(
  "load-left-entries",
  `SELECT ${ENTRY_COLUMNS}
  FROM (
    SELECT s.*, v.cancelled_at IS NOT NULL
      OR clock_timestamp() >= s.starts_at - (v.waitlist ->> 'closesBeforeSeconds')::int * interval '1 second' AS closed
    FROM events v CROSS JOIN LATERAL (SELECT * FROM slots WHERE event_id = v.id OFFSET 0) s
    WHERE v.id = $1 AND s.waiting > 0
  ) s
  CROSS JOIN LATERAL (
    (SELECT * FROM waitlist_entries WHERE s.closed AND slot_id = s.id AND status = 'waiting' LIMIT $2)
    UNION ALL
    (SELECT * FROM waitlist_entries
      WHERE NOT s.closed AND slot_id = s.id AND status = 'waiting' AND quantity > s.capacity LIMIT $2)
  ) e LIMIT $2`,
);

/** Those of these users who are parked anywhere: something of theirs has changed. */
const FIND_PARKED = statement(
  "find-parked",
  `SELECT e.id, e.event_id, e.slot_id FROM unnest($1::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT id, event_id, slot_id FROM waitlist_entries WHERE user_id = asked.id AND recheck_at IS NOT NULL OFFSET 0
  ) e`,
);

const waits = (row: string): string => `(${row}.status = 'waiting')::int`;
const parked = (row: string): string => `(${row}.recheck_at IS NOT NULL)::int`;
const STRETCH = `(seq - 1) / ${STRETCH_ENTRIES}`;

const INSERT_ENTRIES = statement(
  "insert-entries",
  `WITH written AS (
    INSERT INTO waitlist_entries AS e (id, event_id, slot_id, user_id, quantity, status, seq, created_at, offered_at,
      ended_at, end_reason, recheck_at, last_passed_over)
    SELECT u.id, $1, u.slot_id, u.user_id, u.quantity, u.status, u.seq, ${time("u.created_at")}, ${time("u.offered_at")},
      ${time("u.ended_at")}, u.end_reason, ${time("u.recheck_at")}, u.last_passed_over::json
    FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], $8::float8[], $9::float8[],
      $10::float8[], $11::text[], $12::float8[], $13::text[])
      AS u(id, slot_id, user_id, quantity, status, seq, created_at, offered_at, ended_at, end_reason, recheck_at,
        last_passed_over)
    RETURNING slot_id, seq, ${waits("e")} AS waiting, ${parked("e")} AS parked
  ), counted AS (
    UPDATE slots s SET waiting = s.waiting + d.waiting, parked = s.parked + d.parked, last_seq = d.last_seq,
      inventory = s.inventory + 1
    FROM (
      SELECT slot_id, sum(waiting)::int AS waiting, sum(parked)::int AS parked, max(seq) AS last_seq
      FROM written GROUP BY slot_id
    ) d WHERE s.event_id = $1 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ), stretched AS (
    INSERT INTO waitlist_stretches AS st (slot_id, stretch, waiting)
    SELECT slot_id, ${STRETCH}, sum(waiting)::int FROM written GROUP BY slot_id, ${STRETCH}
    ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = st.waiting + excluded.waiting
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written`,
);

const UPDATE_ENTRIES = statement(
  "update-entries",
  `WITH written AS (
    UPDATE waitlist_entries e SET status = u.status, offered_at = coalesce(${time("u.offered_at")}, e.offered_at),
      ended_at = ${time("u.ended_at")}, end_reason = u.end_reason, recheck_at = ${time("u.recheck_at")},
      last_passed_over = coalesce(u.last_passed_over::json, e.last_passed_over)
    FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::float8[], $8::text[])
      AS u(id, before, status, offered_at, ended_at, end_reason, recheck_at, last_passed_over)
      CROSS JOIN LATERAL (
        SELECT ctid, event_id, status FROM waitlist_entries WHERE ${byKey("id", "u.id")}
      ) AS place
    WHERE e.ctid = place.ctid AND place.event_id = $9 AND place.status = u.before
    RETURNING new.slot_id, new.seq, ${waits("new")} - ${waits("old")} AS waiting, ${parked("new")} - ${parked("old")} AS parked
  ), counted AS (
    UPDATE slots s SET waiting = s.waiting + d.waiting, parked = s.parked + d.parked, inventory = s.inventory + 1
    FROM (
      SELECT slot_id, sum(waiting)::int AS waiting, sum(parked)::int AS parked FROM written GROUP BY slot_id
      HAVING sum(waiting) <> 0 OR sum(parked) <> 0
    ) d WHERE s.event_id = $9 AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ), stretched AS (
    UPDATE waitlist_stretches st SET waiting = st.waiting + d.waiting
    FROM (
      SELECT slot_id, ${STRETCH} AS stretch, sum(waiting)::int AS waiting FROM written GROUP BY slot_id, ${STRETCH}
    ) d CROSS JOIN LATERAL (
      SELECT ctid FROM waitlist_stretches WHERE slot_id = d.slot_id AND stretch = d.stretch OFFSET 0
    ) AS place
    WHERE st.ctid = place.ctid AND d.waiting <> 0
  ) SELECT expect_rows(count(*), cardinality($1::text[])) FROM written`,
);

export interface Line {
  readonly entries: readonly WaitlistEntry[];
  readonly loaded: Omit<LoadedLine, "lastSeq">;
}

/** The lines that are to be promoted, as far as this batch looks into them. */
export async function loadLines(
  tx: pg.ClientBase,
  promotions: readonly PromoteCommand[],
): Promise<Map<SlotId, Line>> {
  if (promotions.length === 0) return new Map();
  const recheck = promotions.flatMap(({ input }) => input.recheck);
  // The head comes on top where a look goes on behind it.
  const heads = promotions.filter(({ input }) => input.from !== null).length;
  const room = GATHERED_USERS_MAX - recheck.length - heads;
  const each = Math.max(1, Math.floor(room / promotions.length));
  const { rows } = await tx.query<EntryRow>(
    LOAD_LINES(
      arrayOf(promotions.map(({ input }) => input.slotId)),
      arrayOf(promotions.map(({ input }) => input.from?.after ?? 0)),
      each,
      arrayOf(recheck),
    ),
  );
  const entries = rows.map(entryOf);
  return new Map(
    promotions.map(({ input: { slotId, from } }) => {
      const here = entries.filter((entry) => entry.slotId === slotId);
      const inTurn = here
        .filter((entry) => entry.recheckAt === null && entry.seq > (from?.after ?? 0))
        .map((entry) => entry.seq);
      // The head was read twice, unless it stands before what is asked for.
      const all = new Set(inTurn).size < each;
      const upTo = all ? Number.POSITIVE_INFINITY : Math.max(...inTurn);
      return [slotId, { entries: here, loaded: { entries: new Set(here.map(({ id }) => id)), upTo } }];
    }),
  );
}

export interface Leftovers<Row> {
  readonly reservations: readonly Row[];
  readonly entries: readonly WaitlistEntry[];
  readonly next: LoadedLeftovers["next"];
}

/** The next piece of what nobody can have any more. */
export async function loadLeftovers<Row extends { id: Reservation["id"]; created_at: EpochMs }>(
  tx: pg.ClientBase,
  eventId: EventId,
  after: ReservationCursor | null,
  reservationColumns: string,
): Promise<Leftovers<Row>> {
  const [reservations, entries] = await Promise.all([
    tx.query<Row>(
      LOAD_LEFT_RESERVATIONS(reservationColumns)(
        eventId,
        after?.createdAt ?? 0,
        after?.id ?? "",
        GATHERED_USERS_MAX,
      ),
    ),
    tx.query<EntryRow>(LOAD_LEFT_ENTRIES(eventId, CLOSED_AT_ONCE_MAX)),
  ]);
  const last = reservations.rows.at(-1);
  const more = reservations.rows.length === GATHERED_USERS_MAX || entries.rows.length === CLOSED_AT_ONCE_MAX;
  const reached = last === undefined ? after : { createdAt: last.created_at, id: last.id };
  return {
    reservations: reservations.rows,
    entries: entries.rows.map(entryOf),
    next: more ? { after: reached } : null,
  };
}

/** Entries that commands name, and the live ones of users who want to join. */
export async function loadEntries(
  tx: pg.ClientBase,
  eventId: EventId,
  named: readonly WaitlistEntryId[],
  users: readonly UserId[],
): Promise<WaitlistEntry[]> {
  const found = await Promise.all([
    named.length === 0 ? NO_ROWS : tx.query<EntryRow>(LOAD_ENTRIES(eventId, arrayOf(named))),
    users.length === 0 ? NO_ROWS : tx.query<EntryRow>(LOAD_LIVE_ENTRIES(eventId, arrayOf(users))),
  ]);
  return found.flatMap(({ rows }) => rows.map(entryOf));
}

export interface ParkedEntry {
  readonly id: WaitlistEntryId;
  readonly event_id: EventId;
  readonly slot_id: SlotId;
}

/** Parked entries of these users, anywhere. */
export const findParked = (tx: pg.ClientBase, users: readonly UserId[]) =>
  tx.query<ParkedEntry>(FIND_PARKED(arrayOf(users)));

interface EntryChanged {
  readonly id: WaitlistEntryId;
  readonly before: "waiting" | "offered";
  readonly patch: EntryPatch;
}

/** What a batch's changes come to: an entry may join, be offered tickets and be fulfilled in one batch. */
export function netEntries(changes: readonly Change[]): { made: WaitlistEntry[]; changed: EntryChanged[] } {
  const made = new Map<WaitlistEntryId, WaitlistEntry>();
  const changed = new Map<WaitlistEntryId, EntryChanged>();
  for (const change of changes) {
    if (change.kind === "joined") made.set(change.entry.id, change.entry);
    if (change.kind !== "entry") continue;
    const { id, before, patch } = change;
    const joined = made.get(id);
    if (joined !== undefined) made.set(id, patched(joined, patch));
    else {
      const earlier = changed.get(id);
      changed.set(id, { id, before: earlier?.before ?? before, patch: { ...earlier?.patch, ...patch } });
    }
  }
  return { made: [...made.values()], changed: [...changed.values()] };
}

export const updateEntries = (eventId: EventId, rows: readonly EntryChanged[]): pg.QueryConfig =>
  UPDATE_ENTRIES(
    arrayOf(rows.map(({ id }) => id)),
    arrayOf<string>(rows.map(({ before }) => before)),
    arrayOf<string>(rows.map(({ patch }) => patch.status)),
    arrayOf(rows.map(({ patch }) => patch.offeredAt ?? null)),
    arrayOf(rows.map(({ patch }) => patch.endedAt)),
    arrayOf<string>(rows.map(({ patch }) => patch.endReason)),
    arrayOf(rows.map(({ patch }) => patch.recheckAt)),
    rows.map(({ patch }) => textOf(patch.lastPassedOver ?? null)),
    eventId,
  );

export const insertEntries = (eventId: EventId, rows: readonly WaitlistEntry[]): pg.QueryConfig =>
  INSERT_ENTRIES(
    eventId,
    arrayOf(rows.map((row) => row.id)),
    arrayOf(rows.map((row) => row.slotId)),
    arrayOf(rows.map((row) => row.userId)),
    arrayOf(rows.map((row) => row.quantity)),
    arrayOf<string>(rows.map((row) => row.status)),
    arrayOf(rows.map((row) => row.seq)),
    arrayOf(rows.map((row) => row.createdAt)),
    arrayOf(rows.map((row) => row.offeredAt)),
    arrayOf(rows.map((row) => row.endedAt)),
    arrayOf<string>(rows.map((row) => row.endReason)),
    arrayOf(rows.map((row) => row.recheckAt)),
    rows.map((row) => textOf(row.lastPassedOver)),
  );

const textOf = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

interface EntryRow {
  id: WaitlistEntryId;
  event_id: EventId;
  slot_id: SlotId;
  user_id: UserId;
  quantity: number;
  status: WaitlistEntry["status"];
  seq: number;
  created_at: number;
  offered_at: number | null;
  ended_at: number | null;
  end_reason: WaitlistEntry["endReason"];
  recheck_at: number | null;
  last_passed_over: WaitlistEntry["lastPassedOver"];
}

const entryOf = (row: EntryRow): WaitlistEntry => ({
  id: row.id,
  eventId: row.event_id,
  slotId: row.slot_id,
  userId: row.user_id,
  quantity: row.quantity,
  status: row.status,
  seq: row.seq,
  createdAt: row.created_at,
  offeredAt: row.offered_at,
  endedAt: row.ended_at,
  endReason: row.end_reason,
  recheckAt: row.recheck_at,
  lastPassedOver: row.last_passed_over,
});
