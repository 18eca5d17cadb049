// Race 9, race 8: workers freeze, and one dies, at awaits of a batch that cross a process's border, and others take over.
// What a frozen one does when it wakes up changes nothing: every command has ended once, in order.
// `KILLED_AT=before-transaction,before-commit,after-commit,before-settle` for the long form.
import type { CommandId, EventId, UserId } from "@holdfast/domain";
import { FAILPOINT_NAMES } from "@holdfast/runtime";
import { createUsers, reserve, type ServiceProcess, until, wordOf } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvents } from "./population.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";

/** Not more than one user may hold tickets of at once. */
const EVENTS = 20;
const CAPACITY = 20;
/** Commands of each event in one go. */
const AT_ONCE = 10;
/** The pass at which a failpoint does what it is told: something has been done by then. */
const PASS = 3;
const ROUNDS_MAX = 200;
const DRILL_TIMEOUT_MS = 60_000;

let house: SystemWithDoor;

beforeAll(async () => {
  house = await startSystemWithDoor({ workers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => house.close(), START_TIMEOUT_MS);

/** Asks all events for tickets, each of them in one order, and waits for all answers. Tells what was sent, in order. */
async function askAll(events: readonly EventId[], users: readonly UserId[], words: string[]) {
  const sent = new Map<EventId, CommandId[]>();
  const asked = users.flatMap((user) => events.map((eventId) => reserve(eventId, user)));
  for (const { id, eventId } of asked) sent.set(eventId, [...(sent.get(eventId) ?? []), id]);
  const replies = await Promise.all(asked.map((command) => house.door.ask(command)));
  words.push(...replies.map(({ outcome }) => wordOf(outcome)));
  return sent;
}

const hasFired = ({ logs }: ServiceProcess): boolean => logs.some((line) => line.startsWith("failpoint "));

/** Where owners die: unless told otherwise when the queue does not know yet. */
const KILLED_AT = process.env["KILLED_AT"]?.split(",") ?? ["after-commit"];

/** One worker for each failpoint, beside the one that stays well. */
const startDoomed = (names: readonly string[], action: "stop" | "kill"): Promise<ServiceProcess[]> =>
  Promise.all(names.map((name) => house.system.startWorker({ FAILPOINTS: `${name}=${action}@${PASS}` })));

test("race 9, race 8: owners freeze before, inside and after their transaction and before they settle, and one dies: each command is applied once, in order", {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  const { pool, door } = house;
  const events = await createEvents(pool, EVENTS, { capacity: CAPACITY });
  const [frozen, killed] = await Promise.all([
    startDoomed(FAILPOINT_NAMES, "stop"),
    startDoomed(KILLED_AT, "kill"),
  ]);
  const doomed = [...frozen, ...killed];
  const sent = new Map(events.map((event): [EventId, CommandId[]] => [event, []]));
  const words: string[] = [];
  const round = async (): Promise<void> => {
    const users = await createUsers(pool, AT_ONCE);
    for (const [event, ids] of await askAll(events, users, words)) sent.get(event)?.push(...ids);
  };

  let rounds = 0;
  while (!doomed.every(hasFired) && rounds < ROUNDS_MAX) {
    await round();
    rounds += 1;
  }
  expect(doomed.filter((worker) => !hasFired(worker))).toEqual([]);
  await round(); // whatever those workers had in hand, others have done
  for (const worker of frozen) worker.kill("SIGCONT");
  for (let awake = 0; awake < 3; awake += 1) await round();
  report(`race 9: ${frozen.length} owners froze, ${killed.length} died, ${words.length} commands`);

  // As if nothing had happened: the first ones of each event have its tickets.
  const held = EVENTS * CAPACITY;
  expect(tally(words)).toEqual({ held, "all-held": words.length - held });
  const { rows } = await pool.query<{ event_id: EventId; ids: CommandId[] }>(
    `SELECT event_id, array_agg(command_id ORDER BY seq) AS ids FROM outcomes
    WHERE event_id = ANY ($1::text[]) GROUP BY event_id`,
    [events],
  );
  expect(new Map(rows.map(({ event_id, ids }) => [event_id, ids]))).toEqual(sent);
  await until("nothing to be left in any queue", async () =>
    (await door.depthsOf(events)).every((depth) => depth === 0),
  );
  await Promise.all([...frozen.map((worker) => worker.stop()), ...killed.map((worker) => worker.ended)]);
  expect(await checkInvariants(pool)).toEqual([]);
});
