// Promised commands and ended ones, as gateways tell of them and sweeps look for them.
import { createHash } from "node:crypto";
import { type Command, type CommandId, type EventId, encodeId, type UserId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  createEvent,
  createUsers,
  expireDue,
  openTestDatabase,
  purchase,
  reserve,
  type TestDatabase,
} from "../../testkit/src/index.ts";
import {
  acceptCommands,
  acceptedOf,
  countExpiredSince,
  eventsWithDueHolds,
  findCommands,
  forgetEnded,
  listCommands,
  overdueEvents,
  withdrawCommand,
} from "../src/index.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const accept = (...commands: Command[]) =>
  acceptCommands(
    database.pool,
    commands.map((command) => ({ command, ticket: null })),
  );

let seq = 0;
/** Ends a command without a worker. */
async function end(command: Command, status = "succeeded"): Promise<void> {
  seq += 1;
  await database.pool.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8 / 1000.0), to_timestamp($8 / 1000.0) + interval '5 milliseconds')`,
    [command.id, command.eventId, seq, command.type, command.userId, status, { status }, command.at],
  );
}

/** As if those were promised so many milliseconds ago. */
const age = (ids: readonly CommandId[], agoMs: number) =>
  database.pool.query(
    `UPDATE accepted_commands SET accepted_at = clock_timestamp() - $2 * interval '1 millisecond'
    WHERE command_id = ANY ($1::text[])`,
    [ids, agoMs],
  );

async function someone(): Promise<{ eventId: EventId; user: UserId }> {
  const event = await createEvent(database.pool);
  const [user = newId("user")] = await createUsers(database.pool, 1);
  return { eventId: event.id, user };
}

test("an accepted command is kept once, as it was first promised, and found as waiting", async () => {
  const { eventId, user } = await someone();
  const command = reserve(eventId, user, { at: 1_700_000_000_123 });
  await acceptCommands(database.pool, [{ command, ticket: 7 }]);
  await acceptCommands(database.pool, [{ command: { ...command, at: 5 }, ticket: 8 }]);
  expect(await findCommands(database.pool, [command.id, newId("command")])).toEqual([
    {
      id: command.id,
      type: "reserve",
      eventId,
      userId: user,
      submittedAt: 1_700_000_000_123,
      finishedAt: null,
      outcome: null,
      seq: null,
      seen: null,
      ticket: 7,
    },
  ]);
  expect(await acceptedOf(database.pool, eventId, { passedMs: null, limit: 10 })).toEqual([command]);
});

test("a command that has ended is found with its number, and what the decision saw", async () => {
  const { eventId, user } = await someone();
  const [told, untold] = [reserve(eventId, user), reserve(eventId, user)];
  await end(told);
  await end(untold);
  await database.pool.query(
    "UPDATE outcomes SET seen_available = 0, seen_waiting = 12 WHERE command_id = $1",
    [told.id],
  );
  const found = await findCommands(database.pool, [told.id, untold.id]);
  const of = (id: CommandId) => found.find((command) => command.id === id);
  expect(of(told.id)).toMatchObject({ seq: seq - 1, seen: { available: 0, waitingAhead: 12 } });
  expect(of(untold.id)).toMatchObject({ seq, seen: null });
});

test("a command that has ended is not promised again, and is found as ended also beside its promise", async () => {
  const { eventId, user } = await someone();
  const [ended, both] = [reserve(eventId, user), reserve(eventId, user)];
  await accept(both);
  await Promise.all([end(ended), end(both)]);
  await accept(ended, both);
  const found = await findCommands(database.pool, [ended.id, both.id]);
  expect(found.map(({ outcome }) => outcome?.status)).toEqual(["succeeded", "succeeded"]);
  expect(found.map(({ finishedAt, submittedAt }) => (finishedAt ?? 0) - submittedAt)).toEqual([5, 5]);
  expect(await acceptedOf(database.pool, eventId, { passedMs: null, limit: 10 })).toEqual([both]);
});

test("a leftover promise is forgotten, but not in the moment in which it is made", async () => {
  const { eventId, user } = await someone();
  const [old, fresh, open] = [reserve(eventId, user), reserve(eventId, user), reserve(eventId, user)];
  await accept(old, fresh, open);
  await Promise.all([end(old), end(fresh)]);
  await age([old.id, open.id], 1_500);
  expect(await forgetEnded(database.pool)).toEqual([old.id]);
  const left = await acceptedOf(database.pool, eventId, { passedMs: null, limit: 10 });
  expect(left.map(({ id }) => id).sort()).toEqual([fresh.id, open.id].sort());
});

test("a promised command is withdrawn once: its outcome keeps stamp, key and fingerprint, its promise is gone", async () => {
  const { eventId, user } = await someone();
  const at = 1_700_000_000_123;
  const command = { ...reserve(eventId, user, { key: "mine", at }), fingerprint: "a print" };
  await acceptCommands(database.pool, [{ command, ticket: 7 }]);
  const record = {
    id: command.id,
    type: "reserve",
    eventId,
    userId: user,
    submittedAt: at,
    finishedAt: expect.any(Number),
    outcome: { status: "withdrawn" },
    seq: null,
    seen: null,
    ticket: null,
  };
  expect(await withdrawCommand(database.pool, command.id)).toEqual({ ...record, ticket: 7 });
  expect(await withdrawCommand(database.pool, command.id)).toBeNull();
  expect(await findCommands(database.pool, [command.id])).toEqual([record]);
  expect(await acceptedOf(database.pool, eventId, { passedMs: null, limit: 10 })).toEqual([]);
  const { rows } = await database.pool.query(
    "SELECT status, idempotency_key, fingerprint FROM outcomes WHERE command_id = $1",
    [command.id],
  );
  expect(rows).toEqual([{ status: "withdrawn", idempotency_key: "mine", fingerprint: "a print" }]);
  const page = { userId: user, limit: 10, after: null };
  const withdrawn = await listCommands(database.pool, { ...page, status: "withdrawn" });
  expect(withdrawn.map(({ id }) => id)).toEqual([command.id]);
  expect(await listCommands(database.pool, { ...page, status: "queued" })).toEqual([]);
});

test("nothing is withdrawn that has ended, that was never promised, or that nobody sent", async () => {
  const { eventId, user } = await someone();
  const [ended, unknown, timer] = [reserve(eventId, user), reserve(eventId, user), expireDue(eventId, 1_000)];
  await accept(ended);
  await end(ended, "rejected");
  await accept(timer);
  for (const { id } of [ended, unknown, timer]) expect(await withdrawCommand(database.pool, id)).toBeNull();
  const found = await findCommands(database.pool, [ended.id, unknown.id, timer.id]);
  expect(new Map(found.map(({ id, outcome }) => [id, outcome?.status ?? "queued"]))).toEqual(
    new Map([
      [ended.id, "rejected"],
      [timer.id, "queued"],
    ]),
  );
});

test("a command is withdrawn by index, whatever the tables hold", async () => {
  const texts: string[] = [];
  const recording = {
    query: async ({ text }: { text: string }) => {
      texts.push(text);
      return { rows: [] };
    },
  } as unknown as typeof database.pool;
  await withdrawCommand(recording, newId("command"));
  const { rows } = await database.pool.query<Record<string, string>>(
    `EXPLAIN (GENERIC_PLAN, COSTS OFF) ${texts[0]}`,
  );
  const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
  expect(plan).toContain("accepted_commands_pkey");
  expect(plan).not.toMatch(/Seq Scan|Hash|Merge/);
});

test("of commands under one key that are withdrawn at once one keeps it, and all are withdrawn", async () => {
  const { eventId, user } = await someone();
  const commands = Array.from({ length: 6 }, () => reserve(eventId, user, { key: "shared" }));
  await accept(...commands);
  const ended = await Promise.all(commands.map(({ id }) => withdrawCommand(database.pool, id)));
  expect(ended.map((record) => record?.outcome.status)).toEqual(commands.map(() => "withdrawn"));
  const { rows } = await database.pool.query(
    "SELECT count(*)::int AS ended, count(idempotency_key)::int AS keyed FROM outcomes WHERE user_id = $1",
    [user],
  );
  expect(rows).toEqual([{ ended: 6, keyed: 1 }]);
});

/** The id of a keyed command: a hash, which says nothing of when. */
const hashed = (n: number): CommandId =>
  encodeId("command", createHash("sha256").update(`key ${n}`).digest().subarray(0, 16));

test("a user's commands are listed newest first, in pages, waiting and ended ones together or apart", async () => {
  const { eventId, user } = await someone();
  const [stranger = newId("user")] = await createUsers(database.pool, 1);
  const AT = 1_750_000_000_123;
  // Named by hashes; the last two are of the same millisecond.
  const commands = [0, 1, 2, 3, 4, 5, 5].map((later, n) => ({
    ...reserve(eventId, user, { at: AT + later }),
    id: hashed(n),
  }));
  const oldestFirst = commands.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const ids = oldestFirst.map(({ id }) => id);
  expect(ids).not.toEqual(ids.toSorted());
  const [c0, c1, c2, c3, c4, c5, c6] = oldestFirst as [
    Command,
    Command,
    Command,
    Command,
    Command,
    Command,
    Command,
  ];
  await accept(reserve(eventId, stranger), c1, c0, c2, c6);
  await end(c2); // promised and ended: listed once, as ended
  await end(c3);
  await end(c4, "rejected");
  await end(c5, "failed");
  const list = async (
    status: Parameters<typeof listCommands>[1]["status"],
    limit = 10,
    last: Command | null = null,
  ) => {
    const after = last === null ? null : { submittedAt: last.at, id: last.id };
    const found = await listCommands(database.pool, { userId: user, status, limit, after });
    return found.map(({ id }) => ids.indexOf(id));
  };
  expect(await list(null)).toEqual([6, 5, 4, 3, 2, 1, 0]);
  expect(await list(null, 2)).toEqual([6, 5]);
  expect(await list(null, 1, c6)).toEqual([5]);
  expect(await list(null, 3, c4)).toEqual([3, 2, 1]);
  expect(await list(null, 3, c0)).toEqual([]);
  expect(await list("queued")).toEqual([6, 1, 0]);
  expect(await list("queued", 1, c6)).toEqual([1]);
  expect(await list("succeeded")).toEqual([3, 2]);
  expect(await list("rejected")).toEqual([4]);
  expect(await list("failed")).toEqual([5]);
});

test("overdue are events with old promises, the oldest first, but for paused ones", async () => {
  await database.pool.query("DELETE FROM accepted_commands");
  const [one, other, halted, fresh] = await Promise.all([someone(), someone(), someone(), someone()]);
  const at = Date.now() - 60_000;
  const commands = [one, other, halted, fresh].map(({ eventId, user }) => reserve(eventId, user, { at }));
  await accept(...commands);
  const ids = commands.map(({ id }) => id);
  await age(ids.slice(0, 1), 5_000);
  await age(ids.slice(1, 2), 6_000);
  await age(ids.slice(2, 3), 7_000);
  await database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [halted.eventId]);
  await database.pool.query("UPDATE event_lanes SET logical_at = now() WHERE event_id = $1", [one.eventId]);
  const overdue = () => overdueEvents(database.pool, { graceMs: 2_000, passedMs: 5_000, limit: 10 });
  expect(await overdue()).toEqual([
    { eventId: other.eventId, passed: false },
    { eventId: one.eventId, passed: true },
  ]);
  const passed = await acceptedOf(database.pool, one.eventId, { passedMs: 5_000, limit: 10 });
  expect(passed.map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(await acceptedOf(database.pool, other.eventId, { passedMs: 5_000, limit: 10 })).toEqual([]);
  expect(await overdueEvents(database.pool, { graceMs: 2_000, passedMs: 5_000, limit: 1 })).toHaveLength(1);
});

test("holds are due from their deadline and the grace on, unless paused, or bought in time", async () => {
  const holders = await Promise.all([someone(), someone(), someone(), someone()]);
  const agesMs = [5_000, 5_000, 5_000, 100];
  const ids = await Promise.all(
    holders.map(async ({ eventId, user }, i) => {
      const id = newId("reservation");
      await database.pool.query(
        `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
          during, exclusive)
        SELECT $1, $2, s.id, $3, 1, 'held', 'public', date_trunc('milliseconds', clock_timestamp()) - $4 * interval '1 millisecond', now(),
          tstzrange(s.starts_at, s.ends_at), true FROM slots s WHERE s.event_id = $2`,
        [id, eventId, user, agesMs[i]],
      );
      return id;
    }),
  );
  const [late, halted, bought] = holders;
  if (late === undefined || halted === undefined || bought === undefined)
    throw new Error("holders are missing");
  await database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [halted.eventId]);
  const promised = purchase(bought.eventId, bought.user, ids[2] ?? newId("reservation"), {
    at: Date.now() - 6_000,
  });
  await accept(promised);
  const due = await eventsWithDueHolds(database.pool, { lateMs: 0, limit: 10 });
  expect(due).toEqual([{ eventId: late.eventId, dueAt: expect.any(Number), holds: 1 }]);
  expect(Math.abs((due[0]?.dueAt ?? 0) - (Date.now() - 5_000))).toBeLessThan(4_000);
  expect(await eventsWithDueHolds(database.pool, { lateMs: 60_000, limit: 10 })).toEqual([]);
  await withdrawCommand(database.pool, promised.id); // then nobody wants it any more
  const unwanted = await eventsWithDueHolds(database.pool, { lateMs: 0, limit: 10 });
  expect(unwanted.map((one) => one.eventId).sort()).toEqual([late.eventId, bought.eventId].sort());
  const begun = Date.now() - 60_000;
  expect(await countExpiredSince(database.pool, [late.eventId], begun)).toBe(0);
  await database.pool.query(
    "UPDATE reservations SET status = 'expired', ended_at = now(), end_reason = 'deadline' WHERE id = $1",
    [ids[0]],
  );
  expect(await countExpiredSince(database.pool, [late.eventId], begun)).toBe(1);
  expect(await countExpiredSince(database.pool, [], begun)).toBe(0);
  expect(await countExpiredSince(database.pool, [late.eventId], Date.now() + 60_000)).toBe(0);
});
