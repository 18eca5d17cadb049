// Whole workers over real stores: commands in, outcomes out, whoever fails in between.
import { randomUUID } from "node:crypto";
import { type Command, reservationIdOf, SETTLE_GRACE_MS, type UserId } from "@holdfast/domain";
import { ACTIVATIONS, busyEventsKey, eventKeys } from "@holdfast/event-queue";
import {
  cancel,
  createEvent,
  createUsers,
  expireDue,
  openCrowd,
  openFaultProxy,
  purchase,
  reserve,
  until,
  wordOf,
} from "@holdfast/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { HOLD_LATE_MS, SWEEP_EVERY_MS } from "../src/sweep.ts";
import { type ReservationWorkerOptions, type RunningWorker, startReservationWorker } from "../src/worker.ts";
import { expectCountersEqualRows, openStores, outcomesOf, type Stores, silent } from "./drain-under-test.ts";

let stores: Stores;

beforeAll(async () => {
  stores = await openStores();
});
afterAll(() => stores.close());

/** A worker on a key prefix of the test's own, so that no two tests' workers share events. */
async function start(prefix: string, given: Partial<ReservationWorkerOptions> = {}): Promise<RunningWorker> {
  const worker = await startReservationWorker({
    databaseUrl: stores.database.url,
    redisUrl: stores.redis.url,
    prefix,
    drainSlots: 4,
    insistOnDurability: true,
    metrics: new Registry(),
    log: silent,
    ...given,
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= worker.stop());
  onTestFinished(stop);
  return { stop };
}

async function door(prefix = `${stores.redis.prefix}-${randomUUID()}`) {
  const crowd = await openCrowd(stores.redis.url, prefix);
  onTestFinished(() => crowd.close());
  const words = async (commands: readonly Command[]) =>
    (await Promise.all(commands.map((command) => crowd.ask(command)))).map(({ outcome }) => wordOf(outcome));
  return { prefix, crowd, words };
}

const count = (words: readonly string[], word: string): number => words.filter((one) => one === word).length;
const users = (n: number) => createUsers(stores.database.pool, n);
const one = async (): Promise<UserId> => ((await users(1)) as [UserId])[0];
const event = (capacity = 10) => createEvent(stores.database.pool, { capacities: [capacity] });

describe("one worker", () => {
  test("twenty users for ten tickets: ten held, ten refused (F2)", async () => {
    const { prefix, words } = await door();
    await start(prefix);
    const { id } = await event(10);
    const ended = await words((await users(20)).map((user) => reserve(id, user)));
    expect([count(ended, "held"), count(ended, "all-held")]).toEqual([10, 10]);
    await expectCountersEqualRows(stores.database.pool, id);
  });

  test("a hold is bought, and another one cancelled; what was freed is there for the next", async () => {
    const { prefix, words } = await door();
    await start(prefix);
    const { id } = await event(2);
    const [ann, bob, cid] = (await users(3)) as [UserId, UserId, UserId];
    const [first, second] = [reserve(id, ann), reserve(id, bob)];
    expect(await words([first, second])).toEqual(["held", "held"]);
    expect(await words([purchase(id, ann, reservationIdOf(first.id), { paymentReference: "p" })])).toEqual([
      "purchased",
    ]);
    expect(await words([reserve(id, cid)])).toEqual(["all-held"]);
    expect(await words([cancel(id, bob, reservationIdOf(second.id))])).toEqual(["cancelled"]);
    expect(await words([reserve(id, cid)])).toEqual(["held"]);
  });

  test("the same command sent by two doors is one command, answered at both (race 8)", async () => {
    const { prefix, crowd } = await door();
    const other = await door(prefix);
    await start(prefix);
    const { id } = await event();
    const command = reserve(id, await one());
    const replies = await Promise.all([crowd.ask(command), other.crowd.ask(command)]);
    expect(replies[0].outcome).toEqual(replies[1].outcome);
    expect(replies.map(({ replayed }) => replayed).sort()).toEqual([false, true]);
    expect(await outcomesOf(stores.database.pool, id)).toHaveLength(1);
  });

  test("same key, two bodies, two doors, at once: one is refused, the other unharmed (race 14, F6)", async () => {
    const { prefix, crowd } = await door();
    const other = await door(prefix);
    await start(prefix);
    const { id } = await event(100);
    for (const user of await users(10)) {
      const replies = await Promise.all([
        crowd.ask(reserve(id, user, { key: "k", quantity: 1 })),
        other.crowd.ask(reserve(id, user, { key: "k", quantity: 2 })),
      ]);
      expect(replies.map(({ outcome }) => wordOf(outcome)).sort()).toEqual([
        "held",
        "idempotency-key-reused",
      ]);
    }
  });

  test("several events are drained side by side, and a hot one starves no other", async () => {
    const { prefix, crowd, words } = await door();
    await start(prefix, { drainSlots: 2 });
    const hot = await event(100_000);
    const [hotUser] = (await users(1)) as [UserId];
    const hotCommands = Array.from({ length: 4_000 }, () => expireDue(hot.id, 1_000));
    let hotDone = false;
    const flood = Promise.all(hotCommands.map((command) => crowd.ask(command))).then(() => {
      hotDone = true;
    });
    const cold = await Promise.all(Array.from({ length: 4 }, () => event()));
    const answered = await Promise.all(cold.map(async ({ id }) => words([reserve(id, await one())])));
    expect(answered).toEqual(cold.map(() => ["held"]));
    expect(hotDone).toBe(false);
    await flood;
    expect(await words([reserve(hot.id, hotUser)])).toEqual(["held"]);
  });

  test("a graceful stop finishes the batch in hand, strands nothing, and the next worker goes on", async () => {
    const { prefix, crowd } = await door();
    const first = await start(prefix);
    const { id } = await event(5_000);
    const commands = (await users(1_500)).map((user) => reserve(id, user));
    const replies = Promise.all(commands.map((command) => crowd.ask(command)));
    await until("some to be answered", async () => (await outcomesOf(stores.database.pool, id)).length > 0);
    await first.stop();
    const done = (await outcomesOf(stores.database.pool, id)).length;
    const active = await stores.redis.redis.llen(eventKeys(prefix, id).active);
    expect(active).toBe(0);
    await start(prefix);
    expect((await replies).map(({ replayed }) => replayed)).not.toContain(true);
    expect(done).toBeLessThanOrEqual(commands.length);
    expect((await outcomesOf(stores.database.pool, id)).map((ended) => ended.id)).toEqual(
      commands.map((c) => c.id),
    );
  });

  test("a pause holds everything back in order, and what was accepted before a deadline still wins (F6)", async () => {
    const { prefix, crowd, words } = await door();
    await start(prefix);
    const { id } = await event();
    const user = await one();
    const hold = reserve(id, user);
    expect(await words([hold])).toEqual(["held"]);
    await stores.database.pool.query("UPDATE event_lanes SET paused_at = now() WHERE event_id = $1", [id]);
    const buy = purchase(id, user, reservationIdOf(hold.id));
    const answer = crowd.ask(buy);
    await until(
      "the paused event to be let go",
      async () => (await crowd.activations.missing([id])).length === 1,
    );
    await stores.database.pool.query(
      "UPDATE reservations SET expires_at = to_timestamp(($2::float8 + 1) / 1000.0) WHERE event_id = $1",
      [id, buy.at],
    );
    expect(await outcomesOf(stores.database.pool, id)).toHaveLength(1);
    await stores.database.pool.query("UPDATE event_lanes SET paused_at = NULL WHERE event_id = $1", [id]);
    await crowd.activations.signal(id);
    expect(wordOf((await answer).outcome)).toBe("purchased");
  });

  test("the hold of another event that is over its deadline is settled there, when it stands in somebody's way", async () => {
    const { prefix, words } = await door();
    await start(prefix);
    const startsAt = Math.ceil(Date.now() / 1_000) * 1_000 + 86_400_000;
    const [here, there] = await Promise.all(
      [1, 2].map(() => createEvent(stores.database.pool, { startsAt })),
    );
    if (here === undefined || there === undefined) throw new Error("two events were asked for");
    const user = await one();
    await words([reserve(there.id, user)]);
    await stores.database.pool.query(
      "UPDATE reservations SET expires_at = now() - interval '550 milliseconds' WHERE event_id = $1",
      [there.id],
    );
    expect(await words([reserve(here.id, user)])).toEqual(["overlap"]);
    await until("the other event to settle", async () => {
      const { rows } = await stores.database.pool.query(
        "SELECT status FROM reservations WHERE event_id = $1",
        [there.id],
      );
      return rows[0]?.status === "expired";
    });
    expect(await words([reserve(here.id, user)])).toEqual(["held"]);
  });

  test("with no expiry worker, the sweep ends holds (F5)", async () => {
    const { prefix, words } = await door();
    await start(prefix);
    const { id } = await createEvent(stores.database.pool, { terms: { holdSeconds: 1 } });
    expect(await words([reserve(id, await one())])).toEqual(["held"]);
    const ended = await until("the hold to end", async () => {
      const { rows } = await stores.database.pool.query<{ late: number }>(
        `SELECT date_part('epoch', ended_at - expires_at) * 1000 AS late FROM reservations
        WHERE event_id = $1 AND status = 'expired'`,
        [id],
      );
      return rows[0];
    });
    expect(ended.late).toBeGreaterThanOrEqual(0);
    expect(ended.late).toBeLessThan(HOLD_LATE_MS + SETTLE_GRACE_MS + SWEEP_EVERY_MS + 1_000);
  });

  test("with no expiry worker, the event's first command 500 ms past the deadline ends the hold (F5)", async () => {
    const { prefix, words } = await door();
    await start(prefix);
    const { id } = await event(1);
    const [ann, bob] = (await users(2)) as [UserId, UserId];
    await words([reserve(id, ann)]);
    await stores.database.pool.query(
      "UPDATE reservations SET expires_at = clock_timestamp() - interval '501 milliseconds' WHERE event_id = $1",
      [id],
    );
    expect(await words([reserve(id, bob, { at: Date.now() + 5 })])).toEqual(["held"]);
  });
});

describe("two workers", () => {
  test("share events: each command of each event ends once, in order, none oversold (F2)", async () => {
    const { prefix, crowd } = await door();
    await Promise.all([start(prefix), start(prefix)]);
    const events = await Promise.all(Array.from({ length: 6 }, () => event(20)));
    const buyers = await users(60);
    const perEvent = await Promise.all(
      events.map(async ({ id }) => {
        const commands = buyers.map((user) => reserve(id, user));
        const replies = await Promise.all(commands.map((command) => crowd.ask(command)));
        return { id, commands, words: replies.map(({ outcome }) => wordOf(outcome)) };
      }),
    );
    for (const { id, commands } of perEvent) {
      expect((await outcomesOf(stores.database.pool, id)).map((ended) => ended.id)).toEqual(
        commands.map((c) => c.id),
      );
      await expectCountersEqualRows(stores.database.pool, id);
    }
    const held = perEvent.flatMap(({ words }) => words.filter((word) => word === "held"));
    expect(held).toHaveLength(60); // all events are at one time: a user holds one of them
  });

  test("a user's overlapping reserves in two events at once: exactly one of each pair is held (race 5, F3)", async () => {
    const { prefix, crowd } = await door();
    await Promise.all([start(prefix), start(prefix)]);
    const startsAt = Math.ceil(Date.now() / 1_000) * 1_000 + 86_400_000;
    const [one, other] = await Promise.all(
      [1, 2].map(() => createEvent(stores.database.pool, { capacities: [1_000], startsAt })),
    );
    if (one === undefined || other === undefined) throw new Error("two events were asked for");
    const pairs = await Promise.all(
      (await users(300)).map((user) =>
        Promise.all([crowd.ask(reserve(one.id, user)), crowd.ask(reserve(other.id, user))]),
      ),
    );
    const words = pairs.map((pair) => pair.map(({ outcome }) => wordOf(outcome)).sort());
    expect(new Set(words.map(String))).toEqual(new Set(["held,overlap"]));
  });
});

describe("two drains of one event in one process", () => {
  test("a second activation ends the first drain before it begins, and nothing is lost or doubled (race 9)", async () => {
    const { prefix, crowd } = await door();
    await start(prefix);
    const { id } = await event(5_000);
    const commands = (await users(800)).map((user) => reserve(id, user));
    const replies = Promise.all(commands.map((command) => crowd.ask(command)));
    // What a worker whose lock ran out meets: the same event's activation comes again while it still drains.
    await until(
      "the drain to be under way",
      async () => (await outcomesOf(stores.database.pool, id)).length > 0,
    );
    await stores.redis.redis.del(`${prefix}:${ACTIVATIONS}:de:${id}`);
    await crowd.activations.signal(id);
    expect(
      count(
        (await replies).map(({ outcome }) => wordOf(outcome)),
        "held",
      ),
    ).toBe(800);
    expect((await outcomesOf(stores.database.pool, id)).map((ended) => ended.id)).toEqual(
      commands.map((c) => c.id),
    );
  });
});

describe("faults", () => {
  test("an activation in dead hands is taken over, and its event goes on within 2 s (F4)", async () => {
    const { prefix, crowd } = await door();
    const { id } = await event();
    const answer = crowd.ask(reserve(id, await one()));
    const key = (list: string) => `${prefix}:${ACTIVATIONS}:${list}`;
    await until("the activation", async () => (await crowd.activations.waiting()) === 1);
    // Claimed, and its lock not renewed: what a killed worker leaves.
    await stores.redis.redis.lmove(key("wait"), key("active"), "RIGHT", "LEFT");
    const diedAt = performance.now();
    await start(prefix);
    expect(wordOf((await answer).outcome)).toBe("held");
    expect(performance.now() - diedAt).toBeLessThan(2_000);
  });

  test("the reply to a COMMIT is lost: one effect, and the answer is no repeat", async () => {
    const { prefix, crowd } = await door();
    const proxy = await openFaultProxy(stores.database.url);
    onTestFinished(() => proxy.close());
    await start(prefix, { databaseUrl: proxy.url });
    const { id } = await event();
    const [ann, bob] = (await users(2)) as [UserId, UserId];
    await crowd.ask(reserve(id, ann)); // statements are prepared, connections are warm
    const lost = proxy.loseReply("end-batch", "COMMIT");
    const reply = await crowd.ask(reserve(id, bob));
    await lost;
    expect([wordOf(reply.outcome), reply.replayed]).toEqual(["held", false]);
    expect((await outcomesOf(stores.database.pool, id)).map(({ word }) => word)).toEqual(["held", "held"]);
    await expectCountersEqualRows(stores.database.pool, id);
  });

  test("the database is out of reach for a moment: nothing is lost, order is kept", {
    timeout: 15_000,
  }, async () => {
    const { prefix, crowd, words } = await door();
    const proxy = await openFaultProxy(stores.database.url);
    onTestFinished(() => proxy.close());
    await start(prefix, { databaseUrl: proxy.url });
    const { id } = await event(100);
    await words([reserve(id, await one())]);
    await proxy.refuse();
    const commands = (await users(20)).map((user) => reserve(id, user));
    const replies = Promise.all(commands.map((command) => crowd.ask(command)));
    await until("the event to be let go at least once", async () => {
      return (await stores.redis.redis.zcard(`${prefix}:${ACTIVATIONS}:delayed`)) > 0;
    });
    await proxy.pass();
    const backAt = performance.now();
    await replies;
    expect(performance.now() - backAt).toBeLessThan(5_000);
    expect((await outcomesOf(stores.database.pool, id)).slice(1).map((ended) => ended.id)).toEqual(
      commands.map((command) => command.id),
    );
  });

  test("Redis is out of reach of the worker for a moment: it goes on within 5 s by itself", {
    timeout: 20_000,
  }, async () => {
    const { prefix, crowd, words } = await door();
    const proxy = await openFaultProxy(stores.redis.url);
    onTestFinished(() => proxy.close());
    await start(prefix, { redisUrl: proxy.url });
    const { id } = await event(100);
    await words([reserve(id, await one())]);
    await proxy.refuse();
    const answer = crowd.ask(reserve(id, await one()));
    // Long enough for every part of the worker to have met the closed door.
    const closedAt = performance.now();
    await until("the door to have been closed for a second", () => performance.now() - closedAt > 1_000);
    await proxy.pass();
    const backAt = performance.now();
    expect(wordOf((await answer).outcome)).toBe("held");
    expect(performance.now() - backAt).toBeLessThan(5_000);
  });

  test("Redis loses everything: what was promised ends, holds end, no fence is used twice (race 10)", {
    timeout: 20_000,
  }, async () => {
    const { prefix, crowd, words } = await door();
    await start(prefix);
    const { id } = await createEvent(stores.database.pool, { capacities: [100], terms: { holdSeconds: 2 } });
    const [ann, bob] = (await users(2)) as [UserId, UserId];
    await words([reserve(id, ann)]);
    const fenceOf = async () =>
      (
        await stores.database.pool.query("SELECT fence::int AS fence FROM event_lanes WHERE event_id = $1", [
          id,
        ])
      ).rows[0]?.fence;
    const before = await fenceOf();
    const promised = reserve(id, bob);
    await stores.database.pool.query(
      `INSERT INTO accepted_commands (command_id, event_id, user_id, type, submitted_at, accepted_at, command)
      VALUES ($1, $2, $3, 'reserve', to_timestamp($4 / 1000.0), clock_timestamp() - interval '2 seconds', $5)`,
      [promised.id, id, bob, promised.at, JSON.stringify(promised)],
    );
    // Everything under this test's prefix: what FLUSHALL would do, without harm to the tests beside this one.
    const keys = await stores.redis.redis.keys(`${prefix}:*`);
    await stores.redis.redis.del(keys);
    await until(
      "all to end",
      async () => {
        const { rows } = await stores.database.pool.query(
          "SELECT count(*) FILTER (WHERE status = 'expired')::int AS expired FROM reservations WHERE event_id = $1",
          [id],
        );
        return rows[0]?.expired === 2;
      },
      12_000,
    );
    const ended = await outcomesOf(stores.database.pool, id);
    expect(ended.filter(({ id: of }) => of === promised.id)).toEqual([{ id: promised.id, word: "held" }]);
    expect(await fenceOf()).toBeGreaterThan(before);
    const late = await stores.database.pool.query<{ late: number }>(
      "SELECT date_part('epoch', ended_at - expires_at) * 1000 AS late FROM reservations WHERE event_id = $1",
      [id],
    );
    for (const row of late.rows) {
      expect(row.late).toBeGreaterThanOrEqual(0);
      expect(row.late).toBeLessThan(6_500);
    }
    // The rows are committed before the drain lets the event go.
    await until("nothing to be left to do", async () => {
      return (await crowd.redis.sismember(busyEventsKey(prefix), id)) === 0;
    });
  });

  test("a worker whose stores may lose what was answered starts in local mode only", async () => {
    const { prefix } = await door();
    await expect(start(prefix, { drainSlots: 60_000 })).rejects.toThrow("its lock table has room for");
    const { words } = await door(prefix);
    await start(prefix, { drainSlots: 200, insistOnDurability: false });
    expect(await words([reserve((await event()).id, await one())])).toEqual(["held"]);
  });
});
