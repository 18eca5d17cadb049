// N7: the client against real services: what it does while a worker stands still, and the examples of its README, each a
// program of its own as whoever copies it has it. Only where Holdfast is differs, and the receiver's port.
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  type Command,
  CommandWithdrawn,
  createClient,
  createSession,
  type Holdfast,
  HoldfastProblem,
  StillQueued,
} from "@holdfast/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readExamples } from "../../client/test/examples.ts";
import { at } from "./crowd.ts";
import { createEvent } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const run = promisify(execFile);
const MODULES = fileURLToPath(new URL("../node_modules", import.meta.url));
/** What the examples say, for what is so here. */
const URL_IN_EXAMPLES = "http://127.0.0.1:3000";
const PORT_IN_EXAMPLES = /\b4000\b/g;
const ACCOUNT = { email: "admin@example.com", password: "password123" };
const CAPACITY = 10;
const EXAMPLE_TIMEOUT_MS = 20_000;

let system: System;
let home: string;
/** The client of the examples' account, and how often it asked for a stream. */
let holdfast: Holdfast;
let streams = 0;

beforeAll(async () => {
  system = await startSystem({ webhookWorkers: 1, webhookHosts: "127.0.0.1" });
  for (const inDays of [30, 31]) await createEvent(system.pool, { capacity: CAPACITY, inDays });
  const baseUrl = at(system.gateways, 0).process.url;
  const session = createSession({ baseUrl });
  await session.register({ ...ACCOUNT, name: "Ann" });
  holdfast = createClient({
    baseUrl,
    token: session.token,
    fetch(request) {
      if (request.headers.get("accept") === "text/event-stream") streams += 1;
      return fetch(request);
    },
  });
  home = await mkdtemp(join(tmpdir(), "holdfast-examples-"));
  await symlink(MODULES, join(home, "node_modules"));
}, START_TIMEOUT_MS);
afterAll(async () => {
  await system.close();
  await rm(home, { recursive: true });
}, START_TIMEOUT_MS);

/** Runs the example below a heading; resolves to the lines that it wrote. Rejects when it fails. */
async function runExample(heading: string): Promise<string[]> {
  const { code = "" } = (await readExamples()).find(({ name }) => name === heading) ?? {};
  expect(code).toContain(`"${URL_IN_EXAMPLES}"`);
  const program = join(home, "example.mts");
  const url = at(system.gateways, 0).process.url;
  const port = String(await freePort());
  await writeFile(program, code.replace(URL_IN_EXAMPLES, url).replaceAll(PORT_IN_EXAMPLES, port));
  const { stdout } = await run(process.execPath, [program], { timeout: EXAMPLE_TIMEOUT_MS });
  return stdout.trimEnd().split("\n");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("there is no port");
  return address.port;
}

test("N7: the README's example reserves and buys", { timeout: EXAMPLE_TIMEOUT_MS }, async () => {
  expect(await runExample("Reserve and buy")).toEqual([
    expect.stringMatching(/^two tickets are held until \d{4}-\d\d-\d\dT/),
    "they are purchased",
  ]);
  const { rows } = await system.pool.query("SELECT status, quantity, payment_reference FROM reservations");
  expect(rows).toEqual([{ status: "purchased", quantity: 2, payment_reference: "order 4711" }]);
});

test("N7: the README's example sends, follows, and asks for the outcome under its key", {
  timeout: EXAMPLE_TIMEOUT_MS,
}, async () => {
  const lines = await runExample("Wait, look on, and change one's mind");
  expect(lines).toContain("You have an active reservation of this slot."); // of the example above
  expect(lines.slice(-2)).toEqual(["succeeded", "a reservation"]);
});

test("N7: the README's example sees what is left", { timeout: EXAMPLE_TIMEOUT_MS }, async () => {
  expect(await runExample("What is left, live")).toEqual([expect.stringMatching(/^\d+ left, onSale$/)]);
});

test("N7: the README's example is told by webhooks", { timeout: EXAMPLE_TIMEOUT_MS }, async () => {
  expect(await runExample("Be told by webhooks")).toEqual([
    "the endpoint is active",
    "told of endpoint.test",
  ]);
});

/** An event on another day than all others, and an end of the hold of its own. */
async function anotherEvent(inDays: number): Promise<string> {
  return (await createEvent(system.pool, { capacity: CAPACITY, inDays })).eventId;
}

test("what stands in the queue is followed by one stream to its end", {
  timeout: EXAMPLE_TIMEOUT_MS,
}, async () => {
  const eventId = await anotherEvent(60);
  const worker = at(system.workers, 0);
  worker.kill("SIGSTOP");
  const sent = await holdfast.reserve(eventId, {}, { wait: 0 }).catch((error: unknown) => error);
  if (!(sent instanceof StillQueued)) throw sent;
  const before = streams;
  const seen: Command[] = [];
  for await (const command of holdfast.followCommand(sent.command.id)) {
    seen.push(command);
    if (command.status === "queued") worker.kill("SIGCONT");
  }
  expect([seen.at(0)?.status, seen.at(-1)?.status, streams - before]).toEqual(["queued", "succeeded", 1]);
  const hold = await holdfast.reserve(eventId, {}, { idempotencyKey: sent.idempotencyKey });
  expect(hold).toEqual(seen.at(-1)?.result);

  const again = await holdfast.reserve(eventId).catch((error: unknown) => error);
  if (!(again instanceof HoldfastProblem) || !again.is("already-reserved")) throw again;
  expect([again.members.reservationId, again.nextStep]).toEqual([hold.id, "use-existing"]);
});

test("what is withdrawn in the queue has no effect, and says so to all who ask", {
  timeout: EXAMPLE_TIMEOUT_MS,
}, async () => {
  const eventId = await anotherEvent(90);
  const worker = at(system.workers, 0);
  const idempotencyKey = "second-thoughts";
  worker.kill("SIGSTOP");
  try {
    const sent = await holdfast.reserve(eventId, {}, { wait: 0, idempotencyKey }).catch((error) => error);
    if (!(sent instanceof StillQueued)) throw sent;
    const statuses: string[] = [];
    for await (const { id, status } of holdfast.followCommand(sent.command.id)) {
      statuses.push(status);
      if (status === "queued") expect(await holdfast.withdraw(id)).toMatchObject({ status: "withdrawn" });
    }
    expect(statuses).toEqual(["queued", "withdrawn"]);
    const late = holdfast.withdraw(sent.command.id);
    await expect(late).rejects.toMatchObject({
      code: "already-finished",
      members: { command: { status: "withdrawn" } },
    });
  } finally {
    worker.kill("SIGCONT");
  }
  const again = holdfast.reserve(eventId, {}, { idempotencyKey });
  await expect(again).rejects.toBeInstanceOf(CommandWithdrawn);
  const { availableTickets } = await holdfast.get("/v1/events/{id}", { params: { path: { id: eventId } } });
  expect(availableTickets).toBe(CAPACITY);
});

test("what is left is told live", { timeout: EXAMPLE_TIMEOUT_MS }, async () => {
  const eventId = await anotherEvent(120);
  const told: number[] = [];
  for await (const { availableTickets } of holdfast.availability(eventId)) {
    told.push(availableTickets);
    if (told.length === 1) await holdfast.reserve(eventId, { quantity: 3 });
    else break;
  }
  expect(told).toEqual([CAPACITY, CAPACITY - 3]);
});
