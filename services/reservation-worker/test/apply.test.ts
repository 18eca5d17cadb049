// A batch whose database stumbles: tried again in place, halved, bisected or let go, with order and effects kept.

import { acceptCommands } from "@holdfast/db";
import { Fenced } from "@holdfast/db/inventory";
import {
  type AnyCommand,
  type Command,
  type EventId,
  reservationIdOf,
  type SlotId,
  type UserId,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import {
  cancel,
  cancelEvent,
  createEvent,
  createUsers,
  expireDue,
  joinWaitlist,
  leaveWaitlist,
  promote,
  purchase,
  reserve,
  windDown,
  wordOf,
} from "@holdfast/testkit";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Apply,
  BATCH_COMMANDS_MAX,
  BATCH_TRIES_MAX,
  createApply,
  LetGo,
  whatFits,
} from "../src/apply.ts";
import { troubleOf } from "../src/database-errors.ts";
import {
  clientsOf,
  expectCountersEqualRows,
  openStores,
  outcomesOf,
  type Stores,
  silent,
  unread,
} from "./drain-under-test.ts";

let stores: Stores;

beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

const databaseError = (code: string): pg.DatabaseError =>
  Object.assign(new pg.DatabaseError(`failed with ${code}`, 1, "error"), { code });

/** Applies over a database of which the first batches fail so, before they write; keeps the pauses it took. */
function stumbling(errors: (Error | null)[], at = "load-slots"): { apply: Apply; pauses: number[] } {
  const pauses: number[] = [];
  const pool = clientsOf(stores.batches, (_, given) => {
    if (typeof given !== "object" || given.name !== at) return null;
    const error = errors.shift() ?? null;
    return error === null ? null : Promise.reject(error);
  });
  const apply = createApply({
    pool,
    metrics: unread,
    log: silent,
    pause: async (ms) => void pauses.push(ms),
  });
  return { apply, pauses };
}

async function anEvent(
  users: number,
  capacity = 100,
): Promise<{ eventId: EventId; users: UserId[]; slotId: string }> {
  const event = await createEvent(stores.database.pool, { capacities: [capacity] });
  return { eventId: event.id, users: await createUsers(stores.database.pool, users), slotId: event.slotId };
}

const OWNER = { owner: "test", after: 0 };

async function wordsOf(apply: Apply, eventId: EventId, commands: readonly AnyCommand[]): Promise<string[]> {
  const outcome = await apply(eventId, OWNER, commands);
  if (outcome.kind !== "applied") throw new Error(outcome.kind);
  return outcome.applied.map((one) => wordOf(one.outcome));
}

test.each(["40P01", "40001", "57P01", "08006"])(
  "after %s the batch is tried again in place, whole",
  async (code) => {
    const { eventId, users } = await anEvent(3);
    const commands = users.map((user) => reserve(eventId, user));
    const { apply, pauses } = stumbling([databaseError(code), databaseError(code)]);
    expect(await wordsOf(apply, eventId, commands)).toEqual(["held", "held", "held"]);
    expect(pauses).toEqual([10, 20]);
    expect((await outcomesOf(stores.database.pool, eventId)).map(({ id }) => id)).toEqual(
      commands.map(({ id }) => id),
    );
  },
);

test("a connection that is lost is another try", async () => {
  const { eventId, users } = await anEvent(1);
  const { apply, pauses } = stumbling([new Error("Connection terminated unexpectedly")]);
  expect(
    await wordsOf(
      apply,
      eventId,
      users.map((user) => reserve(eventId, user)),
    ),
  ).toEqual(["held"]);
  expect(pauses).toHaveLength(1);
});

test("tries are bounded: then the event is let go, with nothing applied", async () => {
  const { eventId, users } = await anEvent(1);
  const commands = users.map((user) => reserve(eventId, user));
  const { apply, pauses } = stumbling(Array.from({ length: 10 }, () => databaseError("40P01")));
  await expect(apply(eventId, OWNER, commands)).rejects.toThrow(LetGo);
  expect(pauses).toHaveLength(BATCH_TRIES_MAX - 1);
  expect(await outcomesOf(stores.database.pool, eventId)).toEqual([]);
});

test("a batch that takes too long is halved, and its first part is applied", async () => {
  const { eventId, users } = await anEvent(5);
  const commands = users.map((user) => reserve(eventId, user));
  const { apply } = stumbling([databaseError("57014"), databaseError("25P03")]);
  expect(await wordsOf(apply, eventId, commands)).toHaveLength(2);
  expect((await outcomesOf(stores.database.pool, eventId)).map(({ id }) => id)).toEqual(
    commands.slice(0, 2).map(({ id }) => id),
  );
});

test("an event that is locked elsewhere is let go at once", async () => {
  const { eventId, users } = await anEvent(1);
  const { apply, pauses } = stumbling([databaseError("55P03")]);
  await expect(
    apply(
      eventId,
      OWNER,
      users.map((user) => reserve(eventId, user)),
    ),
  ).rejects.toThrow(LetGo);
  expect(pauses).toEqual([]);
});

test("who lost the lane hears so, and is not tried again", async () => {
  const { eventId, users } = await anEvent(1);
  const commands = users.map((user) => reserve(eventId, user));
  await stores.apply(eventId, OWNER, []);
  await expect(stores.apply(eventId, { fence: 99 }, commands)).rejects.toThrow(Fenced);
});

test("an event that does not exist is said so", async () => {
  const eventId = newId("event");
  const [user] = (await createUsers(stores.database.pool, 1)) as [UserId];
  expect(await stores.apply(eventId, OWNER, [reserve(eventId, user)])).toEqual({ kind: "no-such-event" });
});

test("a paused event applies nothing, and its fence is taken all the same", async () => {
  const { eventId, users } = await anEvent(1);
  await stores.database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [eventId]);
  expect(
    await stores.apply(
      eventId,
      OWNER,
      users.map((user) => reserve(eventId, user)),
    ),
  ).toEqual({ kind: "paused" });
  const { rows } = await stores.database.pool.query(
    "SELECT fence::int, owner FROM event_lanes WHERE event_id = $1",
    [eventId],
  );
  expect(rows).toEqual([{ fence: 1, owner: "test" }]);
  expect(await outcomesOf(stores.database.pool, eventId)).toEqual([]);
});

test("a batch is so large and no larger; the rest is for the next one", async () => {
  const { eventId } = await anEvent(0);
  const commands = Array.from({ length: BATCH_COMMANDS_MAX + 3 }, () => expireDue(eventId, 1_000));
  expect(await wordsOf(stores.apply, eventId, commands)).toHaveLength(BATCH_COMMANDS_MAX);
});

describe("how many commands one transaction takes", () => {
  const eventId = newId("event");
  const [user, somebody] = [newId("user"), newId("user")];
  const slots = Array.from({ length: 6 }, () => newId("slot"));
  const looks = slots.map((slotId) => promote(eventId, slotId));
  const [first = promote(eventId, newId("slot")), second = first] = looks;
  const again = (slotId: SlotId) => promote(eventId, slotId, { recheck: [newId("waitlistEntry")] });
  const many = (count: number, make: () => AnyCommand) => Array.from({ length: count }, make);
  const ask = () => reserve(eventId, user);
  const revoke = () => cancel(eventId, user, newId("reservation"), { role: "organizer" });
  const remove = () => leaveWaitlist(eventId, user, newId("waitlistEntry"), { role: "admin" });
  const own = () => cancel(eventId, somebody, newId("reservation"));

  test.each<[string, AnyCommand[], number]>([
    ["all of a few", many(10, ask), 10],
    ["so many that concern their senders alone", many(300, own), BATCH_COMMANDS_MAX],
    ["half as many that may end what is others'", many(300, revoke), Math.floor(BATCH_COMMANDS_MAX / 2)],
    ["whatever they end of others'", many(300, remove), Math.floor(BATCH_COMMANDS_MAX / 2)],
    [
      "none that would take it over the limit",
      [...many(BATCH_COMMANDS_MAX - 1, ask), revoke()],
      BATCH_COMMANDS_MAX - 1,
    ],
    ["looks at the lines of four slots", looks, 4],
    ["one look at each line, from one place", [first, second, ask(), first], 3],
    ["one look at parked waiters, and no other", [again(first.input.slotId), ask(), second], 2],
    ["no look at parked waiters behind another", [first, ask(), again(second.input.slotId)], 2],
    ["one piece of what is wound down, and no look", [ask(), windDown(eventId), ask(), first], 3],
    ["no piece behind a look, nor behind another piece", [first, windDown(eventId)], 1],
    ["no two pieces", [windDown(eventId), windDown(eventId)], 1],
    ["commands that it does not know", [{ ...ask(), type: "juggle", input: undefined }, first], 2],
    ["one at least, whatever it is", [again(first.input.slotId)], 1],
  ])("%s", (_, commands, count) => {
    expect(whatFits(commands)).toBe(count);
  });

  test("and what does not fit is for the next one", async () => {
    const event = await createEvent(stores.database.pool, { capacities: [1, 1, 1, 1, 1, 1], waitlist: {} });
    const commands = event.slots.map(({ id }) => promote(event.id, id));
    expect(await wordsOf(stores.apply, event.id, commands)).toHaveLength(4);
  });
});

describe("what an applied batch tells", () => {
  const applied = async (eventId: EventId, commands: readonly AnyCommand[]) => {
    const outcome = await stores.apply(eventId, OWNER, commands);
    if (outcome.kind !== "applied") throw new Error(outcome.kind);
    return outcome;
  };
  const anEventToWaitFor = async (waiters: number, startsAt?: number) => {
    const event = await createEvent(stores.database.pool, {
      capacities: [1],
      waitlist: {},
      ...(startsAt === undefined ? {} : { startsAt }),
    });
    const users = await createUsers(stores.database.pool, waiters + 1);
    const [holder, ...others] = users as [UserId, ...UserId[]];
    const hold = reserve(event.id, holder);
    await applied(event.id, [hold, ...others.map((user) => joinWaitlist(event.id, user, event.slotId))]);
    return { event, others, letGo: cancel(event.id, holder, reservationIdOf(hold.id)) };
  };

  test("are the deadlines of holds and offers that it made, each once, and none that it ended", async () => {
    const event = await createEvent(stores.database.pool, { terms: { holdSeconds: 60 } });
    const [ann, bob, cid, dan] = (await createUsers(stores.database.pool, 4)) as [
      UserId,
      UserId,
      UserId,
      UserId,
    ];
    const [bought, freed] = [reserve(event.id, cid), reserve(event.id, dan)];
    const { deadlines, now } = await applied(event.id, [
      reserve(event.id, ann),
      reserve(event.id, bob),
      bought,
      freed,
      purchase(event.id, cid, reservationIdOf(bought.id)),
      cancel(event.id, dan, reservationIdOf(freed.id)),
    ]);
    expect(deadlines).toEqual([Math.ceil((now + 60_000) / 1000) * 1000]);
  });

  test("is when an offer ends", async () => {
    const { event, letGo } = await anEventToWaitFor(1);
    await applied(event.id, [letGo]);
    const { deadlines, now } = await applied(event.id, [promote(event.id, event.slotId)]);
    expect(deadlines).toEqual([Math.ceil((now + 900_000) / 1000) * 1000]);
  });

  test("is which slots are to be looked at, here and at others, and what is to be wound down", async () => {
    const startsAt = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
    const { event, others, letGo } = await anEventToWaitFor(1, startsAt);
    const elsewhere = await createEvent(stores.database.pool, { startsAt });
    const [ann] = others as [UserId];
    const clash = reserve(elsewhere.id, ann);
    expect((await applied(elsewhere.id, [clash])).followUps).toEqual([]);
    const freed = await applied(event.id, [letGo]);
    const look = { kind: "promote", eventId: event.id, slotId: event.slotId, from: null };
    expect(freed.followUps).toEqual([{ ...look, at: freed.now, recheck: [] }]);
    expect((await applied(event.id, [promote(event.id, event.slotId)])).followUps).toEqual([]);

    const ended = await applied(elsewhere.id, [cancel(elsewhere.id, ann, reservationIdOf(clash.id))]);
    const [entry] = (
      await stores.database.pool.query("SELECT id FROM waitlist_entries WHERE user_id = $1", [ann])
    ).rows;
    expect(ended.followUps).toEqual([{ ...look, at: ended.now, recheck: [entry.id] }]);

    const cancelled = await applied(event.id, [cancelEvent(event.id, event.organizerId)]);
    expect(cancelled.followUps).toEqual([{ kind: "wind-down", eventId: event.id, after: null }]);
  });
});

test("a command that makes the rules throw ends failed, its neighbours unharmed", async () => {
  const { eventId, users, slotId } = await anEvent(3);
  const [ann, bob, cid] = users as [UserId, UserId, UserId];
  const hold = reserve(eventId, ann);
  await wordsOf(stores.apply, eventId, [hold]);
  // A counter that says nobody holds anything: freeing a ticket is impossible by the rules.
  await stores.database.pool.query("UPDATE slots SET held = 0 WHERE id = $1", [slotId]);
  const poison = cancel(eventId, ann, reservationIdOf(hold.id));
  expect(
    await wordsOf(stores.apply, eventId, [poison, reserve(eventId, bob), reserve(eventId, cid)]),
  ).toEqual(["failed internal", "held", "held"]);
});

test("a command that the tables refuse is found by halving and ends failed; none before or behind it is blamed", async () => {
  const { eventId, users } = await anEvent(8);
  const [holder] = users as [UserId];
  const hold = reserve(eventId, holder);
  await wordsOf(stores.apply, eventId, [hold]);
  const poison = purchase(eventId, holder, reservationIdOf(hold.id), {
    paymentReference: "no text\u0000for PostgreSQL",
  });
  const commands: Command[] = users.slice(1).map((user) => reserve(eventId, user));
  commands.splice(4, 0, poison);
  const words: string[] = [];
  while (words.length < commands.length)
    words.push(...(await wordsOf(stores.apply, eventId, commands.slice(words.length))));
  expect(words).toEqual(commands.map((command) => (command === poison ? "failed internal" : "held")));
  expect((await outcomesOf(stores.database.pool, eventId)).map(({ id }) => id)).toEqual(
    [hold, ...commands].map(({ id }) => id),
  );
  await expectCountersEqualRows(stores.database.pool, eventId);
});

test("a contradiction that was gone at the second look blames nobody", async () => {
  const { eventId, users } = await anEvent(2);
  const { apply } = stumbling([databaseError("23505")], "insert-reservations");
  expect(
    await wordsOf(
      apply,
      eventId,
      users.map((user) => reserve(eventId, user)),
    ),
  ).toEqual(["held", "held"]);
});

test.each([
  ["of somebody who is not there", (eventId: EventId) => reserve(eventId, newId("user"))],
  [
    "whose key is no text for the database",
    (eventId: EventId, user: UserId) => reserve(eventId, user, { key: "a\u0000b" }),
  ],
])(
  "a command %s, for which no outcome can be written, is told apart, so that it stops nobody",
  async (_, make) => {
    const { eventId, users } = await anEvent(1);
    const [user] = users as [UserId];
    expect(await stores.apply(eventId, OWNER, [make(eventId, user), reserve(eventId, user)])).toEqual({
      kind: "unwritable",
    });
    expect(await outcomesOf(stores.database.pool, eventId)).toEqual([]);
  },
);

test("an event whose tables contradict the rules by themselves is let go, and no command is blamed", async () => {
  const { eventId, users, slotId } = await anEvent(2);
  const [ann, bob] = users as [UserId, UserId];
  await wordsOf(stores.apply, eventId, [reserve(eventId, ann)]);
  await stores.database.pool.query(
    "UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE event_id = $1",
    [eventId],
  );
  await stores.database.pool.query("UPDATE slots SET held = 0 WHERE id = $1", [slotId]);
  await expect(stores.apply(eventId, OWNER, [reserve(eventId, bob)])).rejects.toThrow(LetGo);
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(1);
});

test("what a lost try may have committed is no repeat to who asked; a real repeat stays one", async () => {
  const { eventId, users } = await anEvent(2);
  const [ann, bob] = users as [UserId, UserId];
  const [mine, early] = [reserve(eventId, ann), reserve(eventId, bob)];
  await wordsOf(stores.apply, eventId, [early]);
  let lost = false;
  const pool = clientsOf(stores.batches, (client, given) => {
    if (given !== "COMMIT" || lost) return null;
    lost = true;
    return client.query(given).then(() => Promise.reject(new Error("Connection terminated unexpectedly")));
  });
  const apply = createApply({ pool, metrics: unread, log: silent, pause: async () => undefined });
  const outcome = await apply(eventId, OWNER, [mine]);
  expect(outcome.kind === "applied" && outcome.applied.map(({ replayed }) => replayed)).toEqual([false]);
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(2);
  const again = await apply(eventId, OWNER, [early, mine]);
  expect(again.kind === "applied" && again.applied.map(({ replayed }) => replayed)).toEqual([true, true]);
});

test.each([
  ["55P03", "locked"],
  ["57014", "slow"],
  ["25P03", "slow"],
  ["25P04", "slow"],
  ["23514", "contradiction"],
  ["23P01", "contradiction"],
  ["22021", "contradiction"],
  ["HF001", "contradiction"],
  ["40P01", "transient"],
  ["53300", "transient"],
])("SQLSTATE %s means %s", (code, trouble) => {
  expect(troubleOf(databaseError(code))).toBe(trouble);
});

test("the repeat of a purchase that was accepted in time wins, though the first copy is lost (race 2, F6)", async () => {
  const { eventId, users } = await anEvent(1);
  const [ann] = users as [UserId];
  const hold = reserve(eventId, ann);
  expect(await wordsOf(stores.apply, eventId, [hold])).toEqual(["held"]);
  const { rows } = await stores.database.pool.query<{ expires: number }>(
    `UPDATE reservations SET expires_at = date_trunc('milliseconds', clock_timestamp()) - interval '1 second'
    WHERE event_id = $1 RETURNING round(date_part('epoch', expires_at) * 1000) AS expires`,
    [eventId],
  );
  const deadline = rows[0]?.expires ?? 0;
  const bought = purchase(eventId, ann, reservationIdOf(hold.id), { key: "buy", at: deadline - 1 });
  await acceptCommands(stores.database.pool, [{ command: bought, ticket: null }]);
  const repeat = { ...bought, at: Date.now() };
  expect(await wordsOf(stores.apply, eventId, [repeat])).toEqual(["purchased"]);
});

test("a quantity beyond all bounds is refused beside its neighbours, in one transaction", async () => {
  const { eventId, users } = await anEvent(3);
  const { apply, pauses } = stumbling([]);
  const [ann, bob, cleo] = users as [UserId, UserId, UserId];
  const huge = reserve(eventId, bob, { quantity: 2_147_483_647 });
  expect(await wordsOf(apply, eventId, [reserve(eventId, ann), huge, reserve(eventId, cleo)])).toEqual([
    "held",
    "limit-exceeded",
    "held",
  ]);
  expect(pauses).toEqual([]);
});

test("an error without a SQLSTATE is a lost connection", () => {
  expect(troubleOf(new pg.DatabaseError("?", 1, "error"))).toBe("transient");
  expect(troubleOf(new Error("socket hang up"))).toBe("transient");
});
