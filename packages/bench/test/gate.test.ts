// The gate itself: it lets a right block pass, and one changed row or one odd answer not.
import { createEvent, createUsers, openTestDatabase, reserve, type TestDatabase } from "@holdfast/testkit";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createBaseline } from "../src/baselines/baseline.ts";
import { commandsPerCommit, findFaults } from "../src/gate.ts";
import type { Answers } from "../src/load-messages.ts";

const SOLD = 3;
const databases: TestDatabase[] = [];
let database: TestDatabase;
let eventId: Awaited<ReturnType<typeof createEvent>>["id"];

beforeEach(async () => {
  database = await openTestDatabase();
  databases.push(database);
  ({ id: eventId } = await createEvent(database.pool));
  const baseline = await createBaseline("row-lock", {
    databaseUrl: database.url,
    redisUrl: "",
    prefix: "",
    connections: 1,
  });
  const commands = baseline.commands(() => {});
  for (const user of await createUsers(database.pool, SOLD))
    await commands.submit({ command: reserve(eventId, user), waitMs: 0, respondAsync: false });
  await baseline.close();
});
afterAll(() => Promise.all(databases.map((one) => one.close())));

const answers = (over: Partial<Answers> = {}): Answers => ({
  sent: SOLD,
  statuses: { "201": SOLD },
  errors: 0,
  oddBody: null,
  window: { seconds: 1, answered: SOLD, meanMs: 1, p50Ms: 1, p99Ms: 1 },
  ...over,
});

test("a block in which all rows are as answered has no faults", async () => {
  expect(await findFaults(database.pool, eventId, answers())).toEqual([]);
  expect(await commandsPerCommit(database.pool, eventId)).toBe(1);
});

test.each([
  ["a counter is off by one", "UPDATE slots SET held = held + 1"],
  ["a reservation is missing", "DELETE FROM reservations WHERE id = (SELECT min(id) FROM reservations)"],
  ["an outcome is missing", "DELETE FROM outcomes WHERE seq = 2"],
  ["an outcome has another number", "UPDATE outcomes SET seq = 9 WHERE seq = 3"],
  ["the event's next number is wrong", "UPDATE event_lanes SET next_seq = next_seq + 1"],
  [
    "a hold is of more tickets than answered",
    "UPDATE reservations SET quantity = 2 WHERE id = (SELECT min(id) FROM reservations)",
  ],
])("the gate shuts when %s", async (_what, change) => {
  await database.pool.query(change);
  expect(await findFaults(database.pool, eventId, answers())).not.toEqual([]);
});

test.each([
  ["an answer was no 201", { statuses: { "201": SOLD - 1, "409": 1 } }, "1 answers were 409, not 201"],
  ["an answer was no 201, and tells what it said", { oddBody: "{}" }, "the first of them said {}"],
  ["a request broke", { errors: 1 }, "1 requests broke or were not answered in time"],
  ["a request was not answered", { sent: SOLD + 1 }, "4 requests were sent, 3 succeeded"],
  ["nothing was answered", { sent: 0, statuses: {} }, "nothing was answered"],
] as const)("the gate shuts when %s", async (_what, over, fault) => {
  expect(await findFaults(database.pool, eventId, answers(over))).toContain(fault);
});
