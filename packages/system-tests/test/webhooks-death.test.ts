// N4: those who write messages and those who deliver them are killed under load, while the receivers fail now and then:
// whatever happened is told at least once, always in the same words, and in numbers that give back its order.
// `KILLS=50` for the long form, `SEED=…` to choose the same moments and victims again.
import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Reservation, WaitlistEntry } from "@holdfast/contracts";
import type { CommandId, EventId, ReservationId, UserId, WaitlistTerms } from "@holdfast/domain";
import {
  type Chance,
  chanceOf,
  createEvent,
  type ServiceProcess,
  type TestEvent,
  until,
} from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, queueOf, report, tally } from "./crowd.ts";
import { checkInvariants } from "./invariants.ts";
import { createPeople, type Person } from "./population.ts";
import { type Subscription, subscribe } from "./subscribers.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";
import { changedBetweenTries, differencesBetween, happenings, taken, unbelievable } from "./told-and-true.ts";
import { openReceiver, RECEIVER_HOSTS, type Receiver } from "./webhook-receiver.ts";

const KILLS = Number(process.env["KILLS"] ?? 4);
const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const EVENTS = 4;
const CAPACITY = 8;
const CHAINS = 12;
const LISTENERS = 5;
const PEOPLE = 1_000 + 1_000 * KILLS;
/** Milliseconds for which somebody looks around between two requests, at most. */
const LOOK_AROUND_MS = 60;
/** Tries that come to the receiver between two kills. */
const BETWEEN_KILLS = { min: 30, max: 250 };
/** Share of messages of which the first try fails. The second comes after five seconds, a third would take minutes. */
const FAILING = 0.02;
/** Milliseconds within which all is delivered when no more comes: a second try, and R after the last kill. */
const DELIVERED_WITHIN_MS = 15_000;
const HOLD_SECONDS = 1;
const WAITLIST: Partial<WaitlistTerms> = { maxEntries: 100_000 };
const DAY_MS = 86_400_000;
const DRILL_TIMEOUT_MS = 60_000 + 10_000 * KILLS;

let system: System;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await openReceiver();
  system = await startSystem({
    expiryWorkers: 1,
    waitlistWorkers: 1,
    webhookWorkers: 2,
    webhookHosts: RECEIVER_HOSTS,
  });
}, START_TIMEOUT_MS);
afterAll(async () => {
  await system.close();
  await receiver.close();
}, START_TIMEOUT_MS);

interface LoadOptions {
  readonly chance: Chance;
  readonly events: readonly TestEvent[];
  readonly nextPerson: () => Person;
  readonly personOf: (userId: UserId) => Person;
}

/** People who reserve or wait, buy, cancel or let go, until they are told to stop. What they are told is nobody's concern here. */
function startLoad({ chance, events, nextPerson, personOf }: LoadOptions) {
  const client = at(system.clients, 0);
  let stopped = false;

  async function act({ token }: Person, path: string, body: object = {}): Promise<unknown> {
    const answer = await client.post(path, { token, body, headers: { prefer: "wait=2" } });
    if (answer.status >= 500) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async function visit(): Promise<void> {
    const person = nextPerson();
    const onSoldOut = chance.happens(0.6) ? "waitlist" : "refuse";
    const got = await act(person, `/v1/events/${chance.pick(events).id}/reserve`, { onSoldOut });
    const { data: hold } = Reservation.safeParse(got);
    const { data: entry } = WaitlistEntry.safeParse(got);
    if (hold !== undefined && chance.happens(0.5)) await act(person, `/v1/reservations/${hold.id}/purchase`);
    if (hold !== undefined && chance.happens(0.6)) await act(person, `/v1/reservations/${hold.id}/cancel`);
    if (entry !== undefined && chance.happens(0.3))
      await client.delete(`/v1/waitlist/${entry.id}`, { token: person.token });
  }

  /** Somebody who was offered what they waited for takes it or declines it, or who bought gives back, so that all goes on. */
  async function reconsider(): Promise<void> {
    const { rows } = await system.pool.query<{ id: ReservationId; user_id: UserId; status: string }>(
      `SELECT id, user_id, status FROM reservations
      WHERE status = 'purchased' OR status = 'held' AND origin = 'waitlist'`,
    );
    if (rows.length === 0) return;
    const { id, user_id, status } = chance.pick(rows);
    const verb = status === "purchased" ? "cancel" : chance.pick(["purchase", "cancel"]);
    await act(personOf(user_id), `/v1/reservations/${id}/${verb}`);
  }

  async function keepOn(what: () => Promise<void>): Promise<void> {
    while (!stopped) {
      await what();
      await pause(chance.between(0, LOOK_AROUND_MS));
    }
  }

  const visitors = Array.from({ length: CHAINS }, () => keepOn(visit));
  const ended = Promise.all([keepOn(reconsider), ...visitors]);
  ended.catch(() => {}); // told to who stops the load
  return {
    /** Resolves after so many more tries. Rejects when the load has broken down, or nothing is delivered any more. */
    async goesOn(tries: number): Promise<void> {
      const enough = receiver.count + tries;
      await Promise.race([ended, until(`${tries} more tries`, () => receiver.count >= enough)]);
    },
    async stop(): Promise<void> {
      stopped = true;
      await ended;
    },
  };
}

/** The first try of some messages fails, in one way or another; never the second. Until told to stop. */
function failNowAndThen(chance: Chance, subscriptions: readonly Subscription[]): () => void {
  for (const { mailbox } of subscriptions) {
    const failed = new Set<string>();
    mailbox.answer = ({ id }) => {
      if (failed.has(id) || !chance.happens(FAILING)) return 200;
      failed.add(id);
      return chance.pick([500, "reset"]);
    };
  }
  return () => {
    for (const { mailbox } of subscriptions) mailbox.answer = () => 200;
  };
}

/** Half of the kills each, in an order of chance. */
function victims(chance: Chance): ("reservation-worker" | "webhook-worker")[] {
  const planned = Array.from({ length: KILLS }, (_, nth) =>
    nth % 2 === 0 ? ("reservation-worker" as const) : ("webhook-worker" as const),
  );
  return planned
    .map((name) => ({ name, place: chance.between(0, 2 ** 31) }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ name }) => name);
}

/** No command, no hold that could end, nobody whose entry is to be closed. */
async function untilAllHasHappened(): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const { rows } = await system.pool.query<{ left: number }>(
      `SELECT (SELECT count(*) FROM accepted_commands)::int
        + (SELECT count(*) FROM events WHERE cancelled_at IS NULL OR winding_down)::int AS left`,
    );
    const jobs = await Promise.all(["wait", "active"].map((state) => system.keysLike(`{evt_*}:${state}`)));
    return rows[0]?.left === 0 && jobs.flat().length === 0;
  };
  await until("all to have happened", isOver, DELIVERED_WITHIN_MS);
}

async function deliveriesByStatus(): Promise<Record<string, number>> {
  const { rows } = await system.pool.query<{ status: string; count: number }>(
    "SELECT status, count(*)::int FROM webhook_deliveries GROUP BY 1",
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** Users' commands in the order in which they were applied, by event. */
async function commandsInOrder(): Promise<ReadonlyMap<EventId, readonly CommandId[]>> {
  const { rows } = await system.pool.query<{ event_id: EventId; command_id: CommandId }>(
    "SELECT event_id, command_id FROM outcomes WHERE user_id IS NOT NULL ORDER BY event_id, seq",
  );
  const byEvent = Map.groupBy(rows, ({ event_id }) => event_id);
  return new Map([...byEvent].map(([id, commands]) => [id, commands.map(({ command_id }) => command_id)]));
}

test(`N4: ${KILLS} kills among who writes and who delivers: all that happened is told, in the same words, its order can be had back`, {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  report(`N4 seed ${SEED}`);
  const chance = chanceOf(SEED);
  const { pool } = system;
  const client = at(system.clients, 0);
  const [organizer] = await createPeople(pool, 1, "organizer");
  const [admin] = await createPeople(pool, 1, "admin");
  if (organizer === undefined || admin === undefined) throw new Error("one of each was made");
  const listeners = await createPeople(pool, LISTENERS);
  const people = await createPeople(pool, PEOPLE);
  const everybody = queueOf(people);
  const known = new Map([...listeners, ...people].map((one) => [one.userId, one]));
  const personOf = (userId: UserId): Person => {
    const one = known.get(userId);
    if (one === undefined) throw new Error(`nobody knows ${userId}`);
    return one;
  };
  const startsAt = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
  const events = await Promise.all(
    Array.from({ length: EVENTS }, (_, day) =>
      createEvent(pool, {
        capacities: [CAPACITY],
        startsAt: startsAt + (10 + day) * DAY_MS,
        terms: { organizerId: organizer.userId, holdSeconds: HOLD_SECONDS, offerSeconds: HOLD_SECONDS },
        waitlist: WAITLIST,
      }),
    ),
  );
  const purchases = ["reservation.purchased", "command.failed"];
  const [all, bought, ...own] = await Promise.all([
    subscribe(client, receiver, organizer),
    subscribe(client, receiver, admin, purchases),
    ...listeners.map((listener) => subscribe(client, receiver, listener)),
  ]);
  const endFailures = failNowAndThen(chance, [all, bought, ...own]);

  const nextPerson = () => (chance.happens(0.3) ? chance.pick(listeners) : everybody());
  const load = startLoad({ chance, events, nextPerson, personOf });
  const dead = new Set<ServiceProcess>();
  for (const name of victims(chance)) {
    await load.goesOn(chance.between(BETWEEN_KILLS.min, BETWEEN_KILLS.max));
    const living = name === "webhook-worker" ? system.webhookWorkers : system.workers;
    const victim = chance.pick(living.filter((one) => !dead.has(one)));
    victim.kill("SIGKILL");
    dead.add(victim);
    await (name === "webhook-worker" ? system.startWebhookWorker() : system.startWorker());
  }
  endFailures(); // what failed is tried again after five seconds
  await load.goesOn(BETWEEN_KILLS.max);
  await load.stop();
  const { token } = organizer;
  const ends = await Promise.all(events.map(({ id }) => client.post(`/v1/events/${id}/cancel`, { token })));
  expect(ends.map(({ status }) => status)).toEqual(events.map(() => 200));
  await untilAllHasHappened();
  const stoppedAt = performance.now();
  const isDelivered = async () => (await deliveriesByStatus())["pending"] === undefined;
  await until("everything to be delivered", isDelivered, DELIVERED_WITHIN_MS);
  const lastedMs = Math.round(performance.now() - stoppedAt);

  const happened = await happenings(pool);
  const told = taken(all.mailbox);
  const tries = [all, bought, ...own].map(({ mailbox }) => mailbox.tries);
  const counts = {
    happened: happened.length,
    tries: tries.flat().length,
    answered: tally(tries.flat().map(({ answered }) => String(answered))),
    again: tries.map((of) => of.length - new Set(of.map(({ id }) => id)).size).reduce((sum, n) => sum + n),
    lastedMs,
  };
  report(`N4 ${JSON.stringify(counts)}`);
  report(`N4 ${JSON.stringify(tally(happened.map(({ type }) => type)))}`);

  for (const { mailbox } of [all, bought, ...own]) {
    expect(mailbox.faults).toEqual([]);
    expect(changedBetweenTries(mailbox.tries)).toEqual([]);
  }
  expect(differencesBetween(happened, told)).toEqual([]);
  const isPurchase = ({ type }: { type: string }) => purchases.includes(type);
  expect(differencesBetween(happened.filter(isPurchase), taken(bought.mailbox))).toEqual([]);
  for (const { owner, mailbox } of own) {
    const concerning = happened.filter(({ userId }) => userId === owner.userId);
    expect(differencesBetween(concerning, taken(mailbox))).toEqual([]);
  }
  const order = await commandsInOrder();
  const ids = new Map<string, string>();
  for (const [eventId, messages] of told) {
    expect(messages.map(({ data }) => data.sequence)).toEqual(messages.map((_, nth) => nth + 1));
    expect(unbelievable(messages)).toEqual([]);
    const commands = messages.flatMap(({ data: { resource } }) =>
      resource.object === "command" ? [resource.id] : [],
    );
    expect(commands).toEqual(order.get(eventId));
    for (const { id, data } of messages) ids.set(id, `${eventId} ${data.sequence}`);
  }
  for (const { mailbox } of [bought, ...own]) {
    for (const { id, data } of [...taken(mailbox).values()].flat())
      expect(`${data.eventId} ${data.sequence}`).toBe(ids.get(id));
  }
  expect(Object.keys(await deliveriesByStatus())).toEqual(["delivered"]);
  expect(await checkInvariants(pool)).toEqual([]);
  expect(new Set(happened.map(({ type }) => type)).size).toBeGreaterThanOrEqual(13);
  expect(counts.again).toBeGreaterThan(0);
});
