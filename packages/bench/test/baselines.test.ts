// What makes a baseline an opponent: it refuses what the rules refuse, in their order, and keeps what they keep.
import { contradictionText, findContradictions } from "@holdfast/db/invariants";
import {
  LIVE_HOLDS_MAX,
  type Outcome,
  Reservation,
  type ReserveCommand,
  type UserId,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import {
  createEvent,
  createUsers,
  type EventOptions,
  openTestDatabase,
  openTestRedis,
  reserve,
  type TestDatabase,
  type TestEvent,
  type TestRedis,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Baseline, createBaseline } from "../src/baselines/baseline.ts";
import { RULED_BASELINES } from "../src/baselines/names.ts";
import { type PlainWorker, startPlainWorker } from "../src/baselines/plain-worker.ts";

const HOUR_MS = 3_600_000;
const CONNECTIONS = 4;

let database: TestDatabase;
let redis: TestRedis;
beforeAll(async () => {
  [database, redis] = await Promise.all([openTestDatabase(), openTestRedis()]);
});
afterAll(() => Promise.all([database.close(), redis.close()]));

const placeHere = () => ({
  databaseUrl: database.url,
  redisUrl: redis.url,
  prefix: redis.prefix,
  connections: CONNECTIONS,
});

interface Scenario {
  readonly sentence: string;
  readonly event?: EventOptions;
  /** Who asks for how many, of which slot, under which key; nothing means one, of none, under none. */
  readonly asks: readonly { who: string; tickets?: number; slot?: number; key?: string }[];
  /** What the last one is refused with; null when it is held. */
  readonly refusal: object | null;
}

const hoursFromNow = (hours: number): number => Math.ceil(Date.now() / 1000) * 1000 + hours * HOUR_MS;
const began = { startsAt: hoursFromNow(-1) };

const SCENARIOS: readonly Scenario[] = [
  { sentence: "a ticket that is free is held", asks: [{ who: "ann" }], refusal: null },
  {
    sentence: "an event whose slots have all started is over, before its sales open",
    event: { ...began, terms: { salesOpenAt: hoursFromNow(2) } },
    asks: [{ who: "ann" }],
    refusal: { code: "event-over" },
  },
  {
    sentence: "sales that have not opened say when they will, before a slot is required",
    event: { capacities: [1, 1], terms: { salesOpenAt: hoursFromNow(2) } },
    asks: [{ who: "ann" }],
    refusal: { code: "sales-not-open", salesOpenAt: hoursFromNow(2) },
  },
  {
    sentence: "sales that have closed are closed",
    event: { terms: { salesCloseAt: hoursFromNow(-1) } },
    asks: [{ who: "ann" }],
    refusal: { code: "sales-closed" },
  },
  {
    sentence: "one of several slots must be named",
    event: { capacities: [1, 1] },
    asks: [{ who: "ann" }],
    refusal: { code: "slot-required" },
  },
  {
    sentence: "a slot that has started is over, while others go on",
    event: { ...began, capacities: [5, 5] },
    asks: [{ who: "ann", slot: 0 }],
    refusal: { code: "event-over" },
  },
  {
    sentence: "an order has a limit, before the capacity has one",
    event: { capacities: [1], terms: { maxPerOrder: 3 } },
    asks: [{ who: "ann", tickets: 4 }],
    refusal: { code: "limit-exceeded", limit: "order" },
  },
  {
    sentence: "nobody may have more than there is",
    event: { capacities: [1] },
    asks: [{ who: "ann", tickets: 2 }],
    refusal: { code: "limit-exceeded", limit: "capacity" },
  },
  {
    sentence: "who has a reservation of the slot is told so, before a limit or that it is full",
    event: { capacities: [2], terms: { maxPerUser: 2 } },
    asks: [
      { who: "ann", tickets: 2 },
      { who: "ann", tickets: 2 },
    ],
    refusal: { code: "already-reserved", reservationId: expect.stringMatching(/^rsv_/) },
  },
  {
    sentence: "a user's tickets of all slots count",
    event: { capacities: [5, 5], terms: { maxPerUser: 3 } },
    asks: [
      { who: "ann", tickets: 2, slot: 0 },
      { who: "ann", tickets: 2, slot: 1 },
    ],
    refusal: { code: "limit-exceeded", limit: "user" },
  },
  {
    sentence: "a first order may exceed what a user may have",
    event: { terms: { maxPerUser: 3 } },
    asks: [{ who: "ann", tickets: 4 }],
    refusal: { code: "limit-exceeded", limit: "user" },
  },
  {
    sentence: "what others hold may still come free",
    event: { capacities: [2] },
    asks: [{ who: "ann" }, { who: "bob", tickets: 2 }],
    refusal: { code: "all-held", earliestReleaseAt: expect.any(Number) },
  },
  {
    sentence: "a key that came with another request is told so, before anything else",
    event: { capacities: [5, 5] },
    asks: [
      { who: "ann", slot: 0, key: "k" },
      { who: "ann", slot: 0, key: "k" },
    ],
    refusal: { code: "idempotency-key-reused" },
  },
];

describe.each(RULED_BASELINES)("the baseline %s", (name) => {
  let baseline: Baseline;
  let worker: PlainWorker | null = null;
  let ask: (command: ReserveCommand) => Promise<{ outcome: Outcome; replayed: boolean }>;
  beforeAll(async () => {
    baseline = await createBaseline(name, placeHere());
    const troubles: unknown[] = [];
    const onError = (error: unknown): number => troubles.push(error);
    if (name === "plain-queue")
      worker = await startPlainWorker(database.url, CONNECTIONS, { ...placeHere(), onError });
    const commands = baseline.commands(onError);
    ask = async (command) => {
      const submitted = await commands.submit({ command, waitMs: 0, respondAsync: false });
      if (submitted.kind === "ended") return { outcome: submitted.outcome, replayed: submitted.replayed };
      throw new Error(`${submitted.kind}`, { cause: troubles.at(-1) });
    };
  });
  afterAll(async () => {
    await baseline.close();
    await worker?.close();
  });

  const play = async (event: TestEvent, asks: Scenario["asks"]): Promise<Outcome> => {
    const people = new Map<string, ReserveCommand["userId"]>();
    let last: Outcome | undefined;
    for (const { who, tickets = 1, slot, key } of asks) {
      const user = people.get(who) ?? (await createUsers(database.pool, 1))[0];
      if (user === undefined) throw new Error("nobody was made");
      people.set(who, user);
      const slotId = slot === undefined ? null : (event.slots[slot]?.id ?? null);
      const command = reserve(event.id, user, {
        quantity: tickets,
        slotId,
        ...(key === undefined ? {} : { key }),
      });
      last = (await ask(command)).outcome;
    }
    if (last === undefined) throw new Error("nobody asked");
    return last;
  };

  test.each(SCENARIOS)("answers as the rules do: $sentence", async ({ event, asks, refusal }) => {
    const outcome = await play(await createEvent(database.pool, event), asks);
    if (refusal === null) {
      expect(outcome).toEqual({ status: "succeeded", reservation: expect.anything() });
      const made = outcome.status === "succeeded" ? outcome.reservation : null;
      expect(Reservation.strict().parse(made)).toMatchObject({ status: "held", quantity: 1 });
    } else {
      expect(outcome).toEqual({ status: "rejected", refusal });
    }
  });

  test("says sold-out once everything is bought", async () => {
    const event = await createEvent(database.pool, { capacities: [2] });
    const held = await play(event, [{ who: "ann" }]);
    const id = held.status === "succeeded" ? held.reservation?.id : undefined;
    await database.pool.query(
      `WITH bought AS (
        UPDATE reservations SET status = 'purchased', purchased_at = now(), expires_at = NULL WHERE id = $1
      ) UPDATE slots SET held = 0, purchased = 1 WHERE event_id = $2`,
      [id, event.id],
    );
    expect(await play(event, [{ who: "bob", tickets: 2 }])).toEqual({
      status: "rejected",
      refusal: { code: "sold-out" },
    });
  });

  test("refuses what overlaps with a reservation of another event, and says whether waiting helps", async () => {
    const [ann] = await createUsers(database.pool, 1);
    if (ann === undefined) throw new Error("nobody was made");
    const one = await createEvent(database.pool);
    const other = await createEvent(database.pool);
    const first = await ask(reserve(one.id, ann));
    const { outcome } = await ask(reserve(other.id, ann));
    const standing = first.outcome.status === "succeeded" ? first.outcome.reservation?.id : undefined;
    expect(outcome).toEqual({
      status: "rejected",
      refusal: { code: "overlap", reservationId: standing, retryable: true },
    });
  });

  test("lets a user hold so many at once, over all events", async () => {
    const [ann] = await createUsers(database.pool, 1);
    if (ann === undefined) throw new Error("nobody was made");
    const words: string[] = [];
    for (let asked = 0; asked <= LIVE_HOLDS_MAX; asked += 1) {
      const event = await createEvent(database.pool, { terms: { overlapPolicy: "allow" } });
      const { outcome } = await ask(reserve(event.id, ann));
      words.push(outcome.status === "rejected" ? JSON.stringify(outcome.refusal) : outcome.status);
    }
    expect(words.slice(0, -1)).toEqual(Array.from({ length: LIVE_HOLDS_MAX }, () => "succeeded"));
    expect(words.at(-1)).toBe('{"code":"limit-exceeded","limit":"holds"}');
  });

  /** Holds of somebody that ended unpaid, so many seconds ago each. */
  const lapsed = async (user: UserId, { id, slotId }: TestEvent, secondsAgo: number[]): Promise<void> => {
    await database.pool.query(
      `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
        ended_at, end_reason, during, exclusive)
      SELECT given.id, $1, s.id, $3, 1, 'expired', 'public', now(), now(), now() - given.ago * interval '1 second',
        'deadline', tstzrange(s.starts_at, s.ends_at), true
      FROM slots s, unnest($4::text[], $5::int[]) AS given(id, ago) WHERE s.id = $2`,
      [id, slotId, user, secondsAgo.map(() => newId("reservation")), secondsAgo],
    );
    await database.pool.query("UPDATE slots SET used = true WHERE id = $1", [slotId]);
  };

  test.each([
    ["five within ten minutes", [10, 100, 200, 300, 609], true],
    ["five within a little more", [10, 100, 200, 300, 611], false],
    ["four", [10, 20, 30, 40], false],
    ["five, the last of them more than five minutes ago", [301, 302, 303, 304, 305], false],
  ])("lets who let holds lapse wait some minutes: %s", async (_, secondsAgo, cools) => {
    const [ann] = await createUsers(database.pool, 1);
    if (ann === undefined) throw new Error("nobody was made");
    const event = await createEvent(database.pool);
    await lapsed(ann, event, secondsAgo);
    const { outcome } = await ask(reserve(event.id, ann));
    const retryAt = expect.any(Number);
    if (cools) {
      expect(outcome).toEqual({
        status: "rejected",
        refusal: { code: "limit-exceeded", limit: "cooldown", retryAt },
      });
    } else expect(outcome.status).toBe("succeeded");
  });

  test.each([
    ["somebody waits", { waiting: 2, parked: 1 }, {}, "all-held"],
    ["all who wait are parked", { waiting: 2, parked: 2 }, {}, "held"],
    ["the waitlist has closed", { waiting: 2, parked: 1 }, { closesBeforeSeconds: 3 * 86_400 }, "held"],
  ])("while %s, the public is answered by it", async (_, { waiting, parked }, waitlist, word) => {
    const event = await createEvent(database.pool, { capacities: [3], waitlist });
    await play(event, [{ who: "ann" }]);
    await database.pool.query("UPDATE slots SET waiting = $2, parked = $3, last_seq = 2 WHERE id = $1", [
      event.slotId,
      waiting,
      parked,
    ]);
    const outcome = await play(event, [{ who: "bob" }]);
    expect(wordOf(outcome)).toBe(word);
    if (outcome.status === "rejected") {
      expect(outcome.refusal).toEqual({ code: "all-held", earliestReleaseAt: expect.any(Number) });
    }
    const { rows } = await database.pool.query(
      "SELECT seen_available AS available, seen_waiting AS waiting FROM outcomes WHERE event_id = $1 ORDER BY seq",
      [event.id],
    );
    expect(rows).toEqual([
      { available: 3, waiting: 0 },
      { available: word === "held" ? 2 : 0, waiting: waiting - parked },
    ]);
  });

  test("gives a repeated command the same answer, and keeps one outcome of it", async () => {
    const event = await createEvent(database.pool);
    const [ann] = await createUsers(database.pool, 1);
    if (ann === undefined) throw new Error("nobody was made");
    const command = reserve(event.id, ann, { key: "again" });
    const first = await ask(command);
    expect(await ask(command)).toEqual({ outcome: first.outcome, replayed: true });
  });

  test("sells no ticket twice to a crowd, and numbers every outcome", async () => {
    const event = await createEvent(database.pool, { capacities: [10] });
    const crowd = await createUsers(database.pool, 60);
    const ended = await Promise.all(crowd.map((user) => ask(reserve(event.id, user))));
    expect(ended.filter(({ outcome }) => outcome.status === "succeeded")).toHaveLength(10);
    const contradictions = await findContradictions(database.pool, { events: [event.id], atRest: true });
    expect(contradictions.map(contradictionText)).toEqual([]);
  });

  test("tells a sender that is not there", async () => {
    const event = await createEvent(database.pool);
    const [somebody] = await createUsers(database.pool, 1);
    if (somebody === undefined) throw new Error("nobody was made");
    await database.pool.query("DELETE FROM users WHERE id = $1", [somebody]);
    await expect(ask(reserve(event.id, somebody))).rejects.toThrow("unknown-sender");
  });
});

test("the baseline echo answers a reservation that is as it should be, and keeps nothing", async () => {
  const event = await createEvent(database.pool);
  const [ann] = await createUsers(database.pool, 1);
  if (ann === undefined) throw new Error("nobody was made");
  const baseline = await createBaseline("echo", placeHere());
  const commands = baseline.commands(() => {});
  const submitted = await commands.submit({
    command: reserve(event.id, ann),
    waitMs: 0,
    respondAsync: false,
  });
  await baseline.close();
  const made =
    submitted.kind === "ended" && submitted.outcome.status === "succeeded"
      ? submitted.outcome.reservation
      : null;
  expect(Reservation.strict().parse(made)).toMatchObject({ eventId: event.id, userId: ann, status: "held" });
  const { rows } = await database.pool.query("SELECT 1 FROM outcomes WHERE event_id = $1", [event.id]);
  expect(rows).toEqual([]);
});
