// Turns of endpoints over real stores, real receivers and a real carrier: what is sent, in what number, and what becomes
// of deliveries and of their endpoint.
import { deliveryLeaseKey } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import { until } from "@holdfast/testkit";
import { newSecret } from "@holdfast/webhooks";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PUT_OFF_MS } from "../src/courier.ts";
import { FAILING_MAX_MS, FAILURES_APART_MAX_MS, WAITS_MS } from "../src/schedule.ts";
import {
  aCourier,
  anEndpoint,
  ask,
  aUser,
  deliveriesOf,
  endpointRow,
  happen,
  letWaitsPass,
  openStores,
  rotated,
  type Stores,
} from "./deliveries-under-test.ts";
import { answerChallenge, behaveBadly, receive } from "./receivers.ts";

let stores: Stores;
let pool: pg.Pool;

beforeAll(async () => {
  stores = await openStores();
  pool = stores.pool;
});
afterAll(() => stores.close());

const CALM = { troubled: false };
const TROUBLED = { troubled: true };
const nowhere = "https://name.invalid/";

test("what is due is sent once, as it happened, signed, and written down", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  const eventId = newId("event");
  const messages = await happen(pool, [id], 20, { eventId });
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  await courier.serve(id, CALM);
  const got = receiver.received.map(({ message }) => message);
  expect(got.map((message) => message.id).sort()).toEqual([...messages].sort());
  expect(receiver.received.every(({ headers, message }) => headers["webhook-id"] === message.id)).toBe(true);
  const sequences = got.map(({ data }) => ("sequence" in data ? data.sequence : 0));
  expect(sequences.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(got[0]).toMatchObject({
    type: "reservation.held",
    apiVersion: "1",
    data: { eventId, resource: { object: "reservation" } },
  });
  for (const row of await deliveriesOf(pool, id)) {
    expect(row).toMatchObject({ status: "delivered", tries: 1, dueInMs: null, attempts: [{ status: 204 }] });
  }
  expect(await endpointRow(pool, id)).toEqual({ status: "active", reason: null, failing: false });
});

test("a failure waits for its next try, marks its endpoint, and the next success clears it; ids stay the same", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, (_, nth) => ({ status: nth === 1 ? 500 : 204 }));
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  const [message] = await happen(pool, [id]);
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  const [row] = await deliveriesOf(pool, id);
  expect(row).toMatchObject({ status: "pending", tries: 1, attempts: [{ status: 500 }] });
  expect(row?.dueInMs).toBeGreaterThan(0);
  expect(row?.dueInMs).toBeLessThanOrEqual(WAITS_MS[1] ?? 0);
  expect((await endpointRow(pool, id))?.failing).toBe(true);

  await courier.serve(id, CALM); // in trouble: it goes with others that are
  expect(courier.asked).toEqual([{ endpointId: id, troubled: true }]);
  await courier.serve(id, TROUBLED); // and its time has not come
  expect(receiver.received).toHaveLength(1);
  await letWaitsPass(pool, id);
  await courier.serve(id, TROUBLED);
  expect(await deliveriesOf(pool, id)).toMatchObject([
    { status: "delivered", tries: 2, attempts: [{}, { status: 204 }] },
  ]);
  expect((await endpointRow(pool, id))?.failing).toBe(false);
  expect(receiver.received.map(({ message: one }) => one.id)).toEqual([message, message]);
});

test("an endpoint that begins to fail is not flooded: the turn ends with its first failure", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, () => ({ status: 500 }));
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await happen(pool, [id], 100);
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  expect(receiver.received.length).toBeLessThan(40);
  expect(courier.asked).toEqual([]); // more is due, and left to the sweep
});

test("an endpoint that fails gets few attempts in a turn, and rests after it", async () => {
  const bad = await behaveBadly("500", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url, { failingSince: Date.now() });
  await happen(pool, [id], 100);
  const tried = async () => (await deliveriesOf(pool, id)).filter(({ tries }) => tries > 0).length;
  const courier = aCourier(stores, { restMs: 60_000 });
  await courier.serve(id, TROUBLED);
  expect(await tried()).toBe(8);
  await courier.serve(id, TROUBLED);
  expect(await tried()).toBe(8);
  expect(courier.asked).toEqual([]);
});

test("tries come to an end: after the last one the delivery has failed", async () => {
  const bad = await behaveBadly("500", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id]);
  const courier = aCourier(stores);
  for (let tried = 0; tried < WAITS_MS.length + 1; tried += 1) {
    await courier.serve(id, TROUBLED);
    await letWaitsPass(pool, id);
  }
  const [row] = await deliveriesOf(pool, id);
  expect(row).toMatchObject({ status: "failed", tries: WAITS_MS.length, dueInMs: null });
  expect(row?.attempts).toHaveLength(WAITS_MS.length);
  expect(bad.connections).toBeGreaterThan(0);
  expect((await endpointRow(pool, id))?.status).toBe("active");
});

test("410: the endpoint is disabled, the rest is given up, and the owner's other endpoints hear of it", async () => {
  const bad = await behaveBadly("410", { slowMs: 0, elsewhere: "" });
  const secret = newSecret();
  const receiver = await receive(secret);
  const ownerId = await aUser(pool);
  const gone = await anEndpoint(pool, bad.url, { ownerId });
  const other = await anEndpoint(pool, receiver.url, { ownerId, secret });
  await anEndpoint(pool, nowhere, { ownerId, status: "unverified" });
  await anEndpoint(pool, nowhere);
  await happen(pool, [gone.id], 1_200);
  const courier = aCourier(stores);
  await courier.serve(gone.id, CALM);
  expect(await endpointRow(pool, gone.id)).toMatchObject({ status: "disabled", reason: "gone" });
  const rows = await deliveriesOf(pool, gone.id);
  expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(["failed"]));
  expect(rows.filter(({ attempts }) => attempts.length > 0).length).toBeLessThan(20);
  expect(courier.asked).toEqual([{ endpointId: other.id, troubled: false }]);
  await courier.serve(other.id, CALM);
  expect(receiver.received.map(({ message }) => message)).toMatchObject([
    { type: "endpoint.disabled", data: { endpointId: gone.id, reason: "gone" } },
  ]);
});

test("an endpoint that has failed for five days is disabled by its next failure, not by a day less", async () => {
  const bad = await behaveBadly("500", { slowMs: 0, elsewhere: "" });
  const courier = aCourier(stores);
  for (const [days, status] of [
    [4, "active"],
    [5, "disabled"],
  ] as const) {
    const failingSince = Date.now() - days * (FAILING_MAX_MS / 5);
    const { id } = await anEndpoint(pool, bad.url, { failingSince });
    await happen(pool, [id]);
    await courier.serve(id, TROUBLED);
    expect(await endpointRow(pool, id)).toMatchObject({ status, reason: days === 5 ? "failing" : null });
    expect(await deliveriesOf(pool, id)).toMatchObject([{ status: days === 5 ? "failed" : "pending" }]);
  }
});

test("failures that lie far apart begin anew: an endpoint that nothing was sent to for weeks has not failed for weeks", async () => {
  const bad = await behaveBadly("500", { slowMs: 0, elsewhere: "" });
  const courier = aCourier(stores);
  const failedAt = Date.now() - FAILURES_APART_MAX_MS - 60_000;
  const { id } = await anEndpoint(pool, bad.url, { failingSince: failedAt - 4 * FAILING_MAX_MS, failedAt });
  await happen(pool, [id], 2);
  await courier.serve(id, TROUBLED);
  expect(await endpointRow(pool, id)).toMatchObject({ status: "active", failing: true });
  const { rows } = await pool.query(
    "SELECT failing_since > now() - interval '1 minute' AS anew FROM webhook_endpoints WHERE id = $1",
    [id],
  );
  expect(rows).toEqual([{ anew: true }]);
});

test.each(["unverified", "disabled"] as const)(
  "an endpoint that is %s proves itself by the challenge, and then works",
  async (status) => {
    const secret = newSecret();
    const receiver = await receive(secret, answerChallenge);
    const { id } = await anEndpoint(pool, receiver.url, { secret, status, failingSince: Date.now() - 1_000 });
    await ask(pool, id, { type: "endpoint.verification", challenge: "a-challenge" });
    await aCourier(stores).serve(id, TROUBLED);
    expect(await endpointRow(pool, id)).toEqual({ status: "active", reason: null, failing: false });
    expect(await deliveriesOf(pool, id)).toMatchObject([
      { status: "delivered", attempts: [{ status: 200 }] },
    ]);
  },
);

test("who answers a verification wrongly stays what it was, and is asked once", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, () => ({ status: 200, body: '{"challenge":"another"}' }));
  const { id } = await anEndpoint(pool, receiver.url, { secret, status: "unverified" });
  await ask(pool, id, { type: "endpoint.verification", challenge: "a-challenge" });
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  await courier.serve(id, CALM);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "failed", attempts: [{ status: 200 }] }]);
  expect((await endpointRow(pool, id))?.status).toBe("unverified");
});

test("an endpoint that is not verified hears of nothing; what happened waits until it is", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, answerChallenge);
  const { id } = await anEndpoint(pool, receiver.url, { secret, status: "unverified" });
  const [message] = await happen(pool, [id]);
  await ask(pool, id, { type: "endpoint.test", endpointId: id });
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  expect(receiver.connections).toBe(0);
  const [held, tested] = await deliveriesOf(pool, id);
  expect(held).toMatchObject({ status: "pending", tries: 0 });
  expect(held?.dueInMs).toBeGreaterThan(PUT_OFF_MS - 60_000);
  expect(tested).toMatchObject({ status: "failed", attempts: [] });

  await ask(pool, id, { type: "endpoint.verification", challenge: "a-challenge" });
  await courier.serve(id, CALM);
  expect(courier.asked.at(-1)).toEqual({ endpointId: id, troubled: false });
  await courier.serve(id, CALM);
  expect(receiver.received.map(({ message: one }) => one.id).at(-1)).toBe(message);
});

test("disabled, deleted, or with a disabled owner: an endpoint gets nothing, and what waited has failed", async () => {
  const receiver = await receive(newSecret());
  const courier = aCourier(stores);
  const disabled = await anEndpoint(pool, receiver.url, { status: "disabled" });
  const deleted = await anEndpoint(pool, receiver.url);
  const owned = await anEndpoint(pool, receiver.url);
  for (const { id } of [disabled, deleted, owned]) await happen(pool, [id], 3);
  await pool.query("DELETE FROM webhook_endpoints WHERE id = $1", [deleted.id]);
  await pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [owned.ownerId]);
  for (const { id } of [disabled, deleted, owned]) {
    await courier.serve(id, CALM);
    expect((await deliveriesOf(pool, id)).map(({ status, attempts }) => [status, attempts])).toEqual(
      Array(3).fill(["failed", []]),
    );
  }
  expect(receiver.connections).toBe(0);
});

test("a test that fails is tried again, and does not mark the endpoint", async () => {
  const bad = await behaveBadly("500", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url);
  await ask(pool, id, { type: "endpoint.test", endpointId: id });
  await aCourier(stores).serve(id, CALM);
  expect(await deliveriesOf(pool, id)).toMatchObject([
    { status: "pending", tries: 1, attempts: [{ status: 500 }] },
  ]);
  expect(await endpointRow(pool, id)).toEqual({ status: "active", reason: null, failing: false });
});

test("a secret that was replaced signs, too, until its time is over", async () => {
  const [old, recent] = [newSecret(), newSecret()];
  const receiver = await receive(old);
  const { id } = await anEndpoint(pool, receiver.url, { secret: recent });
  const courier = aCourier(stores);
  await rotated(pool, id, old, Date.now() + 60_000);
  await happen(pool, [id]);
  await courier.serve(id, CALM);
  expect(receiver.received).toHaveLength(1);
  expect(receiver.received[0]?.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
  await rotated(pool, id, old, Date.now() - 1);
  await happen(pool, [id]);
  await courier.serve(id, CALM);
  expect((await deliveriesOf(pool, id)).at(-1)).toMatchObject({
    status: "pending",
    attempts: [{ status: 401 }],
  });
});

test("what was sealed with another key is not sent: it waits, and counts for nothing", async () => {
  const receiver = await receive(newSecret());
  const { id } = await anEndpoint(pool, receiver.url);
  await happen(pool, [id]);
  await aCourier(stores, { seal: { open: () => null } }).serve(id, CALM);
  expect(receiver.connections).toBe(0);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "pending", tries: 0, attempts: [] }]);
  expect((await endpointRow(pool, id))?.failing).toBe(false);
});

test("with a secret that cannot be read, who asked for a verification or a test is told so", async () => {
  const courier = aCourier(stores, { seal: { open: () => null } });
  for (const status of ["unverified", "active"] as const) {
    const { id } = await anEndpoint(pool, nowhere, { status });
    await happen(pool, [id]);
    await ask(pool, id, { type: "endpoint.verification", challenge: "a-challenge" });
    await ask(pool, id, { type: "endpoint.test", endpointId: id });
    await courier.serve(id, CALM);
    expect((await deliveriesOf(pool, id)).map((row) => row.status)).toEqual(["pending", "failed", "failed"]);
  }
});

test("a secret that was replaced and cannot be read does not stop what the new one signs", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await rotated(pool, id, newSecret(), Date.now() + 60_000);
  await pool.query("UPDATE webhook_endpoints SET previous_secret = 'sealed with a lost key' WHERE id = $1", [
    id,
  ]);
  await happen(pool, [id]);
  await aCourier(stores).serve(id, CALM);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "delivered" }]);
  expect(receiver.received[0]?.headers["webhook-signature"]).toMatch(/^v1,\S+$/);
});

test("what an endpoint's owner may not be told of any more is not sent", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const { id, ownerId } = await anEndpoint(pool, receiver.url, { secret });
  await pool.query("UPDATE users SET role = 'user' WHERE id = $1", [ownerId]);
  await happen(pool, [id]);
  await aCourier(stores).serve(id, CALM);
  expect(receiver.received).toEqual([]);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "failed", attempts: [] }]);
});

test("an endpoint rests the longer the longer it has failed, up to a minute; a test gets through, and success ends it", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, ({ message }) => ({
    status: message.type === "endpoint.test" ? 204 : 500,
  }));
  const rests = async (failingMs: number) => {
    const { id } = await anEndpoint(pool, receiver.url, { secret, failingSince: Date.now() - failingMs });
    await happen(pool, [id]);
    await aCourier(stores, { restMs: undefined }).serve(id, TROUBLED);
    return { id, ms: await stores.redis.redis.pttl(`${deliveryLeaseKey(stores.redis.prefix, id)}:rest`) };
  };
  for (const [failingMs, restMs] of [
    [0, 500],
    [100_000, 5_000],
    [86_400_000, 60_000],
  ] as const) {
    const { ms } = await rests(failingMs);
    expect(ms).toBeGreaterThan(restMs * 0.5);
    expect(ms).toBeLessThan(restMs * 1.2 + 500);
  }
  const { id } = await rests(86_400_000);
  const courier = aCourier(stores);
  await happen(pool, [id]);
  await courier.serve(id, TROUBLED);
  expect((await deliveriesOf(pool, id)).map(({ tries }) => tries)).toEqual([1, 0]);
  await ask(pool, id, { type: "endpoint.test", endpointId: id });
  await pool.query(
    "UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 day' WHERE endpoint_id = $1 AND attempts = '[]' AND message_id IN (SELECT id FROM webhook_messages WHERE type = 'endpoint.test')",
    [id],
  );
  await courier.serve(id, TROUBLED);
  expect((await deliveriesOf(pool, id)).at(-1)).toMatchObject({ type: "endpoint.test", status: "delivered" });
  expect(await stores.redis.redis.exists(`${deliveryLeaseKey(stores.redis.prefix, id)}:rest`)).toBe(0);
});

test("who asked for a turn while one did nothing but give up is looked for after it, too", async () => {
  const { id } = await anEndpoint(pool, nowhere, { status: "disabled" });
  await happen(pool, [id]);
  const second = aCourier(stores);
  const askingMeanwhile = new Proxy(pool, {
    get: (target, name) => {
      if (name !== "query") return Reflect.get(target, name, target);
      return async (...given: [pg.QueryConfig]) => {
        const result = await target.query(...given);
        if (given[0].name !== "due-deliveries") return result;
        await happen(pool, [id]); // what there was has been given up
        await second.serve(id, CALM);
        return result;
      };
    },
  });
  const first = aCourier(stores, { pool: askingMeanwhile });
  await first.serve(id, CALM);
  expect(first.asked).toEqual([{ endpointId: id, troubled: false }]);
});

test("an endpoint that is held by another is left alone; whoever held it looks again", async () => {
  const secret = newSecret();
  let arrived = (): void => undefined;
  const taken = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const receiver = await receive(secret, () => {
    arrived();
    return { status: 204 };
  });
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await happen(pool, [id]);
  const [first, second] = [aCourier(stores), aCourier(stores)];
  const serving = first.serve(id, CALM);
  await taken;
  const [later] = await happen(pool, [id]);
  await second.serve(id, TROUBLED);
  await serving;
  await Promise.all(first.asked.map(({ endpointId, ...turn }) => first.serve(endpointId, turn)));
  expect(receiver.received.map(({ message }) => message.id)).toContain(later);
  expect(receiver.received).toHaveLength(2);
});

test("a slow endpoint gives its slot up, keeps its turn, and goes with those in trouble from then on", async () => {
  const secret = newSecret();
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url, { secret });
  await happen(pool, [id]);
  const courier = aCourier(stores, { attemptMs: 600, slowMs: 100, patienceMs: 20 });
  await courier.serve(id, CALM);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "pending", tries: 0 }]); // still on its way
  await courier.idle();
  expect(await deliveriesOf(pool, id)).toMatchObject([
    { status: "pending", tries: 1, attempts: [{ status: null }] },
  ]);
  await courier.serve(id, CALM);
  expect(courier.asked).toEqual([{ endpointId: id, troubled: true }]);
});

test("with too many turns aside, slots are kept", async () => {
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id]);
  await aCourier(stores, { attemptMs: 300, patienceMs: 20, asideMax: 0 }).serve(id, CALM);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ tries: 1 }]);
});

test("with too many attempts, who has failed for long makes room for who just began to; a test is made all the same", async () => {
  const secret = newSecret();
  const receiver = await receive(secret, () => ({ status: 500 }));
  const courier = aCourier(stores, { asideMax: 0 });
  const tried = async (failingMs: number) => {
    const { id } = await anEndpoint(pool, receiver.url, { secret, failingSince: Date.now() - failingMs });
    await happen(pool, [id]);
    await courier.serve(id, TROUBLED);
    return { id, tries: (await deliveriesOf(pool, id))[0]?.tries };
  };
  expect((await tried(1_000)).tries).toBe(1);
  const { id, tries } = await tried(600_000);
  expect(tries).toBe(0);
  await pool.query("DELETE FROM webhook_deliveries WHERE endpoint_id = $1", [id]);
  await ask(pool, id, { type: "endpoint.test", endpointId: id });
  await courier.serve(id, TROUBLED);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "pending", tries: 1 }]);
});

test("a stop breaks off what is being sent, and that counts for nothing", async () => {
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const { id } = await anEndpoint(pool, bad.url);
  await happen(pool, [id], 3);
  const courier = aCourier(stores, { attemptMs: 60_000, slowMs: 60_000 });
  const serving = courier.serve(id, CALM);
  await until("it to arrive", () => bad.connections > 0);
  courier.stopping.abort();
  await serving;
  const rows = await deliveriesOf(pool, id);
  expect(rows.map(({ status, tries, attempts }) => [status, tries, attempts])).toEqual(
    Array(3).fill(["pending", 0, []]),
  );
  expect((await endpointRow(pool, id))?.failing).toBe(false);
});

test("while the database takes nothing, an attempt is not made again, and is written down when it does", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await happen(pool, [id]);
  let refusals = 2;
  const refusing = new Proxy(pool, {
    get: (target, name) => {
      if (name !== "query") return Reflect.get(target, name, target);
      return (given: pg.QueryConfig) => {
        if (given.name === "record-attempts" && refusals > 0) {
          refusals -= 1;
          return Promise.reject(new Error("disk full"));
        }
        return target.query(given);
      };
    },
  });
  await aCourier(stores, { pool: refusing }).serve(id, CALM);
  expect(receiver.received).toHaveLength(1);
  expect(await deliveriesOf(pool, id)).toMatchObject([{ status: "delivered", tries: 1 }]);
});

test("what cannot be worded takes its place in the schedule, and keeps nobody else waiting", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const { id } = await anEndpoint(pool, receiver.url, { secret });
  await ask(pool, id, { type: "reservation.held" });
  const [message] = await happen(pool, [id]);
  const courier = aCourier(stores);
  await courier.serve(id, CALM);
  expect(receiver.received.map(({ message: one }) => one.id)).toEqual([message]);
  const rows = async () => {
    const all = await deliveriesOf(pool, id);
    return [all.find((row) => row.messageId !== message), all.find((row) => row.messageId === message)];
  };
  expect(await rows()).toMatchObject([
    { status: "pending", tries: 1, attempts: [{ status: null }] },
    { status: "delivered" },
  ]);
  expect(courier.asked).toEqual([]);
  expect(await courier.registry.metrics()).toContain("holdfast_webhook_deliveries_unworded_total 1");
  await letWaitsPass(pool, id);
  await courier.serve(id, CALM);
  expect((await rows())[0]).toMatchObject({ tries: 2 });
  expect((await endpointRow(pool, id))?.failing).toBe(false); // the fault is ours
});
