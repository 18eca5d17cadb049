// Deliveries as statements see them: who comes too late changes nothing, and nothing reads more than it is asked about.
import type { DeliveryId, UserId, WebhookEndpointId } from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { createEvent, createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  activateEndpoint,
  deliveryEndpoint,
  disableEndpoint,
  dueDeliveries,
  type EndedAttempt,
  endpointsWithPending,
  giveUpDeliveries,
  hasDueDeliveries,
  insertEndpointMessage,
  inTransaction,
  noteFailing,
  noteWorking,
  openPool,
  otherEndpoints,
  putOffDeliveries,
  type Queryable,
  recordAttempts,
  removeOldDeliveries,
  withholdDeliveries,
} from "../src/index.ts";

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
});
afterAll(() => database.close());

const url = "https://receiver.example/";

async function anEndpoint(ownerId?: UserId): Promise<WebhookEndpointId> {
  const owner = ownerId ?? ((await createUsers(pool, 1)) as [UserId])[0];
  const id = newId("webhookEndpoint");
  await pool.query(
    "INSERT INTO webhook_endpoints (id, owner_id, url, status, secret) VALUES ($1, $2, $3, 'active', 'sealed')",
    [id, owner, url],
  );
  return id;
}

async function told(endpointId: WebhookEndpointId, type = "endpoint.test"): Promise<DeliveryId> {
  const id = newId("delivery");
  const notice = type === "endpoint.test" ? { type, endpointId } : { type, challenge: "c" };
  await inTransaction(pool, (tx) =>
    insertEndpointMessage(tx, { id: newId("webhookMessage"), notice, deliveries: [{ id, endpointId }] }),
  );
  return id;
}

const due = (id: WebhookEndpointId, given: Partial<Parameters<typeof dueDeliveries>[2]> = {}) =>
  dueDeliveries(pool, id, { inHand: [], verificationOnly: false, limit: 10, ...given });

const failed = (id: DeliveryId, dueAt: number, tries = 0): EndedAttempt => ({
  id,
  tries,
  dueAt,
  at: 1_000,
  status: 500,
  durationMs: 7,
  becomes: "pending",
  waitMs: 60_000,
});

/** When it is to be tried, or was before it was given up. */
const dueAtOf = async (id: DeliveryId): Promise<number> => {
  const { rows } = await pool.query<{ at: number }>(
    "SELECT round(date_part('epoch', next_attempt_at) * 1000) AS at FROM webhook_deliveries WHERE id = $1",
    [id],
  );
  return rows[0]?.at ?? 0;
};

const statusOf = async (id: DeliveryId) => {
  const { rows } = await pool.query("SELECT status, tries, attempts FROM webhook_deliveries WHERE id = $1", [
    id,
  ]);
  return rows[0];
};

test("what is due is claimed as it was written, the longest due first, without what is in hand", async () => {
  const endpoint = await anEndpoint();
  const ids = [await told(endpoint), await told(endpoint), await told(endpoint, "endpoint.verification")];
  expect((await due(endpoint)).map(({ id }) => id)).toEqual(ids);
  expect((await due(endpoint, { limit: 1 })).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect((await due(endpoint, { inHand: ids.slice(0, 1) })).map(({ id }) => id)).toEqual(ids.slice(1));
  expect((await due(endpoint, { verificationOnly: true })).map(({ id }) => id)).toEqual(ids.slice(2));
  expect((await due(endpoint))[0]).toMatchObject({
    tries: 0,
    untried: true,
    eventId: null,
    sequence: null,
    notice: { type: "endpoint.test", endpointId: endpoint },
  });
});

test("an attempt is written down once: who comes later, or after it was given up, changes nothing", async () => {
  const endpoint = await anEndpoint();
  const [id, other] = [await told(endpoint), await told(endpoint)];
  const [dueAt, otherDueAt] = [await dueAtOf(id), await dueAtOf(other)];
  await recordAttempts(pool, [
    failed(id, dueAt),
    { ...failed(other, otherDueAt), status: null, becomes: "failed", waitMs: null },
  ]);
  await recordAttempts(pool, [failed(id, dueAt), failed(other, otherDueAt, 1)]);
  expect(await statusOf(id)).toEqual({
    status: "pending",
    tries: 1,
    attempts: [{ at: 1_000, status: 500, durationMs: 7 }],
  });
  expect(await statusOf(other)).toMatchObject({ status: "failed", tries: 1, attempts: [{ status: null }] });
  expect(await hasDueDeliveries(pool, endpoint)).toBe(false);
  expect(await due(endpoint)).toEqual([]);
});

test("an attempt that was under way when its delivery was asked for anew is not taken for the new one", async () => {
  const endpoint = await anEndpoint();
  const id = await told(endpoint);
  const dueAt = await dueAtOf(id);
  await pool.query(
    "UPDATE webhook_deliveries SET tries = 0, next_attempt_at = now() + interval '1 s' WHERE id = $1",
    [id],
  );
  await recordAttempts(pool, [{ ...failed(id, dueAt), becomes: "delivered", waitMs: null }]);
  expect(await statusOf(id)).toEqual({ status: "pending", tries: 0, attempts: [] });
});

test("what its owner may not be told of any more is known, and given up", async () => {
  const event = await createEvent(pool);
  const [ownerId, somebody] = (await createUsers(pool, 2)) as [UserId, UserId];
  const endpoint = await anEndpoint(ownerId);
  const ids: DeliveryId[] = [];
  for (const [n, userId] of [ownerId, somebody].entries()) {
    const [message, delivery] = [newId("webhookMessage"), newId("delivery")];
    await pool.query(
      `INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
      VALUES ($1, $2, $3, 'reservation.held', $4, now())`,
      [message, event.id, n + 1, JSON.stringify({ type: "reservation.held", userId })],
    );
    await pool.query(
      `INSERT INTO webhook_deliveries (id, endpoint_id, message_id, next_attempt_at, created_at)
      VALUES ($1, $2, $3, now() - $4 * interval '1 s', now())`,
      [delivery, endpoint, message, 10 - n],
    );
    ids.push(delivery);
  }
  const setRole = (role: string, of: UserId) =>
    pool.query("UPDATE users SET role = $2 WHERE id = $1", [of, role]);
  const mayBeTold = async () => (await due(endpoint)).map((delivery) => delivery.mayBeTold);
  expect(await mayBeTold()).toEqual([true, false]);
  await setRole("organizer", ownerId);
  expect(await mayBeTold()).toEqual([true, false]); // of another's event
  await setRole("admin", ownerId);
  expect(await mayBeTold()).toEqual([true, true]);
  await pool.query("UPDATE events SET organizer_id = $2 WHERE id = $1", [event.id, ownerId]);
  await setRole("organizer", ownerId);
  expect(await mayBeTold()).toEqual([true, true]);
  await setRole("user", ownerId);
  await withholdDeliveries(pool, ids.slice(1));
  expect(await mayBeTold()).toEqual([true]);
  expect(await statusOf(ids[1] as DeliveryId)).toMatchObject({ status: "failed", attempts: [] });
});

test("giving up leaves verifications when asked to, and goes in pieces", async () => {
  const endpoint = await anEndpoint();
  for (let i = 0; i < 3; i += 1) await told(endpoint);
  const verification = await told(endpoint, "endpoint.verification");
  const keep = { keepVerification: true, limit: 2 };
  expect(await giveUpDeliveries(pool, endpoint, keep)).toBe(2);
  expect(await giveUpDeliveries(pool, endpoint, keep)).toBe(1);
  expect(await statusOf(verification)).toMatchObject({ status: "pending" });
  expect(await giveUpDeliveries(pool, endpoint, { ...keep, keepVerification: false })).toBe(1);
});

test("putting off gives up what is about the endpoint, and leaves verifications due", async () => {
  const endpoint = await anEndpoint();
  const [asked, verification] = [await told(endpoint), await told(endpoint, "endpoint.verification")];
  expect(await putOffDeliveries(pool, endpoint, { waitMs: 60_000, limit: 10 })).toBe(1);
  expect(await statusOf(asked)).toMatchObject({ status: "failed" });
  expect((await due(endpoint)).map(({ id }) => id)).toEqual([verification]);
});

test("an endpoint fails since its first failure, works from a success on, and is judged by the URL that was called", async () => {
  const endpoint = await anEndpoint();
  await noteFailing(pool, endpoint, { since: 5_000, at: 5_000 });
  await noteFailing(pool, endpoint, { since: 5_000, at: 9_000 });
  expect(await deliveryEndpoint(pool, endpoint)).toMatchObject({
    status: "active",
    failingSince: 5_000,
    failedAt: 9_000,
  });
  await noteWorking(pool, endpoint);
  expect(await deliveryEndpoint(pool, endpoint)).toMatchObject({ failingSince: null, failedAt: null });
  const elsewhere = "https://elsewhere.example/";
  expect(await disableEndpoint(pool, endpoint, { url: elsewhere, reason: "gone" })).toBe(false);
  expect(await disableEndpoint(pool, endpoint, { url, reason: "gone" })).toBe(true);
  expect(await disableEndpoint(pool, endpoint, { url, reason: "gone" })).toBe(false);
  await activateEndpoint(pool, endpoint, { url: elsewhere, limit: 10 });
  expect(await deliveryEndpoint(pool, endpoint)).toMatchObject({ status: "disabled" });
  await activateEndpoint(pool, endpoint, { url, limit: 10 });
  expect(await deliveryEndpoint(pool, endpoint)).toMatchObject({ status: "active", failingSince: null });
  expect(await deliveryEndpoint(pool, newId("webhookEndpoint"))).toBeNull();
});

test("who has proved itself gets at once what waited for it", async () => {
  const endpoint = await anEndpoint();
  const id = await told(endpoint);
  await recordAttempts(pool, [failed(id, await dueAtOf(id))]);
  expect(await due(endpoint)).toEqual([]);
  await activateEndpoint(pool, endpoint, { url, limit: 10 });
  expect(await due(endpoint)).toMatchObject([{ id, tries: 1, untried: false }]);
});

test("an owner's other active endpoints are told apart by whether they are in trouble", async () => {
  const [ownerId] = (await createUsers(pool, 1)) as [UserId];
  const [one, two, three, four] = [
    await anEndpoint(ownerId),
    await anEndpoint(ownerId),
    await anEndpoint(ownerId),
    await anEndpoint(ownerId),
  ];
  await noteFailing(pool, three, { since: 1_000, at: 1_000 });
  await disableEndpoint(pool, four, { url, reason: "gone" });
  expect(await otherEndpoints(pool, { ownerId, endpointId: one })).toEqual([
    { id: two, troubled: false },
    { id: three, troubled: true },
  ]);
});

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Which indexes, and tables without one, each statement reads. */
async function reads(byIndex: pg.Pool): Promise<Record<string, string[]>> {
  const read: Record<string, string[]> = {};
  const endpoint = newId("webhookEndpoint");
  const explained = (name: string, statement: (tx: pg.ClientBase) => Promise<unknown>) =>
    inTransaction(byIndex, async (tx) => {
      const query = async (given: string | pg.QueryConfig, values: unknown[] = []) => {
        const { text, values: bound = [] } = typeof given === "string" ? { text: given, values } : given;
        if (text.startsWith("SET")) return tx.query(text);
        const { rows } = await tx.query<{ "QUERY PLAN": { Plan: Plan }[] }>(
          `EXPLAIN (FORMAT JSON, COSTS OFF) ${text}`,
          bound,
        );
        const nodes = rows[0]?.["QUERY PLAN"].flatMap(({ Plan: plan }) => nodesOf(plan)) ?? [];
        const found = nodes.flatMap(({ "Node Type": type, "Relation Name": table, "Index Name": index }) => {
          if (index !== undefined) return [index];
          return type === "Seq Scan" ? [`all of ${table}`] : [];
        });
        read[name] = [...new Set([...(read[name] ?? []), ...found])].sort();
        return { rows: [], rowCount: 0 };
      };
      await statement({ query } as unknown as pg.ClientBase);
    });
  const asTx = (tx: pg.ClientBase): Queryable => tx;
  await explained("due", (tx) =>
    dueDeliveries(asTx(tx), endpoint, { inHand: [], verificationOnly: false, limit: 32 }),
  );
  await explained("has due", (tx) => hasDueDeliveries(tx, endpoint));
  await explained("record", (tx) => recordAttempts(tx, [failed(newId("delivery"), 1_000)]));
  await explained("give up", (tx) => giveUpDeliveries(tx, endpoint, { keepVerification: true, limit: 500 }));
  await explained("put off", (tx) => putOffDeliveries(tx, endpoint, { waitMs: 1, limit: 500 }));
  await explained("pending", (tx) => endpointsWithPending(tx, { after: null, limit: 2_000 }));
  await explained("old", (tx) => removeOldDeliveries(tx, { days: 30, limit: 5_000 }));
  return read;
}

test("however few or many deliveries there are, each statement goes by an index that holds what it is about", async () => {
  const byIndex = openPool({
    url: database.url,
    name: "test",
    max: 1,
    onError: () => undefined,
    byIndex: true,
  });
  onTestFinished(() => byIndex.end());
  expect(await reads(byIndex)).toEqual(BY_INDEX); // next to nothing, and no statistics
  await pool.query(
    `WITH told AS (
      INSERT INTO webhook_messages (id, event_id, sequence, type, notice, created_at)
      SELECT 'msg_' || n, 'evt_x', n, 'reservation.held', '{}', now() FROM generate_series(1, 20000) n RETURNING id
    )
    INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, next_attempt_at, created_at)
    SELECT 'dlv_' || n, 'whk_' || n % 200, 'msg_' || n, CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'delivered' END,
      CASE WHEN n % 10 = 0 THEN now() END, now()
    FROM generate_series(1, 20000) n`,
  );
  await pool.query("ANALYZE webhook_messages, webhook_deliveries");
  expect(await reads(byIndex)).toEqual(BY_INDEX);
});

const BY_INDEX = {
  due: [
    "events_pkey",
    "users_pkey",
    "webhook_deliveries_due_idx",
    "webhook_endpoints_pkey",
    "webhook_messages_pkey",
  ],
  "has due": ["webhook_deliveries_due_idx"],
  record: ["webhook_deliveries_pkey"],
  "give up": ["webhook_deliveries_due_idx", "webhook_deliveries_pkey", "webhook_messages_pkey"],
  "put off": ["webhook_deliveries_due_idx", "webhook_deliveries_pkey", "webhook_messages_pkey"],
  pending: ["webhook_deliveries_due_idx", "webhook_endpoints_pkey"],
  old: [
    "webhook_deliveries_created_at_idx",
    "webhook_deliveries_once_key",
    "webhook_deliveries_pkey",
    "webhook_messages_created_at_idx",
    "webhook_messages_pkey",
  ],
};
