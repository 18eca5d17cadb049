// A batch whose commands are withdrawn while it is under way: loaded again at once, nobody blamed, order and numbers kept.
import { acceptCommands, withdrawCommand } from "@holdfast/db";
import { type AnyCommand, type Command, type EventId, reservationIdOf, type UserId } from "@holdfast/domain";
import { createEvent, createUsers, expireDue, purchase, reserve, wordOf } from "@holdfast/testkit";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Apply, createApply, LetGo } from "../src/apply.ts";
import { type Trouble, troubleOf } from "../src/database-errors.ts";
import { clientsOf, openStores, type Stores, silent, unread } from "./drain-under-test.ts";

const OWNER = { owner: "test", after: 0 };

let stores: Stores;

beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

async function anEvent(users: number): Promise<{ eventId: EventId; users: UserId[] }> {
  const event = await createEvent(stores.database.pool, { capacities: [100] });
  return { eventId: event.id, users: await createUsers(stores.database.pool, users) };
}

const promised = (...commands: Command[]) =>
  acceptCommands(
    stores.database.pool,
    commands.map((command) => ({ command, ticket: null })),
  );

/** Applies batches; before each writes how its commands ended, the next of these is withdrawn. */
function overtaking(withdrawn: Command[]) {
  const told: Trouble[] = [];
  const pauses: number[] = [];
  const pool = clientsOf(stores.batches, (client, given) => {
    if (typeof given !== "object" || given.name !== "end-batch") return null;
    const next = withdrawn.shift();
    if (next === undefined) return null;
    return withdrawCommand(stores.database.pool, next.id).then(() => client.query(given));
  });
  const apply = createApply({
    pool: inTurn(pool),
    metrics: { ...unread, retried: (trouble) => void told.push(trouble) },
    log: silent,
    pause: async (ms) => void pauses.push(ms),
  });
  return { apply, told, pauses };
}

/** What is sent behind a statement that is held back waits for it, as it would in the connection. */
function inTurn(pool: pg.Pool): pg.Pool {
  let before: Promise<unknown> = Promise.resolve();
  return clientsOf(pool, (client, given) => {
    const sent = before.then(() => client.query(given));
    before = sent.catch(() => undefined);
    return sent;
  });
}

async function endingsOf(apply: Apply, eventId: EventId, commands: readonly AnyCommand[]) {
  const outcome = await apply(eventId, OWNER, commands);
  if (outcome.kind !== "applied") throw new Error(outcome.kind);
  return outcome.applied.map((one) => [wordOf(one.outcome), one.replayed]);
}

async function numbersOf(eventId: EventId, commands: readonly Command[]): Promise<(number | null)[]> {
  const { rows } = await stores.database.pool.query<{ command_id: string; seq: number | null }>(
    "SELECT command_id, seq::int FROM outcomes WHERE event_id = $1",
    [eventId],
  );
  expect(rows).toHaveLength(commands.length);
  return commands.map(({ id }) => rows.find(({ command_id }) => command_id === id)?.seq ?? null);
}

const reservationsOf = async (eventId: EventId) =>
  (
    await stores.database.pool.query("SELECT id FROM reservations WHERE event_id = $1 ORDER BY id", [eventId])
  ).rows.map(({ id }) => id);

test("N6: a command that is withdrawn while its batch is decided has no effect, and its neighbours are unharmed", async () => {
  const { eventId, users } = await anEvent(4);
  const [early, ann, bob, cyd] = users.map((user) => reserve(eventId, user)) as [
    Command,
    Command,
    Command,
    Command,
  ];
  expect(await endingsOf(stores.apply, eventId, [early])).toEqual([["held", false]]);
  await promised(bob);
  const { apply, told, pauses } = overtaking([bob]);
  expect(await endingsOf(apply, eventId, [ann, early, bob, cyd])).toEqual([
    ["held", false],
    ["held", true],
    ["withdrawn", true],
    ["held", false],
  ]);
  expect([told, pauses]).toEqual([["overtaken"], []]);
  expect(await numbersOf(eventId, [early, ann, bob, cyd])).toEqual([1, 2, null, 3]);
  expect(await reservationsOf(eventId)).toEqual(
    [early, ann, cyd].map(({ id }) => reservationIdOf(id)).sort(),
  );
});

test("N6: a batch may be overtaken as often as it has commands, and ends", async () => {
  const { eventId, users } = await anEvent(12);
  const commands = users.map((user) => reserve(eventId, user));
  await promised(...commands);
  const { apply, told } = overtaking(commands.toReversed());
  expect(await endingsOf(apply, eventId, commands)).toEqual(commands.map(() => ["withdrawn", true]));
  expect(told).toEqual(commands.map(() => "overtaken"));
  expect(await reservationsOf(eventId)).toEqual([]);
  expect(await endingsOf(stores.apply, eventId, commands)).toEqual(commands.map(() => ["withdrawn", true]));
});

test("N6: what is withdrawn keeps its key, also from a command that is being decided", async () => {
  const [{ eventId, users }, elsewhere] = await Promise.all([anEvent(1), anEvent(0)]);
  const [ann] = users as [UserId];
  const [first, second] = [elsewhere.eventId, eventId].map((id) => reserve(id, ann, { key: "hers" })) as [
    Command,
    Command,
  ];
  await promised(first);
  const { apply, told } = overtaking([first]);
  expect(await endingsOf(apply, eventId, [second])).toEqual([["idempotency-key-reused", false]]);
  expect(told).toEqual(["overtaken"]);
  expect(await reservationsOf(eventId)).toEqual([]);
});

test("N6: what was withdrawn before the second try is a repeat, though the first try's answer was lost", async () => {
  const { eventId, users } = await anEvent(2);
  const [ann, bob] = users.map((user) => reserve(eventId, user)) as [Command, Command];
  await promised(ann);
  let lost = false;
  const pool = clientsOf(stores.batches, (client, given) => {
    if (given !== "COMMIT" || lost) return null;
    lost = true;
    return client
      .query("ROLLBACK")
      .then(() => withdrawCommand(stores.database.pool, ann.id))
      .then(() => Promise.reject(new Error("Connection terminated unexpectedly")));
  });
  const apply = createApply({ pool, metrics: unread, log: silent, pause: async () => undefined });
  expect(await endingsOf(apply, eventId, [ann, bob])).toEqual([
    ["withdrawn", true],
    ["held", false],
  ]);
});

test("an event that is overtaken by what nobody can see is let go, and no command is blamed", async () => {
  const { eventId, users } = await anEvent(3);
  const pool = clientsOf(stores.batches, (_, given) =>
    typeof given === "object" && given.name === "load-slots" ? Promise.reject(taken("outcomes_pkey")) : null,
  );
  const apply = createApply({
    pool,
    metrics: unread,
    log: silent,
    pause: () => Promise.reject(new Error("no pause")),
  });
  const commands = users.map((user) => reserve(eventId, user));
  await expect(apply(eventId, OWNER, commands)).rejects.toThrow(LetGo);
  expect(await numbersOf(eventId, [])).toEqual([]);
});

test("N6: a hold whose purchase is withdrawn ends by its deadline", async () => {
  const { eventId, users } = await anEvent(1);
  const [ann] = users as [UserId];
  const hold = reserve(eventId, ann);
  await endingsOf(stores.apply, eventId, [hold]);
  await stores.database.pool.query(
    "UPDATE reservations SET expires_at = date_trunc('second', clock_timestamp()) - interval '3 seconds' WHERE event_id = $1",
    [eventId],
  );
  const bought = purchase(eventId, ann, reservationIdOf(hold.id), { at: Date.now() - 60_000 });
  await promised(bought);
  const statusNow = async () =>
    (await stores.database.pool.query("SELECT status FROM reservations WHERE event_id = $1", [eventId]))
      .rows[0].status;
  await endingsOf(stores.apply, eventId, [expireDue(eventId, Date.now())]);
  expect(await statusNow()).toBe("held");
  await withdrawCommand(stores.database.pool, bought.id);
  await endingsOf(stores.apply, eventId, [bought, expireDue(eventId, Date.now())]);
  expect(await statusNow()).toBe("expired");
});

const taken = (constraint: string): pg.DatabaseError =>
  Object.assign(new pg.DatabaseError("taken", 1, "error"), { code: "23505", constraint });

test.each([
  ["outcomes_pkey", "overtaken"],
  ["outcomes_user_key_key", "overtaken"],
  ["outcomes_event_seq_key", "contradiction"],
  ["reservations_one_active_key", "contradiction"],
])("what is taken already by %s means %s", (constraint, trouble) => {
  expect(troubleOf(taken(constraint))).toBe(trouble);
});
