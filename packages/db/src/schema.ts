// The tables, read like a data dictionary. A promise of the rules stands here a second time, as a named
// constraint: a wrong rule can be embarrassing, it cannot oversell. Indexes name the query they serve.
import {
  DELIVERY_STATUSES,
  END_REASONS,
  ENTRY_END_REASONS,
  ENTRY_STATUSES,
  HOLD_SECONDS_MAX,
  OFFER_SECONDS_MAX,
  OUTCOME_STATUSES,
  OVERLAP_POLICIES,
  RESERVATION_ORIGINS,
  RESERVATION_STATUSES,
  SLOT_CAPACITY_MAX,
  USER_ROLES,
  WEBHOOK_DISABLED_REASONS,
  WEBHOOK_ENDPOINT_STATUSES,
} from "@holdfast/domain";
import { type SQL, sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  json,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { LASTING } from "./lasting.ts";

/** Ids are text in C collation: they compare by byte, sort by time of making, and read the same everywhere. */
const id = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' });
const tstzrange = customType<{ data: string }>({ dataType: () => "tstzrange" });
const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
const oneOf = (column: string, values: readonly string[]): SQL =>
  sql.raw(`${column} IN (${values.map((value) => `'${value}'`).join(", ")})`);
const between = (column: string, min: number, max: number): SQL =>
  sql.raw(`${column} BETWEEN ${min} AND ${max}`);

export const users = pgTable(
  "users",
  {
    id: id("id").primaryKey(),
    /** As it was typed; compared without case. */
    email: text("email").notNull(),
    name: text("name").notNull(),
    role: text("role").notNull().default("user"),
    passwordHash: text("password_hash").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    disabledAt: at("disabled_at"),
    /** When role, password or standing last changed: gateways follow this to judge tokens made before. */
    authChangedAt: at("auth_changed_at").notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex("users_email_key").on(sql`lower(${t.email})`),
    index("users_admins_idx").on(t.id).where(sql`role = 'admin'`), // whose webhooks hear of everything
    index("users_auth_changed_at_idx").on(t.authChangedAt), // what changed since a gateway last looked
    check("users_role_known", oneOf("role", USER_ROLES)),
  ],
);

/** A login and all refresh tokens that descend from it: reuse of an old one ends the whole family. */
export const sessions = pgTable(
  "sessions",
  {
    id: id("id").primaryKey(),
    userId: id("user_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    revokedAt: at("revoked_at"),
  },
  (t) => [
    index("sessions_user_id_idx").on(t.userId),
    index("sessions_revoked_at_idx").on(t.revokedAt).where(sql`revoked_at IS NOT NULL`),
  ],
);

export const refreshTokens = pgTable(
  "refresh_tokens",
  {
    /** SHA-256 of the token: the table alone opens no door. */
    tokenHash: text("token_hash").primaryKey(),
    sessionId: id("session_id")
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    createdAt: at("created_at").notNull().defaultNow(),
    /** Set when it was exchanged; for some seconds a repeat is a lost reply, later it is reuse. */
    rotatedAt: at("rotated_at"),
    /** The pair that the exchange gave, sealed, kept only as long as a repeat may ask for it. */
    successor: text("successor"),
  },
  (t) => [index("refresh_tokens_session_id_idx").on(t.sessionId)],
);

export const events = pgTable(
  "events",
  {
    id: id("id").primaryKey(),
    organizerId: id("organizer_id")
      .notNull()
      .references(() => users.id),
    name: text("name").notNull(),
    description: text("description"),
    venue: text("venue"),
    salesOpenAt: at("sales_open_at"),
    salesCloseAt: at("sales_close_at"),
    salesClosed: boolean("sales_closed").notNull().default(false),
    holdSeconds: integer("hold_seconds").notNull(),
    offerSeconds: integer("offer_seconds").notNull(),
    maxPerOrder: integer("max_per_order").notNull(),
    maxPerUser: integer("max_per_user").notNull(),
    overlapPolicy: text("overlap_policy").notNull(),
    cancelCutoffSeconds: integer("cancel_cutoff_seconds").notNull(),
    waitlist: jsonb("waitlist").notNull(),
    cancelledAt: at("cancelled_at"),
    /** True from its cancelling until everything that it left behind has ended. */
    windingDown: boolean("winding_down").notNull().default(false),
    /** End of the last slot: an event is past from here on. Kept with the slots, so that lists need no join. */
    endsAt: at("ends_at").notNull(),
    startsAt: at("starts_at").notNull(),
    version: integer("version").notNull().default(1),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    index("events_upcoming_idx").on(t.startsAt, t.id), // lists, by start, keyset
    index("events_lasting_idx").on(sql.raw(LASTING), t.startsAt, t.id, t.endsAt), // lists of what goes on, or is over
    // The search. What is written is looked for at once: nothing is left in a list that each search would read.
    index("events_search_idx")
      .using("gin", sql`search_keys(starts_at, name, venue, description)`)
      .with({ fastupdate: "off" }),
    index("events_organizer_id_idx").on(t.organizerId),
    index("events_winding_down_idx").on(t.id).where(sql`winding_down`), // the sweep
    check("events_overlap_policy_known", oneOf("overlap_policy", OVERLAP_POLICIES)),
    check("events_hold_seconds_range", between("hold_seconds", 1, HOLD_SECONDS_MAX)),
    check("events_offer_seconds_range", between("offer_seconds", 1, OFFER_SECONDS_MAX)),
    check(
      "events_limits_positive",
      sql`max_per_order > 0 AND max_per_user > 0 AND cancel_cutoff_seconds >= 0`,
    ),
    check("events_sales_window", sql`sales_open_at < sales_close_at`),
    check("events_ends_after_start", sql`starts_at < ends_at`),
  ],
);

export const slots = pgTable(
  "slots",
  {
    id: id("id").primaryKey(),
    eventId: id("event_id")
      .notNull()
      .references(() => events.id),
    name: text("name"),
    startsAt: at("starts_at").notNull(),
    endsAt: at("ends_at").notNull(),
    capacity: integer("capacity").notNull(),
    held: integer("held").notNull().default(0),
    purchased: integer("purchased").notNull().default(0),
    /** Counts every change of the counters: the second half of the event's ETag. */
    inventory: bigint("inventory", { mode: "number" }).notNull().default(0),
    /** True once it had a reservation: from then on its times are fixed. */
    used: boolean("used").notNull().default(false),
    /** Entries that wait for it, and of those the ones that may not have its tickets at the moment. */
    waiting: integer("waiting").notNull().default(0),
    parked: integer("parked").notNull().default(0),
    /** The number of the waitlist entry that joined last. */
    lastSeq: integer("last_seq").notNull().default(0),
    /** Numbers of the entries that passed somebody who waited longer, since the last collection ran out. Null: none. */
    passers: integer("passers").array(),
    /** The number of the entry for which tickets are kept together, and until when. */
    collectingFor: integer("collecting_for"),
    collectingUntil: at("collecting_until"),
    /** When its waiters are to be looked at; null while nothing could come of it. */
    promoteAt: at("promote_at"),
  },
  (t) => [
    unique("slots_event_id_id_key").on(t.eventId, t.id), // all slots of an event
    index("slots_promote_at_idx").on(t.promoteAt).where(sql`promote_at IS NOT NULL`), // the sweep
    index("slots_waiting_idx").on(t.startsAt).where(sql`waiting > 0`), // the sweep: waitlists that have closed
    check("slots_capacity_range", between("capacity", 0, SLOT_CAPACITY_MAX)),
    check("slots_counters_not_negative", sql`held >= 0 AND purchased >= 0`),
    check("slots_never_oversold", sql`held + purchased <= capacity`),
    check("slots_ends_after_start", sql`starts_at < ends_at`),
    check("slots_waiting_counts", sql`parked >= 0 AND parked <= waiting AND waiting <= last_seq`),
    check("slots_collecting_has_end", sql`(collecting_for IS NULL) = (collecting_until IS NULL)`),
  ],
);

/** Who may write an event's inventory now, and how far it has got. Made with the event; written by drains only. */
export const eventLanes = pgTable(
  "event_lanes",
  {
    eventId: id("event_id")
      .primaryKey()
      .references(() => events.id),
    /** Grows with every drain that begins: only the newest one commits. */
    fence: bigint("fence", { mode: "number" }).notNull().default(0),
    owner: text("owner"),
    /** The greatest acceptance time of any command so far. */
    logicalAt: at("logical_at").notNull().default(sql`'epoch'`),
    /** The number of the event's next outcome. */
    nextSeq: bigint("next_seq", { mode: "number" }).notNull().default(1),
    pausedAt: at("paused_at"),
    /** The sequence number of the event's next webhook message. */
    nextMessage: bigint("next_message", { mode: "number" }).notNull().default(1),
  },
  () => [check("event_lanes_counts", sql`fence >= 0 AND next_seq >= 1 AND next_message >= 1`)],
);

export const reservations = pgTable(
  "reservations",
  {
    id: id("id").primaryKey(),
    // No foreign keys: each costs a look-up a row. The statement that inserts joins the slot, and each batch looks for
    // all its users at once.
    eventId: id("event_id").notNull(),
    slotId: id("slot_id").notNull(),
    userId: id("user_id").notNull(),
    quantity: integer("quantity").notNull(),
    status: text("status").notNull(),
    origin: text("origin").notNull(),
    paymentReference: text("payment_reference"),
    expiresAt: at("expires_at"),
    createdAt: at("created_at").notNull(),
    purchasedAt: at("purchased_at"),
    endedAt: at("ended_at"),
    endReason: text("end_reason"),
    /** The slot's time range, half-open: a slot's times are fixed once it has a reservation. */
    during: tstzrange("during").notNull(),
    /** False when the event lets reservations overlap. */
    exclusive: boolean("exclusive").notNull(),
  },
  (t) => [
    // Besides these: reservations_no_overlap, an exclusion constraint, in migrations of its own.
    uniqueIndex("reservations_one_active_key")
      .on(t.userId, t.slotId)
      .where(sql`status IN ('held', 'purchased')`), // also: the active claims of a user
    index("reservations_expires_at_idx").on(t.expiresAt).where(sql`status = 'held'`), // the sweep
    index("reservations_release_idx").on(t.slotId, t.expiresAt).where(sql`status = 'held'`), // settling; earliest release
    // How often a user let holds lapse.
    index("reservations_unpaid_idx")
      .on(t.userId, t.endedAt)
      .where(sql`status = 'expired' AND origin = 'public'`),
    index("reservations_user_id_idx").on(t.userId, t.createdAt, t.id), // a user's own list
    index("reservations_event_id_idx").on(t.eventId, t.createdAt, t.id), // an organizer's list
    check("reservations_quantity_positive", sql`quantity > 0`),
    check("reservations_status_known", oneOf("status", RESERVATION_STATUSES)),
    check("reservations_origin_known", oneOf("origin", RESERVATION_ORIGINS)),
    check("reservations_end_reason_known", oneOf("end_reason", END_REASONS)),
    check("reservations_held_has_deadline", sql`(status <> 'held') OR expires_at IS NOT NULL`),
    check("reservations_purchased_has_time", sql`(status <> 'purchased') OR purchased_at IS NOT NULL`),
    check(
      "reservations_ended_has_reason",
      sql`(status IN ('expired', 'cancelled')) = (ended_at IS NOT NULL AND end_reason IS NOT NULL)`,
    ),
  ],
);

/** Places in the waitlists of slots. Nothing is ever deleted. */
export const waitlistEntries = pgTable(
  "waitlist_entries",
  {
    id: id("id").primaryKey(),
    // No foreign keys, for the same reasons as above.
    eventId: id("event_id").notNull(),
    slotId: id("slot_id").notNull(),
    userId: id("user_id").notNull(),
    quantity: integer("quantity").notNull(),
    status: text("status").notNull(),
    /** Given inside the event's queue: who has the smaller one is asked first, whatever the times say. */
    seq: integer("seq").notNull(),
    createdAt: at("created_at").notNull(),
    offeredAt: at("offered_at"),
    endedAt: at("ended_at"),
    endReason: text("end_reason"),
    /** Parked: may not have the slot's tickets at the moment, and is looked at again then at the latest. */
    recheckAt: at("recheck_at"),
    /** Why it was not offered tickets when there were some: the last time, as `domain` words it. */
    lastPassedOver: json("last_passed_over"),
  },
  (t) => [
    uniqueIndex("waitlist_entries_slot_seq_key").on(t.slotId, t.seq),
    uniqueIndex("waitlist_entries_one_live_key")
      .on(t.userId, t.slotId)
      .where(sql`status IN ('waiting', 'offered')`), // also: the live entries of a user
    index("waitlist_entries_place_idx").on(t.slotId, t.seq).where(sql`status = 'waiting'`), // a place in the line
    index("waitlist_entries_size_idx").on(t.slotId, t.quantity).where(sql`status = 'waiting'`), // larger than the slot
    // Who is asked next. Made after those above: where tables are so small that each looks as good, the newest is taken.
    index("waitlist_entries_turn_idx")
      .on(t.slotId, t.seq)
      .where(sql`status = 'waiting' AND recheck_at IS NULL`),
    index("waitlist_entries_recheck_idx").on(t.recheckAt).where(sql`recheck_at IS NOT NULL`), // the sweep
    index("waitlist_entries_parked_idx").on(t.userId).where(sql`recheck_at IS NOT NULL`), // something of theirs changed
    index("waitlist_entries_user_id_idx").on(t.userId, t.createdAt, t.id), // a user's own list
    check("waitlist_entries_quantity_positive", sql`quantity > 0 AND seq > 0`),
    check("waitlist_entries_status_known", oneOf("status", ENTRY_STATUSES)),
    check("waitlist_entries_end_reason_known", oneOf("end_reason", ENTRY_END_REASONS)),
    check("waitlist_entries_offered_has_time", sql`status <> 'offered' OR offered_at IS NOT NULL`),
    check(
      "waitlist_entries_ended_has_reason",
      sql`(status NOT IN ('waiting', 'offered')) = (ended_at IS NOT NULL AND end_reason IS NOT NULL)`,
    ),
    check("waitlist_entries_parked_waits", sql`recheck_at IS NULL OR status = 'waiting'`),
  ],
);

/** How many entries of each stretch of a slot's waitlist still wait: a place in a long line is summed up, not counted. */
export const waitlistStretches = pgTable(
  "waitlist_stretches",
  {
    slotId: id("slot_id").notNull(),
    /** The number of its entries, less one, divided by `STRETCH_ENTRIES`. */
    stretch: integer("stretch").notNull(),
    waiting: integer("waiting").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.slotId, t.stretch] }),
    check("waitlist_stretches_counts", sql`waiting >= 0`),
  ],
);

/**
 * Commands that were answered `202`, or whose way into the queue is unknown: kept until they end, so that they
 * can be sent again. Deleted with their outcome, never earlier; what was promised in the same moment the sweep deletes.
 */
export const acceptedCommands = pgTable(
  "accepted_commands",
  {
    commandId: id("command_id").primaryKey(),
    eventId: id("event_id")
      .notNull()
      .references(() => events.id),
    userId: id("user_id").references(() => users.id),
    type: text("type").notNull(),
    submittedAt: at("submitted_at").notNull(),
    acceptedAt: at("accepted_at").notNull().default(sql`clock_timestamp()`),
    /** The whole command, as it goes into the queue. */
    command: jsonb("command").notNull(),
    /** For a purchase: the hold that it wants, so that settling leaves it alone. */
    reservationId: id("reservation_id"),
    /** Its number among all commands that were ever put into the event's queue: a hint for its position. */
    ticket: bigint("ticket", { mode: "number" }),
  },
  (t) => [
    index("accepted_commands_event_id_idx").on(t.eventId, t.submittedAt), // the sweep; positions
    // A user's own list. Partial, so that no look-up by id alone is planned through it.
    index("accepted_commands_user_id_idx")
      .on(t.userId, t.submittedAt, t.commandId)
      .where(sql`user_id IS NOT NULL`),
    index("accepted_commands_purchase_idx").on(t.reservationId).where(sql`type = 'purchase'`), // settling
  ],
);

/** How every command ended. Never updated, by anybody. */
export const outcomes = pgTable(
  "outcomes",
  {
    commandId: id("command_id").primaryKey(),
    /** No foreign key: whoever writes an outcome holds the event's lane, and that has one. */
    eventId: id("event_id").notNull(),
    /** Null for what was withdrawn: it never had a turn. */
    seq: bigint("seq", { mode: "number" }),
    type: text("type").notNull(),
    /** No foreign key: each batch looks for all its senders at once. */
    userId: id("user_id"),
    idempotencyKey: text("idempotency_key"),
    fingerprint: text("fingerprint"),
    status: text("status").notNull(),
    /** The whole outcome, as `domain` words it. */
    outcome: json("outcome").notNull(),
    /** What the decision found of the slot in question: tickets that the public could have, and entries that waited. */
    seenAvailable: integer("seen_available"),
    seenWaiting: integer("seen_waiting"),
    submittedAt: at("submitted_at").notNull(),
    finishedAt: at("finished_at").notNull(),
  },
  (t) => [
    uniqueIndex("outcomes_event_seq_key").on(t.eventId, t.seq),
    uniqueIndex("outcomes_user_key_key")
      .on(t.userId, t.idempotencyKey)
      .where(sql`idempotency_key IS NOT NULL`),
    index("outcomes_user_id_idx").on(t.userId, t.submittedAt, t.commandId).where(sql`user_id IS NOT NULL`), // a user's own list
    check("outcomes_status_known", oneOf("status", OUTCOME_STATUSES)),
    check("outcomes_seq_positive", sql`seq >= 1`),
    check("outcomes_withdrawn_has_no_turn", sql`(status = 'withdrawn') = (seq IS NULL)`),
  ],
);

/** Where people want to be told of what happens, each at a URL of their own. */
export const webhookEndpoints = pgTable(
  "webhook_endpoints",
  {
    id: id("id").primaryKey(),
    ownerId: id("owner_id")
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    url: text("url").notNull(),
    /** Null: all there are, and all there will be. */
    types: text("types").array(),
    description: text("description"),
    status: text("status").notNull().default("unverified"),
    /** Why it is disabled; null while it is not. */
    disabledReason: text("disabled_reason"),
    /** Sealed: the table alone signs nothing. */
    secret: text("secret").notNull(),
    /** The secret before it was rotated: signs, too, until then. */
    previousSecret: text("previous_secret"),
    previousSecretUntil: at("previous_secret_until"),
    /** Since when no attempt has succeeded, while the last one failed. */
    failingSince: at("failing_since"),
    /** When that was, the last time. */
    failedAt: at("failed_at"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    index("webhook_endpoints_owner_id_idx").on(t.ownerId, t.createdAt, t.id), // a user's own list
    index("webhook_endpoints_hearing_idx").on(t.ownerId).where(sql`status <> 'unverified'`), // who hears of a batch
    check("webhook_endpoints_status_known", oneOf("status", WEBHOOK_ENDPOINT_STATUSES)),
    check(
      "webhook_endpoints_disabled_has_reason",
      sql`(status = 'disabled') = (disabled_reason IS NOT NULL)`,
    ),
    check("webhook_endpoints_disabled_reason_known", oneOf("disabled_reason", WEBHOOK_DISABLED_REASONS)),
    check("webhook_endpoints_failing_has_last", sql`(failing_since IS NULL) = (failed_at IS NULL)`),
    check(
      "webhook_endpoints_previous_has_end",
      sql`(previous_secret IS NULL) = (previous_secret_until IS NULL)`,
    ),
  ],
);

/** What happened, once, whoever is told of it. Those of an event are numbered without gap. */
export const webhookMessages = pgTable(
  "webhook_messages",
  {
    id: id("id").primaryKey(),
    /** Null for what is about an endpoint and no event. */
    eventId: id("event_id"),
    sequence: bigint("sequence", { mode: "number" }),
    type: text("type").notNull(),
    /** What it tells, as `domain` words it. */
    notice: json("notice").notNull(),
    createdAt: at("created_at").notNull(),
  },
  (t) => [
    uniqueIndex("webhook_messages_event_sequence_key").on(t.eventId, t.sequence),
    index("webhook_messages_created_at_idx").on(t.createdAt), // what is old enough to be removed
    check(
      "webhook_messages_of_event_numbered",
      sql`(event_id IS NULL) = (sequence IS NULL) AND sequence >= 1`,
    ),
  ],
);

/** Messages on their way to endpoints: one row for each message and endpoint, written in the transaction of the batch. */
export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    id: id("id").primaryKey(),
    // No foreign keys: a rush writes as many as reservations. The statement that inserts knows both.
    endpointId: id("endpoint_id").notNull(),
    messageId: id("message_id").notNull(),
    status: text("status").notNull().default("pending"),
    /** Tries since it was last asked for: its place in the schedule. */
    tries: integer("tries").notNull().default(0),
    /** Every try, the first one first: `[{at, status, durationMs}]`, times in milliseconds since 1970. */
    attempts: jsonb("attempts").notNull().default([]),
    /** When it is to be tried; null once it is not tried any more. */
    nextAttemptAt: at("next_attempt_at"),
    createdAt: at("created_at").notNull(),
  },
  (t) => [
    uniqueIndex("webhook_deliveries_once_key").on(t.messageId, t.endpointId), // also: is a message still needed?
    index("webhook_deliveries_due_idx").on(t.endpointId, t.nextAttemptAt).where(sql`status = 'pending'`),
    index("webhook_deliveries_log_idx").on(t.endpointId, t.createdAt, t.id), // the delivery log; replay
    index("webhook_deliveries_created_at_idx").on(t.createdAt), // what is old enough to be removed
    check("webhook_deliveries_status_known", oneOf("status", DELIVERY_STATUSES)),
    check("webhook_deliveries_pending_has_time", sql`(status = 'pending') = (next_attempt_at IS NOT NULL)`),
    check("webhook_deliveries_tries_counted", sql`tries >= 0`),
  ],
);
