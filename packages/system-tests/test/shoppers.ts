// People who shop while stores die: they send again what nobody answered, under the same key when they have one, and
// note all that they were told and all that they never learned. Kill nothing, judge nothing.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Answer, Asked, Client } from "@holdfast/load";
import { type Chance, until } from "@holdfast/testkit";
import { expect } from "vitest";
import { type Ending, endingOf, wordOf } from "./endings.ts";
import type { Entry, Unknown } from "./history.ts";
import type { MadeEvent, Person } from "./population.ts";

/** Milliseconds after which who is still refused gives up: the stores are not coming back. */
const GIVE_UP_MS = 30_000;
/** Milliseconds before a client that was not answered, or told to try later, sends again. */
const SEND_AGAIN_MS = 100;
/** Milliseconds that somebody looks around between two purchases, at most. */
const LOOK_AROUND_MS = 100;
/** What there is to look at. */
const PLACES = ["/v1/events", "/v1/reservations", "/v1/commands", "/v1/me"];
/** Milliseconds in which enough must happen for the drill to go on. */
const HAPPENS_WITHIN_MS = 30_000;
const REQUEST_WAIT_SECONDS = 2;
/** Seconds for which a request is held that must be answered with its outcome. */
const PROBE_WAIT_SECONDS = 10;

export interface Told {
  readonly history: Entry[];
  readonly unknowns: Unknown[];
  /** How often each status was answered; 0 when the connection broke first. */
  readonly statuses: Record<number, number>;
  /** The answer that took longest beyond the wait that was asked for, in milliseconds, and what it was. */
  slowest: { pastWaitMs: number; what: string };
}

const NOTHING_SLOW = { pastWaitMs: 0, what: "none" };

export interface Shoppers {
  readonly told: Told;
  /** As `goOn`, for processes that have just been started: how long they take to answer does not count yet. */
  warmUp(endings: number): Promise<void>;
  /** Resolves after so many more endings were learned. Rejects when the shopping has broken down. */
  goOn(endings: number): Promise<void>;
  /** Resolves after so many more requests were refused or not answered: an outage has been felt. */
  feelOutage(refusals: number): Promise<void>;
  /** Asks each event for a ticket until it decides: how many milliseconds after `since` the last of them has. */
  probe(since: number): Promise<number>;
  /** Resolves when everybody has finished what they had begun. */
  stop(): Promise<void>;
}

export interface ShoppersOptions {
  readonly clients: readonly Client[];
  readonly chance: Chance;
  readonly events: readonly MadeEvent[];
  readonly nextPerson: () => Person;
  readonly count: number;
}

export function startShoppers({ clients, chance, events, nextPerson, count }: ShoppersOptions): Shoppers {
  const told: Told = { history: [], unknowns: [], statuses: {}, slowest: NOTHING_SLOW };
  let [stopped, chains, refusals] = [false, 0, 0];

  /** One try, timed. Null when there was no answer, or only that there is none now. */
  async function attempt(
    send: (client: Client) => Promise<Answer>,
    waitSeconds: number,
  ): Promise<Answer | null> {
    const sentAt = performance.now();
    const answer = await send(chance.pick(clients)).catch(() => null);
    const status = answer?.status ?? 0;
    const pastWaitMs = Math.round(performance.now() - sentAt - waitSeconds * 1_000);
    if (pastWaitMs > told.slowest.pastWaitMs) {
      told.slowest = {
        pastWaitMs,
        what: `${status} after a wait of ${waitSeconds} s, at ${new Date().toISOString()}`,
      };
    }
    told.statuses[status] = (told.statuses[status] ?? 0) + 1;
    if (answer !== null && status !== 503) return answer;
    refusals += 1;
    return null;
  }

  async function insist(send: (client: Client) => Promise<Answer>, waitSeconds: number): Promise<Answer> {
    const givenUpAt = performance.now() + GIVE_UP_MS;
    while (performance.now() < givenUpAt) {
      const answer = await attempt(send, waitSeconds);
      if (answer !== null) return answer;
      await pause(SEND_AGAIN_MS);
    }
    throw new Error(`not answered within ${GIVE_UP_MS / 1_000} s`);
  }

  /** Follows promises through outages. */
  const follower: Pick<Client, "get"> = {
    get: (path, asked) => insist((client) => client.get(path, asked), waitOf(asked)),
  };

  async function ask(
    chain: number,
    { eventId }: MadeEvent,
    { userId, token }: Person,
    path: string,
    prefer = `wait=${REQUEST_WAIT_SECONDS}`,
  ): Promise<Ending | null> {
    const keyed = chance.happens(0.7);
    const headers = { prefer, ...(keyed ? { "idempotency-key": randomUUID() } : {}) };
    const asked = { token, headers };
    const send = (client: Client): Promise<Answer> => client.post(path, asked);
    const answer = keyed ? await insist(send, waitOf(asked)) : await attempt(send, waitOf(asked));
    if (answer === null) {
      told.unknowns.push({ userId, eventId });
      await pause(SEND_AGAIN_MS);
      return null;
    }
    const ending = await endingOf(follower, token, answer);
    told.history.push({ chain, eventId, token, ending });
    if (keyed && chance.happens(0.1)) {
      const again = await endingOf(follower, token, await insist(send, waitOf(asked)));
      expect([again.commandId, wordOf(again)]).toEqual([ending.commandId, wordOf(ending)]);
    }
    return ending;
  }

  async function shop(chain: number): Promise<void> {
    const event = chance.pick(events);
    const person = nextPerson();
    const prefer = chance.happens(0.2) ? "respond-async" : undefined;
    const reservation = (await ask(chain, event, person, event.reservePath, prefer))?.reservation;
    if (reservation == null || chance.happens(0.4)) return; // left to end by itself
    const act = (verb: "purchase" | "cancel") =>
      ask(chain, event, person, `/v1/reservations/${reservation.id}/${verb}`);
    if (chance.happens(0.7)) await act("purchase");
    if (chance.happens(0.7)) await act("cancel");
  }

  async function keepShopping(): Promise<void> {
    while (!stopped) {
      await shop(chains++);
      await pause(chance.between(0, LOOK_AROUND_MS));
    }
  }

  /** Somebody who only looks, at all that there is to see. */
  async function keepLooking(): Promise<void> {
    while (!stopped) {
      const { token } = nextPerson();
      const path = chance.pick(PLACES);
      await attempt((client) => client.get(path, { token }), 0);
      await pause(chance.between(0, LOOK_AROUND_MS));
    }
  }

  const ended = Promise.all([keepLooking(), ...Array.from({ length: count }, keepShopping)]);
  ended.catch(() => {}); // told to who stops the shopping
  const sees = (awaited: string, look: () => boolean) =>
    Promise.race([ended, until(awaited, look, HAPPENS_WITHIN_MS)]);

  async function goOn(endings: number): Promise<void> {
    const enough = told.history.length + endings;
    await sees(`${endings} more endings`, () => told.history.length >= enough);
  }

  return {
    told,
    goOn,
    async warmUp(endings) {
      await goOn(endings);
      told.slowest = NOTHING_SLOW;
    },
    async feelOutage(more) {
      const enough = refusals + more;
      await sees(`${more} requests to be refused`, () => refusals >= enough);
    },
    async probe(since) {
      const waits = await Promise.all(
        events.map(async ({ eventId, reservePath }) => {
          const { userId, token } = nextPerson();
          const asked = { token, headers: { prefer: `wait=${PROBE_WAIT_SECONDS}` } };
          for (;;) {
            const answer = await attempt((client) => client.post(reservePath, asked), PROBE_WAIT_SECONDS);
            const waited = performance.now() - since;
            if (answer !== null) {
              const ending = await endingOf(follower, token, answer);
              told.history.push({ chain: chains++, eventId, token, ending });
              return answer.status === 202 ? performance.now() - since : waited;
            }
            told.unknowns.push({ userId, eventId });
            if (waited > GIVE_UP_MS) return waited;
            await pause(SEND_AGAIN_MS);
          }
        }),
      );
      return Math.max(...waits);
    },
    async stop() {
      stopped = true;
      await ended;
    },
  };
}

/** How long a request may be held, by what it prefers, in seconds. */
const waitOf = (asked: Asked | undefined): number =>
  Number(/wait=(\d+)/.exec(asked?.headers?.["prefer"] ?? "")?.[1] ?? 0);
