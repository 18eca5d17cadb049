// Statements of those who own endpoints of webhooks: the endpoints themselves, the log of deliveries, and what is to be sent
// again. Whose they are stands in every `where`. Deliveries are claimed and recorded elsewhere (`deliveries`).
import type {
  DeliveryId,
  DeliveryStatus,
  EpochMs,
  NoticeType,
  UserId,
  WebhookDisabledReason,
  WebhookEndpointId,
  WebhookEndpointStatus,
  WebhookMessageId,
} from "@holdfast/domain";
import { ms } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";

export interface EndpointRecord {
  readonly id: WebhookEndpointId;
  readonly url: string;
  /** Null: all there are. */
  readonly types: readonly NoticeType[] | null;
  readonly description: string | null;
  readonly status: WebhookEndpointStatus;
  readonly disabledReason: WebhookDisabledReason | null;
  readonly createdAt: EpochMs;
  /** Its last attempt failed. */
  readonly troubled: boolean;
}

const ENDPOINT_COLUMNS = `
  id, url, types, description, status, disabled_reason AS "disabledReason", ${ms("created_at")} AS "createdAt",
  failing_since IS NOT NULL AS troubled`;

/** Whose endpoint of which id. */
export interface EndpointOf {
  readonly ownerId: UserId;
  readonly id: WebhookEndpointId;
}

/**
 * Lets a user's endpoints be counted and added to by one transaction at a time. False when there is no such user, or
 * the user is disabled.
 */
export async function lockOwner(tx: Queryable, ownerId: UserId): Promise<boolean> {
  const { rowCount } = await tx.query(
    "SELECT FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE",
    [ownerId],
  );
  return rowCount === 1;
}

export interface NewEndpoint extends EndpointOf, Pick<EndpointRecord, "url" | "types" | "description"> {
  /** Sealed. */
  readonly secret: string;
}

/** Null when the owner has `max` already. After `lockOwner`, in its transaction. */
export async function insertEndpoint(
  tx: Queryable,
  { id, ownerId, url, types, description, secret }: NewEndpoint,
  max: number,
): Promise<EndpointRecord | null> {
  const { rows } = await tx.query<EndpointRecord>(
    `INSERT INTO webhook_endpoints (id, owner_id, url, types, description, secret)
     SELECT $1, $2, $3, $4::text[], $5, $6
     WHERE (SELECT count(*) FROM webhook_endpoints WHERE owner_id = $2) < $7
     RETURNING ${ENDPOINT_COLUMNS}`,
    [id, ownerId, url, types, description, secret, max],
  );
  return rows[0] ?? null;
}

/** Null when there is none, or when it is somebody else's: as for all that follow. */
export async function findEndpointOf(
  db: Queryable,
  { ownerId, id }: EndpointOf,
): Promise<EndpointRecord | null> {
  const { rows } = await db.query<EndpointRecord>(
    `SELECT ${ENDPOINT_COLUMNS} FROM webhook_endpoints WHERE id = $1 AND owner_id = $2`,
    [id, ownerId],
  );
  return rows[0] ?? null;
}

export interface EndpointListing {
  readonly ownerId: UserId;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: { readonly createdAt: EpochMs; readonly id: WebhookEndpointId } | null;
}

/** The newest first. */
export async function listEndpoints(
  db: Queryable,
  { ownerId, limit, after }: EndpointListing,
): Promise<EndpointRecord[]> {
  const values: unknown[] = [ownerId, limit];
  if (after !== null) values.push(new Date(after.createdAt), after.id);
  const { rows } = await db.query<EndpointRecord>(
    `SELECT ${ENDPOINT_COLUMNS} FROM webhook_endpoints
     WHERE owner_id = $1 ${after === null ? "" : "AND (created_at, id) < ($3, $4)"}
     ORDER BY created_at DESC, id DESC LIMIT $2`,
    values,
  );
  return rows;
}

/** What is undefined stays as it is. */
export interface EndpointEdits {
  readonly url?: string | undefined;
  readonly types?: readonly NoticeType[] | null | undefined;
  readonly description?: string | null | undefined;
}

/** At another URL it begins anew: nobody has shown yet that it is theirs. */
export async function editEndpoint(
  db: Queryable,
  { ownerId, id }: EndpointOf,
  { url, types, description }: EndpointEdits,
): Promise<EndpointRecord | null> {
  const { rows } = await db.query<EndpointRecord>(
    `UPDATE webhook_endpoints SET
       url = coalesce($3, url),
       types = CASE WHEN $4 THEN $5::text[] ELSE types END,
       description = CASE WHEN $6 THEN $7 ELSE description END,
       status = CASE WHEN $3 <> url THEN 'unverified' ELSE status END,
       disabled_reason = CASE WHEN $3 <> url THEN NULL ELSE disabled_reason END,
       failing_since = CASE WHEN $3 = url THEN failing_since END,
       failed_at = CASE WHEN $3 = url THEN failed_at END
     WHERE id = $1 AND owner_id = $2
     RETURNING ${ENDPOINT_COLUMNS}`,
    [id, ownerId, url ?? null, types !== undefined, types ?? null, description !== undefined, description],
  );
  return rows[0] ?? null;
}

/** What is still to be sent to it is removed by who would have sent it. False when there was none. */
export async function deleteEndpoint(db: Queryable, { ownerId, id }: EndpointOf): Promise<boolean> {
  const { rowCount } = await db.query("DELETE FROM webhook_endpoints WHERE id = $1 AND owner_id = $2", [
    id,
    ownerId,
  ]);
  return rowCount === 1;
}

/** The secret before signs, too, for so many seconds; the one before that not any more. */
export async function rotateSecret(
  db: Queryable,
  { ownerId, id }: EndpointOf,
  sealed: string,
  bothSeconds: number,
): Promise<EndpointRecord | null> {
  const { rows } = await db.query<EndpointRecord>(
    `UPDATE webhook_endpoints SET previous_secret = secret, secret = $3,
       previous_secret_until = clock_timestamp() + make_interval(secs => $4)
     WHERE id = $1 AND owner_id = $2
     RETURNING ${ENDPOINT_COLUMNS}`,
    [id, ownerId, sealed, bothSeconds],
  );
  return rows[0] ?? null;
}

/** Cut off, not rounded: what is due now is due by a look of the same moment. */
const NOW = "date_trunc('milliseconds', clock_timestamp())";

export interface Told extends EndpointOf {
  readonly messageId: WebhookMessageId;
  readonly deliveryId: DeliveryId;
  readonly notice: { readonly type: string };
  readonly statuses: readonly WebhookEndpointStatus[];
}

/**
 * Writes a message about an endpoint and its delivery to that endpoint, if it has one of these statuses. Else null.
 * Somebody waits for it: dated back by a day, it comes before whatever else is due there.
 */
export async function tellEndpoint(
  db: Queryable,
  { ownerId, id, messageId, deliveryId, notice, statuses }: Told,
): Promise<{ readonly troubled: boolean } | null> {
  const { rows } = await db.query<{ troubled: boolean }>(
    `WITH told AS (
       SELECT id, failing_since IS NOT NULL AS troubled, ${NOW} AS at FROM webhook_endpoints
       WHERE id = $1 AND owner_id = $2 AND status = ANY ($3::text[])
     ), message AS (
       INSERT INTO webhook_messages (id, type, notice, created_at) SELECT $4, $5, $6::json, at FROM told
     ), delivery AS (
       INSERT INTO webhook_deliveries (id, endpoint_id, message_id, next_attempt_at, created_at)
       SELECT $7, id, $4, at - interval '1 day', at FROM told
     )
     SELECT troubled FROM told`,
    [id, ownerId, statuses, messageId, notice.type, JSON.stringify(notice), deliveryId],
  );
  return rows[0] ?? null;
}

/** Of these deliveries, those that have not been tried yet. */
export async function untriedOf(db: Queryable, ids: readonly DeliveryId[]): Promise<Set<DeliveryId>> {
  const { rows } = await db.query<{ id: DeliveryId }>({
    name: "untried-deliveries",
    text: "SELECT id FROM webhook_deliveries WHERE id = ANY ($1::text[]) AND status = 'pending' AND tries = 0",
    values: [ids],
  });
  return new Set(rows.map(({ id }) => id));
}

export interface LoggedDelivery {
  readonly id: DeliveryId;
  readonly endpointId: WebhookEndpointId;
  readonly messageId: WebhookMessageId;
  readonly type: string;
  readonly status: DeliveryStatus;
  readonly attempts: readonly {
    readonly at: EpochMs;
    readonly status: number | null;
    readonly durationMs: number;
  }[];
  readonly nextAttemptAt: EpochMs | null;
  readonly createdAt: EpochMs;
}

const DELIVERY_COLUMNS = `
  d.id, d.endpoint_id AS "endpointId", d.message_id AS "messageId", m.type, d.status, d.attempts,
  CASE WHEN d.status = 'pending' THEN ${ms("greatest(d.next_attempt_at, d.created_at)")} END AS "nextAttemptAt",
  ${ms("d.created_at")} AS "createdAt"`;

/**
 * Worded as a range, and ordered by it, so that only the index of the endpoint's own log can give the order: that of all
 * deliveries by their time looks as cheap, and has to be walked far for an endpoint that has been quiet.
 */
const OF_ENDPOINT = "d.endpoint_id BETWEEN $1 AND $1";

export interface DeliveryListing {
  readonly endpoint: EndpointOf;
  readonly status: DeliveryStatus | null;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: { readonly createdAt: EpochMs; readonly id: DeliveryId } | null;
}

/** The newest first. */
export async function listDeliveries(
  db: Queryable,
  { endpoint, status, limit, after }: DeliveryListing,
): Promise<LoggedDelivery[]> {
  const values: unknown[] = [endpoint.id, endpoint.ownerId, limit];
  const value = (given: unknown) => `$${values.push(given)}`;
  const conditions: string[] = [];
  if (status !== null) conditions.push(`AND d.status = ${value(status)}`);
  if (after !== null)
    conditions.push(`AND (d.created_at, d.id) < (${value(new Date(after.createdAt))}, ${value(after.id)})`);
  const { rows } = await db.query<LoggedDelivery>(
    `SELECT ${DELIVERY_COLUMNS}
     FROM (
       SELECT * FROM webhook_deliveries d WHERE ${OF_ENDPOINT} ${conditions.join(" ")}
         AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND owner_id = $2)
       ORDER BY d.endpoint_id DESC, d.created_at DESC, d.id DESC LIMIT $3
     ) d
     JOIN webhook_messages m ON m.id = d.message_id
     ORDER BY d.created_at DESC, d.id DESC`,
    values,
  );
  return rows;
}

/** Where a delivery goes; null when there is none, or when it is somebody else's. */
export async function findEndpointOfDelivery(
  db: Queryable,
  ownerId: UserId,
  id: DeliveryId,
): Promise<EndpointRecord | null> {
  const { rows } = await db.query<EndpointRecord>(
    `SELECT ${ENDPOINT_COLUMNS} FROM webhook_endpoints
     WHERE owner_id = $1 AND id = (SELECT endpoint_id FROM webhook_deliveries WHERE id = $2)`,
    [ownerId, id],
  );
  return rows[0] ?? null;
}

/** Begins a delivery anew, whatever became of it. Null when there is none that its owner's active endpoint could get. */
export async function redeliver(
  db: Queryable,
  ownerId: UserId,
  id: DeliveryId,
): Promise<LoggedDelivery | null> {
  const { rows } = await db.query<LoggedDelivery>(
    `UPDATE webhook_deliveries d SET status = 'pending', tries = 0, next_attempt_at = ${NOW}
     FROM webhook_endpoints w, webhook_messages m
     WHERE d.id = $1 AND w.id = d.endpoint_id AND w.owner_id = $2 AND w.status = 'active' AND m.id = d.message_id
     RETURNING ${DELIVERY_COLUMNS}`,
    [id, ownerId],
  );
  return rows[0] ?? null;
}

export interface ReplayPiece {
  readonly endpoint: EndpointOf;
  readonly since: EpochMs;
  /** What was made later is on its way for the first time. */
  readonly until: EpochMs;
  /** The last one of the piece before; null for the first piece. */
  readonly after: { readonly createdAt: EpochMs; readonly id: DeliveryId } | null;
  readonly limit: number;
}

export interface Replayed {
  readonly count: number;
  /** The last one; null when there was none. */
  readonly last: ReplayPiece["after"];
}

/**
 * Begins deliveries of an active endpoint anew, the oldest first, whatever became of them: but for verifications, which
 * are an exchange of their own moment.
 */
export async function replayPiece(
  db: Queryable,
  { endpoint, since, until, after, limit }: ReplayPiece,
): Promise<Replayed> {
  const { rows } = await db.query<{ id: DeliveryId; createdAt: EpochMs }>(
    `WITH piece AS (
       SELECT d.id
       FROM webhook_deliveries d
       WHERE ${OF_ENDPOINT} AND d.created_at <= $3 AND (d.created_at, d.id) > ($4, $5)
         AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND owner_id = $2 AND status = 'active')
         AND (SELECT type FROM webhook_messages WHERE id = d.message_id) <> 'endpoint.verification'
       ORDER BY d.endpoint_id, d.created_at, d.id LIMIT $6
       FOR NO KEY UPDATE
     ), begun AS (
       UPDATE webhook_deliveries d SET status = 'pending', tries = 0, next_attempt_at = ${NOW}
       FROM piece WHERE d.id = piece.id
       RETURNING d.id, d.created_at
     )
     SELECT id, ${ms("created_at")} AS "createdAt" FROM begun ORDER BY created_at, id`,
    [
      endpoint.id,
      endpoint.ownerId,
      new Date(until),
      new Date(after?.createdAt ?? since),
      after?.id ?? "",
      limit,
    ],
  );
  const last = rows.at(-1) ?? null;
  return { count: rows.length, last };
}
