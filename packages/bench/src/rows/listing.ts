// A calendar of ten thousand events and one of a million: what a page of it takes, and what a search.
import { setTimeout as sleep } from "node:timers/promises";
import { type EventListing, listEvents } from "@holdfast/db";
import type { EventId } from "@holdfast/domain";
import { median } from "@holdfast/load";
import type pg from "pg";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { GetInTurn } from "../load-generator/scripts/get-in-turn.ts";
import type { Findings, Row } from "../row.ts";
import type { Template } from "../stores.ts";
import { createCalendar, WORDS } from "./many-events.ts";
import { faultsOf, inPairs, type Pair, type Size, shareGoal, timesTable } from "./two-sizes.ts";

const GET_IN_TURN = import.meta.resolve("../load-generator/scripts/get-in-turn.ts");

interface Sizes {
  readonly rounds: number;
  readonly events: Readonly<Record<Size, number>>;
  readonly perSecond: number;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Times that each question is put to the database alone. */
  readonly alone: number;
}

const FULL: Sizes = {
  rounds: 2,
  events: { small: 10_000, large: 1_000_000 },
  perSecond: 100,
  connections: 50,
  warmUpSeconds: 5,
  seconds: 15,
  alone: 15,
};
const SMOKE: Sizes = {
  rounds: 1,
  events: { small: 100, large: 2_000 },
  perSecond: 50,
  connections: 20,
  warmUpSeconds: 0.5,
  seconds: 1,
  alone: 3,
};

const SHARE_MAX = 1.3;
/** Of each order, pages that begin here and there: so that what is asked has not been asked a moment ago. */
const PAGES = 200;
/** Sizes of pages, for the same reason. */
const LIMITS = Array.from({ length: 10 }, (_, more) => 16 + more);
/** Ways to write a word. */
const SPELLINGS_MAX = 16;
const MS_PER_SECOND = 1_000;

interface Cursor {
  readonly startsAt: number;
  readonly id: EventId;
}
const ORDERS = ["upcoming", "past", "all"] as const;
type Cursors = Readonly<Record<(typeof ORDERS)[number], readonly Cursor[]>>;

/** Median milliseconds of each question, put to the database alone. */
type Alone = Readonly<Record<string, number>>;

interface Load {
  readonly template: Template<Cursors>;
  readonly args: GetInTurn;
}

export const listing: Row = {
  name: "listing",
  title: "A million events",
  about:
    `${FULL.perSecond} reads a second in an open loop, of ${FULL.events.small} and of ${FULL.events.large} events in turn, ` +
    "nine of ten past. `list` is pages of upcoming, past and all events that begin here and there; `search` is a word " +
    "that half of all have, one of one in 250, one of ten events, one of none, and one or two letters that nearly all, or " +
    "ten, have: written in many ways, so that gateways have none of it in their memory. `first page` is what most people " +
    "ask for, which gateways remember for half a second.",
  minutes: 5,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    return withBench(run, async (bench) => {
      const pairs = await inPairs(
        run,
        run.rounds ?? sizes.rounds,
        async (size) => makeLoad(await bench(), sizes.events[size]),
        async (load) => pressed(await bench(), load, sizes),
      );
      return findingsOf(pairs, sizes);
    });
  },
};

async function makeLoad({ stores }: Bench, count: number): Promise<Load> {
  const template = await stores.template<Cursors>(`${count} events`, async (pool) => {
    await createCalendar(pool, count);
    return {
      upcoming: await cursorsOf(pool, "ends_at > now()", "ASC"),
      past: await cursorsOf(pool, "ends_at <= now()", "DESC"),
      all: await cursorsOf(pool, "true", "ASC"),
    };
  });
  const list = ORDERS.flatMap((when) =>
    template.world[when].map((cursor) => `/v1/events?when=${when}&cursor=${encoded(cursor)}`),
  );
  const search = Object.values(WORDS).flatMap((word) =>
    spellings(word).flatMap((q) => LIMITS.map((limit) => `/v1/events?q=${q}&limit=${limit}`)),
  );
  const reads = [
    { kind: "list", paths: interleaved(list) },
    { kind: "search", paths: interleaved(search) },
    { kind: "first page", paths: ["/v1/events"] },
  ];
  return { template, args: { reads } };
}

async function cursorsOf(pool: pg.Pool, condition: string, direction: "ASC" | "DESC"): Promise<Cursor[]> {
  const { rows } = await pool.query<Cursor>(
    `SELECT "startsAt", id FROM (
      SELECT date_part('epoch', starts_at) * 1000 AS "startsAt", id, starts_at,
        row_number() OVER (ORDER BY starts_at ${direction}, id ${direction}) AS nth, count(*) OVER () AS of
      FROM events WHERE ${condition}
    ) numbered WHERE nth % greatest(of / ${PAGES}, 1) = 0`,
  );
  return rows;
}

const encoded = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString("base64url");

/** In capitals and small letters: the search makes no difference. */
function spellings(word: string): string[] {
  const ways = Array.from({ length: SPELLINGS_MAX }, (_, way) =>
    [...word].map((letter, nth) => ((way >> (nth % 4)) & 1 ? letter.toUpperCase() : letter)).join(""),
  );
  return [...new Set(ways)];
}

/** So that neighbours are of different kinds: every 97th, and so on. */
function interleaved<T>(items: readonly T[]): T[] {
  const stride = 97;
  return Array.from({ length: stride }, (_, from) =>
    items.filter((_item, at) => at % stride === from),
  ).flat();
}

const pressed = (
  bench: Bench,
  { template, args }: Load,
  { perSecond, connections, warmUpSeconds, seconds, alone }: Sizes,
): Promise<Block<Alone>> =>
  runBlock<Alone>(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: GET_IN_TURN, args },
    loop: { kind: "open", perSecond, connections },
    warmUpSeconds,
    seconds,
    async during({ pool }) {
      await sleep((warmUpSeconds + seconds) * MS_PER_SECOND);
      return await askAlone(pool, template.world, alone);
    },
  });

async function askAlone(pool: pg.Pool, cursors: Cursors, times: number): Promise<Alone> {
  const deep = (when: (typeof ORDERS)[number]): Pick<EventListing, "when" | "after"> => ({
    when,
    after: cursors[when][Math.floor(cursors[when].length / 2)] ?? null,
  });
  const questions: Record<string, Partial<EventListing>> = {
    "upcoming, the first page": {},
    "upcoming, from the middle": deep("upcoming"),
    "past, the first page": { when: "past" },
    "past, from the middle": deep("past"),
    "all, from the middle": deep("all"),
    ...Object.fromEntries(Object.values(WORDS).map((q) => [`upcoming with "${q}"`, { q }])),
    [`past with "${WORDS.seldom}"`]: { q: WORDS.seldom, when: "past" },
    [`past with "${WORDS.rare}"`]: { q: WORDS.rare, when: "past" },
  };
  const took: Record<string, number> = {};
  for (const [name, question] of Object.entries(questions)) {
    const each: number[] = [];
    for (let time = 0; time < times; time += 1) {
      const startedAt = performance.now();
      await listEvents(pool, {
        when: "upcoming",
        q: null,
        now: Date.now(),
        limit: 21,
        after: null,
        ...question,
      });
      each.push(performance.now() - startedAt);
    }
    took[name] = median(each);
  }
  return took;
}

function findingsOf(pairs: readonly Pair<Alone>[], { events }: Sizes): Findings {
  const names = { small: `${events.small} events`, large: `${events.large} events` };
  const kinds = { list: "a page", search: "a search" };
  const questions = Object.keys(pairs[0]?.large.seen ?? {});
  const alone = (size: Size, question: string): number =>
    median(pairs.map((pair) => pair[size].seen?.[question] ?? 0));
  return {
    goals: Object.entries(kinds).map(([kind, what]) =>
      shareGoal(pairs, {
        kind,
        sentence: `P99 of ${what} of ${names.large}, over that of ${events.small}`,
        atMost: SHARE_MAX,
      }),
    ),
    tables: [
      timesTable(pairs, { kinds: [...Object.keys(kinds), "first page"], names }),
      {
        title: "Milliseconds that the database takes for each question, alone: medians",
        columns: ["question", names.small, names.large],
        rows: questions.map((question) => [question, alone("small", question), alone("large", question)]),
      },
    ],
    plots: [],
    notes: ["Each question is planned anew, which is 1 to 2 ms of what the database takes."],
    faults: faultsOf(pairs),
  };
}
