// Connections in their two tempers, and what a service asks of its Redis before it starts.
import { type AddressInfo, createServer } from "node:net";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openFaultProxy, until } from "../../testkit/src/index.ts";
import {
  openPatientRedis,
  openRedis,
  REDIS_COMMAND_TIMEOUT_MS,
  redisFaults,
  untilReady,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

/** Milliseconds after which who still waits for a server that is there has slept. */
const SOON_MS = 2_000;

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

async function proxied(open: typeof openRedis) {
  const proxy = await openFaultProxy(redis.url);
  const errors: Error[] = [];
  const connection = open({
    url: proxy.url,
    name: "test-connection",
    onError: (error) => void errors.push(error),
  });
  await untilReady(connection);
  await untilReady(connection); // ready already: at once
  onTestFinished(async () => {
    connection.disconnect();
    await proxy.close();
  });
  return { proxy, connection, errors };
}

const lost = (connection: Redis): Promise<unknown> =>
  new Promise((resolve) => connection.once("close", resolve));

test("a hasty connection fails at once what cannot be sent, and is there again by itself", async () => {
  const { proxy, connection, errors } = await proxied(openRedis);
  const closed = lost(connection);
  await proxy.refuse();
  await closed;
  await expect(connection.ping()).rejects.toThrow("isn't writeable");
  await new Promise((resolve) => connection.once("error", resolve));
  expect(errors.length).toBeGreaterThan(0);
  await proxy.pass();
  await untilReady(connection);
  expect(await connection.ping()).toBe("PONG");
});

test("a hasty connection sends nothing a second time: what was under way when it broke fails", async () => {
  const { proxy, connection } = await proxied(openRedis);
  const key = `${redis.prefix}:counted`;
  const cut = proxy.loseReply("incr", ":1");
  await expect(connection.incr(key)).rejects.toThrow();
  await cut;
  await untilReady(connection);
  expect(await connection.get(key)).toBe("1");
});

test("a hasty connection gives up a command that is not answered", async () => {
  const { proxy, connection } = await proxied(openRedis);
  proxy.silence();
  const startedAt = performance.now();
  await expect(connection.ping()).rejects.toThrow("timed out");
  expect(performance.now() - startedAt).toBeLessThan(REDIS_COMMAND_TIMEOUT_MS + 500);
});

test("a patient connection keeps what cannot be sent until it can", async () => {
  const { proxy, connection } = await proxied(openPatientRedis);
  const closed = lost(connection);
  await proxy.refuse();
  await closed;
  const pong = connection.ping();
  await proxy.pass();
  expect(await pong).toBe("PONG");
});

/** Says that it loads, for a minute more, until it is told that it has. Answers nothing else. */
async function loadingRedis() {
  let loading = true;
  let asked = 0;
  const server = createServer((client) => {
    client.on("error", () => undefined);
    client.on("data", (bytes) => {
      const commands = bytes.toString().match(/^(info|client|hello)\r$/gim) ?? [];
      for (const command of commands) {
        if (command.trim().toLowerCase() !== "info") {
          client.write("+OK\r\n");
          continue;
        }
        asked += 1;
        const info = `loading:${loading ? 1 : 0}\r\nloading_eta_seconds:60\r\n`;
        client.write(`$${info.length}\r\n${info}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    hasLoaded: () => {
      loading = false;
    },
  };
}

test.each([
  { temper: "hasty", open: openRedis },
  { temper: "patient", open: openPatientRedis },
])(
  "R3: a $temper connection uses a server soon after it has loaded, whatever that had foretold",
  async ({ open }) => {
    const server = await loadingRedis();
    const connection = open({ url: server.url, name: "test-loading", onError: () => undefined });
    onTestFinished(() => connection.disconnect());
    await until("it to be told that the server loads", () => server.asked() > 0);
    server.hasLoaded();
    await until("the connection to be ready", () => connection.status === "ready", SOON_MS);
  },
);

test("connections say who they are", async () => {
  const { connection } = await proxied(openRedis);
  expect(await connection.client("GETNAME")).toBe("test-connection");
});

const telling = (settings: unknown): Redis => ({ config: async () => settings }) as unknown as Redis;

test.each([
  { settings: ["maxmemory-policy", "noeviction", "appendonly", "yes"], faults: [] },
  { settings: { "maxmemory-policy": "noeviction", appendonly: "yes" }, faults: [] },
  {
    settings: ["maxmemory-policy", "allkeys-lru", "appendonly", "yes"],
    faults: [/allkeys-lru, not noeviction/],
  },
  { settings: ["maxmemory-policy", "noeviction", "appendonly", "no"], faults: [/no append-only file/] },
  {
    settings: { "maxmemory-policy": "volatile-ttl", appendonly: "no" },
    faults: [/volatile-ttl/, /append-only/],
  },
])("a Redis that could forget or evict is told by its settings: $settings", async ({ settings, faults }) => {
  expect(await redisFaults(telling(settings))).toEqual(faults.map((fault) => expect.stringMatching(fault)));
});

test("the run's own Redis has no faults, and one that does not tell its settings is taken as it is", async () => {
  expect(await redisFaults(redis.redis)).toEqual([]);
  const mute = { config: () => Promise.reject(new Error("unknown command")) } as unknown as Redis;
  expect(await redisFaults(mute)).toEqual([]);
});
