// Deliveries of webhooks on their way: what is due, what became of an attempt, what is given up, what is old enough to be
// removed. Whoever delivers to an endpoint is alone; a statement that comes too late for a delivery changes nothing.
import type {
  DeliveryId,
  DeliveryStatus,
  EpochMs,
  EventId,
  WebhookEndpointId,
  WebhookMessageId,
} from "@holdfast/domain";
import type pg from "pg";
import { ms, time } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";
import { planByIndex } from "./sweeps.ts";

/** Days that deliveries and their messages are kept. */
export const DELIVERIES_KEPT_DAYS = 30;
/** Attempts of one delivery that are kept: who has it sent again and again loses the first ones. */
export const ATTEMPTS_KEPT_MAX = 100;

/** Of rows that are named: worded so that the index of all that is pending, however small it looks, is not read for it. */
export const STILL_PENDING = "status NOT IN ('delivered', 'failed')";

export interface DueDelivery {
  readonly id: DeliveryId;
  /** Made before, since it was last asked for. */
  readonly tries: number;
  /** When it was to be tried: another time tells that it was asked for anew. */
  readonly dueAt: EpochMs;
  /** False when its owner may not be told of it any more: another role counts by now. */
  readonly mayBeTold: boolean;
  /** It was never tried, not even before it was asked for anew. */
  readonly untried: boolean;
  readonly createdAt: EpochMs;
  readonly messageId: WebhookMessageId;
  readonly messageCreatedAt: EpochMs;
  readonly eventId: EventId | null;
  readonly sequence: number | null;
  /** As it was written. */
  readonly notice: unknown;
}

/**
 * The owner may be told of message `m`: it is about an endpoint, concerns the owner, or is of an event of which the owner
 * hears everything.
 */
const mayBeTold = (ownerId: string): string => `(
    m.event_id IS NULL OR m.notice ->> 'userId' = ${ownerId} OR EXISTS (
      SELECT FROM users u WHERE u.id = ${ownerId} AND (
        u.role = 'admin' OR u.role = 'organizer' AND (
          SELECT organizer_id FROM events WHERE id = m.event_id
        ) = ${ownerId}
      ) OFFSET 0
    )
  )`;

/** Of one endpoint, the longest due first, so that what is dated back comes first; those in hand are passed over. */
export async function dueDeliveries(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  {
    inHand,
    verificationOnly,
    limit,
  }: { inHand: readonly DeliveryId[]; verificationOnly: boolean; limit: number },
): Promise<DueDelivery[]> {
  const { rows } = await tx.query<DueDelivery>({
    name: "due-deliveries",
    text: `SELECT d.id, d.tries, ${ms("d.next_attempt_at")} AS "dueAt", ${mayBeTold("w.owner_id")} AS "mayBeTold",
      d.attempts = '[]' AS untried, ${ms("d.created_at")} AS "createdAt", m.id AS "messageId",
      ${ms("m.created_at")} AS "messageCreatedAt", m.event_id AS "eventId", m.sequence::float8 AS sequence, m.notice
    FROM webhook_deliveries d
    CROSS JOIN LATERAL (SELECT * FROM webhook_messages WHERE id = d.message_id OFFSET 0) m
    CROSS JOIN LATERAL (SELECT owner_id FROM webhook_endpoints WHERE id = $1 OFFSET 0) w
    WHERE d.endpoint_id = $1 AND d.status = 'pending' AND d.next_attempt_at <= statement_timestamp()
      AND d.id <> ALL ($2::text[]) AND (m.type = 'endpoint.verification' OR NOT $3::boolean)
    ORDER BY d.next_attempt_at LIMIT $4`,
    values: [endpointId, inHand, verificationOnly, limit],
  });
  return rows;
}

export async function hasDueDeliveries(tx: Queryable, endpointId: WebhookEndpointId): Promise<boolean> {
  const { rows } = await tx.query<{ due: boolean }>({
    name: "has-due-deliveries",
    text: `SELECT EXISTS (
      SELECT FROM webhook_deliveries
      WHERE endpoint_id = $1 AND status = 'pending' AND next_attempt_at <= statement_timestamp()
    ) AS due`,
    values: [endpointId],
  });
  return rows[0]?.due === true;
}

/** An attempt as it ended, and what becomes of its delivery. */
export interface EndedAttempt {
  readonly id: DeliveryId;
  /** As they were when the delivery was claimed. */
  readonly tries: number;
  readonly dueAt: EpochMs;
  readonly at: EpochMs;
  /** The answer's; null when there was none. */
  readonly status: number | null;
  readonly durationMs: number;
  readonly becomes: DeliveryStatus;
  /** Milliseconds until the next try; null when there is none. */
  readonly waitMs: number | null;
}

/** Deliveries that were given up or asked for anew meanwhile, or that are another's by now, stay as they are. */
export async function recordAttempts(tx: Queryable, ended: readonly EndedAttempt[]): Promise<void> {
  await tx.query({
    name: "record-attempts",
    text: `UPDATE webhook_deliveries d SET
      status = u.becomes,
      tries = d.tries + 1,
      attempts = CASE WHEN jsonb_array_length(d.attempts) < ${ATTEMPTS_KEPT_MAX} THEN d.attempts ELSE d.attempts - 0 END
        || jsonb_build_object('at', u.at, 'status', u.answered, 'durationMs', u.took),
      next_attempt_at = statement_timestamp() + u.wait * interval '1 millisecond'
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::int[], $6::text[], $7::float8[], $8::float8[])
      AS u(id, tries, at, answered, took, becomes, wait, due)
    WHERE d.id = u.id AND d.status = 'pending' AND d.tries = u.tries AND d.next_attempt_at = ${time("u.due")}`,
    values: [
      ended.map(({ id }) => id),
      ended.map(({ tries }) => tries),
      ended.map(({ at }) => at),
      ended.map(({ status }) => status),
      ended.map(({ durationMs }) => durationMs),
      ended.map(({ becomes }) => becomes),
      ended.map(({ waitMs }) => waitMs),
      ended.map(({ dueAt }) => dueAt),
    ],
  });
}

/** Gives up what an endpoint that is gone or disabled was to be sent, up to `limit`. How many there were. */
export async function giveUpDeliveries(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  { keepVerification, limit }: { keepVerification: boolean; limit: number },
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL
    WHERE ${STILL_PENDING} AND id = ANY (ARRAY(
      SELECT d.id FROM webhook_deliveries d
      WHERE d.endpoint_id = $1 AND d.status = 'pending' AND NOT ($2::boolean AND ${IS_VERIFICATION})
      ORDER BY d.next_attempt_at LIMIT $3
    ))`,
    [endpointId, keepVerification, limit],
  );
  return rowCount ?? 0;
}

/** Gives up deliveries whose owner may not be told of them any more. */
export async function withholdDeliveries(tx: Queryable, ids: readonly DeliveryId[]): Promise<void> {
  await tx.query(
    `UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL
    WHERE ${STILL_PENDING} AND id = ANY ($1::text[])`,
    [ids],
  );
}

const IS_VERIFICATION = `EXISTS (
  SELECT FROM webhook_messages m WHERE m.id = d.message_id AND m.type = 'endpoint.verification' OFFSET 0
)`;

/** Of an endpoint that is to be verified (again) first: what is due of events waits, what is due of endpoints is given up. */
export async function putOffDeliveries(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  { waitMs, limit }: { waitMs: number; limit: number },
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE webhook_deliveries d SET
      status = CASE WHEN m.event_id IS NULL THEN 'failed' ELSE 'pending' END,
      next_attempt_at = CASE WHEN m.event_id IS NOT NULL THEN statement_timestamp() + $2 * interval '1 millisecond' END
    FROM webhook_messages m
    WHERE m.id = d.message_id AND d.${STILL_PENDING} AND d.id = ANY (ARRAY(
      SELECT d.id FROM webhook_deliveries d
      WHERE d.endpoint_id = $1 AND d.status = 'pending' AND d.next_attempt_at <= statement_timestamp()
        AND NOT ${IS_VERIFICATION}
      ORDER BY d.next_attempt_at LIMIT $3
    ))`,
    [endpointId, waitMs, limit],
  );
  return rowCount ?? 0;
}

export interface EndpointWithPending {
  readonly id: WebhookEndpointId;
  /** Something is to be tried now. */
  readonly due: boolean;
  readonly troubled: boolean;
}

/** Endpoints behind `after` that have something pending, in order; one look-up each, however much is pending. */
export async function endpointsWithPending(
  tx: pg.ClientBase,
  { after, limit }: { after: WebhookEndpointId | null; limit: number },
): Promise<EndpointWithPending[]> {
  await planByIndex(tx);
  const first = (behind: string): string =>
    `SELECT endpoint_id, next_attempt_at FROM webhook_deliveries
    WHERE status = 'pending' AND endpoint_id > ${behind}
    ORDER BY endpoint_id, next_attempt_at LIMIT 1`;
  const { rows } = await tx.query<EndpointWithPending>(
    `WITH RECURSIVE pending AS (
      (${first("$1")})
      UNION ALL
      SELECT next.* FROM pending CROSS JOIN LATERAL (${first("pending.endpoint_id")}) next
    )
    SELECT p.endpoint_id AS id, p.next_attempt_at <= statement_timestamp() AS due,
      COALESCE((SELECT failing_since IS NOT NULL FROM webhook_endpoints WHERE id = p.endpoint_id), true) AS troubled
    FROM (SELECT * FROM pending LIMIT $2) p
    ORDER BY p.endpoint_id`,
    [after ?? "", limit],
  );
  return rows;
}

/** Removes deliveries, and then messages without any, that are older than so many days; of each up to `limit`. */
export async function removeOldDeliveries(
  tx: pg.ClientBase,
  { days, limit }: { days: number; limit: number },
): Promise<number> {
  await planByIndex(tx);
  const deliveries = await tx.query(
    `DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
      SELECT id FROM webhook_deliveries WHERE created_at < statement_timestamp() - $1 * interval '1 day'
      ORDER BY created_at LIMIT $2
    ))`,
    [days, limit],
  );
  const messages = await tx.query(
    `DELETE FROM webhook_messages WHERE id = ANY (ARRAY(
      SELECT m.id FROM webhook_messages m
      WHERE m.created_at < statement_timestamp() - $1 * interval '1 day'
        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.message_id = m.id OFFSET 0)
      ORDER BY m.created_at LIMIT $2
    ))`,
    [days, limit],
  );
  return (deliveries.rowCount ?? 0) + (messages.rowCount ?? 0);
}
