// Drains over real stores, put together as the worker does it, with every part open to replacement by a test.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { openBatchPool } from "@holdfast/db";
import { lookAtFence } from "@holdfast/db/inventory";
import type { AnyCommand, Command, CommandId, EventId, Outcome, WaitlistTerms } from "@holdfast/domain";
import {
  type EventQueue,
  openEventQueue,
  openRedis,
  type Reply,
  untilReady,
  withDrainScripts,
} from "@holdfast/event-queue";
import { createLogger, type Logger } from "@holdfast/runtime";
import {
  type Crowd,
  openCrowd,
  openTestDatabase,
  openTestRedis,
  type TestDatabase,
  type TestRedis,
  wordOf,
} from "@holdfast/testkit";
import type pg from "pg";
import { Registry } from "prom-client";
import { expect } from "vitest";
import { type Apply, createApply } from "../src/apply.ts";
import type { DrainDeps } from "../src/drain.ts";
import { createWorkerMetrics } from "../src/metrics.ts";
import { createSolitude } from "../src/solitude.ts";

/** Tests read rows and replies, not logs. */
export const silent: Logger = createLogger({ level: "fatal", format: "json", service: "test" });

/** Metrics that nobody reads. */
export const unread = createWorkerMetrics(new Registry());

/** Terms of a waitlist that anybody may join, until the slot starts. */
export const WAITLIST = {
  enabled: true,
  mode: "skip",
  maxSkips: 5,
  collectSeconds: 900,
  maxEntries: 1_000,
  closesBeforeSeconds: 0,
} as const satisfies WaitlistTerms;

export interface Stores {
  readonly database: TestDatabase;
  readonly redis: TestRedis;
  readonly crowd: Crowd;
  readonly batches: pg.Pool;
  readonly apply: Apply;
  /** What a drain needs; what the test gives replaces it. Replies go into `heard`, activations into `asked`. */
  deps(given?: Partial<DrainDeps>): DrainDeps & { heard: Reply[]; asked: EventId[] };
  openQueue(eventId: EventId, token: string): EventQueue;
  close(): Promise<void>;
}

export async function openStores(): Promise<Stores> {
  const [database, redis] = await Promise.all([openTestDatabase(), openTestRedis()]);
  const crowd = await openCrowd(redis.url, redis.prefix);
  const drains = withDrainScripts(
    openRedis({ url: redis.url, name: "test-drains", onError: () => undefined }),
  );
  await untilReady(drains);
  const batches = openBatchPool({
    url: database.url,
    name: "test-batches",
    max: 6,
    onError: () => undefined,
  });
  const apply = createApply({ pool: batches, metrics: unread, log: silent, pause: (ms) => sleep(ms) });
  const openQueue = (eventId: EventId, token: string) => openEventQueue(drains, redis.prefix, eventId, token);
  return {
    database,
    redis,
    crowd,
    batches,
    apply,
    openQueue,
    deps(given = {}) {
      const heard: Reply[] = [];
      const asked: EventId[] = [];
      return {
        openQueue,
        newToken: randomUUID,
        fence: (id) => lookAtFence(batches, id),
        apply,
        solitude: createSolitude(),
        activate: async (eventId) => void asked.push(eventId),
        publish: async (_, replies) => void heard.push(...replies),
        progress: async () => undefined,
        followUp: () => undefined,
        crowded: () => false,
        stopping: new AbortController().signal,
        monotonicMs: () => performance.now(),
        pause: async () => undefined,
        metrics: unread,
        log: silent,
        heard,
        asked,
        ...given,
      };
    },
    async close() {
      await crowd.close();
      drains.disconnect();
      await batches.end();
      await redis.close();
      await database.close();
    },
  };
}

export interface Ended {
  readonly id: CommandId;
  readonly word: string;
}

/** How an event's commands ended, in the order of their numbers, which must have no gap. */
export async function outcomesOf(pool: pg.Pool, eventId: EventId): Promise<Ended[]> {
  const { rows } = await pool.query<{ id: CommandId; seq: number; outcome: Outcome }>(
    "SELECT command_id AS id, seq::int, outcome FROM outcomes WHERE event_id = $1 ORDER BY seq",
    [eventId],
  );
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1));
  return rows.map(({ id, outcome }) => ({ id, word: wordOf(outcome) }));
}

/** Each command ended once, in the order in which they were sent; counters equal the rows; nothing is left in Redis. */
export async function expectOrderly(
  { database: { pool }, redis }: Pick<Stores, "database" | "redis">,
  eventId: EventId,
  commands: readonly AnyCommand[],
): Promise<void> {
  expect((await outcomesOf(pool, eventId)).map(({ id }) => id)).toEqual(commands.map(({ id }) => id));
  await expectCountersEqualRows(pool, eventId);
  expect(await redis.redis.keys(`${redis.prefix}:{${eventId}}:*`)).toEqual([]);
}

export async function expectCountersEqualRows(pool: pg.Pool, eventId: EventId): Promise<void> {
  const { rows } = await pool.query(
    `SELECT s.id, s.held, s.purchased,
      (SELECT coalesce(sum(quantity), 0)::int FROM reservations WHERE slot_id = s.id AND status = 'held') AS held_rows,
      (SELECT coalesce(sum(quantity), 0)::int FROM reservations WHERE slot_id = s.id AND status = 'purchased')
        AS purchased_rows
    FROM slots s WHERE event_id = $1`,
    [eventId],
  );
  for (const slot of rows) expect([slot.held, slot.purchased]).toEqual([slot.held_rows, slot.purchased_rows]);
}

/** Enqueues commands one after the other, so that each is a job of its own. */
export async function sendEach(crowd: Crowd, commands: readonly Command[]): Promise<void> {
  for (const command of commands) await crowd.send(command);
}

export interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

/** Something to wait at until the test lets it pass. */
export function gate(): Gate {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

/** Lets everything that can go on go on. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A pool whose clients' statements, from the one of that name on, wait as if the process froze there. */
export function freezingPool(pool: pg.Pool, statement: string, frozen: Gate, reached: () => void): pg.Pool {
  let isFrozen = false;
  return clientsOf(pool, (client, given) => {
    if (typeof given === "object" && given.name === statement && !isFrozen) {
      isFrozen = true;
      reached();
    }
    return isFrozen ? frozen.passed.then(() => client.query(given)) : null;
  });
}

/** A pool of which each client's queries may be answered by the test; null passes the query on. */
export function clientsOf(
  pool: pg.Pool,
  answer: (client: pg.PoolClient, given: string | pg.QueryConfig) => Promise<unknown> | null,
): pg.Pool {
  const connect = async () => {
    const client = await pool.connect();
    return new Proxy(client, {
      get: (target, name) => {
        if (name === "query") {
          return (given: string | pg.QueryConfig) => answer(target, given) ?? target.query(given);
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return { connect } as unknown as pg.Pool;
}
