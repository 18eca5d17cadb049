// `pnpm fsck` as a process: what it prints, and how it ends.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { seed } from "@holdfast/db/seed";
import type { EventId, SlotId } from "@holdfast/domain";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
// By path: the kit depends on this package, and packages must not depend on each other in a circle.
import { openTestDatabase, type TestDatabase } from "../../../packages/testkit/src/index.ts";
import type { FsckReport } from "../src/commands/fsck.ts";
import { temporaryDirectory } from "./temporary.ts";

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const NOWHERE = "postgresql://holdfast:holdfast@127.0.0.1:1/holdfast";
const TEST_MS = 30_000;

let database: TestDatabase;
/** Two slots of different events, one of them with holds. */
let held: { id: SlotId; event_id: EventId; held: number };
let other: { id: SlotId; event_id: EventId };

beforeAll(async () => {
  database = await openTestDatabase();
  await seed(database.pool, { now: new Date() });
  const { rows } = await database.pool.query(
    "SELECT DISTINCT ON (event_id) id, event_id, held FROM slots WHERE held > 0 AND capacity > held + purchased",
  );
  [held, other] = rows as [typeof held, typeof held];
});
afterAll(() => database.close());
/** The seed's counters are right, so they are put back by its rows. */
afterEach(() =>
  database.pool.query(
    `UPDATE slots s SET held = (SELECT coalesce(sum(quantity), 0) FROM reservations WHERE slot_id = s.id AND status = 'held'),
      purchased = (SELECT coalesce(sum(quantity), 0) FROM reservations WHERE slot_id = s.id AND status = 'purchased')`,
  ),
);

const moveHeld = (slot: SlotId, by: number) =>
  database.pool.query("UPDATE slots SET held = held + $2 WHERE id = $1", [slot, by]);

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function fsck(line: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { PATH } = process.env;
  const ended = promisify(execFile)(process.execPath, [CLI, "fsck", ...line], {
    env: { PATH, HOLDFAST_DATA_DIR: temporaryDirectory(), NO_COLOR: "1", ...env },
  });
  return await ended.then(
    (output) => ({ ...output, code: 0 }),
    (error: unknown) => error as Ended,
  );
}

const inDatabase = (...line: string[]) => fsck(line, { DATABASE_URL: database.url });

test(
  "where nothing is wrong it says so, and ends with 0; the database may be named, too",
  async () => {
    const { code, stdout } = await inDatabase();
    expect(stdout).toMatch(/^no contradictions \(\d+ invariants, 100 events\)\n$/);
    expect(code).toBe(0);
    const named = await fsck(["--database-url", database.url, "--at-rest"], { DATABASE_URL: NOWHERE });
    expect(named.stdout).toContain("no contradictions");
    expect(named.code).toBe(0);
  },
  TEST_MS,
);

test(
  "it names each contradiction, and ends with 1",
  async () => {
    await moveHeld(held.id, 1);
    const { code, stdout } = await inDatabase();
    const wrong = `held counts ${held.held + 1}, its rows have ${held.held}`;
    expect(stdout).toContain(
      `not so: a slot's counters equal its rows: ${held.event_id} ${held.id}: ${wrong}; purchased counts`,
    );
    expect(stdout).toContain("1 contradiction of 1 invariant in 1 event (");
    expect(code).toBe(1);
  },
  TEST_MS,
);

test(
  "it looks at the events that are named, and at no others",
  async () => {
    await moveHeld(held.id, 1);
    const elsewhere = await inDatabase("--event", other.event_id);
    expect(elsewhere.stdout).toMatch(/^no contradictions \(\d+ invariants, 1 event\)\n$/);
    expect(elsewhere.code).toBe(0);
    const both = await inDatabase(`--event=${other.event_id}`, "--event", held.event_id);
    expect(both.stdout).toContain("invariants, 2 events looked at)");
    expect(both.code).toBe(1);
  },
  TEST_MS,
);

test(
  "for programs it is one document",
  async () => {
    await moveHeld(held.id, 1);
    const { code, stdout } = await inDatabase("--json", "--event", held.event_id);
    const report = JSON.parse(stdout) as FsckReport;
    expect(report).toMatchObject({
      lookedAt: { events: 1, atRest: false, late: true },
      contradictions: [
        { sentence: "a slot's counters equal its rows", eventId: held.event_id, slotId: held.id },
      ],
      repair: null,
    });
    expect(code).toBe(1);
  },
  TEST_MS,
);

test(
  "it repairs counters, says what it changed, looks again, and ends with 0",
  async () => {
    await moveHeld(held.id, 1);
    await moveHeld(other.id, 1);
    const { code, stdout } = await inDatabase("--repair");
    expect(stdout).toContain(`repaired: ${held.event_id} ${held.id}: held ${held.held + 1} → ${held.held}\n`);
    expect(stdout.match(/^not so: /gm)).toHaveLength(2);
    expect(stdout).toMatch(/no contradictions \(\d+ invariants, 100 events\)\n$/);
    expect(code).toBe(0);
    expect((await inDatabase()).code).toBe(0);
  },
  TEST_MS,
);

test(
  "it says what no repair settles, and ends with 1",
  async () => {
    await database.pool.query("UPDATE events SET winding_down = true WHERE id = $1", [held.event_id]);
    try {
      const { code, stdout } = await inDatabase("--repair");
      expect(stdout).toContain("and after the repair:\nnot so: only a cancelled event winds down");
      expect(stdout).toContain("Rows that people were told of are for somebody to judge.");
      expect(code).toBe(1);
    } finally {
      await database.pool.query("UPDATE events SET winding_down = false WHERE id = $1", [held.event_id]);
    }
  },
  TEST_MS,
);

test.each([
  ["the database does not answer", ["--database-url", NOWHERE], "ECONNREFUSED"],
  ["an event is not there", ["--event", "evt_01h455vb4pex5vsknk084sn02q"], "There is no event evt_01h455vb"],
  ["an event's id is none", ["--event", "evt_1"], '"evt_1" is no event\'s id'],
  ["an option is not known", ["--fix"], "There is no option --fix"],
])(
  "when it cannot look, since %s, it says why and ends with 2",
  async (_why, line, reason) => {
    const { code, stdout, stderr } = await inDatabase(...line);
    expect(stderr).toContain(reason);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  },
  TEST_MS,
);
