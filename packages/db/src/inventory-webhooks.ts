// The part of a batch that tells others: whose endpoints hear of the event or of the users concerned, and the messages
// for them, written in the batch's own transaction.
import type {
  DeliveryId,
  EpochMs,
  EventId,
  Notice,
  NoticeType,
  UserId,
  WebhookEndpointId,
  WebhookMessageId,
} from "@holdfast/domain";
import type pg from "pg";
import { DELIVERIES_KEPT_DAYS } from "./deliveries.ts";
import { time } from "./epoch.ts";
import { arrayOf, chunks, JOINT, JOINT_CODE, statement } from "./statement.ts";

/** What a disabled endpoint misses is written down for it, to be replayed, for as long as it would be kept. */
const HEARS = `status <> 'unverified'
        AND (status = 'active' OR failed_at > now() - interval '${DELIVERIES_KEPT_DAYS} days')`;

/**
 * Endpoints of these users, of the event's organizer and of admins: active ones, and such as were disabled not long ago.
 * Those of a disabled user hear nothing. One row without any says whether there are others at all, and without
 * others nobody is looked for.
 * $1 users · $2 event
 */
const LOAD_SUBSCRIBERS = statement(
  "load-subscribers",
  `WITH anybody AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM webhook_endpoints WHERE ${HEARS} AND owner_id > '' OFFSET 0) AS others
  )
  SELECT anybody.others, heard.* FROM anybody LEFT JOIN (
    SELECT w.id, w.owner_id AS "ownerId", w.types, w.failing_since IS NOT NULL AS troubled,
      w.status = 'disabled' AS disabled,
      u.role = 'admin' OR (u.role = 'organizer' AND w.owner_id = e.organizer_id) AS "hearsAll"
    FROM (SELECT organizer_id FROM events WHERE id = $2) e
    CROSS JOIN LATERAL (
      SELECT * FROM webhook_endpoints
      WHERE ${HEARS}
        AND owner_id = ANY ($1::text[] || e.organizer_id || ARRAY(SELECT id FROM users WHERE role = 'admin')) OFFSET 0
    ) w
    CROSS JOIN LATERAL (SELECT role FROM users WHERE id = w.owner_id AND disabled_at IS NULL OFFSET 0) u
    WHERE (SELECT others FROM anybody)
  ) heard ON true`,
);

/** Deliveries that one statement inserts: their number is that of messages times endpoints. */
const DELIVERIES_PER_STATEMENT_MAX = 5_000;

const INSERT_MESSAGES = statement(
  "insert-messages",
  `INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
  SELECT u.id, $1, $2::bigint + u.nth - 1, u.type, u.notice::json, ${time("$3::float8")}
  FROM unnest($4::text[], $5::text[], string_to_array($6::text, chr(${JOINT_CODE}))) WITH ORDINALITY
    AS u(id, type, notice, nth)`,
);

const INSERT_DELIVERIES = statement(
  "insert-deliveries",
  `INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, next_attempt_at, created_at)
  SELECT u.id, u.endpoint_id, u.message_id, CASE WHEN u.missed THEN 'failed' ELSE 'pending' END,
    CASE WHEN NOT u.missed THEN ${time("$1::float8")} END, ${time("$1::float8")}
  FROM unnest($2::text[], $3::text[], $4::text[], $5::boolean[]) AS u(id, endpoint_id, message_id, missed)`,
);

/** An endpoint that hears of a batch. */
export interface Subscriber {
  readonly id: WebhookEndpointId;
  readonly ownerId: UserId;
  /** Null: all there are. */
  readonly types: readonly NoticeType[] | null;
  /** Of everything, and not only of what concerns its owner. */
  readonly hearsAll: boolean;
  /** Its last attempt failed. */
  readonly troubled: boolean;
  /** It is sent nothing: what it misses is written down, so that it can be replayed. */
  readonly disabled: boolean;
}

export interface Listening {
  /** Endpoints that hear of the event as a whole, or of what concerns the users asked for. */
  readonly subscribers: readonly Subscriber[];
  /** Anybody's hear of anything at all. */
  readonly others: boolean;
}

export async function loadSubscribers(
  tx: pg.ClientBase,
  eventId: EventId,
  users: readonly UserId[],
): Promise<Listening> {
  const { rows } = await tx.query<{ others: boolean } & (Subscriber | { id: null })>(
    LOAD_SUBSCRIBERS(arrayOf(users), eventId),
  );
  const subscribers = rows.flatMap(({ others: _, ...row }) => (row.id === null ? [] : [row]));
  return { subscribers, others: rows[0]?.others === true };
}

export interface DeliveryToWrite {
  readonly id: DeliveryId;
  readonly endpointId: WebhookEndpointId;
  /** It is not sent, and has failed. */
  readonly missed: boolean;
}

/** A message with the endpoints that it goes to, of which there is at least one. */
export interface MessageToWrite {
  readonly id: WebhookMessageId;
  readonly notice: Notice;
  readonly deliveries: readonly DeliveryToWrite[];
}

/** In order: the first one gets the number `nextMessage`. */
export function insertMessages(
  eventId: EventId,
  nextMessage: number,
  now: EpochMs,
  messages: readonly MessageToWrite[],
): pg.QueryConfig[] {
  if (messages.length === 0) return [];
  const deliveries = messages.flatMap(({ id: messageId, deliveries: to }) =>
    to.map((delivery) => ({ ...delivery, messageId })),
  );
  return [
    INSERT_MESSAGES(
      eventId,
      nextMessage,
      now,
      arrayOf(messages.map(({ id }) => id)),
      arrayOf<string>(messages.map(({ notice }) => notice.type)),
      messages.map(({ notice }) => JSON.stringify(notice)).join(JOINT),
    ),
    ...chunks(deliveries, DELIVERIES_PER_STATEMENT_MAX).map((some) =>
      INSERT_DELIVERIES(
        now,
        arrayOf(some.map(({ id }) => id)),
        arrayOf(some.map(({ endpointId }) => endpointId)),
        arrayOf(some.map(({ messageId }) => messageId)),
        some.map(({ missed }) => missed),
      ),
    ),
  ];
}
