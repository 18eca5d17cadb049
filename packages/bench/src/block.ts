// One block: a variant on a fresh database, pressed for some seconds, measured, and checked.
import type pg from "pg";
import { untilAllEnded } from "./at-rest.ts";
import { openCounters, type Spent } from "./counters.ts";
import { findFaults } from "./gate.ts";
import type { Generator, ScriptWish } from "./generator.ts";
import type { Answers, Loop } from "./load-generator/answers.ts";
import type { BenchStores, Template } from "./stores.ts";
import { type Place, type Running, startVariant, type VariantName } from "./variants.ts";

/** What every block of a row has in common; see `withBench`. */
export interface Bench {
  readonly stores: BenchStores;
  readonly generator: Generator;
  readonly jwtSecret: string;
}

export interface BlockWish<Seen = null> {
  readonly variant: VariantName;
  /** Connections to the database that a baseline gets; null where it has no choice. */
  readonly pool: number | null;
  readonly template: Template<unknown>;
  readonly script: ScriptWish;
  readonly loop: Loop;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Kinds of requests that are commands; all, unless told otherwise. What is told "a command" counts these. */
  readonly commandKinds?: readonly string[];
  /** Environment of the services beside what they have by default; only where the row says so. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What else must be so once everything is answered and at rest. Gives what is not, in words. */
  readonly check?: (pool: pg.Pool, answers: Answers) => Promise<readonly string[]>;
  /** Done while the load is on, from its beginning on; what it gives is kept. The load does not wait for it, the block does. */
  readonly during?: (place: BlockPlace) => Promise<Seen>;
}

export interface BlockPlace extends Place {
  /** The gateway's. */
  readonly url: string;
  readonly processes: Running["processes"];
  readonly pool: pg.Pool;
}

/** What came of it: survives JSON. */
export interface Block<Seen = null> extends Spent {
  readonly variant: VariantName;
  readonly pool: number | null;
  readonly loop: Loop;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly answers: Answers;
  /** Commands a second that succeeded or were rejected by the rules while the clock ran. */
  readonly perSecond: number;
  /** What `during` has given. */
  readonly seen: Seen | null;
  /** Why the block counts for nothing. Empty when it counts. */
  readonly faults: readonly string[];
}

export async function runBlock<Seen = null>(
  { stores, generator, jwtSecret }: Bench,
  wish: BlockWish<Seen>,
): Promise<Block<Seen>> {
  const { variant, pool: connections, loop, warmUpSeconds, seconds } = wish;
  const database = await stores.fresh(wish.template);
  try {
    await generator.prepare(wish.script);
    const place = {
      databaseUrl: database.url,
      redisUrl: stores.redisUrl,
      jwtSecret,
      settings: wish.settings ?? {},
    };
    const running = await startVariant(variant, connections, place);
    const counters = await openCounters({ stores, generator, running, pool: database.pool });
    const press = async () => {
      const { url, processes } = running;
      const [load, seen] = await Promise.all([
        generator.press({ url, loop, warmUpSeconds, seconds }, counters.read),
        wish.during?.({ ...place, url, processes, pool: database.pool }) ?? null,
      ]);
      await untilAllEnded(database.pool);
      return { ...load, seen };
    };
    const check = async ({ answers }: { answers: Answers }) => {
      const faults = await findFaults(database.pool, answers);
      faults.push(...((await wish.check?.(database.pool, answers)) ?? []));
      return faults.length === 0 ? faults : [...faults, ...lastWords(running)];
    };
    const { answers, before, after, seen, faults } = await (async () => {
      try {
        const pressed = await press();
        return { ...pressed, faults: await check(pressed) };
      } finally {
        await running.stop();
      }
    })();
    const commands = commandsOf(answers, wish.commandKinds);
    return {
      variant,
      pool: connections,
      loop,
      warmUpSeconds,
      seconds,
      answers,
      perSecond: commands / answers.seconds,
      ...counters.between(before, after, commands),
      deadlocks: await counters.deadlocks(), // told by processes that have ended: nothing is under way any more
      seen,
      faults,
    };
  } finally {
    await database.drop();
  }
}

const lastWords = ({ processes }: Running): string[] =>
  [...processes].map(([name, { logs }]) => `${name} wrote last: ${logs.at(-1)}`);

const ACCEPTED = 202;
const RATE_LIMITED = 429;
const SERVER_ERROR = 500;

/** A command that is still under way, or was sent back at the door, has not ended. */
const isEnd = (status: number): boolean =>
  status < SERVER_ERROR && status !== ACCEPTED && status !== RATE_LIMITED;

/** Commands that succeeded or were rejected by the rules while the clock ran. */
export function commandsOf({ kinds }: Answers, commandKinds: readonly string[] = Object.keys(kinds)): number {
  const ended = commandKinds.flatMap((kind) =>
    Object.entries(kinds[kind]?.answered ?? {}).map(([status, count]) => (isEnd(Number(status)) ? count : 0)),
  );
  return ended.reduce((sum, count) => sum + count, 0);
}
