// F6: one key, many requests, two gateways.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const PEOPLE = 100;
const REPEATS = 20;
const KEYS_TIMEOUT_MS = 20_000;

let system: System;

beforeAll(async () => {
  system = await startSystem({ gateways: 2, workers: 2 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

test("F6, race 14: of two bodies under one key, sent at once through two gateways, exactly one is told that the key is used", {
  timeout: KEYS_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, PEOPLE);
  const { eventId, reservePath } = await createEvent(system.pool, { capacity: 10 * PEOPLE });
  const pairs = await Promise.all(
    people.map(async ({ token }, i) => {
      const headers = { "idempotency-key": `order-${i}` };
      return Promise.all(
        [1, 2].map(async (quantity) => {
          const client = at(system.clients, i + quantity);
          const answer = await client.post(reservePath, { token, headers, body: { quantity } });
          return { quantity, status: answer.status, ending: await endingOf(client, token, answer) };
        }),
      );
    }),
  );
  const words = pairs.map((pair) =>
    pair
      .map(({ ending }) => wordOf(ending))
      .sort()
      .join(" and "),
  );
  expect(tally(words)).toEqual({ "held and idempotency-key-reused": PEOPLE });
  for (const pair of pairs) {
    for (const { quantity, status, ending } of pair) {
      if (ending.reservation === null) expect(status).toBe(422);
      else expect(ending.reservation.quantity).toBe(quantity); // unharmed
    }
  }
  // The first one keeps the key, whoever that was: each body is answered the same when it is sent again.
  const again = await Promise.all(
    pairs.flatMap((pair, i) =>
      pair.map(async ({ quantity }) => {
        const { token } = at(people, i);
        const asked = { token, headers: { "idempotency-key": `order-${i}` }, body: { quantity } };
        return endingOf(at(system.clients, i), token, await at(system.clients, i).post(reservePath, asked));
      }),
    ),
  );
  expect(again.map(({ commandId }) => commandId)).toEqual(pairs.flat().map(({ ending }) => ending.commandId));
  expect(again.map(wordOf)).toEqual(pairs.flat().map(({ ending }) => wordOf(ending)));
  const { rows } = await system.pool.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM outcomes WHERE event_id = $1",
    [eventId],
  );
  expect(rows[0]?.n).toBe(2 * PEOPLE);
  expect(await checkInvariants(system.pool)).toEqual([]);
});

test("F6: the same request twenty times at once over two gateways is one command with one answer", {
  timeout: KEYS_TIMEOUT_MS,
}, async () => {
  const people = await createPeople(system.pool, PEOPLE / 5);
  const { eventId, reservePath } = await createEvent(system.pool, { capacity: PEOPLE });
  for (const { token } of people) {
    const asked = { token, headers: { "idempotency-key": randomUUID() }, body: { quantity: 1 } };
    const answers = await Promise.all(
      Array.from({ length: REPEATS }, (_, i) => at(system.clients, i).post(reservePath, asked)),
    );
    expect(tally(answers.map(({ status }) => String(status)))).toEqual({ 201: REPEATS });
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(new Set(answers.map(({ headers }) => headers["link"])).size).toBe(1);
    const replayed = answers.filter(({ headers }) => headers["idempotent-replayed"] === "true");
    expect(replayed.length).toBe(REPEATS - 1);
    const later = await at(system.clients, 1).post(reservePath, asked);
    expect([later.status, later.headers["idempotent-replayed"], later.body]).toEqual([
      201,
      "true",
      answers[0]?.body,
    ]);
  }
  const { rows } = await system.pool.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM outcomes WHERE event_id = $1",
    [eventId],
  );
  expect(rows[0]?.n).toBe(people.length);
  expect(await checkInvariants(system.pool)).toEqual([]);
});
