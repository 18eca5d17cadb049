// Many endpoints that behave badly, each in one of twelve ways, beside good ones under load: a real worker with its real
// limits. The good ones do not notice, and the worker grows no fatter. BAD_ENDPOINTS_SECONDS makes it longer,
// HANGING_ENDPOINTS more of those that hang.
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { WebhookEndpointId } from "@holdfast/domain";
import { spawnService, until } from "@holdfast/testkit";
import { newSecret } from "@holdfast/webhooks";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  anEndpoint,
  aPrefix,
  aUser,
  deliveriesOf,
  doorOf,
  endpointRow,
  environmentOf,
  happen,
  openStores,
  type Stores,
} from "./deliveries-under-test.ts";
import { BAD_BEHAVIOURS, behaveBadly, type Listening, listen, receive } from "./receivers.ts";

const SECONDS = Number(process.env["BAD_ENDPOINTS_SECONDS"] ?? 9);
/** Endpoints of each bad behaviour, and good ones. */
const BAD_OF_EACH = 3;
const GOOD = 12;
/** Milliseconds between messages, each of them for every endpoint. */
const MESSAGE_EVERY_MS = 400;
/** Messages before that, for good endpoints only. */
const WARM_UP_MESSAGES = 10;
/** Endpoints that hang beside good ones, none of which has failed before, and messages for all of them. */
const MANY = Number(process.env["HANGING_ENDPOINTS"] ?? 150);
const MESSAGES_BESIDE_MANY = 3;
/** Turns before that, of each good one. */
const WARM_UP_TURNS = 25;
/** Milliseconds from what happened to its first arrival. */
const FIRST_P99_MS = 2_000;
/** Milliseconds that a slow one takes: less than an attempt may. */
const SLOW_MS = 5_000;
/**
 * Megabytes by which the least heap in use, or memory, of a run's last third may be above that of the second. What is
 * young has 64 MB of room: in a few seconds the least heap is one between two collections, in a minute it is what stays.
 */
const HEAP_GROWTH_MAX_MB = SECONDS < 60 ? 48 : 16;
const RESIDENT_GROWTH_MAX_MB = 64;
/** Connections that an endpoint of one that hangs, or drips, has at most. */
const CONNECTIONS_OF_A_HANGING_ONE = 12;

let stores: Stores;
let pool: pg.Pool;

beforeAll(async () => {
  stores = await openStores();
  pool = stores.pool;
});
afterAll(() => stores.close());

interface Look {
  readonly heapMb: number;
  readonly residentMb: number;
  readonly handles: number;
}

async function look(metricsUrl: string): Promise<Look> {
  const text = await (await fetch(metricsUrl)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
  return {
    heapMb: value("nodejs_heap_size_used_bytes") / 1e6,
    residentMb: value("process_resident_memory_bytes") / 1e6,
    handles: value("nodejs_active_handles_total"),
  };
}

test(
  "beside endpoints of twelve bad behaviours, first attempts of others are in time, and memory is flat (N2)",
  async () => {
    const prefix = aPrefix(stores);
    const inside = await receive(newSecret());
    const [secret, ownerId] = [newSecret(), await aUser(pool)];
    const good = await Promise.all(Array.from({ length: GOOD }, () => receive(secret)));
    const goodIds = await Promise.all(
      good.map(async ({ url }) => (await anEndpoint(pool, url, { secret })).id),
    );
    const bad = new Map<string, { ids: WebhookEndpointId[]; servers: Listening[] }>();
    for (const behaviour of BAD_BEHAVIOURS) {
      const servers = await Promise.all(
        Array.from({ length: BAD_OF_EACH }, () =>
          behaveBadly(behaviour, { slowMs: SLOW_MS, elsewhere: inside.url }),
        ),
      );
      const ids = await Promise.all(
        servers.map(async ({ url }) => (await anEndpoint(pool, url, { ownerId })).id),
      );
      bad.set(behaviour, { ids, servers });
    }
    const everyone = [...goodIds, ...[...bad.values()].flatMap(({ ids }) => ids)];
    const worker = spawnService("webhook-worker", environmentOf(stores, prefix));
    await worker.ready;
    const door = doorOf(stores, prefix);

    // Figures are of a warm worker.
    await happen(pool, goodIds, WARM_UP_MESSAGES);
    await Promise.all(goodIds.map((id) => door.signal(id, { troubled: false })));
    await until("it to be warm", () => good.every(({ received }) => received.length >= WARM_UP_MESSAGES));

    const happenedAt = new Map<string, number>();
    const looks: Look[] = [];
    const begun = performance.now();
    let due = begun;
    while (performance.now() - begun < SECONDS * 1_000) {
      const { rows } = await pool.query<{ id: WebhookEndpointId; troubled: boolean }>(
        "SELECT id, failing_since IS NOT NULL AS troubled FROM webhook_endpoints WHERE id = ANY ($1) AND status = 'active'",
        [everyone],
      );
      const now = Date.now();
      const [message = ""] = await happen(
        pool,
        rows.map(({ id }) => id),
      );
      happenedAt.set(message, now);
      await Promise.all(rows.map(({ id, troubled }) => door.signal(id, { troubled })));
      looks.push(await look(worker.metricsUrl));
      due += MESSAGE_EVERY_MS;
      await sleep(Math.max(0, due - performance.now()));
    }

    await until("the good ones to have everything", () =>
      good.every(({ received }) => firstArrivals(received, happenedAt).length === happenedAt.size),
    );
    const waits = good.flatMap(({ received }) => firstArrivals(received, happenedAt));
    expect(waits).toHaveLength(GOOD * happenedAt.size);
    const p99 = waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    const third = Math.floor(looks.length / 3);
    const growth = (of: (look: Look) => number): number =>
      Math.min(...looks.slice(-third).map(of)) - Math.min(...looks.slice(third, 2 * third).map(of));
    const figures = {
      messages: happenedAt.size,
      p99,
      heapGrowthMb: growth(({ heapMb }) => heapMb),
      residentGrowthMb: growth(({ residentMb }) => residentMb),
      handles: looks.at(-1)?.handles,
    };
    process.stdout.write(`bad endpoints: ${JSON.stringify(figures)}\n`);
    expect(p99).toBeLessThanOrEqual(FIRST_P99_MS);
    expect(figures.heapGrowthMb).toBeLessThan(HEAP_GROWTH_MAX_MB);
    expect(figures.residentGrowthMb).toBeLessThan(RESIDENT_GROWTH_MAX_MB);

    // The bad ones were tried, nobody was sent inside, and what hangs has few connections.
    expect(inside.connections).toBe(0);
    for (const [behaviour, { ids, servers }] of bad) {
      for (const server of servers) expect(server.connections, behaviour).toBeGreaterThan(0);
      const statuses = await Promise.all(ids.map(async (id) => (await endpointRow(pool, id))?.status));
      expect(new Set(statuses), behaviour).toEqual(new Set([behaviour === "410" ? "disabled" : "active"]));
    }
    for (const behaviour of ["hang", "drip", "slow"]) {
      for (const server of bad.get(behaviour)?.servers ?? [])
        expect(server.connections, behaviour).toBeLessThanOrEqual(CONNECTIONS_OF_A_HANGING_ONE + SECONDS);
    }
    const [flapping] = bad.get("flapping")?.ids ?? [];
    const rows = flapping === undefined ? [] : await deliveriesOf(pool, flapping);
    expect(rows.some(({ status }) => status === "delivered")).toBe(true);
    expect((await worker.stop()).code).toBe(0);
  },
  (SECONDS + 40) * 1_000,
);

test(
  `beside ${MANY} endpoints that hang and were never known to, first attempts of others are in time (N2)`,
  async () => {
    const prefix = aPrefix(stores);
    const [secret, ownerId] = [newSecret(), await aUser(pool)];
    const hanging = await listen(createServer(() => undefined));
    const good = await Promise.all(Array.from({ length: GOOD }, () => receive(secret)));
    const endpointsAt = (urls: readonly string[]) =>
      Promise.all(urls.map(async (url) => (await anEndpoint(pool, url, { secret, ownerId })).id));
    const bad = await endpointsAt(Array.from({ length: MANY }, () => hanging.url));
    const goodIds = await endpointsAt(good.map(({ url }) => url));
    const worker = spawnService("webhook-worker", environmentOf(stores, prefix));
    await worker.ready;
    const door = doorOf(stores, prefix);
    const tell = (ids: readonly WebhookEndpointId[]) =>
      Promise.all(ids.map((id) => door.signal(id, { troubled: false })));

    for (let nth = 1; nth <= WARM_UP_TURNS; nth += 1) {
      await happen(pool, goodIds);
      await tell(goodIds);
      await until("it to be warm", () => good.every(({ received }) => received.length >= nth));
    }

    // Those that hang come first, each time.
    const happenedAt = new Map<string, number>();
    for (let nth = 0; nth < MESSAGES_BESIDE_MANY; nth += 1) {
      await happen(pool, bad);
      await tell(bad);
      const now = Date.now();
      const [message = ""] = await happen(pool, goodIds);
      happenedAt.set(message, now);
      await tell(goodIds);
      await until("the good ones to have it", () =>
        good.every(({ received }) => received.some((one) => one.message.id === message)),
      );
    }
    const waits = good.flatMap(({ received }) => firstArrivals(received, happenedAt));
    const p99 = waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    process.stdout.write(`beside many that hang: ${JSON.stringify({ many: MANY, p99 })}\n`);
    expect(p99).toBeLessThanOrEqual(FIRST_P99_MS);
    await until("all that hang to be tried", () => hanging.connections >= MANY);
    expect((await worker.stop()).code).toBe(0);
  },
  (SECONDS + 40) * 1_000,
);

/** Of the messages that count, how long after they happened each came first. */
function firstArrivals(
  received: readonly { message: { id: string }; at: number }[],
  happenedAt: ReadonlyMap<string, number>,
): number[] {
  const first = new Map<string, number>();
  for (const { message, at } of received) {
    const since = happenedAt.get(message.id);
    if (since !== undefined && !first.has(message.id)) first.set(message.id, at - since);
  }
  return [...first.values()];
}
