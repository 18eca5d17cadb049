// N6: commands that are withdrawn at the moment in which a worker takes them up. Each event's queue is let go in the middle
// of its withdrawals, so that both sides win. `WITHDRAWALS=10000` for the long form, `SEED=…` to choose the same order again.
import { Command, Problem } from "@holdfast/contracts";
import { acceptCommands } from "@holdfast/db";
import {
  type CommandId,
  type Command as DomainCommand,
  type ReservationId,
  reservationIdOf,
} from "@holdfast/domain";
import { type Chance, cancel, chanceOf, createEvent, purchase, reserve, until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, inParallel, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createPeople } from "./population.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";

const WITHDRAWALS = Number(process.env["WITHDRAWALS"] ?? 500);
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
/** Of all races, what each side must have won at least. */
const WON_MIN = WITHDRAWALS / 100;
/** Queues that are let go one after the other, while the withdrawals of all their commands are sent. */
const EVENTS = 8;
const PEOPLE_EACH = 32;
/** Withdrawals under way at once. */
const WIDTH = 32;
const TEST_MS = 30_000 + 30 * WITHDRAWALS;

let drill: SystemWithDoor;

beforeAll(async () => {
  drill = await startSystemWithDoor({ gateways: 1, workers: 2 });
}, START_TIMEOUT_MS);
afterAll(() => drill.close(), START_TIMEOUT_MS);

/** A command, and who may withdraw it. */
interface Sent {
  readonly command: DomainCommand;
  readonly token: string;
}

type End = Exclude<Command["status"], "queued">;

test(`N6: of ${WITHDRAWALS} commands that are withdrawn while they are taken up each ends once, and has an effect or none`, {
  timeout: TEST_MS,
}, async () => {
  const { pool } = drill;
  const chance = chanceOf(SEED);
  const ends = new Map<CommandId, End>();
  /** What the ends come to. */
  const reservations = new Map<ReservationId, "held" | "purchased" | "cancelled">();
  while (ends.size < WITHDRAWALS) {
    const events = await Promise.all(
      Array.from({ length: EVENTS }, () => createEvent(pool, { capacities: [PEOPLE_EACH] })),
    );
    const people = await createPeople(pool, EVENTS * PEOPLE_EACH);
    const asked = people.map((person, n) => ({ ...person, eventId: at(events, n).id }));
    const reserves = asked.map(({ userId, token, eventId }) => ({
      token,
      command: reserve(eventId, userId),
    }));
    await race(reserves);
    const held = asked.flatMap((one, n) => {
      const { id } = at(reserves, n).command;
      return ends.get(id) === "succeeded" ? [{ ...one, reservationId: reservationIdOf(id) }] : [];
    });
    const purchases = held.map(({ userId, token, eventId, reservationId }) => ({
      token,
      command: purchase(eventId, userId, reservationId),
    }));
    await race(purchases);
    const cancels = held.map(({ userId, token, eventId, reservationId }) => ({
      token,
      command: cancel(eventId, userId, reservationId),
    }));
    await race(cancels);
    held.forEach(({ reservationId }, n) => {
      const isOver = (sent: readonly Sent[]): boolean => ends.get(at(sent, n).command.id) === "succeeded";
      reservations.set(
        reservationId,
        isOver(cancels) ? "cancelled" : isOver(purchases) ? "purchased" : "held",
      );
    });
  }

  const won = tally([...ends.values()]);
  report(
    `N6 ${ends.size} withdrawals, seed ${SEED}: ${JSON.stringify(won)}, ${await overtaken()} batches overtaken`,
  );
  expect(Object.keys(won).sort()).toEqual(["succeeded", "withdrawn"]);
  expect(won["succeeded"]).toBeGreaterThanOrEqual(WON_MIN);
  expect(won["withdrawn"]).toBeGreaterThanOrEqual(WON_MIN);
  const { rows } = await pool.query<{ id: ReservationId; status: string }>(
    "SELECT id, status FROM reservations",
  );
  expect(new Map(rows.map(({ id, status }) => [id, status]))).toEqual(reservations);
  expect(await checkInvariants(pool)).toEqual([]);

  /** Sends commands into halted queues, and withdraws all of them in no order, while one queue after the other is let go. */
  async function race(sent: readonly Sent[]): Promise<void> {
    const events = [...new Set(sent.map(({ command }) => command.eventId))];
    await Promise.all(events.map(drill.pause));
    await acceptCommands(
      pool,
      sent.map(({ command }) => ({ command, ticket: null })),
    );
    await Promise.all(sent.map(({ command }) => drill.door.send(command)));
    const every = Math.floor(sent.length / events.length);
    const resumed: Promise<void>[] = [];
    const answered = await inParallel(shuffled(sent, chance), WIDTH, async ({ command, token }, n) => {
      const next = n % every === every >> 1 ? events[Math.floor(n / every)] : undefined;
      if (next !== undefined) resumed.push(drill.resume(next));
      const answer = await at(drill.system.clients, n).delete(`/v1/commands/${command.id}`, { token });
      return { id: command.id, end: endOf(answer.status, answer.body) };
    });
    await Promise.all(resumed);
    await until("each of them to have ended", async () => {
      const { rows: left } = await pool.query("SELECT FROM accepted_commands LIMIT 1");
      return left.length === 0;
    });
    const { rows: outcomes } = await pool.query<{ id: CommandId; status: End }>(
      "SELECT command_id AS id, status FROM outcomes WHERE command_id = ANY ($1::text[])",
      [answered.map(({ id }) => id)],
    );
    expect(new Map(outcomes.map(({ id, status }) => [id, status]))).toEqual(
      new Map(answered.map(({ id, end }) => [id, end])),
    );
    for (const { id, end } of answered) ends.set(id, end);
  }
});

/** How the command ended, as who withdrew it was told. */
function endOf(status: number, body: unknown): End {
  if (status === 200) {
    const { status: end } = Command.parse(body);
    expect(end).toBe("withdrawn");
    return "withdrawn";
  }
  const problem = Problem.parse(body);
  expect([status, problem.code]).toEqual([409, "already-finished"]);
  const { status: end } = Command.parse(problem["command"]);
  if (end === "queued") throw new Error("a command that has finished is queued");
  return end;
}

function shuffled<Item>(items: readonly Item[], chance: Chance): Item[] {
  const mixed = [...items];
  for (let n = mixed.length - 1; n > 0; n -= 1) {
    const other = chance.between(0, n);
    [mixed[n], mixed[other]] = [at(mixed, other), at(mixed, n)];
  }
  return mixed;
}

/** How often a batch met the withdrawal of one of its commands, and was decided anew. */
async function overtaken(): Promise<number> {
  const counts = await Promise.all(
    drill.system.workers.map(async ({ metricsUrl }) => {
      const text = await (await fetch(metricsUrl)).text();
      return Number(/^holdfast_batch_retries_total\{trouble="overtaken"\} (\d+)$/m.exec(text)?.[1] ?? 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
