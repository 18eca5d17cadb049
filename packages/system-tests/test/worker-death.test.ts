// F4: workers are killed under load, again and again; what was answered stands, and the rest goes on at once.
// `KILLS=20` for the long form, `SEED=…` to choose the same moments and victims again.
import { randomInt, randomUUID } from "node:crypto";
import type { EventId } from "@holdfast/domain";
import { type Chance, chanceOf, until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queueOf, report, tally } from "./crowd.ts";
import { type Ending, endingOf, wordOf } from "./endings.ts";
import { contradictionsOf, type Entry } from "./history.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type MadeEvent, type Person } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

const KILLS = Number(process.env["KILLS"] ?? 3);
const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const EVENTS = 5;
const CAPACITY = 60;
const CHAINS = 40;
const PEOPLE = 4_000 + 3_000 * KILLS;
/** Milliseconds after a kill within which an event's next command is answered. */
const GOES_ON_WITHIN_MS = 2_000;
const DRILL_TIMEOUT_MS = 60_000 + 10_000 * KILLS;

let system: System;

beforeAll(async () => {
  system = await startSystem({ gateways: 2, workers: 2 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

/** Clients that reserve, buy, cancel and repeat themselves until told to stop. Records all that they are told. */
function startLoad(chance: Chance, events: readonly MadeEvent[], nextPerson: () => Person) {
  const history: Entry[] = [];
  let stopped = false;
  let chains = 0;

  async function ask(
    chain: number,
    { eventId }: MadeEvent,
    { token }: Person,
    path: string,
    prefer: string,
  ): Promise<() => Promise<Ending>> {
    const client = chance.pick(system.clients);
    const asked = { token, headers: { "idempotency-key": randomUUID(), prefer } };
    const answer = await client.post(path, asked);
    return async () => {
      const ending = await endingOf(client, token, answer);
      history.push({ chain, eventId, token, ending });
      if (chance.happens(0.1)) {
        const again = await endingOf(client, token, await chance.pick(system.clients).post(path, asked));
        expect([again.commandId, wordOf(again)]).toEqual([ending.commandId, wordOf(ending)]);
      }
      return ending;
    };
  }

  async function buy(chain: number): Promise<void> {
    const event = chance.pick(events);
    const person = nextPerson();
    const both = chance.happens(0.3);
    // The second of two reservations is sent when the first was accepted, before anybody knows how it ends.
    const first = await ask(chain, event, person, event.reservePath, both ? "respond-async" : "wait=2");
    const second = both ? await ask(chain, event, person, event.reservePath, "wait=2") : null;
    const { reservation } = await first();
    const twice = await second?.();
    if (reservation === null) return;
    if (twice !== undefined) expect(wordOf(twice)).toBe("already-reserved");
    const act = (verb: "purchase" | "cancel") =>
      ask(chain, event, person, `/v1/reservations/${reservation.id}/${verb}`, "wait=2").then((end) => end());
    if (chance.happens(0.7)) expect(wordOf(await act("purchase"))).toBe("purchased");
    expect(wordOf(await act("cancel"))).toBe("cancelled");
  }

  async function keepBuying(): Promise<void> {
    while (!stopped) await buy(chains++);
  }

  const ended = Promise.all(Array.from({ length: CHAINS }, keepBuying));
  ended.catch(() => {}); // told to who stops the load
  return {
    /** Resolves after so many more answers. Rejects when the load has broken down. */
    async goesOn(answers: number): Promise<void> {
      const enough = history.length + answers;
      await Promise.race([ended, until(`${answers} more answers`, () => history.length >= enough)]);
    },
    async stop(): Promise<Entry[]> {
      stopped = true;
      await ended;
      return history;
    },
    /** One reservation of each event, sent now: how long until each is answered, in milliseconds. */
    async probe(): Promise<number[]> {
      const sentAt = performance.now();
      return Promise.all(
        events.map(async (event) => {
          const { token } = nextPerson();
          const client = chance.pick(system.clients);
          const answer = await client.post(event.reservePath, { token, headers: { prefer: "wait=10" } });
          const waited = performance.now() - sentAt;
          const ending = await endingOf(client, token, answer);
          history.push({ chain: chains++, eventId: event.eventId, token, ending });
          return waited;
        }),
      );
    },
  };
}

/** The longest times in milliseconds for which events ended no command, one for each event. */
async function longestPauses(): Promise<Record<EventId, number>> {
  const { rows } = await system.pool.query<{ event_id: EventId; pause: number }>(
    `SELECT event_id, max(pause) AS pause FROM (
      SELECT event_id, date_part('epoch', finished_at - lag(finished_at) OVER (PARTITION BY event_id ORDER BY seq))
        * 1000 AS pause FROM outcomes
    ) pauses GROUP BY event_id`,
  );
  return Object.fromEntries(rows.map(({ event_id, pause }) => [event_id, Math.round(pause)]));
}

test(`F4, race 8: one of two workers is killed ${KILLS} times under load: every answer stands, in order, once`, {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  report(`F4 seed ${SEED}`);
  const chance = chanceOf(SEED);
  const nextPerson = queueOf(await createPeople(system.pool, PEOPLE));
  const events = await Promise.all(
    Array.from({ length: EVENTS }, (_, day) =>
      createEvent(system.pool, { capacity: CAPACITY, inDays: 10 + day }),
    ),
  );
  const load = startLoad(chance, events, nextPerson);
  const waits: number[] = [];
  const dead = new Set<number>();
  for (let kill = 0; kill < KILLS; kill += 1) {
    await load.goesOn(chance.between(100, 600));
    const victim = chance.pick(system.workers.filter(({ pid }) => !dead.has(pid)));
    victim.kill("SIGKILL");
    dead.add(victim.pid);
    waits.push(Math.max(...(await load.probe())));
    await system.startWorker();
  }
  const history = await load.stop();
  const pauses = await longestPauses();
  report(
    `F4 ${history.length} commands: ${JSON.stringify(tally(history.map(({ ending }) => wordOf(ending))))}`,
  );
  report(`F4 slowest first answer after each kill: ${waits.map(Math.round).join(", ")} ms`);
  report(`F4 longest pause of each event: ${Object.values(pauses).join(", ")} ms`);

  expect(await contradictionsOf(history, system.pool, chance.pick(system.clients))).toEqual([]);
  expect(await checkInvariants(system.pool)).toEqual([]);
  for (const wait of waits) expect(wait).toBeLessThan(GOES_ON_WITHIN_MS);
  expect(history.length).toBeGreaterThan(KILLS * 100);
});
