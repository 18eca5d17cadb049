// The part of a batch that concerns the event itself and its slots: what its organizer changed, and what is kept of
// the lines beside their entries.
import type {
  Change,
  EpochMs,
  EventDetails,
  EventId,
  EventTerms,
  Line,
  Slot,
  SlotId,
  WaitlistTerms,
} from "@holdfast/domain";
import type pg from "pg";
import { ms, time } from "./epoch.ts";
import { arrayOf, statement } from "./statement.ts";

const LOAD_DETAILS = statement(
  "load-details",
  `SELECT name, description, venue, version, ${ms("created_at")} AS "createdAt", ${ms("updated_at")} AS "updatedAt"
  FROM events WHERE id = $1`,
);

const UPDATE_LINES = statement(
  "update-lines",
  `WITH written AS (
    UPDATE slots s SET passers = string_to_array(u.passers, ' ')::int[], collecting_for = u.collecting_for,
      collecting_until = ${time("u.collecting_until")}, promote_at = ${time("u.promote_at")}
    FROM unnest($2::text[], $3::text[], $4::int[], $5::float8[], $6::float8[])
      AS u(id, passers, collecting_for, collecting_until, promote_at)
    WHERE s.id = u.id AND s.id = ANY ($2::text[]) AND s.event_id = $1 RETURNING s.id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written`,
);

const UPDATE_SLOTS = statement(
  "update-slots",
  `WITH written AS (
    UPDATE slots s SET name = u.name, starts_at = ${time("u.starts_at")}, ends_at = ${time("u.ends_at")},
      capacity = u.capacity, inventory = s.inventory + 1
    FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[], $6::int[])
      AS u(id, name, starts_at, ends_at, capacity)
    WHERE s.id = u.id AND s.id = ANY ($2::text[]) AND s.event_id = $1 RETURNING s.id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM written`,
);

const INSERT_SLOTS = statement(
  "insert-slots",
  `INSERT INTO slots (event_id, id, name, starts_at, ends_at, capacity)
  SELECT $1, u.id, u.name, ${time("u.starts_at")}, ${time("u.ends_at")}, u.capacity
  FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[], $6::int[])
    AS u(id, name, starts_at, ends_at, capacity)`,
);

const DELETE_SLOTS = statement(
  "delete-slots",
  `WITH gone AS (
    DELETE FROM slots WHERE id = ANY ($2::text[]) AND event_id = $1 AND NOT used AND last_seq = 0
      AND NOT EXISTS (SELECT FROM reservations r WHERE r.event_id = $1 AND r.slot_id = slots.id OFFSET 0)
    RETURNING id
  ) SELECT expect_rows(count(*), cardinality($2::text[])) FROM gone`,
);

/** Its first start and last end are its slots': these are written before. */
const UPDATE_EVENT = statement(
  "update-event",
  `UPDATE events e SET name = $2, description = $3, venue = $4, sales_open_at = ${time("$5::float8")},
    sales_close_at = ${time("$6::float8")}, sales_closed = $7, hold_seconds = $8, offer_seconds = $9,
    max_per_order = $10, max_per_user = $11, overlap_policy = $12, cancel_cutoff_seconds = $13, waitlist = $14,
    winding_down = e.winding_down OR (e.cancelled_at IS NULL AND $15::float8 IS NOT NULL),
    cancelled_at = ${time("$15::float8")}, version = $16, updated_at = ${time("$17::float8")},
    starts_at = s.starts_at, ends_at = s.ends_at
  FROM (SELECT min(starts_at) AS starts_at, max(ends_at) AS ends_at FROM slots WHERE event_id = $1) s
  WHERE e.id = $1`,
);

/** Parked entries that one statement asks to be looked at again. */
const RECHECKED_MAX = 10_000;

/** Those who were parked for a limit that was raised are due again. */
const RECHECK_LIMITED = statement(
  "recheck-limited",
  `UPDATE waitlist_entries e SET recheck_at = ${time("$3::float8")}
  FROM (
    SELECT w.ctid FROM slots s CROSS JOIN LATERAL (
      SELECT ctid, recheck_at, last_passed_over FROM waitlist_entries WHERE slot_id = s.id AND status = 'waiting' OFFSET 0
    ) w
    WHERE s.event_id = $1 AND s.parked > 0 AND w.recheck_at > ${time("$3::float8")}
      AND w.last_passed_over ->> 'limit' = $2 LIMIT ${RECHECKED_MAX}
  ) AS place WHERE e.ctid = place.ctid RETURNING e.id, e.event_id, e.slot_id`,
);

const END_WIND_DOWN = statement("end-wind-down", "UPDATE events SET winding_down = false WHERE id = $1");

export const loadDetails = async (tx: pg.ClientBase, eventId: EventId): Promise<EventDetails | null> => {
  const { rows } = await tx.query<EventDetails>(LOAD_DETAILS(eventId));
  return rows[0] ?? null;
};

/** What becomes of an event and its slots by a batch's changes: the last word on each. */
export interface NetEvent {
  readonly added: readonly Slot[];
  readonly edited: readonly Slot[];
  readonly removed: readonly SlotId[];
  readonly lines: ReadonlyMap<SlotId, Line>;
  readonly event: { readonly terms: EventTerms; readonly details: EventDetails } | null;
  readonly raised: { readonly limit: string; readonly at: EpochMs } | null;
  readonly woundDown: boolean;
}

export function netEvent(changes: readonly Change[]): NetEvent {
  const added = new Map<SlotId, Slot>();
  const edited = new Map<SlotId, Slot>();
  const removed = new Set<SlotId>();
  const lines = new Map<SlotId, Line>();
  let event: NetEvent["event"] = null;
  let raised: NetEvent["raised"] = null;
  let woundDown = false;
  for (const change of changes) {
    switch (change.kind) {
      case "slot-added":
        added.set(change.slot.id, change.slot);
        break;
      case "slot-edited":
        (added.has(change.slot.id) ? added : edited).set(change.slot.id, change.slot);
        break;
      case "slot-removed":
        edited.delete(change.slotId);
        if (!added.delete(change.slotId)) removed.add(change.slotId);
        break;
      case "line":
        lines.set(change.slotId, change.line);
        break;
      case "event-edited":
        event = change;
        break;
      case "limit-raised":
        raised = change;
        break;
      case "wound-down":
        woundDown = true;
        break;
      default:
    }
  }
  return {
    added: [...added.values()],
    edited: [...edited.values()],
    removed: [...removed],
    lines,
    event,
    raised,
    woundDown,
  };
}

/** Statements that must come before reservations are made: they need the slots' times and room. */
export const writeSlots = (eventId: EventId, { added, edited }: NetEvent): pg.QueryConfig[] => [
  ...(edited.length === 0 ? [] : [UPDATE_SLOTS(eventId, ...slotArrays(edited))]),
  ...(added.length === 0 ? [] : [INSERT_SLOTS(eventId, ...slotArrays(added))]),
];

/** Those of its waiters who are to be looked at again, because a limit was raised. */
export const recheckLimited = (eventId: EventId, { raised }: NetEvent): pg.QueryConfig | null =>
  raised === null ? null : RECHECK_LIMITED(eventId, raised.limit, raised.at);

/** Statements that must come when everything else of the event is written. */
export const writeEvent = (eventId: EventId, net: NetEvent): pg.QueryConfig[] => [
  ...(net.lines.size === 0 ? [] : [updateLines(eventId, net.lines)]),
  ...(net.removed.length === 0 ? [] : [DELETE_SLOTS(eventId, arrayOf(net.removed))]),
  ...(net.event === null ? [] : [updateEvent(eventId, net.event)]),
  ...(net.woundDown ? [END_WIND_DOWN(eventId)] : []),
];

const slotArrays = (slots: readonly Slot[]) => [
  arrayOf(slots.map((slot) => slot.id)),
  slots.map((slot) => slot.name),
  arrayOf(slots.map((slot) => slot.startsAt)),
  arrayOf(slots.map((slot) => slot.endsAt)),
  arrayOf(slots.map((slot) => slot.capacity)),
];

function updateLines(eventId: EventId, lines: ReadonlyMap<SlotId, Line>): pg.QueryConfig {
  const all = [...lines.values()];
  return UPDATE_LINES(
    eventId,
    arrayOf([...lines.keys()]),
    all.map(({ passers }) => (passers.length === 0 ? null : passers.join(" "))),
    arrayOf(all.map(({ collecting }) => collecting?.for ?? null)),
    arrayOf(all.map(({ collecting }) => collecting?.until ?? null)),
    arrayOf(all.map(({ promoteAt }) => promoteAt)),
  );
}

const updateEvent = (
  eventId: EventId,
  { terms, details }: { readonly terms: EventTerms; readonly details: EventDetails },
): pg.QueryConfig =>
  UPDATE_EVENT(
    eventId,
    details.name,
    details.description,
    details.venue,
    terms.salesOpenAt,
    terms.salesCloseAt,
    terms.salesClosed,
    terms.holdSeconds,
    terms.offerSeconds,
    terms.maxPerOrder,
    terms.maxPerUser,
    terms.overlapPolicy,
    terms.cancelCutoffSeconds,
    JSON.stringify(terms.waitlist),
    terms.cancelledAt,
    details.version,
    details.updatedAt,
  );

export interface TermsRow {
  organizer_id: EventTerms["organizerId"];
  cancelled_at: EpochMs | null;
  sales_open_at: EpochMs | null;
  sales_close_at: EpochMs | null;
  sales_closed: boolean;
  hold_seconds: number;
  offer_seconds: number;
  max_per_order: number;
  max_per_user: number;
  overlap_policy: EventTerms["overlapPolicy"];
  cancel_cutoff_seconds: number;
  waitlist: WaitlistTerms;
}

export const termsOf = (id: EventId, row: TermsRow): EventTerms => ({
  id,
  organizerId: row.organizer_id,
  cancelledAt: row.cancelled_at,
  salesOpenAt: row.sales_open_at,
  salesCloseAt: row.sales_close_at,
  salesClosed: row.sales_closed,
  holdSeconds: row.hold_seconds,
  offerSeconds: row.offer_seconds,
  maxPerOrder: row.max_per_order,
  maxPerUser: row.max_per_user,
  overlapPolicy: row.overlap_policy,
  cancelCutoffSeconds: row.cancel_cutoff_seconds,
  waitlist: row.waitlist,
});

export const SLOT_COLUMNS = `id, name, ${ms("starts_at")} AS starts_at, ${ms("ends_at")} AS ends_at, capacity, held,
  purchased, used, waiting, parked, last_seq, passers, collecting_for, ${ms("collecting_until")} AS collecting_until,
  ${ms("promote_at")} AS promote_at`;

export interface SlotRow {
  id: SlotId;
  name: string | null;
  starts_at: number;
  ends_at: number;
  capacity: number;
  held: number;
  purchased: number;
  used: boolean;
  waiting: number;
  parked: number;
  last_seq: number;
  passers: number[] | null;
  collecting_for: number | null;
  collecting_until: number | null;
  promote_at: number | null;
}

const NOBODY: readonly number[] = [];

export const slotOf = (row: SlotRow): Slot => ({
  id: row.id,
  name: row.name,
  startsAt: row.starts_at,
  endsAt: row.ends_at,
  capacity: row.capacity,
  held: row.held,
  purchased: row.purchased,
  used: row.used || row.held + row.purchased > 0, // workers of an earlier version do not tell
  waiting: row.waiting,
  parked: row.parked,
  lastSeq: row.last_seq,
  passers: row.passers ?? NOBODY,
  collecting:
    row.collecting_for === null || row.collecting_until === null
      ? null
      : { for: row.collecting_for, until: row.collecting_until },
  promoteAt: row.promote_at,
});
