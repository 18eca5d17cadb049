// The demo against real services: what a rush comes to, what its verdict finds, and how the command ends.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { seed } from "@holdfast/db/seed";
import { type Client, openClient } from "@holdfast/load";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
// By path: the kit depends on this package, and packages must not depend on each other in a circle.
import {
  openTestDatabase,
  openTestRedis,
  type ServiceProcess,
  spawnService,
  type TestDatabase,
  type TestRedis,
} from "../../../packages/testkit/src/index.ts";
import { reportOf } from "../src/demo/report.ts";
import { type Deed, type RushBuyer, rush } from "../src/demo/rush.ts";
import { stageBuyers, stageEvent } from "../src/demo/stage.ts";
import { type Finished, judge } from "../src/demo/verdict.ts";
import { eachLine } from "../src/output.ts";
import { temporaryDirectory } from "./temporary.ts";

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const SECRET = "of-tests-only-of-tests-only-of-tests-only";
const START_MS = 30_000;
const TEST_MS = 60_000;
const BUYERS = 60;
const TICKETS = 20;

let database: TestDatabase;
let redis: TestRedis;
let gateways: ServiceProcess[];
let worker: ServiceProcess;
let clients: Client[];
let buyers: RushBuyer[];
let finished: Finished;

beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  await seed(database.pool, { now: new Date() });
  gateways = [startGateway("off"), startGateway("off")];
  worker = spawnService("reservation-worker", stores());
  await Promise.all([...gateways, worker].map(({ ready }) => ready));
  clients = gateways.map(({ url }) => openClient(url));
  const eventId = await stageEvent(clients, TICKETS);
  buyers = await stageBuyers(database.pool, BUYERS, SECRET);
  const deeds = await rush({
    clients,
    eventId,
    buyers,
    width: BUYERS,
    signal: new AbortController().signal,
    onDeed: () => {},
  });
  finished = { eventId, tickets: TICKETS, deeds };
  await keepRows();
}, START_MS);

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all([...gateways, worker].map((service) => service.stop()));
  await redis.close();
  await database.close();
});

const stores = () => ({ DATABASE_URL: database.url, REDIS_URL: redis.url, REDIS_PREFIX: redis.prefix });
const startGateway = (limits: "on" | "off") =>
  spawnService("gateway", {
    ...stores(),
    JWT_SECRET: SECRET,
    WEBHOOK_ENCRYPTION_KEY: SECRET,
    PORT: "0",
    RATE_LIMITS: limits,
  });

/** Copies of what the rush wrote, to be put back after each change by hand. */
async function keepRows(): Promise<void> {
  await database.pool.query(`CREATE SCHEMA kept;
    CREATE TABLE kept.slots AS TABLE slots;
    CREATE TABLE kept.event_lanes AS TABLE event_lanes;
    CREATE TABLE kept.reservations AS TABLE reservations;
    CREATE TABLE kept.outcomes AS TABLE outcomes`);
}

async function putRowsBack(): Promise<void> {
  await database.pool.query(`TRUNCATE reservations, outcomes;
    UPDATE slots s SET held = k.held, purchased = k.purchased, capacity = k.capacity FROM kept.slots k WHERE k.id = s.id;
    UPDATE event_lanes l SET next_seq = k.next_seq FROM kept.event_lanes k WHERE k.event_id = l.event_id;
    INSERT INTO reservations TABLE kept.reservations;
    INSERT INTO outcomes TABLE kept.outcomes`);
}

test("R5: the verdict of a rush that nobody touched is correct, and its numbers add up", async () => {
  const verdict = await judge(database.pool, finished);
  expect(verdict.contradictions).toEqual([]);
  expect(verdict.verdict).toBe("correct");
  const staged = {
    eventId: finished.eventId,
    buyers: BUYERS,
    tickets: TICKETS,
    clients: BUYERS,
    gateways: 2,
  };
  const { outcomes, tickets, answers } = reportOf(staged, finished.deeds, 1_000, verdict);
  const { held = 0, ...refused } = outcomes.reserve;
  const { purchased = 0 } = outcomes.purchase;
  const { cancelled = 0 } = outcomes.cancel;
  expect(held + Object.values(refused).reduce((sum, times) => sum + times, 0)).toBe(BUYERS);
  expect(answers).toBe(BUYERS + purchased + cancelled);
  expect(tickets).toEqual({
    total: TICKETS,
    sold: purchased,
    held: held - purchased - cancelled,
    free: TICKETS - held + cancelled,
  });
  expect(purchased).toBeGreaterThan(0);
});

const ONE_BOUGHT = "(SELECT id FROM reservations WHERE event_id = $1 AND status = 'purchased' LIMIT 1)";
const ONE_REFUSED =
  "(SELECT user_id FROM outcomes WHERE event_id = $1 AND type = 'reserve' AND status = 'rejected' LIMIT 1)";

test.each<[change: string, statement: string, told: string]>([
  ["a quantity", `UPDATE reservations SET quantity = 2 WHERE id = ${ONE_BOUGHT}`, "the row is"],
  [
    "a status, with the counters",
    `WITH row AS (UPDATE reservations SET status = 'cancelled', ended_at = now(), end_reason = 'user'
      WHERE id = ${ONE_BOUGHT} RETURNING slot_id)
    UPDATE slots SET purchased = purchased - 1 WHERE id = (SELECT slot_id FROM row)`,
    "the row is",
  ],
  [
    "a deadline",
    "UPDATE reservations SET expires_at = expires_at + interval '1 s' WHERE event_id = $1",
    "the row is",
  ],
  ["a payment", `UPDATE reservations SET payment_reference = 'x' WHERE id = ${ONE_BOUGHT}`, "the row is"],
  ["a row that is gone", `DELETE FROM reservations WHERE id = ${ONE_BOUGHT}`, "there is no such row"],
  [
    "a row given to somebody else",
    `UPDATE reservations SET user_id = ${ONE_REFUSED} WHERE id = ${ONE_BOUGHT}`,
    "was refused with all-held and has",
  ],
  [
    "a counter",
    "UPDATE slots SET held = greatest(held - 1, 0), purchased = purchased - 1 WHERE event_id = $1",
    "counters",
  ],
  ["a capacity", "UPDATE slots SET capacity = capacity + 1 WHERE event_id = $1", "slots of 21"],
  [
    "a refusal's reason",
    `UPDATE outcomes SET outcome = jsonb_set(outcome::jsonb, '{refusal,code}', '"sold-out"')
    WHERE event_id = $1 AND user_id = ${ONE_REFUSED}`,
    "was answered all-held, its outcome is",
  ],
  [
    "an answer that was never given",
    `UPDATE outcomes SET outcome = jsonb_set(outcome::jsonb, '{reservation,quantity}', '2')
    WHERE event_id = $1 AND type = 'purchase'`,
    "was answered purchased, its outcome is",
  ],
  [
    "an outcome that is gone",
    `DELETE FROM outcomes WHERE event_id = $1 AND user_id = ${ONE_REFUSED}`,
    "has no outcome",
  ],
  [
    "an outcome of another",
    `UPDATE outcomes SET type = 'cancel' WHERE event_id = $1 AND type = 'purchase'`,
    "its outcome is",
  ],
  ["the order of outcomes", "UPDATE outcomes SET seq = 1000 - seq WHERE event_id = $1", "was refused with"],
  ["a lane", "UPDATE event_lanes SET next_seq = next_seq + 1 WHERE event_id = $1", "numbered from 1"],
])("R5: the verdict is failed when one thing was changed by hand: %s", async (_change, statement, told) => {
  onTestFinished(putRowsBack);
  await database.pool.query(statement, [finished.eventId]);
  const { verdict, contradictions } = await judge(database.pool, finished);
  expect(verdict).toBe("failed");
  expect(contradictions.join("\n")).toContain(told);
});

test("R5: the verdict is failed when a buyer was told what is not so, or was told nothing", async () => {
  const [first, ...others] = finished.deeds;
  if (first === undefined) throw new Error("a rush has deeds");
  const verdictOn = async (deeds: readonly Deed[]) => {
    const { verdict, contradictions } = await judge(database.pool, { ...finished, deeds });
    expect(verdict).toBe("failed");
    return contradictions.join("\n");
  };
  const deaf: Deed = { ...first, told: { status: "unanswered", why: "ECONNRESET" } };
  expect(await verdictOn([deaf, ...others])).toContain("was never told how it ended: ECONNRESET");
  expect(await verdictOn(others)).toContain("ended and nobody was told");
});

/** Runs the command as somebody runs it, on the services above. */
async function demo(
  given: Record<string, string>,
  ...parameters: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH } = process.env;
  const env = { PATH, HOLDFAST_DATA_DIR: temporaryDirectory(), ...given };
  return await new Promise((resolve) => {
    execFile(process.execPath, [CLI, "demo", ...parameters], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const ofSystem = () => ({ HOLDFAST_MODE: "local", DATABASE_URL: database.url, JWT_SECRET: SECRET });
const urls = () => gateways.map(({ url }) => url).join(",");
const SMALL = ["--buyers", "30", "--clients", "10"];

test("R5: the command ends with 0 and one document that says correct", { timeout: TEST_MS }, async () => {
  const { code, stdout, stderr } = await demo(
    ofSystem(),
    "--url",
    urls(),
    ...SMALL,
    "--tickets",
    "10",
    "--json",
  );
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const { held, ...others } = JSON.parse(stdout).outcomes.reserve;
  expect(held).toBeGreaterThanOrEqual(10);
  expect(Object.keys(others)).toEqual(["all-held"]);
  expect(JSON.parse(stdout)).toMatchObject({
    verdict: "correct",
    contradictions: [],
    gateways: 2,
    buyers: 30,
  });
});

test("R5: the command ends with 1 when one row is not what its buyer was told", {
  timeout: TEST_MS,
}, async () => {
  await database.pool.query(`CREATE TABLE forged (id text);
    CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NOT EXISTS (SELECT FROM forged) THEN
        INSERT INTO forged VALUES (NEW.id);
        NEW.quantity := 2;
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER forge BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION forge()`);
  onTestFinished(async () => {
    await database.pool.query("DROP TRIGGER forge ON reservations");
  });
  const { code, stdout } = await demo(ofSystem(), "--url", urls(), ...SMALL, "--tickets", "100");
  expect(code).toBe(1);
  expect(stdout).toContain("FAILED");
  expect(stdout).toContain('"quantity":1');
  expect(stdout).toContain('"quantity":2');
});

test("without a running system it says how to start one, and ends with 1", { timeout: TEST_MS }, async () => {
  const { code, stderr } = await demo({});
  expect(stderr).toContain("Holdfast is not running; start it with: RATE_LIMITS=off npx pnpm@12 start");
  expect(code).toBe(1);
});

test("for a named system it says what it needs to know of it, and ends with 1", {
  timeout: TEST_MS,
}, async () => {
  const { code, stderr } = await demo({ HOLDFAST_MODE: "local", JWT_SECRET: SECRET }, "--url", urls());
  expect(stderr).toContain("DATABASE_URL");
  expect(code).toBe(1);
});

test("where requests are limited it says how to start without, and ends with 1", {
  timeout: TEST_MS,
}, async () => {
  const limited = startGateway("on");
  onTestFinished(async () => void (await limited.stop()));
  await limited.ready;
  const { code, stderr } = await demo(ofSystem(), "--url", `${urls()},${limited.url}`);
  expect(stderr).toContain("Rate limits are on");
  expect(stderr).toContain("RATE_LIMITS=off npx pnpm@12 start");
  expect(code).toBe(1);
});

test("Ctrl-C ends a rush at once, with 130 and without a verdict", { timeout: TEST_MS }, async () => {
  worker.kill("SIGSTOP");
  onTestFinished(() => worker.kill("SIGCONT"));
  const { PATH } = process.env;
  const env = { PATH, HOLDFAST_DATA_DIR: temporaryDirectory(), ...ofSystem() };
  const child = spawn(process.execPath, [CLI, "demo", "--url", urls()], { env });
  const said: string[] = [];
  const goesOn = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      eachLine(stream, (line) => {
        said.push(line);
        if (line.includes("of 2000 asked")) resolve();
      });
  });
  await goesOn;
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  expect(said.at(-1)).toBe("stopped before there was a verdict");
});
