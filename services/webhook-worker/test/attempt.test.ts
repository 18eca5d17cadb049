// One attempt at a time, at servers good and bad: how it ends, how long it takes, and where it never goes.
import { connect, createServer as createTcpServer, Socket, type TcpNetConnectOpts } from "node:net";
import { type AllowedHosts, newSecret, readAllowedHosts, signedHeaders } from "@holdfast/webhooks";
import { expect, onTestFinished, test } from "vitest";
import { PRIVATE_HOSTS } from "../../../packages/webhooks/test/private-addresses.ts";
import {
  ANSWER_BYTES_MAX,
  ATTEMPT_MS,
  type AttemptEnd,
  type AttemptRequest,
  type CarrierOptions,
  openCarrier,
} from "../src/attempt.ts";
import { CERTIFICATE } from "./certificate.ts";
import { ALLOWED } from "./deliveries-under-test.ts";
import { BAD_BEHAVIOURS, behaveBadly, listen, receive, receiveByTls } from "./receivers.ts";

/** Milliseconds that attempts may take that are to be answered, however busy the machine. */
const PATIENT_MS = 10_000;
/** Milliseconds that those may take that are to be too late, and by how much they may exceed them. */
const LIMIT_MS = 300;
const LATE_MS = 1_000;
const NOBODY: AllowedHosts = [];
const BODY = '{"id":"msg_01hzxk5v0e8q2s4t6w8y0a2c4e","type":"endpoint.test"}';

function carrier(options: Partial<CarrierOptions> = {}) {
  const opened = openCarrier({ allowed: ALLOWED, attemptMs: PATIENT_MS, ...options });
  onTestFinished(() => opened.close());
  return async (url: string, given: Partial<AttemptRequest> = {}): Promise<AttemptEnd> =>
    opened.attempt({
      url,
      headers: {},
      body: BODY,
      wantsAnswer: false,
      signal: new AbortController().signal,
      ...given,
    });
}

const signed = (secret: string) =>
  ({
    ...signedHeaders({ id: "msg_01hzxk5v0e8q2s4t6w8y0a2c4e", at: Date.now(), body: testBody() }, [secret]),
  }) as Record<string, string>;
const testBody = (): string =>
  JSON.stringify({
    id: "msg_01hzxk5v0e8q2s4t6w8y0a2c4e",
    type: "endpoint.test",
    timestamp: "2026-01-01T00:00:00.000Z",
    apiVersion: "1",
    data: { endpointId: "whk_01hzxk5v0e8q2s4t6w8y0a2c4e" },
  });

const answered = (status: number, given: { retryAfter?: string; answer?: string } = {}): AttemptEnd => ({
  kind: "answered",
  status,
  retryAfter: given.retryAfter ?? null,
  answer: given.answer ?? null,
});
const unanswered = (why: "refused" | "unreachable" | "late"): AttemptEnd => ({ kind: "unanswered", why });

test("an attempt has fifteen seconds in all, and reads at most 64 KiB", () => {
  expect([ATTEMPT_MS, ANSWER_BYTES_MAX]).toEqual([15_000, 65_536]);
});

test("what arrives is JSON whose signature the reference library accepts (N1)", async () => {
  const secret = newSecret();
  const receiver = await receive(secret);
  const send = carrier();
  expect(await send(receiver.url, { headers: signed(secret), body: testBody() })).toEqual(answered(204));
  expect(receiver.received[0]).toMatchObject({
    headers: { "content-type": "application/json", "user-agent": "Holdfast-Webhooks/1" },
    body: testBody(),
  });
  expect(await send(receiver.url, { headers: signed(newSecret()), body: testBody() })).toEqual(answered(401));
  for (let i = 0; i < 8; i += 1) await send(receiver.url);
  expect(receiver.connections).toBeLessThan(4); // they are kept
});

test("by TLS the name must be vouched for, by authorities that are believed", async () => {
  const secret = newSecret();
  const receiver = await receiveByTls(secret);
  const byName = receiver.url.replace("127.0.0.1", "receiver.example");
  const other = receiver.url.replace("127.0.0.1", "other.example");
  const trusting = carrier({
    allowed: readAllowedHosts("127.0.0.1,receiver.example,other.example") ?? [],
    resolve: async () => ["127.0.0.1"],
    ca: CERTIFICATE,
    attemptMs: 5_000,
  });
  const given = { headers: signed(secret), body: testBody() };
  expect(await trusting(receiver.url, given)).toEqual(answered(200));
  expect(await trusting(byName, given)).toEqual(answered(200));
  expect(await trusting(other, given)).toEqual(unanswered("unreachable"));
  expect(await carrier({ attemptMs: 5_000 })(receiver.url, given)).toEqual(unanswered("unreachable"));
  expect(receiver.received).toHaveLength(2);
});

const LATE = unanswered("late");
const ENDS = {
  slow: LATE,
  hang: LATE,
  drip: LATE,
  "500": answered(500),
  "429": answered(429, { retryAfter: "1" }),
  "410": answered(410),
  redirect: answered(307),
  endless: answered(200),
  reset: unanswered("unreachable"),
  "bad-tls": unanswered("unreachable"),
  "wrong-type": unanswered("unreachable"),
  flapping: answered(500),
} as const satisfies Record<(typeof BAD_BEHAVIOURS)[number], AttemptEnd>;

test.each(BAD_BEHAVIOURS)("%s: the attempt ends in time, and nothing is followed (N2)", async (behaviour) => {
  const elsewhere = await receive(newSecret());
  const bad = await behaveBadly(behaviour, { slowMs: 10 * LIMIT_MS, elsewhere: elsewhere.url });
  const begun = performance.now();
  const isLate = ENDS[behaviour] === LATE;
  const attemptMs = isLate ? LIMIT_MS : PATIENT_MS;
  expect(await carrier({ attemptMs })(bad.url)).toEqual(ENDS[behaviour]);
  expect(performance.now() - begun).toBeLessThan(attemptMs + LATE_MS);
  expect(elsewhere.connections).toBe(0);
  expect(bad.connections).toBe(1);
});

test("an answer is read when it is wanted, up to 64 KiB", async () => {
  const long = "x".repeat(ANSWER_BYTES_MAX);
  const receiver = await receive("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const talks = await behaveBadly("endless", { slowMs: 0, elsewhere: "" });
  const says = createTcpServer((socket) => {
    socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${long.length}\r\n\r\n${long}`));
  });
  const { url } = await listen(says);
  const send = carrier({ attemptMs: 5_000 });
  expect(await send(url, { wantsAnswer: true })).toEqual(answered(200, { answer: long }));
  expect(await send(talks.url, { wantsAnswer: true })).toEqual(answered(200));
  expect(await send(receiver.url, { wantsAnswer: true })).toEqual(answered(401, { answer: "" }));
});

test("an attempt that we break off says nothing of the other side", async () => {
  const bad = await behaveBadly("hang", { slowMs: 0, elsewhere: "" });
  const over = new AbortController();
  const sending = carrier({ attemptMs: 60_000 })(bad.url, { signal: over.signal });
  over.abort();
  expect(await sending).toEqual({ kind: "broken-off" });
  expect(await carrier()(bad.url, { signal: over.signal })).toEqual({ kind: "broken-off" });
});

test("name servers, and connections, that never come count for the time of the attempt", async () => {
  const never = new Promise<never>(() => undefined);
  expect(
    await carrier({ allowed: NOBODY, resolve: () => never, attemptMs: LIMIT_MS })("https://name.example/"),
  ).toEqual(unanswered("late"));
  expect(
    await carrier({ allowed: NOBODY, resolve: () => Promise.reject(new Error("no such name")) })(
      "https://name.example/",
    ),
  ).toEqual(unanswered("unreachable"));
});

/** Listeners on this machine's own addresses: whoever would connect to a usual port gets there, and is noticed. */
async function trap() {
  let bytes = 0;
  const open = () =>
    createTcpServer((socket) => {
      socket.on("data", (chunk) => {
        bytes += chunk.length;
      });
    });
  const four = await listen(open());
  const six = await listen(open(), "http", "::1");
  return {
    connect: (options: TcpNetConnectOpts) =>
      connect({ ...options, port: options.host?.includes(":") ? six.port : four.port }),
    caught: () => ({ connections: four.connections + six.connections, bytes }),
  };
}
const NOTHING = { connections: 0, bytes: 0 };

test("no form of a private address is ever connected to (N3)", async () => {
  const { connect: caught, caught: seen } = await trap();
  const send = carrier({ allowed: NOBODY, connect: caught, attemptMs: 5_000 });
  for (const host of PRIVATE_HOSTS) {
    for (const url of [`https://${host}/hook`, `http://${host}/hook`, `https://${host}:5432/`])
      expect(await send(url), url).toEqual(unanswered("refused"));
  }
  expect(seen()).toEqual(NOTHING);
});

test("a name that leads to a private address, among others, is never connected to (N3)", async () => {
  const { connect: caught, caught: seen } = await trap();
  const addresses = [
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fd00::1",
  ];
  for (const address of addresses) {
    for (const found of [[address], ["8.8.8.8", address], [address, "2600::1"]]) {
      const send = carrier({
        allowed: NOBODY,
        connect: caught,
        resolve: async () => found,
        attemptMs: 5_000,
      });
      expect(await send("https://name.example/"), found.join()).toEqual(unanswered("refused"));
    }
  }
  expect(seen()).toEqual(NOTHING);
});

test("a name that leads elsewhere from one look to the next is judged by where it is connected to (N3)", async () => {
  const { connect: caught, caught: seen } = await trap();
  const found: unknown[] = [];
  let looks = 0;
  const send = carrier({
    allowed: NOBODY,
    attemptMs: 5_000,
    resolve: async () => (++looks === 1 ? ["8.8.8.8"] : ["127.0.0.1"]),
    connect: (options) => (looks === 0 ? nobodyThere(options, found) : caught(options)),
  });
  expect(await send("https://name.example/")).toEqual(unanswered("unreachable"));
  expect(found).toEqual([{ address: "8.8.8.8", family: 4 }]);
  expect(await send("https://name.example/")).toEqual(unanswered("refused"));
  expect(looks).toBe(2);
  expect(seen()).toEqual(NOTHING);
});

/** A socket that looks where it is to go, and gets no further: tests call nobody outside. */
function nobodyThere({ host = "", lookup }: TcpNetConnectOpts, found: unknown[]): Socket {
  const socket = new Socket();
  lookup?.(host, { all: true }, (error, addresses) => {
    if (Array.isArray(addresses)) found.push(...addresses);
    socket.destroy(error ?? new Error("nobody there"));
  });
  return socket;
}

test("should a connection get to a private address all the same, not a byte is sent there (N3)", async () => {
  const { connect: caught, caught: seen } = await trap();
  const send = carrier({
    allowed: NOBODY,
    attemptMs: 5_000,
    resolve: async () => ["8.8.8.8"],
    connect: (options) => {
      const { lookup: _, ...others } = options;
      return caught({ ...others, host: "127.0.0.1" });
    },
  });
  expect(await send("https://name.example/")).toEqual(unanswered("refused"));
  expect(seen()).toEqual({ connections: 1, bytes: 0 }); // so the trap catches what comes
});
