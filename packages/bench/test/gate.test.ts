// The gate itself: it lets a right block pass, and one changed row or one odd answer not.
import { createEvent, createUsers, openTestDatabase, reserve, type TestDatabase } from "@holdfast/testkit";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createBaseline } from "../src/baselines/baseline.ts";
import { findFaults } from "../src/gate.ts";
import type { Answers } from "../src/load-generator/answers.ts";
import { answersOf } from "./answers-of.ts";

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

test("a block in which all rows are as they must be, and all answers right, has no faults", async () => {
  expect(await findFaults(database.pool, answersOf({ "201": SOLD }))).toEqual([]);
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
  expect(await findFaults(database.pool, answersOf({ "201": SOLD }))).not.toEqual([]);
});

test.each<[string, Partial<Answers>, string]>([
  ["an answer was not right", { odd: 1 }, "1 answers had a status that is not right for what was asked"],
  ["an answer was not right, and tells what it said", { oddBody: "{}" }, "the first of them said {}"],
  ["a request broke", { errors: 1 }, "1 requests broke or were not answered in time"],
  [
    "a request was not answered",
    answersOf({ "201": SOLD }, { sent: SOLD + 1 }),
    "reserve: 4 requests were sent, 3 answered",
  ],
  ["nothing was answered", answersOf({}), "nothing was answered"],
])("the gate shuts when %s", async (_what, over, fault) => {
  const answers = { ...answersOf({ "201": SOLD }), ...over };
  expect(await findFaults(database.pool, answers)).toContain(fault);
});
