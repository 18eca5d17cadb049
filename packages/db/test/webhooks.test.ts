// What owners of endpoints of webhooks see and change: theirs alone, in pages and pieces read from their index.
import type { NoticeType, UserId, WebhookEndpointStatus } from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { createEndpoint, createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  type DeliveryListing,
  deleteEndpoint,
  type EndpointListing,
  type EndpointOf,
  type EndpointRecord,
  editEndpoint,
  findEndpointOf,
  findEndpointOfDelivery,
  insertEndpoint,
  inTransaction,
  listDeliveries,
  listEndpoints,
  lockOwner,
  type NewEndpoint,
  type Queryable,
  type ReplayPiece,
  redeliver,
  replayPiece,
  rotateSecret,
  tellEndpoint,
  untriedOf,
} from "../src/index.ts";

const AT = 1_750_000_000_123;

let database: TestDatabase;
let owner: UserId;
let other: UserId;
beforeAll(async () => {
  database = await openTestDatabase();
  [owner, other] = (await createUsers(database.pool, 2)) as [UserId, UserId];
});
afterAll(() => database.close());

async function newOwner(): Promise<UserId> {
  const [id = newId("user")] = await createUsers(database.pool, 1);
  return id;
}

const newEndpoint = (ownerId: UserId): NewEndpoint => ({
  id: newId("webhookEndpoint"),
  ownerId,
  url: "https://example.com/hooks",
  types: null,
  description: null,
  secret: "sealed",
});

const insert = (endpoint: NewEndpoint, max = 3): Promise<EndpointRecord | "unknown" | null> =>
  inTransaction(database.pool, async (tx) =>
    (await lockOwner(tx, endpoint.ownerId)) ? insertEndpoint(tx, endpoint, max) : "unknown",
  );

/** What the table has of an endpoint beside what is read. */
async function rowOf({ id }: Pick<EndpointOf, "id">): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query("SELECT * FROM webhook_endpoints WHERE id = $1", [id]);
  return rows[0];
}

/** Ended deliveries, the first one first. */
async function deliveriesTo(
  { id }: Pick<EndpointOf, "id">,
  made: readonly { at: number; type?: NoticeType | "endpoint.verification"; status?: string }[],
): Promise<ReturnType<typeof newId<"delivery">>[]> {
  const rows = made.map(({ at, type = "reservation.held", status = "delivered" }) => ({
    id: newId("delivery"),
    message: newId("webhookMessage"),
    at: new Date(at),
    type,
    status,
  }));
  await database.pool.query(
    `WITH given AS (
      SELECT * FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
        AS g(id, message, at, type, status)
    ), messages AS (
      INSERT INTO webhook_messages (id, type, notice, created_at) SELECT message, type, '{}', at FROM given
    )
    INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, tries, attempts, next_attempt_at, created_at)
    SELECT id, $1, message, status, 1, '[{"at":1,"status":null,"durationMs":2}]',
      CASE WHEN status = 'pending' THEN at + interval '1 day' END, at FROM given`,
    [
      id,
      rows.map((row) => row.id),
      rows.map((row) => row.message),
      rows.map((row) => row.at),
      rows.map((row) => row.type),
      rows.map((row) => row.status),
    ],
  );
  return rows.map((row) => row.id);
}

describe("endpoints", () => {
  test("are counted one after the other: of thirty at once three are made (race)", async () => {
    const ownerId = await newOwner();
    const made = await Promise.all(Array.from({ length: 30 }, () => insert(newEndpoint(ownerId))));
    expect(made.filter((endpoint) => endpoint !== null)).toHaveLength(3);
    const [first] = await listEndpoints(database.pool, { ownerId, limit: 10, after: null });
    if (first === undefined) throw new Error("none was made");
    await deleteEndpoint(database.pool, { ownerId, id: first.id });
    expect(await insert(newEndpoint(ownerId))).toMatchObject({ status: "unverified", troubled: false });
    expect(await insert(newEndpoint(ownerId))).toBeNull();
  });

  test("are not made for who is not there, or is disabled", async () => {
    expect(await insert(newEndpoint(newId("user")))).toBe("unknown");
    const ownerId = await newOwner();
    await database.pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [ownerId]);
    expect(await insert(newEndpoint(ownerId))).toBe("unknown");
  });

  test("are listed the newest first, in pages of any length", async () => {
    const ownerId = await newOwner();
    for (let n = 0; n < 3; n += 1) await insert(newEndpoint(ownerId));
    const all = await listEndpoints(database.pool, { ownerId, limit: 9, after: null });
    expect(all.map(({ id }) => id)).toEqual(
      all.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)).map(({ id }) => id),
    );
    const walked: EndpointRecord[] = [];
    let after: EndpointListing["after"] = null;
    for (const _ of all) {
      const [next] = await listEndpoints(database.pool, { ownerId, limit: 1, after });
      if (next === undefined) throw new Error("a page is missing");
      walked.push(next);
      after = next;
    }
    expect(walked).toEqual(all);
    expect(await listEndpoints(database.pool, { ownerId, limit: 1, after })).toEqual([]);
  });

  test("are found, changed, rotated, told and deleted by their owner alone", async () => {
    const id = await createEndpoint(database.pool, owner);
    const [delivery = newId("delivery")] = await deliveriesTo({ id }, [{ at: AT }]);
    const before = await rowOf({ id });
    const theirs = { ownerId: other, id };
    const { pool } = database;
    expect(await findEndpointOf(pool, theirs)).toBeNull();
    expect(await editEndpoint(pool, theirs, { description: "mine" })).toBeNull();
    expect(await rotateSecret(pool, theirs, "other", 60)).toBeNull();
    expect(await tellEndpoint(pool, told(theirs, ["active"]))).toBeNull();
    expect(await deleteEndpoint(pool, theirs)).toBe(false);
    const page = { status: null, limit: 10, after: null };
    expect(await listDeliveries(pool, { ...page, endpoint: theirs })).toEqual([]);
    expect(await findEndpointOfDelivery(pool, other, delivery)).toBeNull();
    expect(await redeliver(pool, other, delivery)).toBeNull();
    expect(await replayPiece(pool, piece(theirs))).toEqual({ count: 0, last: null });
    expect(await rowOf({ id })).toEqual(before);
    expect(await listDeliveries(pool, { ...page, endpoint: { ownerId: owner, id } })).toHaveLength(1);
    expect(await deleteEndpoint(pool, { ownerId: owner, id })).toBe(true);
  });

  test("begin anew at another URL, and at no other change", async () => {
    const id = await createEndpoint(database.pool, owner, { status: "disabled" });
    const of = { ownerId: owner, id };
    await database.pool.query(
      "UPDATE webhook_endpoints SET failing_since = now(), failed_at = now() WHERE id = $1",
      [id],
    );
    const edit = (edits: Parameters<typeof editEndpoint>[2]) => editEndpoint(database.pool, of, edits);
    expect(await edit({ url: "https://example.com/", types: ["event.cancelled"], description: "d" })).toEqual(
      expect.objectContaining({
        status: "disabled",
        disabledReason: "gone",
        types: ["event.cancelled"],
        description: "d",
        troubled: true,
      }),
    );
    expect(await edit({})).toMatchObject({ status: "disabled", types: ["event.cancelled"] });
    expect(await edit({ types: null, description: null })).toMatchObject({ types: null, description: null });
    expect(await edit({ url: "https://example.com/other" })).toMatchObject({
      url: "https://example.com/other",
      status: "unverified",
      disabledReason: null,
      troubled: false,
    });
  });

  test("keep the secret before for as long as both are to sign, and no third", async () => {
    const id = await createEndpoint(database.pool, owner);
    const of = { ownerId: owner, id };
    expect(await rotateSecret(database.pool, of, "second", 60)).toMatchObject({ id, status: "active" });
    const second = await rowOf({ id });
    expect(second).toMatchObject({ secret: "second", previous_secret: "none" });
    const ahead = (second["previous_secret_until"] as Date).getTime() - Date.now();
    expect(ahead).toBeGreaterThan(50_000);
    expect(ahead).toBeLessThanOrEqual(60_000);
    await rotateSecret(database.pool, of, "third", 60);
    expect(await rowOf({ id })).toMatchObject({ secret: "third", previous_secret: "second" });
  });
});

const told = (of: EndpointOf, statuses: readonly WebhookEndpointStatus[]) => ({
  ...of,
  messageId: newId("webhookMessage"),
  deliveryId: newId("delivery"),
  notice: { type: "endpoint.test", endpointId: of.id },
  statuses,
});

describe("what is told to an endpoint", () => {
  test("is written with its delivery, due before all else, if the endpoint has the status that it takes", async () => {
    const of = { ownerId: owner, id: await createEndpoint(database.pool, owner, { status: "unverified" }) };
    expect(await tellEndpoint(database.pool, told(of, ["active"]))).toBeNull();
    const sent = told(of, ["active", "unverified"]);
    expect(await tellEndpoint(database.pool, sent)).toEqual({ troubled: false });
    const { rows } = await database.pool.query(
      `SELECT d.id, d.status, d.tries, d.next_attempt_at < d.created_at AND d.created_at <= clock_timestamp() AS due,
        m.id AS message, m.type, m.notice, m.event_id, m.sequence
      FROM webhook_deliveries d JOIN webhook_messages m ON m.id = d.message_id WHERE d.endpoint_id = $1`,
      [of.id],
    );
    expect(rows).toEqual([
      {
        id: sent.deliveryId,
        status: "pending",
        tries: 0,
        due: true,
        message: sent.messageId,
        type: "endpoint.test",
        notice: sent.notice,
        event_id: null,
        sequence: null,
      },
    ]);
    const unknown = newId("delivery");
    expect(await untriedOf(database.pool, [unknown, sent.deliveryId])).toEqual(new Set([sent.deliveryId]));
    await database.pool.query("UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL");
    expect(await untriedOf(database.pool, [unknown, sent.deliveryId])).toEqual(new Set());
  });
});

const piece = (endpoint: EndpointOf, more: Partial<ReplayPiece> = {}): ReplayPiece => ({
  endpoint,
  since: 0,
  until: AT + 1_000_000,
  after: null,
  limit: 100,
  ...more,
});

describe("deliveries", () => {
  test("are listed the newest first, of one status when it is asked for, with every attempt", async () => {
    const endpoint = { ownerId: owner, id: await createEndpoint(database.pool, owner) };
    const ids = await deliveriesTo(endpoint, [
      { at: AT, status: "failed" },
      { at: AT + 1, status: "pending" },
      { at: AT + 1 },
    ]);
    const page = { endpoint, status: null, limit: 10, after: null };
    const all = await listDeliveries(database.pool, page);
    expect(all.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(all[1]).toEqual({
      id: ids[1],
      endpointId: endpoint.id,
      messageId: expect.stringMatching(/^msg_/),
      type: "reservation.held",
      status: "pending",
      attempts: [{ at: 1, status: null, durationMs: 2 }],
      nextAttemptAt: AT + 1 + 86_400_000,
      createdAt: AT + 1,
    });
    const failed = await listDeliveries(database.pool, { ...page, status: "failed" });
    expect(failed.map(({ id }) => id)).toEqual(ids.slice(0, 1));
    const after = { createdAt: AT + 1, id: ids[1] ?? newId("delivery") };
    expect((await listDeliveries(database.pool, { ...page, after })).map(({ id }) => id)).toEqual([ids[0]]);
  });

  test("begin anew with all their attempts, as the same message, while their endpoint is active", async () => {
    const endpoint = { ownerId: owner, id: await createEndpoint(database.pool, owner) };
    const [id = newId("delivery")] = await deliveriesTo(endpoint, [{ at: AT, status: "failed" }]);
    const [before] = await listDeliveries(database.pool, { endpoint, status: null, limit: 1, after: null });
    const again = await redeliver(database.pool, owner, id);
    expect(again).toEqual({ ...before, status: "pending", nextAttemptAt: expect.any(Number) });
    const { rows } = await database.pool.query("SELECT tries FROM webhook_deliveries WHERE id = $1", [id]);
    expect(rows).toEqual([{ tries: 0 }]);
    expect(await findEndpointOfDelivery(database.pool, owner, id)).toMatchObject({ id: endpoint.id });
    await editEndpoint(database.pool, endpoint, { url: "https://example.com/new" });
    expect(await redeliver(database.pool, owner, id)).toBeNull();
    expect(await replayPiece(database.pool, piece(endpoint))).toEqual({ count: 0, last: null });
  });

  test("are replayed from a moment on in pieces of any length, each once, but for verifications", async () => {
    const endpoint = { ownerId: owner, id: await createEndpoint(database.pool, owner) };
    const ids = await deliveriesTo(endpoint, [
      { at: AT - 1 },
      { at: AT },
      { at: AT, status: "failed" },
      { at: AT + 1, type: "endpoint.verification" },
      { at: AT + 1, status: "pending" },
      { at: AT + 2 },
      { at: AT + 3 },
    ]);
    const wanted = [1, 2, 4, 5].map((n) => ids[n]);
    for (const limit of [1, 2, 3, 4, 5]) {
      await database.pool.query(
        "UPDATE webhook_deliveries SET status = 'failed', tries = 9, next_attempt_at = NULL WHERE endpoint_id = $1",
        [endpoint.id],
      );
      let after: ReplayPiece["after"] = null;
      let count = 0;
      for (let more = true; more; ) {
        const begun = await replayPiece(
          database.pool,
          piece(endpoint, { since: AT, until: AT + 2, after, limit }),
        );
        count += begun.count;
        more = begun.last !== null;
        after = begun.last;
      }
      expect(count).toBe(wanted.length);
      const { rows } = await database.pool.query(
        "SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending' AND tries = 0 ORDER BY created_at, id",
        [endpoint.id],
      );
      expect(rows.map((row) => row.id)).toEqual(wanted);
    }
  });

  test("are read from their index where a page or a piece begins, however many there are", async () => {
    const endpoint = { ownerId: owner, id: await createEndpoint(database.pool, owner) };
    await database.pool.query(
      `WITH messages AS (
        INSERT INTO webhook_messages (id, type, notice, created_at)
        SELECT 'msg_' || lpad(n::text, 26, '0'), 'reservation.held', '{}', to_timestamp(n)
        FROM generate_series(1, 4000) n
      )
      INSERT INTO webhook_deliveries (id, endpoint_id, message_id, status, created_at)
      SELECT 'dlv_' || lpad(n::text, 26, '0'), CASE WHEN n % 40 = 0 THEN $1 ELSE 'whk_' || n % 40 END,
        'msg_' || lpad(n::text, 26, '0'), 'delivered', to_timestamp(n)
      FROM generate_series(1, 4000) n`,
      [endpoint.id],
    );
    await database.pool.query("ANALYZE webhook_messages, webhook_deliveries, webhook_endpoints");
    for (const after of [null, { createdAt: 2_000_000, id: newId("delivery") }]) {
      const listing: DeliveryListing = { endpoint, status: null, limit: 20, after };
      const list = await planOf((db) => listDeliveries(db, listing));
      expect(list).toContain("Index Scan Backward using webhook_deliveries_log_idx");
      const replay = await planOf((db) => replayPiece(db, piece(endpoint, { after, limit: 20 })));
      expect(replay).toContain("Index Scan using webhook_deliveries_log_idx on webhook_deliveries d\n");
      expect(list).not.toContain("Seq Scan on webhook_deliveries");
    }
  });
});

async function planOf(run: (db: Queryable) => Promise<unknown>): Promise<string> {
  let plan = "";
  const query = async (text: string, values: unknown[]) => {
    const { rows } = await database.pool.query(`EXPLAIN (COSTS OFF) ${text}`, values);
    plan += rows.map((row) => row["QUERY PLAN"]).join("\n");
    return { rows: [] };
  };
  await run({ query } as unknown as Queryable);
  return plan;
}
