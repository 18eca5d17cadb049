// Streams at the door: what is told and when, who may have how many, and that they end and leave nothing behind.
import { connect, type Socket } from "node:net";
import { Availability, Command } from "@holdfast/contracts";
import { setPaused } from "@holdfast/db";
import type { CommandId, EventId } from "@holdfast/domain";
import { eventKeys, noteWithdrawn, progressChannel, publishProgress } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import { type EventReader, readEvents, until } from "@holdfast/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { POSITIONS_EVERY_MS } from "../src/command-streams.ts";
import {
  HEARTBEAT_MS,
  STREAM_AGE_MS,
  STREAM_BUFFER_BYTES_MAX,
  STREAM_SLOW_MS,
  STREAMS_MAX,
  STREAMS_PER_USER_MAX,
  type StreamLimits,
} from "../src/event-stream.ts";
import type { CommandRecord } from "../src/submit.ts";
import {
  eventBody,
  type GatewayUnderTest,
  openGateway,
  type Person,
  type TestSettings,
} from "./gateway-under-test.ts";

const AT = Date.UTC(2030, 0, 1);
/** Milliseconds by which an event's streams may be behind its tables. */
const BEHIND_MAX_MS = 1_000;

let gateway: GatewayUnderTest;
let ann: Person;
let organizer: Person;

async function open(settings: TestSettings = {}): Promise<void> {
  gateway = await openGateway(settings);
  ann = await gateway.person();
  organizer = await gateway.person("organizer");
}
const openWith = (streams: Partial<StreamLimits>) => open({ streams });

async function newEvent(more: Record<string, unknown> = {}): Promise<EventId> {
  const made = { method: "POST", url: "/v1/events", headers: organizer.auth, payload: eventBody(2, more) };
  return (await gateway.ask(made)).body.id;
}

/** A command that waits in the event's queue. */
function aCommand(eventId: EventId, ticket: number | null = 7, person: Person = ann): CommandRecord {
  const record: CommandRecord = {
    id: newId("command"),
    type: "reserve",
    eventId,
    userId: person.id,
    status: "queued",
    submittedAt: AT,
    finishedAt: null,
    position: 5,
    estimatedWaitMs: null,
    ticket,
    outcome: null,
    seq: null,
    seen: null,
  };
  gateway.commands.records.set(record.id, record);
  return record;
}

/** The command ends, and whoever watches is told when `told`. */
async function end(record: CommandRecord, told = true): Promise<void> {
  gateway.commands.records.set(record.id, {
    ...record,
    status: "rejected",
    outcome: { status: "rejected", refusal: { code: "sold-out" } },
    finishedAt: AT + 1,
    seq: 1,
    position: null,
  });
  if (told) await tell(record.eventId, record.id);
}

const tell = (eventId: EventId, ...ids: CommandId[]) =>
  publishProgress(gateway.redis.redis, gateway.redis.prefix, eventId, ids);

const follow = (id: CommandId, headers: Record<string, string> = {}, person: Person = ann) =>
  readEvents(`${gateway.url}/v1/commands/${id}`, { ...person.auth, ...headers });
const view = (eventId: EventId, headers: Record<string, string> = {}) =>
  readEvents(`${gateway.url}/v1/events/${eventId}/availability`, headers);

const heard = (reader: EventReader, count: number) =>
  until(`${count} events to be heard`, () => reader.events.length >= count);

/** Nothing of any stream is left. */
async function nothingLeft(): Promise<void> {
  await until("no stream to be open", async () => (await openStreams()) === 0);
  await until("nobody to listen", () => gateway.progress.events === 0);
}
async function openStreams(): Promise<number> {
  const metric = await gateway.metrics.getSingleMetric("holdfast_streams_open")?.get();
  return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
}

/** As the queue's scripts keep them. */
const count = (eventId: EventId, counters: Record<string, number>) =>
  gateway.redis.redis.hset(eventKeys(gateway.redis.prefix, eventId).count, counters);

describe("a command's stream", () => {
  beforeAll(() => open());
  afterAll(() => gateway.close());
  afterEach(nothingLeft);

  test("tells the command at once, each new position, its end, and is over", async () => {
    const eventId = await newEvent();
    await count(eventId, { enqueued: 9, done: 2 });
    const record = aCommand(eventId);
    const stream = await follow(record.id);
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "private, no-cache",
      "x-accel-buffering": "no",
      vary: "Accept",
      "x-content-type-options": "nosniff",
      "x-request-id": expect.any(String),
    });
    await heard(stream, 1);
    expect(stream.retryMs).toBeGreaterThanOrEqual(1_000);
    expect(stream.events[0]).toMatchObject({
      event: "queued",
      id: "queued.5",
      data: { object: "command", id: record.id, status: "queued", position: 5 },
    });
    const [now] = await gateway.redis.redis.time();
    const at = Number(now) * 1_000;
    await count(eventId, { done: 5, since: at - 1_000, "since-done": 3, at });
    await heard(stream, 2);
    expect(stream.events[1]).toMatchObject({
      id: "queued.2",
      data: { position: 2, estimatedWaitMs: 1_000 },
    });
    await noteWithdrawn(gateway.redis.redis, gateway.redis.prefix, eventId, {
      id: newId("command"),
      ticket: 6,
    });
    await heard(stream, 3);
    expect(stream.events[2]).toMatchObject({ id: "queued.1", data: { position: 1, estimatedWaitMs: 500 } });
    await end(record);
    expect(await stream.ended).toBe(true);
    expect(stream.events).toHaveLength(4);
    const last = stream.events[3];
    expect(last).toMatchObject({
      event: "rejected",
      id: "rejected",
      data: { problem: { code: "sold-out" } },
    });
    const polled = await gateway.ask({ url: `/v1/commands/${record.id}`, headers: ann.auth });
    const { problem, ...same } = Command.parse(last?.data);
    const { problem: polledProblem, ...polledSame } = polled.body;
    expect(same).toEqual(polledSame);
    expect({ ...problem, requestId: "" }).toEqual({ ...polledProblem, requestId: "" });
  });

  test("of one that has ended tells the end and is over; to who has heard the end it is 204", async () => {
    const record = aCommand(await newEvent());
    await end(record);
    const stream = await follow(record.id);
    expect(await stream.ended).toBe(true);
    expect(stream.events.map(({ event }) => event)).toEqual(["rejected"]);
    const returns = await follow(record.id, { "last-event-id": "rejected" });
    expect([returns.status, returns.headers["vary"], returns.headers["cache-control"]]).toEqual([
      204,
      "Accept",
      "private, no-cache",
    ]);
    expect((await follow(record.id, { "last-event-id": "queued.3" })).status).toBe(200);
  });

  test("who comes back is not told again what it knows", async () => {
    const eventId = await newEvent();
    await count(eventId, { enqueued: 9, done: 2 });
    const record = aCommand(eventId);
    const [knows, older] = await Promise.all(
      ["queued.5", "queued.6"].map((id) => follow(record.id, { "last-event-id": id })),
    );
    if (knows === undefined || older === undefined) throw new Error("two streams were asked for");
    await heard(older, 1);
    await end(record);
    expect([await knows.ended, await older.ended]).toEqual([true, true]);
    expect(knows.events.map(({ id }) => id)).toEqual(["rejected"]);
    expect(older.events.map(({ id }) => id)).toEqual(["queued.5", "rejected"]);
  });

  test("an end that nobody was told of in time is found when the stream begins to listen", async () => {
    const record = aCommand(await newEvent());
    const find = gateway.commands.find.bind(gateway.commands);
    let looks = 0;
    gateway.commands.find = async (id) => {
      const found = await find(id);
      looks += 1;
      if (looks === 1) await end(record, false); // between the look of the door and that of the stream
      return found;
    };
    const stream = await follow(record.id);
    expect(await stream.ended).toBe(true);
    gateway.commands.find = find;
    expect(stream.events.map(({ event }) => event)).toEqual(["queued", "rejected"]);
  });

  test("a look that failed is made again", async () => {
    const record = aCommand(await newEvent());
    const stream = await follow(record.id);
    await heard(stream, 1);
    const find = gateway.commands.find.bind(gateway.commands);
    gateway.commands.find = () => Promise.reject(new Error("the database is gone"));
    await end(record);
    await until("the trouble to be told", () =>
      gateway.log.some((line) => line.includes("a stream had trouble")),
    );
    gateway.commands.find = find;
    expect(await stream.ended).toBe(true);
    expect(stream.events.at(-1)?.event).toBe("rejected");
  });

  test("is for who sent it, and for admins; refusals are problems", async () => {
    const record = aCommand(await newEvent());
    const bob = await gateway.person();
    const refused = await follow(record.id, {}, bob);
    expect([refused.status, refused.headers["content-type"]]).toEqual([404, "application/problem+json"]);
    expect((await follow(newId("command"))).status).toBe(404);
    expect((await readEvents(`${gateway.url}/v1/commands/${record.id}`)).status).toBe(401);
    const admin = await follow(record.id, {}, await gateway.person("admin"));
    await heard(admin, 1);
    admin.hangUp();
  });

  test(`a user has at most ${STREAMS_PER_USER_MAX}; each gives its place back`, async () => {
    const record = aCommand(await newEvent());
    const streams = await Promise.all(Array.from({ length: STREAMS_PER_USER_MAX }, () => follow(record.id)));
    const refused = await follow(record.id);
    expect([refused.status, Number(refused.headers["retry-after"])]).toEqual([429, expect.any(Number)]);
    const other = await follow(aCommand(record.eventId, 1, organizer).id, {}, organizer);
    expect(other.status).toBe(200);
    expect(await openStreams()).toBe(STREAMS_PER_USER_MAX + 1);
    expect(gateway.progress.events).toBe(1);
    for (const stream of [...streams.slice(1), other]) stream.hangUp();
    await until("places to be free", async () => (await openStreams()) === 1);
    const again = await follow(record.id);
    expect(again.status).toBe(200);
    for (const stream of [again, streams[0]]) stream?.hangUp();
  });

  test("a HEAD is answered without one", async () => {
    const record = aCommand(await newEvent());
    const { status, headers, ended } = await readEvents(
      `${gateway.url}/v1/commands/${record.id}`,
      ann.auth,
      "HEAD",
    );
    expect([status, headers["content-type"], await ended]).toEqual([200, "text/event-stream", true]);
  });

  test("a connection is kept behind the end of a stream, and takes the next request", async () => {
    const record = aCommand(await newEvent());
    await end(record);
    const { hostname, port } = new URL(gateway.url);
    const socket: Socket = connect(Number(port), hostname);
    let text = "";
    socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    const ask = (path: string, accept: string) =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: test\r\nAccept: ${accept}\r\nAuthorization: ${ann.auth.authorization}\r\n\r\n`,
      );
    ask(`/v1/commands/${record.id}`, "text/event-stream");
    await until("the stream to end", () => text.includes("event: rejected") && text.endsWith("0\r\n\r\n"));
    ask("/livez", "*/*");
    await until("the next answer", () => text.includes('{"status":"ok"}'));
    socket.destroy();
  });

  test("a request is counted once, when the stream begins", async () => {
    const requests = async () => {
      const metric = await gateway.metrics.getSingleMetric("holdfast_requests_total")?.get();
      return metric?.values
        .filter(({ labels }) => labels["route"] === "/v1/commands/:id" && labels["status"] === "200")
        .reduce((sum, { value }) => sum + value, 0);
    };
    const record = aCommand(await newEvent());
    const before = (await requests()) ?? 0;
    const stream = await follow(record.id);
    expect(await requests()).toBe(before + 1);
    await end(record);
    await stream.ended;
    expect(await requests()).toBe(before + 1);
  });

  test("who hangs up before it is answered leaves nothing behind", async () => {
    const record = aCommand(await newEvent());
    const find = gateway.commands.find.bind(gateway.commands);
    let release: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      gateway.commands.find = async (id) => {
        resolve();
        await new Promise<void>((go) => (release = go));
        return find(id);
      };
    });
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /v1/commands/${record.id} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\nAuthorization: ${ann.auth.authorization}\r\n\r\n`,
    );
    await asked;
    const connections = () =>
      new Promise<number>((resolve) => gateway.app.server.getConnections((_, open) => resolve(open)));
    const before = await connections();
    socket.destroy();
    await until("the server to see it", async () => (await connections()) < before);
    gateway.commands.find = find;
    release();
    await until("the request to be over", async () => (await openStreams()) === 0);
  });
});

describe("an event's availability", () => {
  beforeAll(() => open());
  afterAll(() => gateway.close());
  afterEach(nothingLeft);

  const take = (eventId: EventId, tickets: number) =>
    gateway.database.pool.query(
      "UPDATE slots SET held = held + $2, inventory = inventory + 1 WHERE id = (SELECT min(id) FROM slots WHERE event_id = $1)",
      [eventId, tickets],
    );

  test("is told at once and when it changes, within a second of it, to everybody alike by one read", async () => {
    const eventId = await newEvent();
    const { query } = gateway.database.pool;
    const polled = await gateway.ask({ url: `/v1/events/${eventId}/availability` });
    let reads = 0;
    const streams = await Promise.all(Array.from({ length: 10 }, () => view(eventId)));
    for (const stream of streams) await heard(stream, 1);
    expect(streams[0]?.headers).toMatchObject({ "cache-control": "no-store", "x-accel-buffering": "no" });
    const first = streams[0]?.events[0];
    expect(first).toMatchObject({
      event: "availability",
      id: String(polled.headers["etag"]).replaceAll('"', ""),
    });
    expect(Availability.parse(first?.data)).toEqual(polled.body);

    gateway.database.pool.query = ((...asked: Parameters<typeof query>) => {
      if (String(asked[0]).includes("FROM events e ")) reads += 1;
      return query.apply(gateway.database.pool, asked);
    }) as typeof query;
    await take(eventId, 3);
    const changedAt = performance.now();
    await tell(eventId);
    for (const stream of streams) await heard(stream, 2);
    expect(performance.now() - changedAt).toBeLessThan(BEHIND_MAX_MS);
    gateway.database.pool.query = query;
    expect(reads).toBe(1);
    for (const stream of streams) {
      expect(stream.events[1]?.data).toMatchObject({ availableTickets: 17, totalTickets: 20 });
    }
    expect(gateway.progress.events).toBe(1);
    for (const stream of streams) stream.hangUp();
  });

  test("what only time changes is told, too", async () => {
    const eventId = await newEvent({ salesOpenAt: new Date(Date.now() + 1_500).toISOString() });
    const stream = await view(eventId);
    await heard(stream, 2);
    expect(stream.events.map(({ data }) => data.status)).toEqual(["scheduled", "onSale"]);
    stream.hangUp();
  });

  test("so are pausing and resuming, through whichever gateway", async () => {
    const eventId = await newEvent();
    const stream = await view(eventId);
    await heard(stream, 1);
    const order = (what: string) =>
      gateway.ask({ method: "POST", url: `/v1/events/${eventId}/${what}`, headers: organizer.auth });
    await order("pause");
    await heard(stream, 2);
    await order("resume");
    await heard(stream, 3);
    expect(stream.events.map(({ data }) => data.status)).toEqual(["onSale", "paused", "onSale"]);
    stream.hangUp();
  });

  test("a change that nobody told of is found by looking now and then", { timeout: 15_000 }, async () => {
    const eventId = await newEvent();
    const stream = await view(eventId);
    const channel = progressChannel(gateway.redis.prefix, eventId);
    const listeners = () => gateway.redis.redis.pubsub("NUMSUB", channel);
    await until("the channel to be listened to", async () => (await listeners())[1] === 1);
    await take(eventId, 1);
    await tell(eventId);
    await heard(stream, 2); // what is read when it begins to be listened to is read
    await setPaused(gateway.database.pool, eventId, true);
    await heard(stream, 3);
    expect(stream.events[2]?.data.status).toBe("paused");
    stream.hangUp();
  });

  test("who comes back is told only what it does not know; an event that is not there is 404", async () => {
    const eventId = await newEvent();
    const first = await view(eventId);
    await heard(first, 1);
    const id = String(first.events[0]?.id);
    const [knows, older] = await Promise.all(
      [id, "1.0"].map((known) => view(eventId, { "last-event-id": known })),
    );
    if (knows === undefined || older === undefined) throw new Error("two streams were asked for");
    await heard(older, 1);
    await take(eventId, 1);
    await tell(eventId);
    await heard(knows, 1);
    expect(knows.events[0]?.data.availableTickets).toBe(19);
    for (const stream of [first, knows, older]) stream.hangUp();
    expect((await view(newId("event"))).status).toBe(404);
    expect((await readEvents(`${gateway.url}/v1/events/nonsense/availability`)).status).toBe(404);
  });
});

describe("all streams", () => {
  afterEach(() => gateway.close());

  test("the limits are those that were promised", () => {
    gateway = { close: async () => undefined } as GatewayUnderTest;
    expect([STREAMS_PER_USER_MAX, STREAMS_MAX, HEARTBEAT_MS]).toEqual([20, 10_000, 15_000]);
    expect([STREAM_AGE_MS, STREAM_SLOW_MS, POSITIONS_EVERY_MS]).toEqual([600_000, 10_000, 1_000]);
    expect(STREAM_BUFFER_BYTES_MAX).toBe(64 * 1024);
  });

  test("a gateway has at most so many, and an address, where requests are counted", async () => {
    await openWith({ all: 3 });
    const eventId = await newEvent();
    const streams = await Promise.all([1, 2, 3].map(() => view(eventId)));
    const refused = await view(eventId);
    expect([refused.status, Number(refused.headers["retry-after"])]).toEqual([503, expect.any(Number)]);
    for (const stream of streams) stream.hangUp();
    await nothingLeft();
    await gateway.close();

    await open({ limits: true });
    const other = await newEvent();
    const two = await Promise.all([view(other), view(other)]);
    expect((await view(other)).status).toBe(429);
    for (const stream of two) stream.hangUp();
    await nothingLeft();
  });

  test("say something while there is nothing to tell", async () => {
    await openWith({ heartbeatMs: 50 });
    const record = aCommand(await newEvent());
    const stream = await follow(record.id);
    await until("heartbeats", () => stream.heartbeats >= 3);
    expect(stream.events).toHaveLength(1);
    stream.hangUp();
    await nothingLeft();
  });

  test("end after a while, cleanly, and with the token by which they were opened", async () => {
    await openWith({ heartbeatMs: 50, ageMs: 200 });
    const record = aCommand(await newEvent());
    expect(await (await follow(record.id)).ended).toBe(true);
    await nothingLeft();
    await gateway.close();

    await openWith({ heartbeatMs: 50 });
    const kept = aCommand(await newEvent());
    const stream = await follow(kept.id);
    await heard(stream, 1);
    const { id } = ann;
    gateway.standing.userChanged({ id, role: "user", disabled: true, changedAt: Date.now() });
    expect(await stream.ended).toBe(true);
    await nothingLeft();
  });

  test("of somebody else's command end when their reader is no admin any more", async () => {
    await openWith({ heartbeatMs: 50 });
    const record = aCommand(await newEvent());
    const admin = await gateway.person("admin");
    const stream = await follow(record.id, {}, admin);
    await heard(stream, 1);
    gateway.standing.userChanged({ id: admin.id, role: "organizer", disabled: false, changedAt: Date.now() });
    expect(await stream.ended).toBe(true);
    await nothingLeft();
  });

  test("one whose reader does not read is told nothing that will be out of date, and is cut in the end", async () => {
    await openWith({ heartbeatMs: 50, slowMs: 300, bufferBytes: 0 });
    const eventId = await newEvent({ description: "x".repeat(1_000) });
    const record = aCommand(eventId);
    const { hostname, port } = new URL(gateway.url);
    const sockets: Socket[] = [];
    gateway.app.server.on("connection", (socket) => sockets.push(socket));
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write(
      `GET /v1/commands/${record.id} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\nAuthorization: ${ann.auth.authorization}\r\n\r\n`,
    );
    await until("the stream to be open", async () => (await openStreams()) === 1);
    // What the kernel takes does not wait here: this socket's has taken all that it does.
    sockets.at(-1)?.cork();
    const gone = new Promise((resolve) => socket.resume().once("close", resolve));
    await gone;
    const cut = await gateway.metrics.getSingleMetric("holdfast_streams_cut_total")?.get();
    expect(cut?.values.map(({ labels, value }) => [labels["kind"], value])).toContainEqual(["command", 1]);
    await nothingLeft();
  });

  test("end when the gateway stops, with their connections; clients come back with what they know", async () => {
    await open();
    const eventId = await newEvent();
    const record = aCommand(eventId);
    const streams = await Promise.all([follow(record.id), view(eventId)]);
    for (const stream of streams) await heard(stream, 1);
    gateway.streams.stop();
    for (const stream of streams) expect(await stream.ended).toBe(true);
    expect((await follow(record.id)).status).toBe(503);
    const connections = () =>
      new Promise<number>((resolve) => gateway.app.server.getConnections((_, open) => resolve(open)));
    await until("no connection to be left", async () => (await connections()) === 0);
    await nothingLeft();
  });

  test("a channel is listened to for as long as somebody watches", async () => {
    await open();
    const eventId = await newEvent();
    const channel = progressChannel(gateway.redis.prefix, eventId);
    const listeners = async () => Number((await gateway.redis.redis.pubsub("NUMSUB", channel))[1]);
    const streams = await Promise.all([view(eventId), follow(aCommand(eventId).id)]);
    await until("the channel to be listened to", async () => (await listeners()) === 1);
    for (const stream of streams) stream.hangUp();
    await until("nobody to listen", async () => (await listeners()) === 0);
    await nothingLeft();
  });
});
