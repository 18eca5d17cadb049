// Deliveries over real stores: endpoints whose secrets are sealed, messages as a batch writes them, and a courier put
// together as the worker does it, with every part open to replacement by a test.
import { randomUUID } from "node:crypto";
import { openPool } from "@holdfast/db";
import {
  type DeliveryStatus,
  type EpochMs,
  type EventId,
  type Notice,
  newHold,
  type UserId,
  type WebhookEndpointId,
  type WebhookEndpointStatus,
  type WebhookMessageId,
} from "@holdfast/domain";
import { openDeliveries, openDeliveryLeases } from "@holdfast/event-queue";
import { createLogger, type Logger, newId } from "@holdfast/runtime";
import { createUsers, openTestDatabase, openTestRedis, type TestRedis } from "@holdfast/testkit";
import { newSecret, readAllowedHosts, sealOfSecrets } from "@holdfast/webhooks";
import type pg from "pg";
import { Registry } from "prom-client";
import { onTestFinished } from "vitest";
import { openCarrier } from "../src/attempt.ts";
import { type Courier, type CourierDeps, createCourier } from "../src/courier.ts";
import { createWebhookMetrics } from "../src/metrics.ts";
import { RECEIVER_HOST } from "./receivers.ts";

/** Tests read rows and requests, not logs. */
export const silent: Logger = createLogger({ level: "fatal", format: "json", service: "test" });
export const ENCRYPTION_KEY = "a-key-that-seals-secrets-in-tests";
export const ALLOWED = readAllowedHosts(RECEIVER_HOST) ?? [];
const seal = sealOfSecrets(ENCRYPTION_KEY);
/** Milliseconds: with so much patience a turn ends before it is said to have had its slot, however busy the machine is. */
const PATIENT_MS = 10_000;

export interface Stores {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly redis: TestRedis;
  close(): Promise<void>;
}

export async function openStores(): Promise<Stores> {
  const database = await openTestDatabase();
  const redis = await openTestRedis();
  const pool = openPool({ url: database.url, name: "test-deliveries", max: 8, onError: () => undefined });
  return {
    pool,
    databaseUrl: database.url,
    redis,
    close: async () => {
      await pool.end();
      await redis.close();
      await database.close();
    },
  };
}

/** An admin, who may be told of everything. */
export async function aUser(pool: pg.Pool): Promise<UserId> {
  const [id] = (await createUsers(pool, 1)) as [UserId];
  await pool.query("UPDATE users SET role = 'admin' WHERE id = $1", [id]);
  return id;
}

export interface MadeEndpoint {
  readonly id: WebhookEndpointId;
  readonly ownerId: UserId;
  readonly secret: string;
}

export async function anEndpoint(
  pool: pg.Pool,
  url: string,
  given: {
    readonly ownerId?: UserId;
    readonly secret?: string;
    readonly status?: WebhookEndpointStatus;
    readonly failingSince?: EpochMs;
    /** Now, unless told otherwise. */
    readonly failedAt?: EpochMs;
  } = {},
): Promise<MadeEndpoint> {
  const { ownerId = await aUser(pool), secret = newSecret(), status = "active", failingSince = null } = given;
  const failedAt = failingSince === null ? null : (given.failedAt ?? Date.now());
  const id = newId("webhookEndpoint");
  await pool.query(
    `INSERT INTO webhook_endpoints (id, owner_id, url, status, disabled_reason, secret, failing_since, failed_at)
    VALUES ($1, $2, $3, $4, CASE WHEN $4 = 'disabled' THEN 'gone' END, $5, to_timestamp($6::float8 / 1000),
      to_timestamp($7::float8 / 1000))`,
    [id, ownerId, url, status, seal.close(secret), failingSince, failedAt],
  );
  return { id, ownerId, secret };
}

/** The endpoint signs with this secret, too, until then. */
export const rotated = (pool: pg.Pool, id: WebhookEndpointId, secret: string, until: EpochMs) =>
  pool.query(
    "UPDATE webhook_endpoints SET previous_secret = $2, previous_secret_until = to_timestamp($3::float8 / 1000) WHERE id = $1",
    [id, seal.close(secret), until],
  );

const aHold = (eventId: EventId, userId: UserId, createdAt: EpochMs): Notice => ({
  type: "reservation.held",
  userId,
  reservation: newHold({
    id: newId("reservation"),
    eventId,
    slotId: newId("slot"),
    userId,
    quantity: 1,
    origin: "public",
    createdAt,
    expiresAt: createdAt + 300_000,
  }),
});

/** Messages of one event, of which the endpoints are to be told. Their ids, in order. */
export async function happen(
  pool: pg.Pool,
  endpoints: readonly WebhookEndpointId[],
  count = 1,
  { agoMs = 0, eventId = newId("event") }: { agoMs?: number; eventId?: EventId } = {},
): Promise<WebhookMessageId[]> {
  const at = Date.now() - agoMs;
  const ids = Array.from({ length: count }, () => newId("webhookMessage"));
  const notices = ids.map(() => aHold(eventId, newId("user"), at));
  await pool.query(
    `WITH told AS (
      INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
      SELECT u.id, $1, u.nth, 'reservation.held', u.notice::json, to_timestamp($2::float8 / 1000)
      FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS u(id, notice, nth)
    )
    INSERT INTO webhook_deliveries (id, endpoint_id, message_id, next_attempt_at, created_at)
    SELECT d.id, d.endpoint_id, d.message_id, to_timestamp($2::float8 / 1000), to_timestamp($2::float8 / 1000)
    FROM unnest($5::text[], $6::text[], $7::text[]) AS d(id, endpoint_id, message_id)`,
    [
      eventId,
      at,
      ids,
      notices.map((notice) => JSON.stringify(notice)),
      ids.flatMap(() => endpoints.map(() => newId("delivery"))),
      ids.flatMap(() => endpoints),
      ids.flatMap((id) => endpoints.map(() => id)),
    ],
  );
  return ids;
}

/** A message about the endpoint itself, as the gateway writes it. */
export async function ask(pool: pg.Pool, endpointId: WebhookEndpointId, notice: object): Promise<void> {
  const id = newId("webhookMessage");
  const type = (notice as { type: string }).type;
  await pool.query(
    "INSERT INTO webhook_messages (id, type, notice, created_at) VALUES ($1, $2, $3::json, now())",
    [id, type, JSON.stringify(notice)],
  );
  await pool.query(
    `INSERT INTO webhook_deliveries (id, endpoint_id, message_id, next_attempt_at, created_at)
    VALUES ($1, $2, $3, now(), now())`,
    [newId("delivery"), endpointId, id],
  );
}

export interface DeliveryRow {
  readonly messageId: WebhookMessageId;
  readonly type: string;
  readonly status: DeliveryStatus;
  readonly tries: number;
  readonly attempts: readonly { at: EpochMs; status: number | null; durationMs: number }[];
  /** Milliseconds until the next try; null when there is none. */
  readonly dueInMs: number | null;
}

export async function deliveriesOf(pool: pg.Pool, endpointId: WebhookEndpointId): Promise<DeliveryRow[]> {
  const { rows } = await pool.query<DeliveryRow>(
    `SELECT d.message_id AS "messageId", m.type, d.status, d.tries, d.attempts,
      (extract(epoch FROM d.next_attempt_at - statement_timestamp()) * 1000)::float8 AS "dueInMs"
    FROM webhook_deliveries d JOIN webhook_messages m ON m.id = d.message_id
    WHERE d.endpoint_id = $1 ORDER BY d.created_at, d.id`,
    [endpointId],
  );
  return rows;
}

export interface EndpointRow {
  readonly status: WebhookEndpointStatus;
  readonly reason: string | null;
  readonly failing: boolean;
}

export async function endpointRow(pool: pg.Pool, id: WebhookEndpointId): Promise<EndpointRow | undefined> {
  const { rows } = await pool.query<EndpointRow>(
    `SELECT status, disabled_reason AS reason, failing_since IS NOT NULL AS failing
    FROM webhook_endpoints WHERE id = $1`,
    [id],
  );
  return rows[0];
}

/** What is pending is due now, as if its wait were over. */
export const letWaitsPass = (pool: pg.Pool, endpointId: WebhookEndpointId) =>
  pool.query(
    "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE endpoint_id = $1 AND status = 'pending'",
    [endpointId],
  );

export interface CourierUnderTest extends Courier {
  /** Whom it asked another turn for. */
  readonly asked: { endpointId: WebhookEndpointId; troubled: boolean }[];
  readonly registry: Registry;
  readonly stopping: AbortController;
}

/** On leases of its own prefix, so that no two tests' couriers share endpoints. Turns that it asks for are only noted. */
export function aCourier(
  stores: Stores,
  given: Partial<CourierDeps> & { attemptMs?: number } = {},
): CourierUnderTest {
  const registry = new Registry();
  const stopping = new AbortController();
  const asked: CourierUnderTest["asked"] = [];
  const leases = openDeliveryLeases(stores.redis.redis, stores.redis.prefix, () => undefined);
  const { attemptMs, ...parts } = given;
  const carrier = openCarrier({ allowed: ALLOWED, ...(attemptMs === undefined ? {} : { attemptMs }) });
  const courier = createCourier({
    pool: stores.pool,
    leases,
    deliveries: { signal: async (endpointId, { troubled }) => void asked.push({ endpointId, troubled }) },
    carrier,
    seal,
    now: Date.now,
    monotonicMs: () => performance.now(),
    random: () => 0,
    newMessageId: () => newId("webhookMessage"),
    newDeliveryId: () => newId("delivery"),
    metrics: createWebhookMetrics(registry),
    log: silent,
    stopping: stopping.signal,
    restMs: 0,
    patienceMs: PATIENT_MS,
    ...parts,
  });
  onTestFinished(async () => {
    stopping.abort();
    await courier.idle();
    leases.close();
    await carrier.close();
  });
  return { ...courier, asked, registry, stopping };
}

export const aPrefix = (stores: Stores): string => `${stores.redis.prefix}-${randomUUID()}`;

/** A carrier of signals that a test reads or writes itself. */
export function doorOf(stores: Stores, prefix: string) {
  const deliveries = openDeliveries(stores.redis.redis, prefix);
  onTestFinished(() => deliveries.close());
  return deliveries;
}

/** What a process of the service is told. */
export const environmentOf = (stores: Stores, prefix: string): Record<string, string> => ({
  DATABASE_URL: stores.databaseUrl,
  REDIS_URL: stores.redis.url,
  REDIS_PREFIX: prefix,
  WEBHOOK_ENCRYPTION_KEY: ENCRYPTION_KEY,
  WEBHOOK_ALLOWED_HOSTS: RECEIVER_HOST,
  LOG_LEVEL: "warn",
});
