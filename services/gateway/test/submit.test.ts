// From a command to its answer: what is heard in time, what is promised, and what is refused. The tables and Redis are
// real; the way into the queue is played, so that each of its endings can be had at will.
import { acceptCommands, findCommands } from "@holdfast/db";
import type { Command, CommandId, Outcome, Reservation } from "@holdfast/domain";
import {
  type Enqueued,
  eventKeys,
  openPatientRedis,
  openReplies,
  type Producer,
  progressChannel,
  type Replies,
  type Reply,
} from "@holdfast/event-queue";
import {
  createEvent,
  createUsers,
  expireDue,
  openTestDatabase,
  openTestRedis,
  reserve,
  type TestDatabase,
  type TestRedis,
} from "@holdfast/testkit";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { coalesce } from "../src/coalesce.ts";
import { type Commands, createCommands, type Submission } from "../src/submit.ts";

/** Milliseconds that an answer may take beyond the wait that was asked for. */
const PAST_WAIT_MAX_MS = 1_000;

let database: TestDatabase;
let redis: TestRedis;
let eventId: Awaited<ReturnType<typeof createEvent>>["id"];
let userId: Awaited<ReturnType<typeof createUsers>>[number];

beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  eventId = (await createEvent(database.pool)).id;
  [userId] = (await createUsers(database.pool, 1)) as [typeof userId];
});
afterAll(async () => {
  await redis.close();
  await database.close();
});
afterEach(async () => {
  const { count, withdrawn } = eventKeys(redis.prefix, eventId);
  await redis.redis.del(count, withdrawn);
});

/** A way into the queue that ends as the test says, and the reply channel behind it. */
function play(
  ending: (command: Command) => Enqueued | Promise<Enqueued>,
  { full = false, counters = redis.redis, heard }: { full?: boolean; counters?: Redis; heard?: Replies } = {},
) {
  const sent: Command[] = [];
  const waiters = new Map<CommandId, Set<(reply: Reply) => void>>();
  const errors: unknown[] = [];
  const looks: (() => void)[] = [];
  const producer: Producer = {
    enqueue: async (command) => {
      sent.push(command);
      return ending(command);
    },
    isFull: () => full,
  };
  const replies: Replies = {
    get waiting() {
      return [...waiters.values()].reduce((sum, set) => sum + set.size, 0);
    },
    expect(id, onReply) {
      const set = waiters.get(id) ?? new Set();
      waiters.set(id, set.add(onReply));
      return () => set.delete(onReply);
    },
    onReturn: (look) => void looks.push(look),
  };
  const reply = (commandId: CommandId, outcome: Outcome, replayed = false, at: Reply["at"] = null): void => {
    const expecting = [...(waiters.get(commandId) ?? [])];
    waiters.delete(commandId);
    for (const onReply of expecting) onReply({ commandId, outcome, replayed, at });
  };
  const watched = new Map<CommandId, () => void>();
  const commands: Commands = createCommands({
    pool: database.pool,
    redis: counters,
    prefix: redis.prefix,
    producer,
    replies: heard ?? replies,
    progress: {
      ofCommand(_, id, look) {
        watched.set(id, look);
        return () => watched.delete(id);
      },
    },
    onError: (error) => errors.push(error),
    random: () => 0,
  });
  /** The reply channel is back after it was away. */
  const channelReturns = (): void => {
    for (const look of looks) look();
  };
  return { commands, sent, reply, replies, watched, channelReturns, errors };
}

const ask = (extra: { key?: string } = {}): Command => reserve(eventId, userId, extra);
const soon = (command: Command, over: Partial<Submission> = {}): Submission => ({
  command,
  waitMs: 5_000,
  respondAsync: false,
  ...over,
});
const enqueued = (): Enqueued => ({ kind: "enqueued", ticket: 7, position: 3 });
const soldOut: Outcome = { status: "rejected", refusal: { code: "sold-out" } };
const lost = (kind: "not-sent" | "unknown"): Enqueued => ({ kind, error: new Error("the carrier is gone") });

let seq = 0;
async function writeOutcome(command: Command, outcome: Outcome): Promise<void> {
  seq += 1;
  await database.pool.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())`,
    [
      command.id,
      command.eventId,
      seq,
      command.type,
      command.userId,
      outcome.status,
      JSON.stringify(outcome),
      new Date(command.at),
    ],
  );
}

test("an outcome that is heard in time is the answer, and nothing is promised", async () => {
  const { commands, reply, replies } = play((command) => {
    queueMicrotask(() => reply(command.id, soldOut));
    return enqueued();
  });
  const command = ask();
  expect(await commands.submit(soon(command))).toEqual({ kind: "ended", outcome: soldOut, replayed: false });
  expect(await findCommands(database.pool, [command.id])).toEqual([]);
  expect(replies.waiting).toBe(0);
});

test("a repeat that the worker answers again is marked as one", async () => {
  const { commands, reply } = play((command) => {
    queueMicrotask(() => reply(command.id, soldOut, true));
    return enqueued();
  });
  expect(await commands.submit(soon(ask({ key: "k" })))).toMatchObject({ kind: "ended", replayed: true });
});

test("a repeat while the first one runs here rides along with it, and is not sent again", async () => {
  const { commands, reply, sent } = play(async () => enqueued());
  const command = ask({ key: "twice" });
  const both = [commands.submit(soon(command)), commands.submit(soon(command))];
  await Promise.resolve();
  reply(command.id, soldOut);
  expect(await Promise.all(both)).toEqual([
    { kind: "ended", outcome: soldOut, replayed: false },
    { kind: "ended", outcome: soldOut, replayed: true },
  ]);
  expect(sent).toHaveLength(1);
});

test("when nothing is heard in time the command is promised in the tables before it is answered", async () => {
  const { commands } = play(enqueued);
  const command = ask();
  await redis.redis.hset(eventKeys(redis.prefix, eventId).count, { enqueued: 9, done: 5 });
  const answer = await commands.submit(soon(command, { waitMs: 1 }));
  expect(answer).toMatchObject({
    kind: "queued",
    retryAfterSeconds: 1,
    record: { status: "queued", position: 2 },
  });
  expect(await findCommands(database.pool, [command.id])).toMatchObject([{ id: command.id, ticket: 7 }]);
});

test("the repeat of a keyed command that is still running is told to be one", async () => {
  const { commands } = play(enqueued);
  const command = ask({ key: "again" });
  const asked = soon(command, { respondAsync: true });
  expect(await commands.submit(asked)).toMatchObject({ kind: "queued", replayed: false });
  expect(await commands.submit(asked)).toMatchObject({ kind: "queued", replayed: true });
  const later = { ...command, at: command.at + 1 };
  expect(await commands.submit(soon(later, { waitMs: 1 }))).toMatchObject({
    kind: "queued",
    replayed: true,
  });
});

test("a repeat that hears the answer to the first one's job is marked by the first one's stamp", async () => {
  const { commands, reply } = play(enqueued);
  const first = ask({ key: "promised, then waited for" });
  expect(await commands.submit(soon(first, { respondAsync: true }))).toMatchObject({ replayed: false });
  for (const [at, replayed] of [
    [first.at, true],
    [first.at + 1, false],
    [null, false], // of an older worker
  ] as const) {
    const waiting = commands.submit(soon({ ...first, at: first.at + 1 }));
    await Promise.resolve();
    reply(first.id, soldOut, false, at);
    expect(await waiting).toEqual({ kind: "ended", outcome: soldOut, replayed });
  }
});

test("who does not want to wait for a command that somebody here waits for is told that it repeats it; the first is not", async () => {
  const { commands, sent } = play(enqueued);
  const first = ask({ key: "waited for, then promised" });
  const waiting = commands.submit(soon(first, { waitMs: 60_000 }));
  const repeat = { ...first, at: first.at + 1 };
  const record = { id: first.id, submittedAt: first.at, ticket: 7 };
  for (const replayed of [true, true]) {
    const answer = await commands.submit(soon(repeat, { respondAsync: true }));
    expect(answer).toMatchObject({ kind: "queued", replayed, record });
  }
  commands.hurry();
  expect(await waiting).toMatchObject({ kind: "queued", replayed: false, record });
  expect(sent).toEqual([first]);
});

test("R3: a Redis that falls silent costs a promise its hints, and hardly any time", async () => {
  const silent = {
    hfReadPace: () => new Promise(() => undefined),
    time: () => new Promise(() => undefined),
  } as unknown as Redis;
  const { commands } = play(() => new Promise(() => undefined), { counters: silent });
  const promised = { kind: "queued", record: { position: null } };
  const askedAt = performance.now();
  const [late, first] = [soon(ask(), { waitMs: 1 }), soon(ask(), { respondAsync: true })];
  expect(await Promise.all([commands.submit(late), commands.submit(first)])).toMatchObject([
    promised,
    promised,
  ]);
  expect(performance.now() - askedAt).toBeLessThan(PAST_WAIT_MAX_MS);
});

test("when nothing is heard but the outcome's row is there, it is the answer", async () => {
  const { commands } = play(enqueued);
  const command = ask();
  await writeOutcome(command, soldOut);
  expect(await commands.submit(soon(command, { waitMs: 1 }))).toEqual({
    kind: "ended",
    outcome: soldOut,
    replayed: false,
  });
});

test("R3: an outcome whose message was lost is found when the reply channel is back; who has none yet waits on", async () => {
  const { commands, channelReturns, reply } = play(enqueued);
  const [ended, other] = [ask(), ask()];
  await writeOutcome(ended, soldOut);
  const answers = [commands.submit(soon(ended)), commands.submit(soon(other))];
  channelReturns();
  const answer = { kind: "ended", outcome: soldOut, replayed: false };
  expect(await answers[0]).toEqual(answer);
  reply(other.id, soldOut);
  expect(await answers[1]).toEqual(answer);
  expect(await findCommands(database.pool, [other.id])).toEqual([]);
});

test("an add whose fate is unknown is promised at once, not waited for", async () => {
  const { commands } = play(() => lost("unknown"));
  const command = ask();
  expect(await commands.submit(soon(command))).toMatchObject({ kind: "queued" });
  expect(await findCommands(database.pool, [command.id])).toHaveLength(1);
});

test("what the carrier did not take is refused and leaves nothing behind", async () => {
  const { commands } = play(() => lost("not-sent"));
  const command = ask({ key: "later" });
  expect(await commands.submit(soon(command))).toEqual({ kind: "unavailable", retryAfterSeconds: 1 });
  expect(await findCommands(database.pool, [command.id])).toEqual([]);
});

test("a full queue refuses, but for the keyed repeat of a command that has ended", async () => {
  const { commands } = play(() => ({ kind: "full" }));
  expect(await commands.submit(soon(ask()))).toEqual({ kind: "queue-full", retryAfterSeconds: 1 });
  const ended = ask({ key: "done" });
  await writeOutcome(ended, soldOut);
  expect(await commands.submit(soon(ended))).toEqual({ kind: "ended", outcome: soldOut, replayed: true });
});

test("what repeats nothing is not even sent when the queue is known to be full", async () => {
  const { commands, sent } = play(enqueued, { full: true });
  expect(await commands.submit(soon(ask()))).toEqual({ kind: "queue-full", retryAfterSeconds: 1 });
  expect(sent).toEqual([]);
});

test("respond-async promises first and sends then", async () => {
  const promised: boolean[] = [];
  const { commands } = play(async (command) => {
    promised.push((await findCommands(database.pool, [command.id])).length === 1);
    return enqueued();
  });
  const answer = await commands.submit(soon(ask(), { respondAsync: true }));
  expect(answer).toMatchObject({ kind: "queued", record: { position: 1 } });
  expect(promised).toEqual([true]);
});

test("respond-async stands by its promise when the queue does not take the command", async () => {
  const { commands } = play(() => lost("not-sent"));
  const command = ask();
  expect(await commands.submit(soon(command, { respondAsync: true }))).toMatchObject({ kind: "queued" });
  expect(await findCommands(database.pool, [command.id])).toHaveLength(1);
});

test("respond-async promises nothing when the queue is full", async () => {
  const { commands } = play(enqueued, { full: true });
  const command = ask();
  expect(await commands.submit(soon(command, { respondAsync: true }))).toMatchObject({ kind: "queue-full" });
  expect(await findCommands(database.pool, [command.id])).toEqual([]);
});

test("respond-async answers a keyed repeat with the outcome, or with the promise that stands", async () => {
  const { commands, sent } = play(enqueued);
  const ended = ask({ key: "ended" });
  await writeOutcome(ended, soldOut);
  expect(await commands.submit(soon(ended, { respondAsync: true }))).toMatchObject({
    kind: "ended",
    replayed: true,
  });
  const waiting = ask({ key: "waiting" });
  await acceptCommands(database.pool, [{ command: waiting, ticket: null }]);
  expect(await commands.submit(soon(waiting, { respondAsync: true }))).toMatchObject({ kind: "queued" });
  expect(sent).toEqual([]);
});

test("a sender who is not there any more is refused, and spoils nobody else's promise", async () => {
  const { commands } = play(() => lost("unknown"));
  const stranger = { ...ask(), userId: "usr_00000000000000000000000000" as typeof userId } as Command;
  const others = [ask(), ask()];
  const answers = await Promise.all([...others, stranger].map((command) => commands.submit(soon(command))));
  expect(answers.map(({ kind }) => kind)).toEqual(["queued", "queued", "unknown-sender"]);
  expect(
    await findCommands(
      database.pool,
      [...others, stranger].map(({ id }) => id),
    ),
  ).toHaveLength(2);
});

test("the repeat of a promised command is told of the promise, with its first stamp, though the queue is full", async () => {
  const { commands } = play(() => ({ kind: "full" }));
  const first = ask({ key: "promised" });
  await acceptCommands(database.pool, [{ command: first, ticket: null }]);
  const repeat = { ...first, at: first.at + 5_000 };
  expect(await commands.submit(soon(repeat))).toMatchObject({
    kind: "queued",
    record: { id: first.id, submittedAt: first.at },
  });
});

test("the repeat of a command that had ended is marked, also when only the row tells of it", async () => {
  const { commands } = play(enqueued);
  const ended = ask({ key: "row" });
  await writeOutcome(ended, soldOut);
  const repeat = { ...ended, at: Date.now() + 60_000 };
  expect(await commands.submit(soon(repeat, { waitMs: 1 }))).toMatchObject({ kind: "ended", replayed: true });
});

test("respond-async notes the command's number, so that its position can be told", async () => {
  const { commands } = play(enqueued);
  await redis.redis.hset(eventKeys(redis.prefix, eventId).count, { enqueued: 9, done: 3 });
  const command = ask();
  expect(await commands.submit(soon(command, { respondAsync: true }))).toMatchObject({
    record: { position: 4 },
  });
  expect(await commands.find(command.id)).toMatchObject({ position: 4 });
});

test("respond-async does not wait for a carrier that is silent; one without a number counts as the last", async () => {
  const { commands } = play(() => new Promise<Enqueued>(() => undefined));
  await redis.redis.hset(eventKeys(redis.prefix, eventId).count, { enqueued: 9, done: 3 });
  const waiting = commands.submit(soon(ask(), { respondAsync: true }));
  expect(await waiting).toMatchObject({ kind: "queued", record: { position: 6 } });
});

test("gateways that keep the same commands at once do not wait for each other in a circle", async () => {
  const kept = Array.from({ length: 40 }, () => ({ command: ask(), ticket: null }));
  for (let round = 0; round < 20; round += 1) {
    const fresh = kept.map(({ command }) => ({ command: { ...command, id: ask().id }, ticket: null }));
    await Promise.all([
      acceptCommands(database.pool, fresh),
      acceptCommands(database.pool, fresh.toReversed()),
      acceptCommands(database.pool, fresh.toReversed()),
    ]);
    expect(
      await findCommands(
        database.pool,
        fresh.map(({ command }) => command.id),
      ),
    ).toHaveLength(40);
  }
});

test("a database that fails is `unavailable`, and the cause is reported", async () => {
  const { commands, errors } = play(enqueued);
  const nowhere = { ...ask(), eventId: "evt_00000000000000000000000000" as typeof eventId };
  expect(await commands.submit(soon(nowhere, { waitMs: 1 }))).toEqual({
    kind: "unavailable",
    retryAfterSeconds: 1,
  });
  expect(errors).toHaveLength(1);
});

test("hurry answers everybody who waits with what is known, and lets nobody wait after", async () => {
  const { commands } = play(enqueued);
  const waiting = commands.submit(soon(ask(), { waitMs: 60_000 }));
  await Promise.resolve();
  commands.hurry();
  expect(await waiting).toMatchObject({ kind: "queued" });
  expect(await commands.submit(soon(ask(), { waitMs: 60_000 }))).toMatchObject({ kind: "queued" });
});

test("a long poll ends when progress tells of the outcome, with the deadline, or at once for what is not known", async () => {
  const { commands, watched } = play(enqueued);
  const command = ask();
  expect(await commands.watch(command, 1_000, AbortSignal.timeout(5_000))).toBeNull();
  await acceptCommands(database.pool, [{ command, ticket: 2 }]);
  expect(await commands.watch(command, 0, AbortSignal.timeout(5_000))).toMatchObject({ status: "queued" });
  const watching = commands.watch(command, 10_000, AbortSignal.timeout(20_000));
  watched.get(command.id)?.(); // news that may have been missed: nothing has ended
  await writeOutcome(command, soldOut);
  watched.get(command.id)?.();
  expect(await watching).toMatchObject({ status: "rejected", outcome: soldOut, position: null });
  expect(watched.size).toBe(0);
});

test("a long poll whose news was lost finds the outcome by itself; one that nobody waits for any more ends at once", async () => {
  const { commands, watched } = play(enqueued);
  const [ended, left] = [ask(), ask()];
  await acceptCommands(
    database.pool,
    [ended, left].map((command) => ({ command, ticket: null })),
  );
  const gone = new AbortController();
  const watching = commands.watch(ended, 25_000, AbortSignal.timeout(30_000));
  const leaving = commands.watch(left, 25_000, gone.signal);
  await expect.poll(() => watched.size).toBe(2);
  gone.abort();
  expect(await leaving).toMatchObject({ status: "queued" });
  await writeOutcome(ended, soldOut);
  expect(await watching).toMatchObject({ status: "rejected" });
  expect(watched.size).toBe(0);
}, 15_000);

test("who is queued is told for how long, and asked to come back at about that time", async () => {
  const { commands } = play(enqueued);
  const { count } = eventKeys(redis.prefix, eventId);
  const now = Number((await redis.redis.time())[0]) * 1_000;
  // Twenty a second; the command is the seventh, and two have ended.
  await redis.redis.hset(count, { enqueued: 90, done: 2, since: now - 1_000, "since-done": -18, at: now });
  const command = ask();
  expect(await commands.submit(soon(command, { waitMs: 1 }))).toMatchObject({
    retryAfterSeconds: 1,
    record: { position: 5, estimatedWaitMs: 250 },
  });
  await redis.redis.hset(count, { "since-done": 1 }); // one a second
  expect(await commands.submit(soon(command, { respondAsync: true }))).toMatchObject({ kind: "queued" });
  const [listed] = await commands.list(userId, "queued", 1, null);
  expect([listed?.position, listed?.estimatedWaitMs]).toEqual([5, 5_000]);
});

test("N6: a promised command is withdrawn, once; its repeat is told so, from the queue, from the row, or at a full queue", async () => {
  const withdrawn = { status: "withdrawn" } as const;
  const { commands, reply } = play(enqueued);
  const command = ask({ key: "taken back" });
  expect(await commands.withdraw(command.id)).toBeNull();
  await commands.submit(soon(command, { respondAsync: true }));
  const record = { status: "withdrawn", outcome: withdrawn, position: null, finishedAt: expect.any(Number) };
  expect(await commands.withdraw(command.id)).toMatchObject({ withdrawn: true, record });
  expect(await commands.withdraw(command.id)).toMatchObject({ withdrawn: false, record });
  expect(await commands.find(command.id)).toMatchObject(record);
  expect(await commands.watch(command, 60_000, AbortSignal.timeout(5_000))).toMatchObject(record);
  const told = { kind: "ended", outcome: withdrawn, replayed: true };
  const repeat = { ...command, at: Date.now() + 60_000 };
  expect(await commands.submit(soon(repeat, { respondAsync: true }))).toEqual(told);
  expect(await commands.submit(soon(repeat, { waitMs: 1 }))).toEqual(told);
  expect(await play(() => ({ kind: "full" })).commands.submit(soon(repeat))).toEqual(told);
  const waiting = commands.submit(soon(repeat));
  await Promise.resolve();
  reply(command.id, withdrawn, true);
  expect(await waiting).toEqual(told);
});

test("who is behind withdrawn commands moves up; one whose number is not known, and one that is not withdrawn, moves nobody", async () => {
  let ticket = 0;
  const { count } = eventKeys(redis.prefix, eventId);
  const { commands } = play(async (): Promise<Enqueued> => {
    ticket += 1;
    await redis.redis.hset(count, { enqueued: ticket });
    return { kind: "enqueued", ticket, position: ticket };
  });
  const crowd = Array.from({ length: 5 }, () => ask());
  for (const command of crowd) await commands.submit(soon(command, { respondAsync: true }));
  const unnumbered = ask();
  await acceptCommands(database.pool, [{ command: unnumbered, ticket: null }]);
  const gone = crowd.slice(0, 3);
  for (const { id } of [...gone, ...gone, unnumbered]) await commands.withdraw(id);
  const positions = await Promise.all(crowd.map(async ({ id }) => (await commands.find(id))?.position));
  expect(positions).toEqual([null, null, null, 1, 2]);
  expect(await commands.submit(soon(ask(), { respondAsync: true }))).toMatchObject({
    record: { position: 3 },
  });
});

test("who waits for a command hears at once that it was withdrawn, wherever that was done", async () => {
  const { commands: here } = play(enqueued);
  const connection = openPatientRedis({ url: redis.url, name: "test-replies", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const { commands: elsewhere } = play(enqueued, {
    heard: await openReplies(connection, redis.prefix, "elsewhere"),
  });
  const command = ask({ key: "taken back while waited for" });
  const waits = [command.at, command.at + 1].map((at) =>
    elsewhere.submit(soon({ ...command, at }, { waitMs: 60_000 })),
  );
  await acceptCommands(database.pool, [{ command, ticket: null }]);
  expect(await here.withdraw(command.id)).toMatchObject({ withdrawn: true });
  const told = { kind: "ended", outcome: { status: "withdrawn" } };
  expect(await Promise.all(waits)).toEqual([
    { ...told, replayed: false },
    { ...told, replayed: true },
  ]);
});

test("R3: a withdrawal stands though Redis is silent", async () => {
  const silence = () => new Promise(() => undefined);
  const silent = { hfReadPace: silence, hfNoteWithdrawn: silence, time: silence, publish: silence };
  const { commands } = play(enqueued, { counters: silent as unknown as Redis });
  const command = ask();
  await acceptCommands(database.pool, [{ command, ticket: 2 }]);
  expect(await commands.withdraw(command.id)).toMatchObject({ withdrawn: true });
});

test("who watches a command hears that it was withdrawn, and nothing is said when it was not", async () => {
  const { commands } = play(enqueued);
  const [early, ended, late] = [ask(), ask(), ask()];
  for (const command of [early, ended, late]) await commands.submit(soon(command, { respondAsync: true }));
  await writeOutcome(ended, soldOut);
  const listener = redis.redis.duplicate();
  const heard: string[] = [];
  listener.on("message", (_, text: string) => void heard.push(...JSON.parse(text)));
  await listener.subscribe(progressChannel(redis.prefix, eventId));
  for (const { id } of [early, ended, late]) await commands.withdraw(id);
  await expect.poll(() => heard).toEqual([early.id, late.id]);
  listener.disconnect();
});

test("a command that ended first is not withdrawn, and neither is one that the system asked itself", async () => {
  const { commands } = play(enqueued);
  const [ended, timer] = [ask(), expireDue(eventId, 1_000)];
  await acceptCommands(
    database.pool,
    [ended, timer].map((command) => ({ command, ticket: null })),
  );
  await writeOutcome(ended, soldOut);
  expect(await commands.withdraw(ended.id)).toMatchObject({
    withdrawn: false,
    record: { status: "rejected" },
  });
  expect(await commands.withdraw(timer.id)).toMatchObject({ withdrawn: false, record: { status: "queued" } });
});

test("a list tells ended and waiting commands of one user, and positions only of those that wait", async () => {
  const [other] = (await createUsers(database.pool, 1)) as [typeof userId];
  const { commands } = play(enqueued);
  const at = Date.now();
  const waiting = reserve(eventId, other, { at });
  const ended = reserve(eventId, other, { at: at - 1 }); // the older one by its stamp, though not by its id
  await writeOutcome(ended, { status: "succeeded", reservation: null as Reservation | null });
  await acceptCommands(database.pool, [{ command: waiting, ticket: null }]);
  expect(await commands.list(other, null, 10, null)).toMatchObject([
    { id: waiting.id, status: "queued", position: 1 },
    { id: ended.id, status: "succeeded", position: null },
  ]);
  expect(await commands.list(other, "queued", 10, null)).toMatchObject([{ id: waiting.id }]);
  const after = { submittedAt: waiting.at, id: waiting.id };
  expect(await commands.list(other, null, 10, after)).toMatchObject([{ id: ended.id }]);
});

test("calls that come while one is under way ride together in the next, and share its error", async () => {
  const ridden: number[][] = [];
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const double = coalesce(async (items: readonly number[]) => {
    ridden.push([...items]);
    await gate;
    if (items.includes(13)) throw new Error("unlucky");
    return items.map((item) => item * 2);
  }, 3);
  const answers = [1, 2, 3, 4].map((item) => double(item));
  const unlucky = double(13);
  open();
  expect(await Promise.all(answers)).toEqual([2, 4, 6, 8]);
  await expect(unlucky).rejects.toThrow("unlucky");
  expect(ridden).toEqual([[1], [2, 3, 4], [13]]);
  expect(await double(5)).toBe(10);
});
