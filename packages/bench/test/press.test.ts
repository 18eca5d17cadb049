// The load generator against small real servers: what it sends when, what it counts, and when it gives up.
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createSocketServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { Answers, Pressure } from "../src/load-generator/answers.ts";
import { press } from "../src/load-generator/press.ts";
import type { LoadRequest, LoadScript } from "../src/load-generator/script.ts";

/** Milliseconds for which a server answers nothing, in the middle of the window. */
const STALL_MS = 300;
const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const request = (over: Partial<LoadRequest> = {}): LoadRequest => ({
  kind: "ask",
  bytes: Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  expects: [200],
  ...over,
});
const always = (over: Partial<LoadRequest> = {}): LoadScript => ({ next: () => request(over) });
const OPEN = {
  warmUpSeconds: 0.1,
  seconds: 0.9,
  loop: { kind: "open", perSecond: 200, connections: 4 },
} as const;
const CLOSED = { warmUpSeconds: 0.05, seconds: 0.2, loop: { kind: "closed", clients: 3 } } as const;

async function listen(server: Server | ReturnType<typeof createSocketServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function pressOn(
  answer: RequestListener,
  script: LoadScript,
  how: Omit<Pressure, "url">,
  clock = { begins() {}, ends() {} },
): Promise<Answers> {
  const url = await listen(createServer(answer));
  return await press(script, { url, ...how }, clock);
}

const ofAsk = ({ kinds }: Answers) => {
  const { ask } = kinds;
  if (ask === undefined) throw new Error("nobody asked");
  return ask;
};

test("an open loop sends at its rate, and latency counts from the moment at which a request was to leave", async () => {
  const waiting: (() => void)[] = [];
  let stalled = false;
  const answers = await pressOn(
    (_request, response) => {
      if (stalled) waiting.push(() => response.end("late"));
      else response.end("ok");
    },
    always(),
    OPEN,
    {
      begins() {
        stalled = true;
        setTimeout(() => {
          stalled = false;
          for (const answerIt of waiting) answerIt();
        }, STALL_MS);
      },
      ends() {},
    },
  );
  const { sent, statuses, window } = ofAsk(answers);
  const scheduled = OPEN.loop.perSecond * (OPEN.warmUpSeconds + OPEN.seconds);
  // Nothing is left out, though only four connections could carry it while the server stood still.
  expect(sent).toBeGreaterThanOrEqual(scheduled);
  expect(statuses).toEqual({ "200": sent });
  expect(window.count).toBe(OPEN.loop.perSecond * OPEN.seconds);
  // Sixty were to leave during the stall: the first of them waited for all of it, not just the four that were sent.
  expect(window.maxMs).toBeGreaterThan(STALL_MS * 0.9);
  expect(window.meanMs).toBeGreaterThan((STALL_MS / 2) * (STALL_MS / 1_000 / OPEN.seconds) * 0.8);
  expect(answers.lateP99Ms).toBeGreaterThan(STALL_MS / 2);
});

test("a closed loop has one request under way for each client, and awaits all that it sent", async () => {
  let most = 0;
  const waiting = new Set<() => void>();
  const answers = await pressOn(
    (_request, response) => {
      waiting.add(() => response.end());
      most = Math.max(most, waiting.size);
      if (most < CLOSED.loop.clients) return; // until all have asked nobody is answered
      for (const answerIt of waiting) answerIt();
      waiting.clear();
    },
    always(),
    CLOSED,
  );
  const { sent, statuses, answered, window } = ofAsk(answers);
  expect(most).toBe(CLOSED.loop.clients);
  expect(statuses).toEqual({ "200": sent });
  expect(answered["200"]).toBeLessThan(sent);
  expect(window.count).toBe(answered["200"]);
  expect(answers.eachSecond.map((second) => second.answered)).toEqual([answered["200"]]);
  expect(answers.errors + answers.odd + answers.lateP99Ms).toBe(0);
});

test("kinds and statuses are counted apart, and a status that nobody expects is told with its body", async () => {
  let asked = 0;
  const script: LoadScript = {
    next: () => request({ kind: asked++ % 2 === 0 ? "ask" : "look", expects: [200, 409] }),
  };
  let answered = 0;
  const answers = await pressOn(
    (_request, response) => {
      answered += 1;
      response.statusCode = answered === 5 ? 503 : 409;
      response.end(answered === 5 ? "too many" : "none left");
    },
    script,
    CLOSED,
  );
  expect(Object.keys(answers.kinds)).toEqual(["ask", "look"]);
  expect(answers.odd).toBe(1);
  expect(answers.oddBody).toMatch(/^503 to (ask|look): too many$/);
});

test("the script hears of every answer, of the body only when it wants it", async () => {
  const heard: [status: number, body: string][] = [];
  let asked = 0;
  const answers = await pressOn(
    (_request, response) => response.end("body"),
    {
      next: () => request({ wantsBody: asked++ === 0 }),
      answered: (_request, status, body) => heard.push([status, body]),
      summary: () => ({ heard: heard.length }),
    },
    { ...CLOSED, loop: { kind: "closed", clients: 1 } },
  );
  expect(heard.slice(0, 2)).toEqual([
    [200, "body"],
    [200, ""],
  ]);
  expect(answers.summary).toEqual({ heard: ofAsk(answers).sent });
});

test("a connection that breaks before its answer is an error, and is replaced", async () => {
  let broken = false;
  const answers = await pressOn(
    (_request, response) => {
      if (broken) response.end();
      else response.socket?.destroy();
      broken = true;
    },
    always(),
    CLOSED,
  );
  const { sent, statuses } = ofAsk(answers);
  expect(answers.errors).toBe(1);
  expect(statuses).toEqual({ "200": sent - 1 });
});

test("a connection that the server closes behind an answer is no error", async () => {
  const answers = await pressOn(
    (_request, response) => response.setHeader("Connection", "close").end(),
    always(),
    CLOSED,
  );
  const { sent, statuses } = ofAsk(answers);
  expect(answers.errors).toBe(0);
  expect(statuses).toEqual({ "200": sent });
});

test("an answer that ends in the middle is an error", async () => {
  let first = true;
  const url = await listen(
    createSocketServer((socket: Socket) => {
      socket
        .on("error", () => {})
        .on("data", () => {
          if (first) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
          else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
          first = false;
        });
    }),
  );
  const answers = await press(always(), { url, ...CLOSED }, { begins() {}, ends() {} });
  expect(answers.errors).toBe(1);
});

test("a run fails when its script has nothing left to ask", async () => {
  let left = 10;
  const script: LoadScript = { next: () => (left-- > 0 ? request() : null) };
  await expect(pressOn((_request, response) => response.end(), script, CLOSED)).rejects.toThrow(
    "nothing is left to be asked",
  );
});

test("a run fails when nobody listens any more", async () => {
  const server = createServer((_request, response) => {
    server.close();
    server.closeAllConnections();
    response.destroy();
  });
  const url = await listen(server);
  await expect(press(always(), { url, ...CLOSED }, { begins() {}, ends() {} })).rejects.toThrow(
    "ECONNREFUSED",
  );
});
