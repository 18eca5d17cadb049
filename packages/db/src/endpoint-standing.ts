// Endpoints of webhooks as who delivers to them knows them: where they are and what signs for them, whether they work, fail,
// or are gone, and what others of their owner are told of that.
import type {
  DeliveryId,
  EpochMs,
  UserId,
  WebhookDisabledReason,
  WebhookEndpointId,
  WebhookEndpointStatus,
  WebhookMessageId,
} from "@holdfast/domain";
import type pg from "pg";
import { STILL_PENDING } from "./deliveries.ts";
import { ms, time } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";

export interface DeliveryEndpoint {
  readonly ownerId: UserId;
  readonly ownerDisabled: boolean;
  readonly url: string;
  readonly status: WebhookEndpointStatus;
  readonly failingSince: EpochMs | null;
  /** When its last attempt failed; null while that succeeded. */
  readonly failedAt: EpochMs | null;
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
      ${ms("w.failing_since")} AS "failingSince", ${ms("w.failed_at")} AS "failedAt", w.secret,
      CASE WHEN w.previous_secret_until > statement_timestamp() THEN w.previous_secret END AS "previousSecret"
    FROM webhook_endpoints w JOIN users u ON u.id = w.owner_id
    WHERE w.id = $1`,
    values: [endpointId],
  });
  return rows[0] ?? null;
}

/** Notes when its last attempt failed, and since when they do. */
export async function noteFailing(
  tx: Queryable,
  endpointId: WebhookEndpointId,
  { since, at }: { since: EpochMs; at: EpochMs },
): Promise<void> {
  await tx.query(
    `UPDATE webhook_endpoints SET failing_since = ${time("$2::float8")}, failed_at = ${time("$3::float8")}
    WHERE id = $1 AND status = 'active'`,
    [endpointId, since, at],
  );
}

export async function noteWorking(tx: Queryable, endpointId: WebhookEndpointId): Promise<void> {
  await tx.query(
    `UPDATE webhook_endpoints SET failing_since = NULL, failed_at = NULL
    WHERE id = $1 AND failing_since IS NOT NULL`,
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
    `UPDATE webhook_endpoints SET status = 'active', disabled_reason = NULL, failing_since = NULL, failed_at = NULL
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
    `UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = $3, failed_at = statement_timestamp(),
      failing_since = coalesce(failing_since, statement_timestamp())
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
