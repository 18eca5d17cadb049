// What events leave behind in the processes: connections, timers, memory. In one life of the services more and more
// events are asked for once; what grows with them, they cost.
import { setTimeout as sleep } from "node:timers/promises";
import { signAccessToken } from "@holdfast/access-token";
import type { EventId, UserId } from "@holdfast/domain";
import { inParallel, openClient } from "@holdfast/load";
import { createUsers } from "@holdfast/testkit/fixtures";
import type { ServiceProcess } from "@holdfast/testkit/service";
import type pg from "pg";
import { untilAllEnded } from "../at-rest.ts";
import type { Bench } from "../block.ts";
import type { BenchStores } from "../stores.ts";
import { startVariant } from "../variants.ts";
import { createEvents } from "./copied-events.ts";
import { countEnds } from "./ends.ts";
import { heapBytes, INSPECTED } from "./heap.ts";

export interface Footprint {
  /** That have been asked for. */
  readonly events: number;
  /** To both stores. */
  readonly connections: number;
  /** Of all processes. */
  readonly timers: number;
  /** Heaps after a collection. */
  readonly gatewayBytes: number;
  readonly workerBytes: number;
  readonly redisBytes: number;
}

export interface Footprints {
  readonly idle: readonly Footprint[];
  /** Bytes that one event takes while a command of it waits: beside what it takes when it is idle. */
  readonly active: { readonly gatewayBytes: number; readonly redisBytes: number };
  readonly faults: readonly string[];
}

interface World {
  readonly eventIds: readonly EventId[];
  readonly userIds: readonly UserId[];
}

/** Requests at once: as many for ten events as for ten thousand, so that pools get as full. */
const WIDTH = 64;
/** Requests of a step, at least. */
const REQUESTS_MIN = 1_000;
const USERS = 200;
/** More tickets than an order may have: the rules refuse it, and nothing but an outcome is left. */
const TOO_MANY_TICKETS = 1_000;
/** By the rules; or promised, and rejected a little later. */
const EXPECTED = [409, 202];
const TOKEN_SECONDS = 3_600;
/** Milliseconds until pools have closed the connections that nobody uses (10 s), and short timers are over. */
const SETTLE_MS = 13_000;
/** Looks of which the lowest counts: sweeps come and go. */
const LOOKS = 5;
const LOOK_EVERY_MS = 300;

/** `counts`: how many events have been asked for after each step; the last one is of all. */
export async function measureFootprints(bench: Bench, counts: readonly number[]): Promise<Footprints> {
  const { stores, jwtSecret } = bench;
  const all = counts.at(-1) ?? 0;
  const template = await stores.template<World>(`${all} idle events`, async (pool) => ({
    eventIds: await createEvents(pool, all, {}),
    userIds: await createUsers(pool, USERS),
  }));
  const database = await stores.fresh(template);
  try {
    const place = { databaseUrl: database.url, redisUrl: stores.redisUrl, jwtSecret, settings: INSPECTED };
    const running = await startVariant("holdfast", null, place);
    try {
      const service = (name: string): ServiceProcess => {
        const found = running.processes.get(name);
        if (found === undefined) throw new Error(`there is no ${name}`);
        return found;
      };
      const ask = asker(running.url, jwtSecret, template.world);
      const look = (events: number): Promise<Footprint> =>
        lookAt({ stores, pool: database.pool, processes: [...running.processes.values()], service }, events);
      const faults: string[] = [];
      const idle: Footprint[] = [];
      const settleMs = all > REQUESTS_MIN ? SETTLE_MS : 0;
      for (const count of counts) {
        faults.push(...(await ask(count, { quantity: TOO_MANY_TICKETS })));
        await untilAllEnded(database.pool);
        await sleep(settleMs);
        idle.push(await look(count));
      }
      const waiting = Math.min(all, REQUESTS_MIN);
      const worker = service("reservation-worker");
      const ended = (await countEnds(database.pool)).ended;
      const before = await gatewayAndRedis(stores, service("gateway"));
      worker.kill("SIGSTOP");
      faults.push(...(await ask(waiting, { quantity: TOO_MANY_TICKETS }, "respond-async")));
      const after = await gatewayAndRedis(stores, service("gateway"));
      worker.kill("SIGCONT");
      await untilAllEnded(database.pool);
      const more = (await countEnds(database.pool)).ended - ended;
      if (more < waiting) faults.push(`${waiting} commands were accepted, ${more} ended`);
      const each = (of: keyof typeof before): number => (after[of] - before[of]) / waiting;
      return { idle, active: { gatewayBytes: each("gatewayBytes"), redisBytes: each("redisBytes") }, faults };
    } finally {
      await running.stop();
    }
  } finally {
    await database.drop();
  }
}

/** Asks for each of the first events at least once. Gives what was answered otherwise than expected. */
function asker(url: string, secret: string, { eventIds, userIds }: World) {
  const tokens = userIds.map((userId) => signAccessToken(secret, { userId, role: "user" }, TOKEN_SECONDS));
  return async (events: number, body: object, prefer?: string): Promise<string[]> => {
    const client = openClient(url, { connections: WIDTH });
    const requests = prefer === undefined ? Math.max(events, REQUESTS_MIN) : events;
    const headers = prefer === undefined ? {} : { prefer };
    try {
      const odd = await inParallel(Array.from({ length: requests }), WIDTH, async (_, i) => {
        const token = tokens[i % tokens.length] ?? "";
        const path = `/v1/events/${eventIds[i % events]}/reserve`;
        const answer = await client.post(path, { token, body, headers });
        return EXPECTED.includes(answer.status) ? [] : [`${answer.status}: ${JSON.stringify(answer.body)}`];
      });
      return odd.flat().slice(0, 1);
    } finally {
      await client.close();
    }
  };
}

interface Looked {
  readonly stores: BenchStores;
  readonly pool: pg.Pool;
  readonly processes: readonly ServiceProcess[];
  readonly service: (name: string) => ServiceProcess;
}

async function lookAt({ stores, pool, processes, service }: Looked, events: number): Promise<Footprint> {
  const counts: { connections: number; timers: number }[] = [];
  for (let n = 0; n < LOOKS; n += 1) {
    counts.push({
      connections: await connectionsOf(stores, pool),
      timers: (await Promise.all(processes.map(timersOf))).reduce((sum, count) => sum + count, 0),
    });
    await sleep(LOOK_EVERY_MS);
  }
  return {
    events,
    connections: Math.min(...counts.map(({ connections }) => connections)),
    timers: Math.min(...counts.map(({ timers }) => timers)),
    workerBytes: await heapBytes(service("reservation-worker")),
    ...(await gatewayAndRedis(stores, service("gateway"))),
  };
}

async function gatewayAndRedis({ redis }: BenchStores, gateway: ServiceProcess) {
  const info = await redis.info("memory");
  return {
    gatewayBytes: await heapBytes(gateway),
    redisBytes: Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1] ?? 0),
  };
}

async function connectionsOf({ redis }: BenchStores, pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name LIKE 'holdfast-%'",
  );
  const clients = (await redis.client("LIST")) as string;
  return (rows[0]?.count ?? 0) + clients.trim().split("\n").length;
}

async function timersOf({ metricsUrl }: ServiceProcess): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  return Number(/^nodejs_active_resources\{type="Timeout"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
