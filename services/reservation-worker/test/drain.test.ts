// Drains over real stores that die, freeze and overtake each other: one effect for each command, in order, and no
// job stranded.
import { lookAtFence } from "@holdfast/db/inventory";
import {
  type AnyCommand,
  type Command,
  type CommandId,
  type EventId,
  reservationIdOf,
  type UserId,
} from "@holdfast/domain";
import { type ClaimedJob, type EventQueue, NotOwner } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import { cancelEvent, createEvent, createUsers, purchase, reserve, until, wordOf } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BATCH_COMMANDS_MAX, createApply, LetGo } from "../src/apply.ts";
import {
  CROWDED_SLICE_MS,
  drain,
  GATHER_MS,
  LARGE_BATCH_COMMANDS,
  SUSPECT_TRIES_MAX,
  SUSPICIOUS_DEATHS,
} from "../src/drain.ts";
import type { Asked } from "../src/follow-ups.ts";
import {
  expectOrderly,
  freezingPool,
  gate,
  openStores,
  outcomesOf,
  type Stores,
  sendEach,
  silent,
  unread,
} from "./drain-under-test.ts";

let stores: Stores;

beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

/** An event with that many users' reserves in its queue, a job each. */
async function anEventWith(
  count: number,
  capacity = 1_000,
): Promise<{ eventId: EventId; commands: Command[] }> {
  const event = await createEvent(stores.database.pool, { capacities: [capacity] });
  const users = await createUsers(stores.database.pool, count);
  const commands = users.map((user) => reserve(event.id, user));
  await sendEach(stores.crowd, commands);
  return { eventId: event.id, commands };
}

const DEAD = new Error("the process is dead");

/** A queue of which a process that dies sees nothing more, from the moment on that the test names. */
function dying(diesAt: (call: keyof EventQueue, count: number) => boolean) {
  return (eventId: EventId, token: string): EventQueue => {
    const queue = stores.openQueue(eventId, token);
    const counts = new Map<keyof EventQueue, number>();
    let isDead = false;
    const unless = <T>(name: keyof EventQueue, call: () => Promise<T>): Promise<T> => {
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      isDead ||= diesAt(name, count);
      return isDead ? Promise.reject(DEAD) : call();
    };
    return {
      acquire: () => unless("acquire", () => queue.acquire()),
      settleAndClaim: (settled, max) => unless("settleAndClaim", () => queue.settleAndClaim(settled, max)),
      countTry: (id) => unless("countTry", () => queue.countTry(id)),
      forgiveTry: (id) => unless("forgiveTry", () => queue.forgiveTry(id)),
      release: () => unless("release", () => queue.release()),
    };
  };
}

test("a drain applies what waits, tells who asked, and leaves an empty queue", async () => {
  const { eventId, commands } = await anEventWith(5);
  const deps = stores.deps();
  await drain(eventId, deps);
  expect(deps.heard.map(({ commandId, replayed, at }) => [commandId, replayed, at])).toEqual(
    commands.map(({ id, at }) => [id, false, at]),
  );
  expect(deps.asked).toEqual([]);
  await expectOrderly(stores, eventId, commands);
});

test("batches are full as long as enough waits: what is left of a job goes with what came after it", async () => {
  const { id: eventId } = await createEvent(stores.database.pool, { capacities: [1_000] });
  const users = await createUsers(stores.database.pool, 2 * BATCH_COMMANDS_MAX + 88);
  const commands = users.map((user) => reserve(eventId, user));
  await Promise.all(commands.map((command) => stores.crowd.send(command))); // many to a job
  const sizes: number[] = [];
  const deps = stores.deps({
    monotonicMs: () => 0,
    apply: (id, claim, given) => {
      sizes.push(given.length);
      return stores.apply(id, claim, given);
    },
  });
  await drain(eventId, deps);
  expect(sizes).toEqual([BATCH_COMMANDS_MAX, BATCH_COMMANDS_MAX, 88]);
  await expectOrderly(stores, eventId, commands);
});

test("a batch of which only a part could be applied is not filled up again: the rest goes first", async () => {
  const { eventId, commands } = await anEventWith(5);
  const sizes: number[] = [];
  const deps = stores.deps({
    monotonicMs: () => 0,
    apply: async (id, claim, given) => {
      sizes.push(given.length);
      if (sizes.length > 1) return stores.apply(id, claim, given);
      const more = (await createUsers(stores.database.pool, 3)).map((user) => reserve(eventId, user));
      await sendEach(stores.crowd, more);
      commands.push(...more);
      return stores.apply(id, claim, given.slice(0, 3));
    },
  });
  await drain(eventId, deps);
  expect(sizes).toEqual([5, 2, 3]);
  await expectOrderly(stores, eventId, commands);
});

test("commands that trickle in are gathered: a batch of some is followed by the next one after a pause", async () => {
  const { eventId, commands } = await anEventWith(3);
  const clock = { ms: 0 };
  const sizes: number[] = [];
  const paused: number[] = [];
  const arrive = async (count: number) => {
    const more = (await createUsers(stores.database.pool, count)).map((user) => reserve(eventId, user));
    await sendEach(stores.crowd, more);
    commands.push(...more);
  };
  const deps = stores.deps({
    monotonicMs: () => clock.ms,
    apply: async (id, claim, given) => {
      sizes.push(given.length);
      clock.ms += 4;
      const outcome = await stores.apply(id, claim, given);
      if (sizes.length === 1) await arrive(2);
      return outcome;
    },
    pause: async (ms) => {
      paused.push(ms);
      clock.ms += ms;
      if (paused.length === 1) await arrive(2); // meanwhile: they ride with those two
    },
  });
  await drain(eventId, deps);
  expect(sizes).toEqual([3, 4]);
  expect(paused).toEqual([GATHER_MS - 4, GATHER_MS - 4]); // from one claim to the next
  await expectOrderly(stores, eventId, commands);
});

test.each([
  ["who came alone", 1, {}],
  ["a batch that is large enough", LARGE_BATCH_COMMANDS, {}],
  ["anybody while other events wait", 3, { crowded: () => true }],
  ["a batch that took as long as a pause", 3, { monotonicMs: slowClock() }],
])("nothing is gathered behind %s", async (_, count, given) => {
  const { eventId, commands } = await anEventWith(count);
  const paused: number[] = [];
  await drain(
    eventId,
    stores.deps({ monotonicMs: () => 0, pause: async (ms) => void paused.push(ms), ...given }),
  );
  expect(paused).toEqual([]);
  await expectOrderly(stores, eventId, commands);
});

/** Each look at it finds as much time gone as batches are apart. */
function slowClock(): () => number {
  let ms = 0;
  return () => (ms += GATHER_MS);
}

test.each([
  ["ends with a small batch", LARGE_BATCH_COMMANDS - 1, 0, true],
  ["goes on behind a large one", LARGE_BATCH_COMMANDS, 0, false],
  ["ends behind a large one when its slice is over", LARGE_BATCH_COMMANDS, CROWDED_SLICE_MS + 1, true],
])("R4: in a crowd a turn %s", async (_, count, ms, ends) => {
  const { eventId, commands } = await anEventWith(count);
  const clock = { ms: 0 };
  let batches = 0;
  const deps = stores.deps({
    monotonicMs: () => clock.ms,
    crowded: () => true,
    apply: async (id, claim, given) => {
      batches += 1;
      clock.ms += ms;
      const outcome = await stores.apply(id, claim, given);
      if (batches === 1) {
        const more = (await createUsers(stores.database.pool, 1)).map((user) => reserve(eventId, user));
        await sendEach(stores.crowd, more);
        commands.push(...more);
      }
      return outcome;
    },
  });
  expect(await drain(eventId, deps)).toBe(ends ? "handed-over" : "finished");
  expect(deps.asked).toEqual(ends ? [eventId] : []);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, commands);
});

test("a turn does not end before it has claimed, however long it took to get there", async () => {
  const { eventId, commands } = await anEventWith(2);
  const clock = { ms: 0 };
  const deps = stores.deps({
    monotonicMs: () => clock.ms,
    crowded: () => true,
    fence: async (id) => {
      clock.ms += 2 * CROWDED_SLICE_MS;
      return lookAtFence(stores.batches, id);
    },
  });
  await drain(eventId, deps);
  expect(deps.asked).toEqual([]);
  await expectOrderly(stores, eventId, commands);
});

test("a worker that dies after the commit, before the queue knows: the same outcomes, once (race 8, F4)", async () => {
  const { eventId, commands } = await anEventWith(5);
  // The first call claims; the second would settle.
  const first = stores.deps({ openQueue: dying((call, count) => call === "settleAndClaim" && count === 2) });
  await expect(drain(eventId, first)).rejects.toThrow(DEAD);
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(5);
  const heir = stores.deps();
  await drain(eventId, heir);
  expect(heir.heard.map(({ replayed }) => replayed)).toEqual([true, true, true, true, true]);
  expect(heir.heard.map(({ outcome }) => outcome)).toEqual(first.heard.map(({ outcome }) => outcome));
  await expectOrderly(stores, eventId, commands);
});

test("a worker that dies with a batch in hand, before its transaction: applied once, in order (F4)", async () => {
  const { eventId, commands } = await anEventWith(4);
  const dies = stores.deps({
    openQueue: dying((call) => call === "release"),
    apply: () => Promise.reject(DEAD),
  });
  await expect(drain(eventId, dies)).rejects.toThrow(DEAD);
  const more = (await createUsers(stores.database.pool, 2)).map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, more);
  const heir = stores.deps();
  await drain(eventId, heir);
  expect(heir.heard.map(({ replayed }) => replayed)).not.toContain(true);
  await expectOrderly(stores, eventId, [...commands, ...more]);
});

test("an owner frozen before its transaction commits and claims nothing (race 9)", async () => {
  const { eventId, commands } = await anEventWith(3);
  const frozen = gate();
  const reached = gate();
  const first = stores.deps({
    apply: async (...given) => {
      reached.open();
      await frozen.passed;
      return stores.apply(...given);
    },
  });
  const older = drain(eventId, first);
  await reached.passed;
  await drain(eventId, stores.deps());
  const fence = await lookAtFence(stores.batches, eventId);
  const more = (await createUsers(stores.database.pool, 2)).map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, more);
  frozen.open();
  await older;
  expect(await lookAtFence(stores.batches, eventId)).toBe(fence); // not even an empty batch
  expect(first.heard).toEqual([]);
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(3); // it has claimed nothing of the rest
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, [...commands, ...more]);
});

test("an owner frozen inside its transaction loses it; the next waits no longer than the timeouts (race 9)", async () => {
  const { eventId, commands } = await anEventWith(3);
  const frozen = gate();
  const reached = gate();
  const pool = freezingPool(stores.batches, "insert-reservations", frozen, reached.open);
  const zombie = stores.deps({
    apply: createApply({ pool, metrics: unread, log: silent, pause: async () => undefined }),
  });
  const older = drain(eventId, zombie).then(
    () => "returned",
    (error: unknown) => error,
  );
  await reached.passed;

  const heir = stores.deps();
  await expect(drain(eventId, heir)).rejects.toThrow(LetGo); // the lane is locked by the frozen one
  await until("the frozen transaction to be ended by the server", () =>
    drain(eventId, heir).then(
      () => true,
      () => false,
    ),
  );
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(3);
  frozen.open();
  await older;
  await expectOrderly(stores, eventId, commands);
});

test("an owner frozen after its transaction settles nothing (race 9)", async () => {
  const { eventId, commands } = await anEventWith(3);
  const frozen = gate();
  const reached = gate();
  const first = stores.deps({
    apply: async (...given) => {
      const outcome = await stores.apply(...given);
      reached.open();
      await frozen.passed;
      return outcome;
    },
  });
  const older = drain(eventId, first);
  await reached.passed;
  const heir = stores.deps();
  await drain(eventId, heir);
  expect(heir.heard.map(({ replayed }) => replayed)).toEqual([true, true, true]);
  const more = (await createUsers(stores.database.pool, 1)).map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, more);
  frozen.open();
  await older;
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(3);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, [...commands, ...more]);
});

test("an owner frozen while settling strands no job (race 9)", async () => {
  const { eventId, commands } = await anEventWith(3);
  const frozen = gate();
  const reached = gate();
  const errors: unknown[] = [];
  const first = stores.deps({
    openQueue: (id, token) => {
      const queue = stores.openQueue(id, token);
      return {
        ...queue,
        settleAndClaim: async (settled, max) => {
          if (settled.jobs.length > 0) {
            reached.open();
            await frozen.passed;
          }
          return queue.settleAndClaim(settled, max).catch((error: unknown) => {
            errors.push(error);
            throw error;
          });
        },
      };
    },
  });
  const older = drain(eventId, first);
  await reached.passed;
  await drain(eventId, stores.deps());
  const more = (await createUsers(stores.database.pool, 2)).map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, more);
  frozen.open();
  await older;
  expect(errors).toEqual([expect.any(NotOwner)]);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, [...commands, ...more]);
});

test("an owner whose fence was overtaken lets go and asks for another drain", async () => {
  const { eventId, commands } = await anEventWith(3);
  let batches = 0;
  const overtaken = stores.deps({
    apply: async (id, claim, given) => {
      batches += 1;
      // After its first batch, of one command, somebody else takes the next fence.
      if (batches === 2) await stores.apply(id, { owner: "somebody else", after: 1 }, []);
      return stores.apply(id, claim, given.slice(0, 1));
    },
  });
  await drain(eventId, overtaken);
  expect(overtaken.asked).toEqual([eventId]);
  expect(await outcomesOf(stores.database.pool, eventId)).toHaveLength(1);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, commands);
});

test("an event that had to be let go keeps its order, and the retry is no death", async () => {
  const { eventId, commands } = await anEventWith(3);
  const lets = stores.deps({ apply: () => Promise.reject(new LetGo("locked elsewhere")) });
  for (let round = 0; round < 3; round += 1) await expect(drain(eventId, lets)).rejects.toThrow(LetGo);
  let alone = 0;
  const { solitude } = stores.deps();
  const heir = stores.deps({
    solitude: {
      together: (work) => solitude.together(work),
      alone: (work) => {
        alone += 1;
        return solitude.alone(work);
      },
    },
  });
  await drain(eventId, heir);
  expect(alone).toBe(0);
  await expectOrderly(stores, eventId, commands);
});

test("a used-up slice, or a stop, lets the batch in hand end and asks for another drain", async () => {
  const { eventId, commands } = await anEventWith(4);
  const clock = { ms: 0 };
  const slow = stores.deps({
    monotonicMs: () => clock.ms,
    crowded: () => true,
    apply: async (id, claim, given) => {
      clock.ms += 51;
      return stores.apply(id, claim, given.slice(0, 2));
    },
  });
  await drain(eventId, slow);
  expect(slow.asked).toEqual([]); // all four were in hand already
  await expectOrderly(stores, eventId, commands);

  const other = await anEventWith(2);
  const stopping = new AbortController();
  const stopped = stores.deps({
    stopping: stopping.signal,
    apply: async (...given) => {
      stopping.abort();
      await sendEach(stores.crowd, []);
      const more = (await createUsers(stores.database.pool, 1)).map((user) => reserve(other.eventId, user));
      await sendEach(stores.crowd, more);
      other.commands.push(...more);
      return stores.apply(...given);
    },
  });
  await drain(other.eventId, stopped);
  expect(stopped.asked).toEqual([other.eventId]);
  expect(await outcomesOf(stores.database.pool, other.eventId)).toHaveLength(2);
  await drain(other.eventId, stores.deps());
  await expectOrderly(stores, other.eventId, other.commands);
});

test("a command that kills its process ends failed after so many tries, alone; none around it is blamed", async () => {
  const { eventId, commands } = await anEventWith(5);
  const poison = commands[2]?.id;
  const tries: { commands: number; alone: boolean }[] = [];
  let isAlone = false;
  let deaths = 0;
  // Each round is a process: it dies whenever the poison is about to be applied, and does nothing after.
  for (let round = 0; round < 10; round += 1) {
    const { solitude } = stores.deps();
    let isDead = false;
    const process = stores.deps({
      openQueue: dying(() => isDead),
      solitude: {
        together: (work) => solitude.together(work),
        alone: async (work) => {
          isAlone = true;
          return solitude.alone(work).finally(() => {
            isAlone = false;
          });
        },
      },
      apply: async (id, claim, given, condemned) => {
        tries.push({ commands: given.length, alone: isAlone });
        const willDie = given.some((command) => command.id === poison && condemned?.has(command.id) !== true);
        if (!willDie) return stores.apply(id, claim, given, condemned);
        isDead = true;
        deaths += 1;
        throw DEAD;
      },
    });
    const ended = await drain(eventId, process).then(
      () => true,
      () => false,
    );
    if (ended) break;
  }
  // Two deaths before anybody suspects, then each try of the suspect.
  expect(deaths).toBe(2 + SUSPECT_TRIES_MAX);
  expect(tries.slice(0, 2)).toEqual([
    { commands: 5, alone: false },
    { commands: 5, alone: false },
  ]);
  expect(tries.slice(2).every((one) => one.alone && one.commands === 1)).toBe(true);
  expect((await outcomesOf(stores.database.pool, eventId)).map(({ word }) => word)).toEqual([
    "held",
    "held",
    "failed internal",
    "held",
    "held",
  ]);
  await expectOrderly(stores, eventId, commands);
});

test("a suspect that was let go undecided, its process alive, is not blamed for it", async () => {
  const { eventId, commands } = await anEventWith(2);
  for (let death = 0; death < SUSPICIOUS_DEATHS; death += 1) {
    await expect(
      drain(
        eventId,
        stores.deps({ openQueue: dying((call) => call === "release"), apply: () => Promise.reject(DEAD) }),
      ),
    ).rejects.toThrow(DEAD);
  }
  const locked = stores.deps({ apply: () => Promise.reject(new LetGo("locked elsewhere")) });
  for (let round = 0; round < SUSPECT_TRIES_MAX + 2; round += 1) {
    await expect(drain(eventId, locked)).rejects.toThrow(LetGo);
  }
  let condemned = 0;
  const heir = stores.deps({
    apply: async (id, claim, given, doomed) => {
      condemned += doomed?.size ?? 0;
      return stores.apply(id, claim, given, doomed);
    },
  });
  await drain(eventId, heir);
  expect(condemned).toBe(0);
  await expectOrderly(stores, eventId, commands);
});

test("an event with more to settle than a batch can gives its turn up when the slice is over", async () => {
  const { eventId, commands } = await anEventWith(1);
  const clock = { ms: 0 };
  const settling = stores.deps({
    monotonicMs: () => clock.ms,
    apply: async (id, claim, given) => {
      clock.ms += 600;
      const outcome = await stores.apply(id, claim, []); // settles a piece, and gets to none of the commands
      return clock.ms > 3_000 ? stores.apply(id, claim, given) : outcome;
    },
  });
  await drain(eventId, settling);
  expect(clock.ms).toBe(1_200);
  expect(settling.asked).toEqual([eventId]);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, commands);
});

test("suspicion ends with the batch that was in hand: what waits behind it goes in batches again", async () => {
  const { eventId, commands } = await anEventWith(2);
  for (let death = 0; death < 2; death += 1) {
    const dies = stores.deps({
      openQueue: dying((call) => call === "release"),
      apply: () => Promise.reject(DEAD),
    });
    await expect(drain(eventId, dies)).rejects.toThrow(DEAD);
  }
  const more = (await createUsers(stores.database.pool, 3)).map((user) => reserve(eventId, user));
  await sendEach(stores.crowd, more);
  const sizes: number[] = [];
  await drain(
    eventId,
    stores.deps({
      apply: (id, claim, given, condemned) => {
        sizes.push(given.length);
        return stores.apply(id, claim, given, condemned);
      },
    }),
  );
  expect(sizes).toEqual([1, 1, 3]);
  await expectOrderly(stores, eventId, [...commands, ...more]);
});

test("a paused event is left as it is, and goes on where it was when it is resumed", async () => {
  const { eventId, commands } = await anEventWith(3);
  const pause = (at: string) =>
    stores.database.pool.query(`UPDATE event_lanes SET paused_at = ${at} WHERE event_id = $1`, [eventId]);
  await pause("now()");
  const halted = stores.deps();
  await drain(eventId, halted);
  expect(halted.heard).toEqual([]);
  expect(halted.asked).toEqual([]); // who resumes it asks
  await pause("NULL");
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, commands);
});

test("commands of an event that does not exist are dropped, all of them", async () => {
  const eventId = newId("event");
  const users = await createUsers(stores.database.pool, 3);
  await sendEach(
    stores.crowd,
    users.map((user) => reserve(eventId, user)),
  );
  const deps = stores.deps();
  await drain(eventId, deps);
  expect(deps.heard).toEqual([]);
  await expectOrderly(stores, eventId, []);
});

test("a command for which nothing can be written down is dropped, and stops nobody", async () => {
  const event = await createEvent(stores.database.pool);
  const [ann, bob] = (await createUsers(stores.database.pool, 2)) as [UserId, UserId];
  const [first, last] = [reserve(event.id, ann), reserve(event.id, bob)];
  await sendEach(stores.crowd, [first, reserve(event.id, newId("user")), last]);
  const deps = stores.deps();
  await drain(event.id, deps);
  expect(deps.heard.map(({ commandId }) => commandId)).toEqual([first.id, last.id]);
  await expectOrderly(stores, event.id, [first, last]);
});

test("what is no command is dropped, and its neighbours in the job are applied", async () => {
  const event = await createEvent(stores.database.pool);
  const [ann] = (await createUsers(stores.database.pool, 1)) as [UserId];
  const good = reserve(event.id, ann);
  const queue = stores.openQueue(event.id, "reader");
  await stores.crowd.send({ ...good, at: -5 } as AnyCommand as Command); // no version takes a time before 1970
  await stores.crowd.send(good);
  const deps = stores.deps();
  await drain(event.id, deps);
  expect(deps.heard.map(({ commandId }) => commandId)).toEqual([good.id]);
  await expectOrderly(stores, event.id, [good]);
  expect(await queue.release()).toBe(false);
});

test("a command of a type that this version does not know ends failed, unsupported", async () => {
  const event = await createEvent(stores.database.pool);
  const [ann] = (await createUsers(stores.database.pool, 1)) as [UserId];
  const newer = { ...reserve(event.id, ann), type: "teleport" } as unknown as Command;
  const known = reserve(event.id, ann);
  await sendEach(stores.crowd, [newer, known]);
  const deps = stores.deps();
  await drain(event.id, deps);
  expect(deps.heard.map(({ outcome }) => wordOf(outcome))).toEqual(["failed unsupported", "held"]);
  await expectOrderly(stores, event.id, [newer, known]);
});

test("replies and progress that cannot be published disturb nothing: who hears nothing reads the row", async () => {
  const { eventId, commands } = await anEventWith(2);
  const silence = () => Promise.reject(new Error("no channel"));
  await drain(eventId, stores.deps({ publish: silence, progress: silence }));
  await expectOrderly(stores, eventId, commands);
});

test("who watches an event is told once for each batch what ended in it, after it is in the tables", async () => {
  const { eventId, commands } = await anEventWith(3);
  const told: { ids: readonly CommandId[]; kept: Promise<number> }[] = [];
  const progress = async (of: EventId, ids: readonly CommandId[]) => {
    expect(of).toBe(eventId);
    const found = stores.database.pool.query("SELECT FROM outcomes WHERE command_id = ANY ($1::text[])", [
      ids,
    ]);
    told.push({ ids, kept: found.then(({ rowCount }) => rowCount ?? 0) });
  };
  await drain(eventId, stores.deps({ progress }));
  expect(told.flatMap(({ ids }) => ids)).toEqual(commands.map(({ id }) => id));
  for (const { ids, kept } of told) expect(await kept).toBe(ids.length);
});

test("each gateway is told of its own commands, and one that asked for nothing of none", async () => {
  const event = await createEvent(stores.database.pool);
  const users = await createUsers(stores.database.pool, 3);
  const commands = users.map((user) => reserve(event.id, user));
  const told: Record<string, string[]> = {};
  const jobs: ClaimedJob[] = commands.map((command, i) => ({
    id: `job-${i}`,
    replyTo: ["one", null, "other"][i] ?? null,
    commands: [command],
    unreadable: 0,
  }));
  const rounds = [jobs, []];
  const fake: EventQueue = {
    acquire: async () => ({ leftBehind: [], deaths: 0 }),
    settleAndClaim: async () => rounds.shift() ?? [],
    countTry: async () => 1,
    forgiveTry: async () => undefined,
    release: async () => true,
  };
  await drain(
    event.id,
    stores.deps({
      openQueue: () => fake,
      publish: async (gateway, replies) => {
        told[gateway] = [...(told[gateway] ?? []), ...replies.map(({ commandId }) => commandId)];
      },
    }),
  );
  expect(told).toEqual({ one: [commands[0]?.id], other: [commands[2]?.id] });
});

test("follow-ups are asked for after the commit: timers for the holds that it made, and what the decisions asked", async () => {
  const event = await createEvent(stores.database.pool);
  const [ann, bob] = (await createUsers(stores.database.pool, 2)) as [UserId, UserId];
  const hold = reserve(event.id, ann);
  await sendEach(stores.crowd, [
    hold,
    purchase(event.id, ann, reservationIdOf(hold.id)),
    reserve(event.id, bob),
    cancelEvent(event.id, event.organizerId),
  ]);
  const followed: Asked[] = [];
  await drain(event.id, stores.deps({ followUp: (_, asked) => void followed.push(asked) }));
  const { rows } = await stores.database.pool.query<{ at: number }>(
    "SELECT date_part('epoch', expires_at) * 1000 AS at FROM reservations WHERE user_id = $1",
    [bob],
  );
  expect(followed.flatMap(({ deadlines }) => deadlines)).toEqual(rows.map(({ at }) => at)); // ann's is bought
  expect(followed.flatMap(({ followUps }) => followUps)).toEqual([
    { kind: "wind-down", eventId: event.id, after: null },
  ]);
});

test("an owner that cannot even release gives its error, and the next one finds everything", async () => {
  const { eventId, commands } = await anEventWith(2);
  const cut = stores.deps({ openQueue: dying((call) => call !== "acquire") });
  await expect(drain(eventId, cut)).rejects.toThrow(DEAD);
  await drain(eventId, stores.deps());
  await expectOrderly(stores, eventId, commands);
});
