// Whole workers over real stores: what happened arrives, whoever stops, freezes or is slow in between.

import type { WebhookEndpointId } from "@holdfast/domain";
import { deliveryLeaseKey } from "@holdfast/event-queue";
import { openFaultProxy, spawnService, until } from "@holdfast/testkit";
import { newSecret } from "@holdfast/webhooks";
import type pg from "pg";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type RunningWebhookWorker, startWebhookWorker, type WebhookWorkerOptions } from "../src/worker.ts";
import {
  ALLOWED,
  anEndpoint,
  aPrefix,
  deliveriesOf,
  doorOf,
  ENCRYPTION_KEY,
  environmentOf,
  happen,
  openStores,
  type Stores,
  silent,
} from "./deliveries-under-test.ts";
import { behaveBadly, receive } from "./receivers.ts";

/** Milliseconds in which the sweep has found what no job speaks of. */
const FOUND_MS = 5_000;

/** Milliseconds in which a store that is back has been found, and what was due has been sent. */
const RECOVERED_MS = 10_000;

let stores: Stores;
let pool: pg.Pool;

beforeAll(async () => {
  stores = await openStores();
  pool = stores.pool;
});
afterAll(() => stores.close());
// A worker's sweep finds the deliveries of all: each test starts with nothing left of the others.
beforeEach(() => pool.query("TRUNCATE webhook_endpoints, webhook_deliveries, webhook_messages"));

async function start(
  prefix: string,
  registry = new Registry(),
  given: Partial<WebhookWorkerOptions> = {},
): Promise<RunningWebhookWorker> {
  const worker = await startWebhookWorker({
    databaseUrl: stores.databaseUrl,
    redisUrl: stores.redis.url,
    ...given,
    prefix,
    encryptionKey: ENCRYPTION_KEY,
    allowed: ALLOWED,
    slots: 8,
    metrics: registry,
    log: silent,
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= worker.stop());
  onTestFinished(stop);
  return { stop };
}

const CALM = { troubled: false };

test("what is signalled is delivered at once; what is not, by the sweep", async () => {
  const prefix = aPrefix(stores);
  const secret = newSecret();
  const receiver = await receive(secret);
  await start(prefix);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  const [first] = await happen(pool, [id]);
  await doorOf(stores, prefix).signal(id, CALM);
  await until("the first to arrive", () => receiver.received.length === 1);
  const [second] = await happen(pool, [id]);
  await until("the second to arrive", () => receiver.received.length === 2, FOUND_MS);
  expect(receiver.received.map(({ message }) => message.id)).toEqual([first, second]);
});

test("thousands for one endpoint, by two workers: each arrives, none twice, and others do not wait for them", async () => {
  const prefix = aPrefix(stores);
  const secret = newSecret();
  const [busy, calm] = [await receive(secret), await receive(secret)];
  await Promise.all([start(prefix), start(prefix)]);
  const [many, few] = [
    await anEndpoint(pool, busy.url, { secret }),
    await anEndpoint(pool, calm.url, { secret }),
  ];
  const messages = await happen(pool, [many.id], 2_000);
  const door = doorOf(stores, prefix);
  await door.signal(many.id, CALM);
  await until("it to be busy", () => busy.received.length > 50);
  await happen(pool, [few.id]);
  await door.signal(few.id, CALM);
  await until("the other to be told", () => calm.received.length === 1);
  expect(busy.received.length).toBeLessThan(2_000);
  await until("all to arrive", () => busy.received.length >= 2_000, 30_000);
  await until("all to be written down", async () =>
    (await deliveriesOf(pool, many.id)).every(({ status }) => status === "delivered"),
  );
  expect(busy.received.map(({ message }) => message.id).sort()).toEqual([...messages].sort());
}, 60_000);

test("a worker that stops breaks off what hangs, within its time, and the next one goes on with it", async () => {
  const prefix = aPrefix(stores);
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const first = await start(prefix);
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id]);
  await doorOf(stores, prefix).signal(id, CALM);
  await until("it to be tried", () => bad.connections === 1);
  const begun = performance.now();
  await first.stop();
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "pending", tries: 0, attempts: [] }]);
  await start(prefix);
  await until("the next worker to try it", () => bad.connections === 2, FOUND_MS);
});

test("a worker that is killed with an endpoint in its hands is followed by another one within five seconds (N4)", async () => {
  const prefix = aPrefix(stores);
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const doomed = spawnService("webhook-worker", environmentOf(stores, prefix));
  onTestFinished(() => doomed.kill("SIGKILL"));
  await doomed.ready;
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id]);
  await doorOf(stores, prefix).signal(id, CALM);
  await until("it to be tried", () => bad.connections === 1);
  await start(prefix);
  await until("its lease to be seen", async () => (await leaseLeftMs(prefix, id)) > 0);
  doomed.kill("SIGKILL");
  await until("the other one to try it", () => bad.connections === 2, FOUND_MS);
}, 30_000);

const leaseLeftMs = (prefix: string, id: WebhookEndpointId): Promise<number> =>
  stores.redis.redis.pttl(deliveryLeaseKey(prefix, id));

test("a process stops when it is asked to, within its time, whatever hangs (N2)", async () => {
  const prefix = aPrefix(stores);
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const worker = spawnService("webhook-worker", environmentOf(stores, prefix));
  await worker.ready;
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id]);
  await doorOf(stores, prefix).signal(id, CALM);
  await until("it to be tried", () => bad.connections === 1);
  const begun = performance.now();
  expect((await worker.stop()).code).toBe(0);
  expect(performance.now() - begun).toBeLessThan(4_500);
}, 30_000);

test.each(["Redis", "PostgreSQL"] as const)(
  "%s goes away in the middle of it, and comes back: all arrives, and is written down",
  async (store) => {
    const prefix = aPrefix(stores);
    const secret = newSecret();
    const receiver = await receive(secret);
    const proxy = await openFaultProxy(store === "Redis" ? stores.redis.url : stores.databaseUrl);
    onTestFinished(() => proxy.close());
    await start(
      prefix,
      new Registry(),
      store === "Redis" ? { redisUrl: proxy.url } : { databaseUrl: proxy.url },
    );
    const { id } = await anEndpoint(pool, receiver.url, { secret });
    const messages = await happen(pool, [id], 300);
    await doorOf(stores, prefix).signal(id, CALM);
    await until("some to arrive", () => receiver.received.length > 20);
    await proxy.refuse();
    const more = await happen(pool, [id]);
    await proxy.pass();
    const all = new Set([...messages, ...more]);
    await until("all to be written down", async () => (await delivered(id)) === all.size, RECOVERED_MS);
    expect(new Set(receiver.received.map(({ message }) => message.id))).toEqual(all);
  },
  30_000,
);

const delivered = async (id: WebhookEndpointId): Promise<number> =>
  (await deliveriesOf(pool, id)).filter(({ status }) => status === "delivered").length;

test("it tells what it does: attempts by their result, how late first ones are, what the sweep found", async () => {
  const prefix = aPrefix(stores);
  const secret = newSecret();
  const registry = new Registry();
  const receiver = await receive(secret, (_, nth) => ({ status: nth === 1 ? 503 : 200 }));
  await start(prefix, registry);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await happen(pool, [id]);
  const value = async (sample: string): Promise<number> => {
    const line = (await registry.metrics()).split("\n").find((one) => one.startsWith(`${sample} `));
    return Number(line?.slice(sample.length) ?? Number.NaN);
  };
  await until(
    "it to be tried",
    async () => (await value('holdfast_webhook_attempts_total{result="failure"}')) === 1,
    FOUND_MS,
  );
  await happen(pool, [id]);
  await until(
    "it to be taken",
    async () => (await value('holdfast_webhook_attempts_total{result="success"}')) >= 1,
    FOUND_MS,
  );
  expect(await value("holdfast_webhook_first_attempt_seconds_count")).toBe(2);
  expect(await value('holdfast_webhook_sweep_found_total{found="signalled"}')).toBeGreaterThan(0);
  expect(await value('holdfast_webhook_attempts_total{result="late"}')).toBe(0);
  expect(await value('holdfast_webhook_endpoints_disabled_total{reason="gone"}')).toBe(0);
  await until("nothing to run", async () => (await value("holdfast_webhook_attempts_running")) === 0);
});
