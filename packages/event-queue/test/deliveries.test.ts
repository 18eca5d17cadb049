// Signals that endpoints have something to be delivered, the turns that they lead to, and who holds an endpoint.
import type { WebhookEndpointId } from "@holdfast/domain";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { openTestRedis, removeKeys, type TestRedis, until } from "../../testkit/src/index.ts";
import {
  DELIVERIES,
  DELIVERIES_TROUBLED,
  type Deliveries,
  deliveryLeaseKey,
  LEASE_MS,
  openDeliveries,
  openDeliveryLeases,
  openPatientRedis,
  startDeliverySlots,
} from "../src/index.ts";

let store: TestRedis;
let deliveries: Deliveries;

beforeAll(async () => {
  store = await openTestRedis();
  deliveries = openDeliveries(store.redis, store.prefix);
});
afterAll(async () => {
  await deliveries.close();
  await store.close();
});
beforeEach(() => removeKeys(store.redis, `${store.prefix}:*`));

const CALM = { troubled: false };
const TROUBLED = { troubled: true };
const anEndpoint = (): WebhookEndpointId => newId("webhookEndpoint");
const jobs = (queue: string): Promise<number> => store.redis.llen(`${store.prefix}:${queue}:wait`);

function serve(turn: (endpointId: WebhookEndpointId, how: { troubled: boolean }) => Promise<void>) {
  const redis = openPatientRedis({ url: store.url, name: "test-slots", onError: () => undefined });
  const slots = startDeliverySlots({
    redis,
    prefix: store.prefix,
    slots: 1,
    troubledSlots: 1,
    serve: turn,
    onError: () => undefined,
  });
  onTestFinished(async () => {
    await slots.close();
    redis.disconnect();
  });
}

test("many signals for an endpoint are one turn, in the queue that they name", async () => {
  const [calm, troubled] = [anEndpoint(), anEndpoint()];
  await Promise.all(Array.from({ length: 50 }, () => deliveries.signal(calm, CALM)));
  await Promise.all(Array.from({ length: 50 }, () => deliveries.signal(troubled, TROUBLED)));
  expect([await jobs(DELIVERIES), await jobs(DELIVERIES_TROUBLED)]).toEqual([1, 1]);
  const turns: [WebhookEndpointId, boolean][] = [];
  serve(async (id, how) => void turns.push([id, how.troubled]));
  await until("both turns", () => turns.length === 2);
  expect(new Map(turns)).toEqual(
    new Map([
      [calm, false],
      [troubled, true],
    ]),
  );
});

test("a signal during an endpoint's turn is another turn after it", async () => {
  const id = anEndpoint();
  let turns = 0;
  serve(async () => {
    turns += 1;
    if (turns === 1) await deliveries.signal(id, CALM);
  });
  await deliveries.signal(id, CALM);
  await until("the second turn", () => turns === 2);
  await until("nothing to be left", async () => (await deliveries.missing([id])).length === 1);
  expect(turns).toBe(2);
});

test("those in trouble keep nobody waiting: their slots are their own", async () => {
  const [stuck, calm] = [anEndpoint(), anEndpoint()];
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const turns: WebhookEndpointId[] = [];
  serve(async (id, how) => {
    if (how.troubled) await held;
    turns.push(id);
  });
  await deliveries.signal(stuck, TROUBLED);
  await until("it to be taken", async () => (await jobs(DELIVERIES_TROUBLED)) === 0);
  await deliveries.signal(calm, CALM);
  await until("the calm one's turn", () => turns.includes(calm));
  expect(turns).toEqual([calm]);
  letGo();
});

test("a turn that fails comes again", async () => {
  let turns = 0;
  serve(async () => {
    turns += 1;
    if (turns < 3) throw new Error("the database is away");
  });
  await deliveries.signal(anEndpoint(), CALM);
  await until("the third turn", () => turns === 3);
});

test("missing is what no job of either queue speaks of, and nobody holds", async () => {
  const [calm, troubled, held, none] = [anEndpoint(), anEndpoint(), anEndpoint(), anEndpoint()];
  const leases = openDeliveryLeases(store.redis, store.prefix, () => undefined);
  onTestFinished(() => leases.close());
  await deliveries.signal(calm, CALM);
  await deliveries.signal(troubled, TROUBLED);
  const lease = await leases.take(held);
  expect(await deliveries.missing([calm, troubled, held, none])).toEqual([none]);
  await lease?.release();
  expect(await deliveries.missing([held])).toEqual([held]);
});

test("an endpoint is held by one, for as long as it renews its lease", async () => {
  const id = anEndpoint();
  const [first, second] = [
    openDeliveryLeases(store.redis, store.prefix, () => undefined),
    openDeliveryLeases(store.redis, store.prefix, () => undefined),
  ];
  onTestFinished(() => second.close());
  const lease = await first.take(id);
  expect([await first.take(id), await second.take(id)]).toEqual([null, null]);
  // Renewed: what is left grows again.
  const left = () => store.redis.pttl(deliveryLeaseKey(store.prefix, id));
  await until("part of it to pass", async () => (await left()) < LEASE_MS - 100);
  await until("it to be renewed", async () => (await left()) > LEASE_MS - 100);
  expect(lease?.lost).toBe(false);
  first.close(); // as if the process were gone
  await until("it to end", async () => (await left()) < 0);
  const next = await second.take(id);
  expect(next).not.toBeNull();
  await lease?.release(); // too late: it is another's
  expect(await left()).toBeGreaterThan(0);
  await next?.release();
  expect(await left()).toBe(-2);
});

test("who lets an endpoint go is told whether somebody asked for it meanwhile, here or elsewhere", async () => {
  const id = anEndpoint();
  const [first, second] = [
    openDeliveryLeases(store.redis, store.prefix, () => undefined),
    openDeliveryLeases(store.redis, store.prefix, () => undefined),
  ];
  onTestFinished(() => {
    first.close();
    second.close();
  });
  const asked: unknown[] = [];
  for (const asks of [[], [first], [second], []]) {
    const lease = await first.take(id);
    for (const leases of asks) expect(await leases.take(id)).toBeNull();
    asked.push(await lease?.release());
  }
  expect(asked).toEqual([false, true, true, false]);
});

test("an endpoint that rests is not missing, whoever takes it is told so, and its rest goes on until it is ended", async () => {
  const id = anEndpoint();
  const leases = openDeliveryLeases(store.redis, store.prefix, () => undefined);
  onTestFinished(() => leases.close());
  const told: unknown[] = [];
  for (const restMs of [60_000, undefined, 0]) {
    const lease = await leases.take(id);
    told.push(lease?.resting);
    await lease?.release(restMs);
    told.push((await deliveries.missing([id])).length);
  }
  expect(told).toEqual([false, 0, true, 0, true, 1]);
});

test("a lease that another one has by now is known to be lost", async () => {
  const id = anEndpoint();
  const leases = openDeliveryLeases(store.redis, store.prefix, () => undefined);
  onTestFinished(() => leases.close());
  const lease = await leases.take(id);
  await store.redis.set(deliveryLeaseKey(store.prefix, id), "another", "PX", 10_000);
  await until("it to be lost", () => lease?.lost === true);
  await lease?.release();
  expect(await store.redis.get(deliveryLeaseKey(store.prefix, id))).toBe("another");
});

test("while Redis does not answer nothing is held, and what failed is told", async () => {
  const told: unknown[] = [];
  const broken = {
    eval: () => Promise.reject(new Error("away")),
  } as unknown as TestRedis["redis"];
  const leases = openDeliveryLeases(broken, store.prefix, (error) => told.push(error));
  onTestFinished(() => leases.close());
  const id = anEndpoint();
  await expect(leases.take(id)).rejects.toThrow("away");
  await expect(leases.take(id)).rejects.toThrow("away"); // and not "held by us"
  expect(told).toEqual([]);
});
