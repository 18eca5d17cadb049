// Deliveries of webhooks on their way: what is due, what became of an attempt, what is given up, what is old enough to be
// removed. Whoever delivers to an endpoint is alone; a statement that comes too late for a delivery changes nothing.
import type {
  DeliveryId,
  DeliveryStatus,
  EpochMs,
  EventId,
  UserId,
  WebhookDisabledReason,
  WebhookEndpointId,
  WebhookEndpointStatus,
  WebhookMessageId,
} from "@holdfast/domain";
import type pg from "pg";
import { ms, time } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";
import { planByIndex } from "./sweeps.ts";

/** Attempts of one delivery that are kept: who has it sent again and again loses the first ones. */
export const ATTEMPTS_KEPT_MAX = 100;

/** Of rows that are named: worded so that the index of all that is pending, however small it looks, is not read for it. */
const STILL_PENDING = "status NOT IN ('delivered', 'failed')";

export interface DeliveryEndpoint {
  readonly ownerId: UserId;
  readonly ownerDisabled: boolean;
  readonly url: string;
  readonly status: WebhookEndpointStatus;
  readonly failingSince: EpochMs | null;
  /** Sealed. The second one is there while it still signs, too. */
  readonly secret: string;
  readonly previousSecret: string | null;
}

/** Null when it was deleted. */
export async function deliveryEndpoint(
  tx: Queryable,
  endpointId: WebhookEndpointId,
): Promise<DeliveryEndpoint | null> {
  const { rows } = await tx.query<DeliveryEndpoint>({
    name: "delivery-endpoint",
    text: `SELECT w.owner_id AS "ownerId", u.disabled_at IS NOT NULL AS "ownerDisabled", w.url, w.status,
      ${ms("w.failing_since")} AS "failingSince", w.secret,
      CASE WHEN w.previous_secret_until > statement_timestamp() THEN w.previous_secret END AS "previousSecret"
    FROM webhook_endpoints w JOIN users u ON u.id = w.owner_id
    WHERE w.id = $1`,
    values: [endpointId],
  });
  return rows[0] ?? null;
}

export interface DueDelivery {
  readonly id: DeliveryId;
  /** Made before, since it was last asked for. */
  readonly tries: number;
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
    text: `SELECT d.id, d.tries, d.attempts = '[]' AS untried, ${ms("d.created_at")} AS "createdAt", m.id AS "messageId",
      ${ms("m.created_at")} AS "messageCreatedAt", m.event_id AS "eventId", m.sequence::float8 AS sequence, m.notice
    FROM webhook_deliveries d
    CROSS JOIN LATERAL (SELECT * FROM webhook_messages WHERE id = d.message_id OFFSET 0) m
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
  /** As it was when the delivery was claimed. */
  readonly tries: number;
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
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::int[], $6::text[], $7::float8[])
      AS u(id, tries, at, answered, took, becomes, wait)
    WHERE d.id = u.id AND d.status = 'pending' AND d.tries = u.tries`,
    values: [
      ended.map(({ id }) => id),
      ended.map(({ tries }) => tries),
      ended.map(({ at }) => at),
      ended.map(({ status }) => status),
      ended.map(({ durationMs }) => durationMs),
      ended.map(({ becomes }) => becomes),
      ended.map(({ waitMs }) => waitMs),
    ],
  });
}

/** Notes that its last attempt failed, and since when. */
export async function noteFailing(tx: Queryable, endpointId: WebhookEndpointId, at: EpochMs): Promise<void> {
  await tx.query(
    `UPDATE webhook_endpoints SET failing_since = ${time("$2::float8")}
    WHERE id = $1 AND status = 'active' AND failing_since IS NULL`,
    [endpointId, at],
  );
}

export async function noteWorking(tx: Queryable, endpointId: WebhookEndpointId): Promise<void> {
  await tx.query(
    "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL",
    [endpointId],
  );
}

/** It has proved itself, unless its URL is another one by now. What waited for it, up to `limit`, is due at once. */
export async function activateEndpoint(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  { url, limit }: { url: string; limit: number },
): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE webhook_endpoints SET status = 'active', disabled_reason = NULL, failing_since = NULL
    WHERE id = $1 AND url = $2`,
    [endpointId, url],
  );
  if (rowCount === 0) return;
  await tx.query(
    `UPDATE webhook_deliveries SET next_attempt_at = statement_timestamp()
    WHERE ${STILL_PENDING} AND id = ANY (ARRAY(
      SELECT id FROM webhook_deliveries
      WHERE endpoint_id = $1 AND status = 'pending' AND next_attempt_at > statement_timestamp()
      ORDER BY next_attempt_at LIMIT $2
    ))`,
    [endpointId, limit],
  );
}

/** False when it was not active, or has another URL by now. */
export async function disableEndpoint(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  { url, reason }: { url: string; reason: WebhookDisabledReason },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = $3
    WHERE id = $1 AND status = 'active' AND url = $2`,
    [endpointId, url, reason],
  );
  return rowCount === 1;
}

export interface EndpointToTell {
  readonly id: WebhookEndpointId;
  readonly troubled: boolean;
}

/** The owner's active endpoints beside this one. */
export async function otherEndpoints(
  tx: Queryable,
  { ownerId, endpointId }: { ownerId: UserId; endpointId: WebhookEndpointId },
): Promise<EndpointToTell[]> {
  const { rows } = await tx.query<EndpointToTell>(
    `SELECT id, failing_since IS NOT NULL AS troubled FROM webhook_endpoints
    WHERE owner_id = $1 AND id <> $2 AND status = 'active' ORDER BY id`,
    [ownerId, endpointId],
  );
  return rows;
}

/** A message that is about an endpoint, with its deliveries, which are due at once. */
export async function insertEndpointMessage(
  tx: pg.ClientBase,
  message: {
    readonly id: WebhookMessageId;
    readonly notice: { readonly type: string };
    readonly deliveries: readonly { readonly id: DeliveryId; readonly endpointId: WebhookEndpointId }[];
  },
): Promise<void> {
  const { id, notice, deliveries } = message;
  await tx.query(
    "INSERT INTO webhook_messages (id, type, notice, created_at) VALUES ($1, $2, $3::json, statement_timestamp())",
    [id, notice.type, JSON.stringify(notice)],
  );
  await tx.query(
    `INSERT INTO webhook_deliveries (id, endpoint_id, message_id, next_attempt_at, created_at)
    SELECT u.id, u.endpoint_id, $3, statement_timestamp(), statement_timestamp()
    FROM unnest($1::text[], $2::text[]) AS u(id, endpoint_id)`,
    [deliveries.map((one) => one.id), deliveries.map(({ endpointId }) => endpointId), id],
  );
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
