// The statements that change inventory, in the order in which a batch runs them. Only the reservation worker
// imports this file. One READ COMMITTED transaction, two round trips: lane, locks and load; then write and commit.
// Times cross as milliseconds since 1970. Plans are kept while tables grow from nothing: each statement is written
// so that no plan of it reads a table whole (`= ANY`, LATERAL … OFFSET 0), whatever the statistics said that day.
import {
  type ActiveClaim,
  type AnyCommand,
  type Applied,
  type Change,
  COOLDOWN_MS,
  COOLDOWN_WINDOW_MS,
  type Command,
  type CommandId,
  type EpochMs,
  type EventId,
  type EventState,
  type FollowUp,
  hasRole,
  isKnown,
  isOfOrganizer,
  keyOf,
  type LoadedLeftovers,
  type LoadedLine,
  type Outcome,
  offerIdOf,
  RECHECKED_AT_ONCE_MAX,
  type Reservation,
  type ReservationId,
  SETTLE_GRACE_MS,
  SLOT_CAPACITY_MAX,
  type SlotId,
  type UserId,
  unknownEntries,
} from "@holdfast/domain";
import type pg from "pg";
import { ms, time } from "./epoch.ts";
import {
  loadDetails,
  netEvent,
  recheckLimited,
  SLOT_COLUMNS,
  type SlotRow,
  slotOf,
  type TermsRow,
  termsOf,
  writeEvent,
  writeSlots,
} from "./inventory-event.ts";
import {
  findParked,
  insertEntries,
  type Leftovers,
  type Line,
  loadEntries,
  loadLeftovers,
  loadLines,
  netEntries,
  type ParkedEntry,
  updateEntries,
} from "./inventory-waitlist.ts";
import {
  insertMessages,
  type Listening,
  loadSubscribers,
  type MessageToWrite,
  type Subscriber,
} from "./inventory-webhooks.ts";
import {
  arrayOf as arrayOfWords,
  byKey,
  chunks,
  JOINT,
  JOINT_CODE,
  NO_ROWS,
  statement,
  unique,
} from "./statement.ts";

export { GATHERED_USERS_MAX } from "./inventory-waitlist.ts";
export type { MessageToWrite, Subscriber } from "./inventory-webhooks.ts";

/** Due holds that a batch of few commands settles. More of them are settled in pieces, a transaction each. */
export const SETTLE_MAX = 384;
/** Due holds for which there is room beside the most commands, whomever these concern. */
export const SETTLE_ROOM = 128;
/** Users that one batch may lock: all drains together must fit Postgres's lock table. */
export const USER_LOCKS_MAX = 512;

/** Words of our own that stand in arrays. */
type Word =
  | Reservation["status"]
  | Reservation["origin"]
  | NonNullable<Reservation["endReason"]>
  | Outcome["status"];
const arrayOf = arrayOfWords<Word>;

const LANE_COLUMNS = `fence, ${ms("logical_at")} AS logical_at, next_seq, next_message,
  paused_at IS NOT NULL AS paused`;

/**
 * Only when no other drain took it since the fence was looked at: an owner that was frozen before its first batch does
 * not push its heir aside. The drain's own earlier try, of which no answer came, does not count as another.
 */
const TAKE_LANE = statement(
  "take-lane",
  `UPDATE event_lanes SET fence = fence + 1, owner = $2
  WHERE event_id = $1 AND (fence = $3 OR owner = $2) RETURNING ${LANE_COLUMNS}`,
);

const LOOK_AT_FENCE = statement("look-at-fence", "SELECT fence FROM event_lanes WHERE event_id = $1");

const HOLD_LANE = statement(
  "hold-lane",
  `SELECT ${LANE_COLUMNS} FROM event_lanes WHERE event_id = $1 AND fence = $2 FOR NO KEY UPDATE`,
);

const RESERVATION_COLUMNS = `r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, r.origin,
  r.payment_reference, ${ms("r.expires_at")} AS expires_at, ${ms("r.created_at")} AS created_at,
  ${ms("r.purchased_at")} AS purchased_at, ${ms("r.ended_at")} AS ended_at, r.end_reason`;

/** OFFSET keeps this a look-up for each hold: as a join it is planned to read all promised purchases for each. */
const AWAITING_PURCHASE = `EXISTS (
    SELECT FROM accepted_commands a
    WHERE a.reservation_id = r.id AND a.type = 'purchase' AND a.submitted_at < r.expires_at OFFSET 0
  )`;

/**
 * What is due, and the locks of every user concerned, in one order for all workers: whoever may take or free a
 * claim of a user holds that user's lock until commit, so no two decide about the same user at once. Slot by slot, and
 * never by `slot_id =`: see `LOAD_SLOTS`.
 * $1 event · $2 latest time by which this batch judges · $3 users of its commands · $4 how many due holds at most
 */
const LOCK_USERS_AND_LOAD_DUE = statement(
  "lock-users-and-load-due",
  `WITH due AS MATERIALIZED (
    SELECT ${RESERVATION_COLUMNS}
    FROM slots s CROSS JOIN LATERAL (
      SELECT r.* FROM reservations r
      WHERE r.status = 'held' AND r.slot_id BETWEEN s.id AND s.id
        AND r.expires_at <= (
          SELECT greatest(least(${time("$2::float8")}, clock_timestamp()), logical_at)
            - interval '${SETTLE_GRACE_MS} milliseconds'
          FROM event_lanes WHERE event_id = $1
        )
        AND NOT ${AWAITING_PURCHASE}
      ORDER BY r.slot_id, r.expires_at LIMIT $4
    ) r
    WHERE s.event_id = $1 ORDER BY r.expires_at LIMIT $4
  ), locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(key) FROM (
      SELECT DISTINCT hashtextextended(user_id, 0) AS key
      FROM (SELECT unnest($3::text[]) AS user_id UNION ALL SELECT user_id FROM due) concerned
      ORDER BY key
    ) sorted
  )
  SELECT (SELECT count(*) FROM locked)::int AS locks, due.* FROM (SELECT) one LEFT JOIN due ON true`,
);

/** Of these users, those who are not there: a token may outlive its account. Nothing can be written for them. */
const FIND_STRANGERS = statement(
  "find-strangers",
  `SELECT asked.id FROM unnest($1::text[]) AS asked(id)
  WHERE NOT EXISTS (SELECT FROM users WHERE users.id = asked.id OFFSET 0)`,
);

const LOAD_EVENT = statement(
  "load-event",
  `SELECT ${ms("clock_timestamp()")} AS now,
    EXISTS (SELECT FROM accepted_commands WHERE event_id = $1 OFFSET 0) AS promised, organizer_id, ${ms("cancelled_at")} AS cancelled_at,
    ${ms("sales_open_at")} AS sales_open_at, ${ms("sales_close_at")} AS sales_close_at, sales_closed,
    hold_seconds, offer_seconds, max_per_order, max_per_user, overlap_policy, cancel_cutoff_seconds, waitlist
  FROM events WHERE id = $1`,
);

/**
 * With the earliest deadline of each slot that may run short in this batch, of holds that are not loaded otherwise.
 * Compared as rows: by `slot_id = s.id ORDER BY expires_at` the sweep's index is in order, too, and while one slot is
 * known to have nearly all holds it looks as good. For any other slot it reads every hold that there is.
 * $1 event · $2 slots that are asked for, none: any · $3 tickets that are asked for · $4 holds that are loaded
 */
const LOAD_SLOTS = statement(
  "load-slots",
  `SELECT ${SLOT_COLUMNS}, CASE
      WHEN $3 > 0 AND (id = ANY ($2::text[]) OR cardinality($2::text[]) = 0)
        AND (capacity - held - purchased < $3 OR waiting > parked)
      THEN (
        SELECT ${ms("r.expires_at")} FROM reservations r
        WHERE (r.slot_id, r.expires_at) >= (s.id, '-infinity') AND (r.slot_id, r.expires_at) <= (s.id, 'infinity')
          AND r.status = 'held'
          AND r.expires_at > clock_timestamp() - interval '${SETTLE_GRACE_MS} milliseconds' AND r.id <> ALL ($4::text[])
        ORDER BY r.slot_id, r.expires_at LIMIT 1
      )
    END AS earliest_release
  FROM slots s WHERE event_id = $1 ORDER BY starts_at, id`,
);

const LOAD_OUTCOMES = statement(
  "load-outcomes",
  `SELECT command_id, outcome FROM outcomes WHERE command_id = ANY ($1::text[])`,
);

/** A command that was promised is judged by the stamp of the promise, however late a repeat of it comes first. */
const LOAD_STAMPS = statement(
  "load-stamps",
  `SELECT command_id, ${ms("submitted_at")} AS submitted_at FROM accepted_commands
  WHERE command_id = ANY ($1::text[])`,
);

const LOAD_KEYS = statement(
  "load-keys",
  `SELECT o.user_id, o.idempotency_key, o.command_id
  FROM unnest($1::text[], $2::text[]) AS asked(user_id, key)
  CROSS JOIN LATERAL (
    SELECT * FROM outcomes
    WHERE user_id = asked.user_id AND idempotency_key = asked.key AND idempotency_key IS NOT NULL OFFSET 0
  ) o`,
);

/**
 * What these users have, and how often they let holds lapse, as far back as the cooldown looks. OFFSET keeps the planner
 * from turning the join round: on empty tables one scan of all claims looks cheapest. And while they are known to be
 * empty, a user's whole list looks as good as the lapses, but for the order.
 */
const LOAD_CLAIMS = statement(
  "load-claims",
  `SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, ${ms("r.expires_at")} AS expires_at,
    ${ms("lower(r.during)")} AS starts_at, ${ms("upper(r.during)")} AS ends_at, r.exclusive, ${ms("r.ended_at")} AS ended_at
  FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (
    SELECT * FROM reservations WHERE user_id = asked.id AND status IN ('held', 'purchased')
    UNION ALL (
      SELECT * FROM reservations
      WHERE (user_id, ended_at) >= (asked.id, now() - interval '${COOLDOWN_WINDOW_MS + COOLDOWN_MS} milliseconds')
        AND (user_id, ended_at) <= (asked.id, 'infinity') AND status = 'expired' AND origin = 'public'
      ORDER BY user_id, ended_at
    )
    OFFSET 0
  ) r
  WHERE r.event_id = $1 OR r.status <> 'purchased' OR upper(r.during) > now()
  ORDER BY r.created_at, r.id`,
);

/** Whose these reservations are: organizers and admins may end what is others'. */
const FIND_OWNERS = statement(
  "find-owners",
  `SELECT r.user_id FROM unnest($1::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT user_id FROM reservations WHERE ${byKey("id", "asked.id")}) r`,
);

/** Each by its id alone: while there are few, a look through the event's whole list for it seems as good. */
const LOAD_RESERVATIONS = statement(
  "load-reservations",
  `SELECT ${RESERVATION_COLUMNS}, r.status = 'held' AND ${AWAITING_PURCHASE} AS awaiting_purchase
  FROM unnest($2::text[]) AS asked(id)
  CROSS JOIN LATERAL (SELECT * FROM reservations WHERE ${byKey("id", "asked.id")}) r WHERE r.event_id = $1`,
);

/** Counters move by what was written, and what was written is what was decided, or nothing commits. */
const moveCounters = (eventId: string, expected: string, more = ""): string => `moved AS (
    UPDATE slots s SET held = s.held + d.held, purchased = s.purchased + d.purchased, inventory = s.inventory + 1${more}
    FROM (SELECT slot_id, sum(held)::int AS held, sum(purchased)::int AS purchased FROM written GROUP BY slot_id) d
    WHERE s.event_id = ${eventId} AND s.id = d.slot_id AND s.id = ANY (ARRAY(SELECT slot_id FROM written))
  ) SELECT expect_rows(count(*), cardinality(${expected})) FROM written`;

const tickets = (row: string, status: string): string =>
  `CASE WHEN ${row}.status = '${status}' THEN ${row}.quantity ELSE 0 END`;

/** By their ids alone, like `LOAD_RESERVATIONS`. */
const UPDATE_RESERVATIONS = statement(
  "update-reservations",
  `WITH written AS (
    UPDATE reservations r SET status = u.status, payment_reference = u.payment_reference,
      expires_at = ${time("u.expires_at")}, purchased_at = ${time("u.purchased_at")},
      ended_at = ${time("u.ended_at")}, end_reason = u.end_reason
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[], $8::text[])
      AS u(id, before, status, payment_reference, expires_at, purchased_at, ended_at, end_reason)
      CROSS JOIN LATERAL (
        SELECT ctid, event_id, status FROM reservations WHERE ${byKey("id", "u.id")}
      ) AS place
    WHERE r.ctid = place.ctid AND place.event_id = $9 AND place.status = u.before
    RETURNING new.slot_id,
      ${tickets("new", "held")} - ${tickets("old", "held")} AS held,
      ${tickets("new", "purchased")} - ${tickets("old", "purchased")} AS purchased
  ), ${moveCounters("$9", "$1::text[]")}`,
);

const INSERT_RESERVATIONS = statement(
  "insert-reservations",
  `WITH written AS (
    INSERT INTO reservations AS r (id, event_id, slot_id, user_id, quantity, status, origin, payment_reference,
      expires_at, created_at, purchased_at, ended_at, end_reason, during, exclusive)
    SELECT u.id, $1, u.slot_id, u.user_id, u.quantity, u.status, u.origin, u.payment_reference,
      ${time("u.expires_at")}, ${time("u.created_at")}, ${time("u.purchased_at")}, ${time("u.ended_at")}, u.end_reason,
      tstzrange(s.starts_at, s.ends_at), $2
    FROM unnest($3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[], $10::float8[],
      $11::float8[], $12::float8[], $13::float8[], $14::text[])
      AS u(id, slot_id, user_id, quantity, status, origin, payment_reference, expires_at, created_at, purchased_at,
        ended_at, end_reason)
    JOIN slots s ON s.id = u.slot_id AND s.id = ANY ($4::text[]) AND s.event_id = $1
    RETURNING slot_id, ${tickets("r", "held")} AS held, ${tickets("r", "purchased")} AS purchased
  ), ${moveCounters("$1", "$3::text[]", ", used = true")}`,
);

/** The lane moves on by as many outcomes as there are. */
const END_BATCH = statement(
  "end-batch",
  `WITH moved AS (
    UPDATE event_lanes SET logical_at = ${time("$14::float8")}, next_seq = $2::bigint + cardinality($4::text[]),
      next_message = $15
    WHERE event_id = $1 AND fence = $16
  )
  INSERT INTO outcomes (command_id, event_id, seq, type, user_id, idempotency_key, fingerprint, status, outcome,
    submitted_at, finished_at, seen_available, seen_waiting)
  SELECT u.command_id, $1, $2::bigint + u.nth - 1, u.type, u.user_id, u.idempotency_key, u.fingerprint, u.status,
    u.outcome::json, ${time("u.submitted_at")}, ${time("$3::float8")}, u.seen_available, u.seen_waiting
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    string_to_array($10::text, chr(${JOINT_CODE})), $11::float8[], $12::int[], $13::int[])
    WITH ORDINALITY
    AS u(command_id, type, user_id, idempotency_key, fingerprint, status, outcome, submitted_at, seen_available,
      seen_waiting, nth)`,
);

const DELETE_ACCEPTED = statement(
  "delete-accepted",
  `DELETE FROM accepted_commands WHERE command_id = ANY ($1::text[])`,
);

export interface Lane {
  readonly fence: number;
  readonly logicalAt: EpochMs;
  readonly nextSeq: number;
  /** The sequence number of the event's next webhook message. */
  readonly nextMessage: number;
  readonly paused: boolean;
}

/** Who asks: a drain that has a fence already, or one that must take the next after the one it saw. */
export type LaneClaim = { readonly fence: number } | { readonly owner: string; readonly after: number };

/** The event's fence as it is now, for a drain that begins. 0 when the event is not known. */
export async function lookAtFence(db: Pick<pg.Pool, "query">, eventId: EventId): Promise<number> {
  const { rows } = await db.query<{ fence: string }>(LOOK_AT_FENCE(eventId));
  return Number(rows[0]?.fence ?? 0);
}

export interface LoadedBatch {
  readonly lane: Lane;
  /** Those that were asked for, each with its first stamp. */
  readonly commands: readonly AnyCommand[];
  readonly state: EventState;
  readonly outcomes: Map<CommandId, Outcome>;
  readonly keys: Map<string, CommandId>;
  readonly now: EpochMs;
  /** Senders who are not there. */
  readonly strangers: ReadonlySet<UserId>;
  /** True when commands of this event were promised and have not ended, as far as was known then. */
  readonly promised: boolean;
  /** Later deadlines than this were not loaded: infinite when everything due was. */
  readonly settledUpTo: EpochMs;
  /** Whose endpoints hear of what happens to the event, or to the users concerned. */
  readonly subscribers: readonly Subscriber[];
}

/** Another drain has taken a later fence: this one may not write any more. */
export class Fenced extends Error {
  override name = "Fenced";
}

/** The event does not exist in this database. */
export class NoSuchEvent extends Error {
  override name = "NoSuchEvent";
}

/**
 * Opens the transaction, takes lane and locks, and loads what the commands need, in one round trip.
 * The connection must pipeline. `judgedAt` is the latest time by which any of the commands is judged.
 * Throws `Fenced`, `NoSuchEvent`, or what the database says; the transaction is then still open.
 */
export async function loadBatch(
  tx: pg.ClientBase,
  eventId: EventId,
  claim: LaneClaim,
  commands: readonly AnyCommand[],
  judgedAt: EpochMs,
  settleAtMost = SETTLE_MAX,
): Promise<LoadedBatch> {
  const known = commands.filter(isKnown);
  const senders = unique(commands.flatMap((command) => command.userId ?? []));
  const keyed = commands.filter((command) => command.userId !== null && command.idempotencyKey !== null);
  const reserves = known.filter((command) => command.type === "reserve");
  const joins = known.filter((command) => command.type === "join-waitlist");
  const wanted = unique(reserves.flatMap((command) => command.input.slotId ?? []));
  const wantsAnySlot = reserves.some((command) => command.input.slotId === null);
  const tickets = Math.min(
    SLOT_CAPACITY_MAX,
    reserves.reduce((sum, command) => sum + command.input.quantity, 0),
  );
  const left = unique(known.flatMap(({ input }) => ("entryId" in input ? [input.entryId] : [])));
  const named = unique([
    ...known.flatMap(({ input }) => ("reservationId" in input ? [input.reservationId] : [])),
    ...left.map(offerIdOf),
  ]);

  const lane =
    "fence" in claim ? HOLD_LANE(eventId, claim.fence) : TAKE_LANE(eventId, claim.owner, claim.after);
  const begun = tx.query("BEGIN");
  const laneTaken = tx.query<LaneRow>(lane);
  let gathered = NOTHING_GATHERED;
  if (gathers(known)) {
    await Promise.all([begun, laneTaken]);
    gathered = await gather(tx, eventId, known);
  }
  const users = unique([...senders, ...gathered.users]);
  // One hold more than is settled is looked at.
  const settleMax = Math.min(settleAtMost, USER_LOCKS_MAX - users.length - 1);
  const claimants = unique([
    ...reserves.map(({ userId }) => userId),
    ...joins.map(({ userId }) => userId),
    ...gathered.waiters,
  ]);
  const joiners = unique([
    ...joins.map(({ userId }) => userId),
    ...reserves.flatMap(({ userId, input }) => (input.orWait === true ? [userId] : [])),
  ]);
  const [
    lanes,
    due,
    strangers,
    events,
    slots,
    outcomes,
    stamps,
    keys,
    claims,
    reservations,
    entries,
    details,
    listening,
  ] = await Promise.all([
    laneTaken, // itself, not what waits for it: what follows a failure fails, too, and the first one tells why
    tx.query<ReservationRow | { id: null }>(
      LOCK_USERS_AND_LOAD_DUE(eventId, judgedAt, arrayOf(users), settleMax + 1),
    ),
    tx.query<{ id: UserId }>(FIND_STRANGERS(arrayOf(senders))),
    tx.query<EventRow>(LOAD_EVENT(eventId)),
    tx.query<ReleasingSlotRow>(
      LOAD_SLOTS(eventId, arrayOf(wantsAnySlot ? [] : wanted), tickets, arrayOf(named)),
    ),
    tx.query<OutcomeRow>(LOAD_OUTCOMES(arrayOf(commands.map((command) => command.id)))),
    keyed.length === 0
      ? NO_ROWS
      : tx.query<StampRow>(LOAD_STAMPS(arrayOf(keyed.map((command) => command.id)))),
    keyed.length === 0
      ? NO_ROWS
      : tx.query<KeyRow>(
          LOAD_KEYS(
            arrayOf(keyed.map((command) => command.userId)),
            keyed.map((command) => command.idempotencyKey),
          ),
        ),
    claimants.length === 0
      ? NO_ROWS
      : tx.query<ClaimRow | ExpiryRow>(LOAD_CLAIMS(eventId, arrayOf(claimants))),
    named.length === 0 ? NO_ROWS : tx.query<NamedRow>(LOAD_RESERVATIONS(eventId, arrayOf(named))),
    loadEntries(tx, eventId, left, joiners),
    known.some(isOfOrganizer) ? loadDetails(tx, eventId) : null,
    loadSubscribers(tx, eventId, users),
    begun,
  ]);

  const event = events.rows[0];
  if (event === undefined) throw new NoSuchEvent(eventId);
  const laneRow = lanes.rows[0];
  if (laneRow === undefined) throw new Fenced(`${eventId} has a later fence`);
  const dueHolds = due.rows.flatMap((row) => (row.id === null ? [] : [reservationOf(row)]));
  const last = dueHolds.length > settleMax ? dueHolds.at(-1)?.expiresAt : undefined;
  const slotMap = new Map(slots.rows.map((row) => [row.id, slotOf(row)]));
  const { leftovers, lines } = gathered;
  const state: EventState = {
    terms: termsOf(eventId, event),
    details,
    slots: slotMap,
    reservations: new Map(
      [
        ...(leftovers?.reservations ?? []).map(reservationOf),
        ...reservations.rows.map(reservationOf),
        ...dueHolds,
      ].map((reservation) => [reservation.id, reservation]),
    ),
    entries: new Map(
      [...entries, ...[...lines.values()].flatMap((line) => line.entries), ...(leftovers?.entries ?? [])].map(
        (entry) => [entry.id, entry],
      ),
    ),
    claims: new Map(),
    expiries: new Map(),
    awaitingPurchase: new Set(reservations.rows.filter((row) => row.awaiting_purchase).map((row) => row.id)),
    otherDeadlines: new Map(
      slots.rows.map((row) => [row.id, row.earliest_release === null ? [] : [row.earliest_release]]),
    ),
    lines: new Map(
      [...lines].map(([slotId, { loaded }]): [SlotId, LoadedLine] => [
        slotId,
        { ...loaded, lastSeq: slotMap.get(slotId)?.lastSeq ?? 0 },
      ]),
    ),
    leftovers: leftovers === null ? null : leftoversOf(leftovers),
  };
  for (const row of claims.rows) {
    const { user_id: user } = row;
    if (row.status === "expired")
      state.expiries.set(user, [...(state.expiries.get(user) ?? []), row.ended_at]);
    else state.claims.set(user, [...(state.claims.get(user) ?? []), claimOf(row)]);
  }
  const subscribers = await completeSubscribers(tx, state, { listening, asked: users });
  return {
    lane: {
      fence: Number(laneRow.fence),
      logicalAt: laneRow.logical_at,
      nextSeq: Number(laneRow.next_seq),
      nextMessage: Number(laneRow.next_message),
      paused: laneRow.paused,
    },
    commands: firstStamped(commands, new Map(stamps.rows.map((row) => [row.command_id, row.submitted_at]))),
    state,
    outcomes: new Map(outcomes.rows.map((row) => [row.command_id, row.outcome])),
    keys: new Map(keys.rows.map((row) => [keyOf(row.user_id, row.idempotency_key), row.command_id])),
    now: event.now,
    strangers: new Set(strangers.rows.map((row) => row.id)),
    promised: event.promised,
    settledUpTo: last === undefined || last === null ? Number.POSITIVE_INFINITY : last - 1,
    subscribers,
  };
}

/**
 * Whose reservations are due, or end by others' commands, is known only now. Who hears of anything hears of entries
 * that end with their offers, too: those are loaded then. Another round trip, when there is somebody to ask for and
 * anybody who listens.
 */
async function completeSubscribers(
  tx: pg.ClientBase,
  state: EventState,
  { listening, asked }: { listening: Listening; asked: readonly UserId[] },
): Promise<readonly Subscriber[]> {
  if (!listening.others) return [];
  const known = new Set(asked);
  const concerned = new Set<UserId>();
  for (const { userId } of state.reservations.values()) if (!known.has(userId)) concerned.add(userId);
  for (const { userId } of state.entries.values()) if (!known.has(userId)) concerned.add(userId);
  const { subscribers: found } = listening;
  const more = concerned.size === 0 ? listening : await loadSubscribers(tx, state.terms.id, [...concerned]);
  const all = [...new Map([...found, ...more.subscribers].map((one) => [one.id, one])).values()];
  const missing = all.length === 0 ? [] : unknownEntries(state);
  for (const entry of await loadEntries(tx, state.terms.id, missing, [])) state.entries.set(entry.id, entry);
  return all;
}

interface Gathered {
  readonly lines: ReadonlyMap<SlotId, Line>;
  readonly leftovers: Leftovers<ReservationRow> | null;
  /** Who stands in those lines. */
  readonly waiters: readonly UserId[];
  /** They, and whoever may lose a reservation by somebody else's command. */
  readonly users: readonly UserId[];
}

const NOTHING_GATHERED: Gathered = { lines: new Map(), leftovers: null, waiters: [], users: [] };

/** Do these commands concern users whom only the tables know? Then a round trip goes ahead, under the lane's lock. */
const gathers = (commands: readonly Command[]): boolean =>
  commands.some((command) => command.type === "promote" || command.type === "wind-down") ||
  commands.some(endsOthers);

/** May it end what belongs to somebody else than its sender? */
export const endsOthers = (command: AnyCommand): boolean =>
  isKnown(command) &&
  (command.type === "cancel" || command.type === "leave-waitlist") &&
  hasRole(command.input.role, "organizer");

async function gather(tx: pg.ClientBase, eventId: EventId, commands: readonly Command[]): Promise<Gathered> {
  const promotions = commands.filter((command) => command.type === "promote");
  const windDown = commands.find((command) => command.type === "wind-down");
  const others = commands.filter(endsOthers).flatMap(({ input }): ReservationId[] => {
    if ("reservationId" in input) return [input.reservationId];
    return "entryId" in input ? [offerIdOf(input.entryId)] : [];
  });
  const [lines, leftovers, owners] = await Promise.all([
    loadLines(tx, promotions),
    windDown === undefined
      ? null
      : loadLeftovers<ReservationRow>(tx, eventId, windDown.input.after, RESERVATION_COLUMNS),
    others.length === 0 ? NO_ROWS : tx.query<{ user_id: UserId }>(FIND_OWNERS(arrayOf(others))),
  ]);
  const waiters = [...lines.values()].flatMap(({ entries }) => entries.map(({ userId }) => userId));
  const losers = (leftovers?.reservations ?? []).map((row) => row.user_id);
  return {
    lines,
    leftovers,
    waiters,
    users: [...waiters, ...losers, ...owners.rows.map((row) => row.user_id)],
  };
}

const leftoversOf = ({ reservations, entries, next }: Leftovers<ReservationRow>): LoadedLeftovers => ({
  reservations: reservations.map(({ id }) => id),
  entries: entries.map(({ id }) => id),
  next,
});

const firstStamped = (
  commands: readonly AnyCommand[],
  stamps: ReadonlyMap<CommandId, EpochMs>,
): readonly AnyCommand[] =>
  stamps.size === 0
    ? commands
    : commands.map((command) => ({
        ...command,
        at: Math.min(command.at, stamps.get(command.id) ?? command.at),
      }));

export interface BatchWrite {
  readonly eventId: EventId;
  readonly lane: Lane;
  /** Whether this event's reservations exclude overlapping ones. */
  readonly exclusive: boolean;
  readonly changes: readonly Change[];
  readonly applied: readonly Applied[];
  readonly logicalAt: EpochMs;
  readonly now: EpochMs;
  /** What is told to others, in the order in which it happened. */
  readonly messages: readonly MessageToWrite[];
  /** Whether any of them may have been promised. One that is promised from now on, and ended by this, the sweep finds. */
  readonly promised: boolean;
}

/**
 * Writes everything and commits, in one round trip. Resolves to what it asks of others: parked waiters, anywhere, of
 * whom something has changed, are to be looked at again. Throws what the database says; nothing is committed then.
 */
export async function writeBatch(tx: pg.ClientBase, write: BatchWrite): Promise<FollowUp[]> {
  const { eventId, lane } = write;
  const { made, changed } = netEffect(write.changes);
  const entries = netEntries(write.changes);
  const event = netEvent(write.changes);
  const ended = write.applied.filter(({ replayed }) => !replayed);
  const relieved = unique(
    write.changes.flatMap((change) =>
      change.kind === "purchased" || change.kind === "ended" ? [change.reservation.userId] : [],
    ),
  );
  const queries = [
    // Freed before taken: no constraint sees more in use than there is in the end.
    ...(changed.length === 0 ? [] : [updateReservations(eventId, changed)]),
    ...(entries.changed.length === 0 ? [] : [updateEntries(eventId, entries.changed)]),
    ...writeSlots(eventId, event),
    ...(made.length === 0 ? [] : [insertReservations(eventId, write.exclusive, made)]),
    ...(entries.made.length === 0 ? [] : [insertEntries(eventId, entries.made)]),
    ...writeEvent(eventId, event),
    // Before promises go: who withdraws a command writes its outcome first, too.
    endBatch(write, ended),
    ...(write.promised ? [DELETE_ACCEPTED(arrayOf(write.applied.map(({ command }) => command.id)))] : []),
    ...insertMessages(eventId, lane.nextMessage, write.now, write.messages),
  ];
  const written = queries.map((query) => tx.query(query));
  const looked = relieved.length === 0 ? NO_ROWS : findParked(tx, relieved);
  const limited = recheckLimited(eventId, event);
  const asked = limited === null ? NO_ROWS : tx.query<ParkedEntry>(limited);
  const [parked, raised, commit] = await Promise.all([looked, asked, tx.query("COMMIT"), ...written]);
  if (commit.command !== "COMMIT") throw new Error(`the database answered ${commit.command} to COMMIT`);
  return recheck([...parked.rows, ...raised.rows], write.now);
}

function recheck(parked: readonly ParkedEntry[], now: EpochMs): FollowUp[] {
  return [...Map.groupBy(parked, (entry) => entry.slot_id)].flatMap(([slotId, here]) =>
    chunks(here, RECHECKED_AT_ONCE_MAX).map(
      (some): FollowUp => ({
        kind: "promote",
        eventId: (some[0] as ParkedEntry).event_id,
        slotId,
        at: now,
        from: null,
        recheck: some.map(({ id }) => id),
      }),
    ),
  );
}

/** What a batch's changes come to: a reservation may be made, bought and cancelled in one batch. */
export function netEffect(changes: readonly Change[]): {
  made: Reservation[];
  changed: { before: "held" | "purchased"; reservation: Reservation }[];
} {
  const made = new Map<ReservationId, Reservation>();
  const changed = new Map<ReservationId, { before: "held" | "purchased"; reservation: Reservation }>();
  for (const change of changes) {
    if (!("reservation" in change)) continue;
    const { before, reservation } = change;
    if (before === null || made.has(reservation.id)) made.set(reservation.id, reservation);
    else changed.set(reservation.id, { before: changed.get(reservation.id)?.before ?? before, reservation });
  }
  return { made: [...made.values()], changed: [...changed.values()] };
}

const updateReservations = (
  eventId: EventId,
  rows: readonly { before: Reservation["status"]; reservation: Reservation }[],
): pg.QueryConfig =>
  UPDATE_RESERVATIONS(
    arrayOf(rows.map(({ reservation }) => reservation.id)),
    arrayOf(rows.map(({ before }) => before)),
    arrayOf(rows.map(({ reservation }) => reservation.status)),
    rows.map(({ reservation }) => reservation.paymentReference),
    arrayOf(rows.map(({ reservation }) => reservation.expiresAt)),
    arrayOf(rows.map(({ reservation }) => reservation.purchasedAt)),
    arrayOf(rows.map(({ reservation }) => reservation.endedAt)),
    arrayOf(rows.map(({ reservation }) => reservation.endReason)),
    eventId,
  );

const insertReservations = (
  eventId: EventId,
  exclusive: boolean,
  rows: readonly Reservation[],
): pg.QueryConfig =>
  INSERT_RESERVATIONS(
    eventId,
    exclusive,
    arrayOf(rows.map((row) => row.id)),
    arrayOf(rows.map((row) => row.slotId)),
    arrayOf(rows.map((row) => row.userId)),
    arrayOf(rows.map((row) => row.quantity)),
    arrayOf(rows.map((row) => row.status)),
    arrayOf(rows.map((row) => row.origin)),
    rows.map((row) => row.paymentReference),
    arrayOf(rows.map((row) => row.expiresAt)),
    arrayOf(rows.map((row) => row.createdAt)),
    arrayOf(rows.map((row) => row.purchasedAt)),
    arrayOf(rows.map((row) => row.endedAt)),
    arrayOf(rows.map((row) => row.endReason)),
  );

const endBatch = (
  { eventId, lane, now, logicalAt, messages }: BatchWrite,
  ended: readonly Applied[],
): pg.QueryConfig =>
  END_BATCH(
    eventId,
    lane.nextSeq,
    now,
    arrayOf(ended.map(({ command }) => command.id)),
    ended.map(({ command }) => command.type),
    arrayOf(ended.map(({ command }) => command.userId)),
    // A key belongs to the first command that came with it.
    ended.map(({ command, outcome }) => (usesKeyAgain(outcome) ? null : command.idempotencyKey)),
    ended.map(({ command }) => command.fingerprint),
    arrayOf(ended.map(({ outcome }) => outcome.status)),
    ended.map(({ outcome }) => JSON.stringify(outcome)).join(JOINT),
    arrayOf(ended.map(({ command }) => command.at)),
    arrayOf(ended.map(({ seen }) => seen?.available ?? null)),
    arrayOf(ended.map(({ seen }) => seen?.waitingAhead ?? null)),
    logicalAt,
    lane.nextMessage + messages.length,
    lane.fence,
  );

const usesKeyAgain = (outcome: Outcome): boolean =>
  outcome.status === "rejected" && outcome.refusal.code === "idempotency-key-reused";

interface LaneRow {
  fence: string;
  logical_at: number;
  next_seq: string;
  next_message: string;
  paused: boolean;
}

interface EventRow extends TermsRow {
  now: number;
  promised: boolean;
}

interface OutcomeRow {
  command_id: CommandId;
  outcome: Outcome;
}

interface StampRow {
  command_id: CommandId;
  submitted_at: number;
}

interface KeyRow {
  user_id: UserId;
  idempotency_key: string;
  command_id: CommandId;
}

interface ReleasingSlotRow extends SlotRow {
  earliest_release: number | null;
}

interface ExpiryRow {
  status: "expired";
  user_id: UserId;
  ended_at: number;
}

interface ClaimRow {
  id: ReservationId;
  event_id: EventId;
  slot_id: SlotId;
  user_id: UserId;
  quantity: number;
  status: ActiveClaim["status"];
  expires_at: number | null;
  starts_at: number;
  ends_at: number;
  exclusive: boolean;
}

interface ReservationRow {
  id: ReservationId;
  event_id: EventId;
  slot_id: SlotId;
  user_id: UserId;
  quantity: number;
  status: Reservation["status"];
  origin: Reservation["origin"];
  payment_reference: string | null;
  expires_at: number | null;
  created_at: number;
  purchased_at: number | null;
  ended_at: number | null;
  end_reason: Reservation["endReason"];
}

interface NamedRow extends ReservationRow {
  awaiting_purchase: boolean;
}

const claimOf = (row: ClaimRow): ActiveClaim => ({
  id: row.id,
  eventId: row.event_id,
  slotId: row.slot_id,
  quantity: row.quantity,
  status: row.status,
  expiresAt: row.expires_at,
  startsAt: row.starts_at,
  endsAt: row.ends_at,
  exclusive: row.exclusive,
});

const reservationOf = (row: ReservationRow): Reservation => ({
  id: row.id,
  eventId: row.event_id,
  slotId: row.slot_id,
  userId: row.user_id,
  quantity: row.quantity,
  status: row.status,
  origin: row.origin,
  paymentReference: row.payment_reference,
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  purchasedAt: row.purchased_at,
  endedAt: row.ended_at,
  endReason: row.end_reason,
});
