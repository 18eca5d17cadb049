// F7: connections that break off, at whatever moment. The gateway as a process, since what is at stake is its life.
import { connect, type Socket } from "node:net";
import type { TestDatabase, TestRedis } from "@holdfast/testkit";
import { openTestDatabase, openTestRedis, type ServiceProcess, spawnService } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JWT_SECRET, WEBHOOK_ENCRYPTION_KEY } from "./gateway-under-test.ts";

let database: TestDatabase;
let redis: TestRedis;
let gateway: ServiceProcess;
beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  gateway = spawnService("gateway", {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix,
    JWT_SECRET,
    WEBHOOK_ENCRYPTION_KEY,
    PORT: "0",
  });
  await gateway.ready;
});
afterAll(async () => {
  gateway.kill("SIGKILL"); // the last test has stopped it
  await gateway.ended;
  await redis.close();
  await database.close();
});

const lines = (...all: string[]): string => all.join("\r\n");
const HOST = "Host: localhost";
const LOGIN = ["POST /v1/auth/login HTTP/1.1", HOST, "Content-Type: application/json"];
const UPGRADE = ["GET /livez HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket"];
const GET = lines("GET /v1/events HTTP/1.1", HOST, "", "");

const MESSAGES: [string, string][] = [
  ["nothing", ""],
  ["a CONNECT", lines("CONNECT a:1 HTTP/1.1", "", "")],
  ["a CONNECT with a Host and bytes for the tunnel", lines("CONNECT a:1 HTTP/1.1", HOST, "", "\x16\x03\x01")],
  ["a CONNECT behind a request", `${GET}${lines("CONNECT a:1 HTTP/1.1", HOST, "", "")}`],
  ["half a CONNECT", "CONNECT a:1 HTTP/1.1\r\nHo"],
  ["an Upgrade", lines(...UPGRADE, "", "")],
  ["an Upgrade with a body", lines(...UPGRADE, "Content-Length: 2", "", "{}")],
  ["an Upgrade with half a body", lines(...UPGRADE, "Content-Length: 20", "", "{}")],
  ["an Upgrade to HTTP/2", lines(...UPGRADE.slice(0, 3), "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "", "")],
  ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["an expectation", lines(...LOGIN, "Expect: 100-continue", "Content-Length: 20", "", "")],
  ["an expectation that nobody knows", lines(...LOGIN, "Expect: x", "Content-Length: 20", "", "{")],
  ["half a request line", "GET /v1/eve"],
  ["half of the headers", `${lines("GET /v1/events HTTP/1.1", HOST)}\r\nX: `],
  ["a request", GET],
  ["requests in a row", GET.repeat(20)],
  ["half a body", lines(...LOGIN, "Content-Length: 20", "", "{")],
  ["half a chunk", lines(...LOGIN, "Transfer-Encoding: chunked", "", "20", "{")],
  ["a bad chunk", lines(...LOGIN, "Transfer-Encoding: chunked", "", "zz", "")],
  ["a whole body", lines(...LOGIN, "Content-Length: 2", "", "{}")],
  ["no HTTP", "hello\r\n\r\n"],
];

/** When the reset follows: what is called then goes on. */
const MOMENTS: [string, (socket: Socket, bytes: string, reset: () => void) => void][] = [
  [
    "in the same breath",
    (socket, bytes, reset) => {
      socket.write(bytes);
      reset();
    },
  ],
  ["once the bytes are on their way", (socket, bytes, reset) => socket.write(bytes, reset)],
  [
    "a turn later",
    (socket, bytes, reset) => socket.write(bytes, () => setImmediate(() => setImmediate(reset))),
  ],
  [
    "after a part of them",
    (socket, bytes, reset) =>
      socket.write(bytes.slice(0, -3), () => socket.write(bytes.slice(-3, -1), reset)),
  ],
  [
    "when others were answered meanwhile",
    (socket, bytes, reset) => socket.write(bytes, () => void isAlive().finally(reset)),
  ],
];

const isAlive = async (): Promise<boolean> => (await fetch(`${gateway.url}/livez`)).status === 200;

function open(): Socket {
  const { hostname, port } = new URL(gateway.url);
  return connect({ port: Number(port), host: hostname, allowHalfOpen: true });
}

/** Sends the bytes and resets the connection at that moment. Resolves when it is closed. */
function breakOff(bytes: string, when: (typeof MOMENTS)[number][1]): Promise<void> {
  return new Promise((resolve) => {
    const socket = open();
    socket.on("error", () => undefined); // the gateway may have closed it first
    socket.on("close", () => resolve());
    socket.on("connect", () => when(socket, bytes, () => socket.resetAndDestroy()));
  });
}

test.each(MOMENTS)("a reset %s ends no gateway, whatever was said (F7)", async (_, when) => {
  for (const [, bytes] of MESSAGES) await Promise.all([breakOff(bytes, when), breakOff(bytes, when)]);
  expect(await isAlive()).toBe(true);
});

test("a reset when the answer begins ends no gateway, whatever was said (F7)", async () => {
  for (const [, bytes] of MESSAGES) {
    await breakOff(bytes, (socket, sent, reset) => {
      socket.once("data", reset).once("end", reset);
      socket.end(sent); // to what is left half there is an answer, too, once no more can come
    });
  }
  expect(await isAlive()).toBe(true);
});

test("a CONNECT is answered, and nothing is left of its connection though the client keeps its side", async () => {
  const socket = open();
  socket.setEncoding("utf8").on("error", () => undefined);
  let answer = "";
  socket.on("data", (text: string) => {
    answer += text;
  });
  socket.write(lines("CONNECT a:1 HTTP/1.1", HOST, "", ""));
  await new Promise((resolve) => socket.once("end", resolve));
  expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"malformed-request"/);
  // A closed connection answers bytes with a reset; one that was only half closed would take them.
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const send = (): void => void socket.write("x", (error) => error == null && setImmediate(send));
  send();
  await closed;
});

test("who keeps a connection open, whatever was said, does not hold up the stop (F7)", async () => {
  const sockets = await Promise.all(
    MESSAGES.map(async ([, bytes]) => {
      const socket = open();
      socket.on("error", () => undefined).resume();
      await new Promise((resolve) => socket.once("connect", () => socket.write(bytes, resolve)));
      return socket;
    }),
  );
  expect(await isAlive()).toBe(true);
  expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  expect(gateway.logs.filter((line) => /"level":(50|60)/.test(line))).toEqual([]);
  for (const socket of sockets) socket.destroy();
});
