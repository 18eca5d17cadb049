// The sweep: what no job speaks of is found, what is old goes, and one worker at a time looks.
import {
  ATTEMPTS_KEPT_MAX,
  dueDeliveries,
  DELIVERIES_KEPT_DAYS as KEPT_DAYS,
  recordAttempts,
} from "@holdfast/db";
import type { DeliveryId, WebhookEndpointId } from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sweepOnce } from "../src/sweep.ts";
import {
  anEndpoint,
  aPrefix,
  aUser,
  deliveriesOf,
  doorOf,
  happen,
  openStores,
  type Stores,
} from "./deliveries-under-test.ts";

let stores: Stores;
let pool: pg.Pool;

beforeAll(async () => {
  stores = await openStores();
  pool = stores.pool;
});
afterAll(() => stores.close());
// A sweep looks at every endpoint there is: each test starts with nothing left of the others.
beforeEach(() => pool.query("TRUNCATE webhook_endpoints, webhook_deliveries, webhook_messages"));

const url = "https://receiver.example/";
const DAY_MS = 86_400_000;

async function endpoints(count: number): Promise<WebhookEndpointId[]> {
  const ownerId = await aUser(pool);
  const made: WebhookEndpointId[] = [];
  for (let i = 0; i < count; i += 1) made.push((await anEndpoint(pool, url, { ownerId })).id);
  return made;
}

const later = (id: WebhookEndpointId) =>
  pool.query(
    "UPDATE webhook_deliveries SET next_attempt_at = now() + interval '5 seconds' WHERE endpoint_id = $1",
    [id],
  );

/** Remembers whom it was asked to signal; those given have a job. */
function noting(known: readonly WebhookEndpointId[] = []) {
  const signalled: { id: WebhookEndpointId; troubled: boolean }[] = [];
  return {
    signalled,
    deliveries: {
      missing: async (ids: readonly WebhookEndpointId[]) => ids.filter((id) => !known.includes(id)),
      signal: async (id: WebhookEndpointId, { troubled }: { troubled: boolean }) =>
        void signalled.push({ id, troubled }),
    },
  };
}

test("where nothing is due there is nothing to find", async () => {
  const [one] = (await endpoints(1)) as [WebhookEndpointId];
  await happen(pool, [one]);
  await later(one);
  const { deliveries, signalled } = noting();
  expect(await sweepOnce({ pool, deliveries }, null)).toEqual({ signalled: 0, removed: 0, next: null });
  expect(signalled).toEqual([]);
});

test("endpoints with something due and no job are signalled, each to its queue; however much is due, once", async () => {
  const [calm, failing, waiting, known] = (await endpoints(4)) as [
    WebhookEndpointId,
    WebhookEndpointId,
    WebhookEndpointId,
    WebhookEndpointId,
  ];
  await pool.query("UPDATE webhook_endpoints SET failing_since = now(), failed_at = now() WHERE id = $1", [
    failing,
  ]);
  await happen(pool, [calm, failing, waiting, known], 50);
  await later(waiting);
  const { deliveries, signalled } = noting([known]);
  expect(await sweepOnce({ pool, deliveries }, null)).toMatchObject({ signalled: 2 });
  expect(signalled).toEqual([
    { id: calm, troubled: false },
    { id: failing, troubled: true },
  ]);
});

test("deliveries of an endpoint that was deleted are found, too", async () => {
  const [gone] = (await endpoints(1)) as [WebhookEndpointId];
  await happen(pool, [gone]);
  await pool.query("DELETE FROM webhook_endpoints");
  const { deliveries, signalled } = noting();
  await sweepOnce({ pool, deliveries }, null);
  expect(signalled).toEqual([{ id: gone, troubled: true }]);
});

test("a sweep looks at so many endpoints, and the next goes on behind them", async () => {
  const made = await endpoints(5);
  await happen(pool, made);
  const seen: WebhookEndpointId[] = [];
  let after: WebhookEndpointId | null = null;
  for (let sweep = 0; sweep < 3; sweep += 1) {
    const { deliveries, signalled } = noting();
    after = (await sweepOnce({ pool, deliveries, lookedAtMax: 2 }, after))?.next ?? null;
    seen.push(...signalled.map(({ id }) => id));
  }
  expect(seen).toEqual(made);
  expect(after).toBeNull();
});

test("one worker at a time sweeps", async () => {
  const [one] = (await endpoints(1)) as [WebhookEndpointId];
  await happen(pool, [one]);
  const { deliveries } = noting();
  let during: unknown;
  await sweepOnce(
    {
      pool,
      deliveries: {
        ...deliveries,
        missing: async (ids) => {
          during = await sweepOnce({ pool, deliveries }, null);
          return [...ids];
        },
      },
    },
    null,
  );
  expect(during).toBeNull();
});

test("with Redis, an endpoint that was signalled is not missing until its turn is over", async () => {
  const [one] = (await endpoints(1)) as [WebhookEndpointId];
  await happen(pool, [one]);
  const deliveries = doorOf(stores, aPrefix(stores));
  expect(await sweepOnce({ pool, deliveries }, null)).toMatchObject({ signalled: 1 });
  expect(await sweepOnce({ pool, deliveries }, null)).toMatchObject({ signalled: 0 });
});

test(`what is older than ${KEPT_DAYS} days goes: deliveries first, messages when nobody needs them`, async () => {
  const [one, two] = (await endpoints(2)) as [WebhookEndpointId, WebhookEndpointId];
  await happen(pool, [one], 3, { agoMs: (KEPT_DAYS + 1) * DAY_MS });
  await happen(pool, [one, two], 2, { agoMs: (KEPT_DAYS - 1) * DAY_MS });
  const { deliveries } = noting();
  expect(await sweepOnce({ pool, deliveries }, null)).toMatchObject({ removed: 6 });
  expect(await deliveriesOf(pool, one)).toHaveLength(2);
  expect(await deliveriesOf(pool, two)).toHaveLength(2);
  const { rows } = await pool.query("SELECT FROM webhook_messages");
  expect(rows).toHaveLength(2);
  expect(await sweepOnce({ pool, deliveries }, null)).toMatchObject({ removed: 0 });
});

test("who has a delivery sent again and again keeps the last attempts of it", async () => {
  const [one] = (await endpoints(1)) as [WebhookEndpointId];
  await happen(pool, [one]);
  const { rows } = await pool.query<{ id: DeliveryId }>("SELECT id FROM webhook_deliveries");
  const id = rows[0]?.id as DeliveryId;
  for (let tries = 0; tries < ATTEMPTS_KEPT_MAX + 2; tries += 1) {
    const claimed = await dueDeliveries(pool, one, { inHand: [], verificationOnly: false, limit: 1 });
    const dueAt = claimed[0]?.dueAt ?? 0;
    await recordAttempts(pool, [
      { id, tries, dueAt, at: 1_000 + tries, status: 500, durationMs: 1, becomes: "pending", waitMs: -1 },
    ]);
  }
  const [row] = await deliveriesOf(pool, one);
  expect(row?.attempts).toHaveLength(ATTEMPTS_KEPT_MAX);
  expect(row?.attempts.at(0)?.at).toBe(1_002);
  expect(row?.tries).toBe(ATTEMPTS_KEPT_MAX + 2);
});
