// Three ways in which an on-sale may go, each in a closed loop: everybody gets a ticket; ten times as many ask as there
// are; people reserve, purchase, and give back. Asks whether every answer is right, and none is an error.
import { withBench } from "../bench.ts";
import { type Bench, type Block, type BlockWish, runBlock } from "../block.ts";
import type { Answers } from "../load-generator/answers.ts";
import type { PurchaseCycle } from "../load-generator/scripts/purchase-cycle.ts";
import type { Findings, Row, RowRun } from "../row.ts";
import { blockLine, blockTable, faultsOf, noiseNotes, type Repeated } from "./block-table.ts";
import { hotEvent, outcomesIn, RESERVE, reserveFaults, usersOf } from "./hot-event-world.ts";

const PURCHASE_CYCLE = import.meta.resolve("../load-generator/scripts/purchase-cycle.ts");

interface Sizes {
  readonly clients: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Tickets of the mix in which there are too few: a tenth of what is asked for in its time, or less. */
  readonly scarce: number;
}

const FULL: Sizes = { clients: 1_000, warmUpSeconds: 10, seconds: 6, scarce: 6_000 };
const SMOKE: Sizes = { clients: 50, warmUpSeconds: 0.3, seconds: 0.7, scarce: 40 };

type Mix = "all succeed" | "ten times oversubscribed" | "reserve, purchase, cancel";
const MIXES: readonly Mix[] = ["all succeed", "ten times oversubscribed", "reserve, purchase, cancel"];

const SERVER_ERROR = 500;
const PERCENT = 100;
const WITHOUT_5XX_PERCENT_MIN = 99.9;
const BATCH_P99_MS_MAX = 50;
const OVERSUBSCRIBED = 10;

export const mixes: Row = {
  name: "mixes",
  title: "Three mixes of commands",
  about:
    `One event and a closed loop of ${FULL.clients} clients: everybody gets a ticket; at least ten times as many ask as ` +
    "there are tickets, which exactly so many must get; each reserves, purchases and cancels, over and over. After each " +
    "block answers are compared with rows, and the tables are asked for contradictions.",
  minutes: 1.5,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    const lines = await withBench(run, async (open) => {
      const those: (Repeated & { readonly mix: Mix })[] = [];
      for (const mix of MIXES) {
        const block = await run.block(mix, async () => {
          const bench = await open();
          return runBlock(bench, {
            variant: "holdfast",
            pool: null,
            loop: { kind: "closed", clients: sizes.clients },
            warmUpSeconds: sizes.warmUpSeconds,
            seconds: sizes.seconds,
            ...(await wishOf(mix, bench, sizes, run)),
          });
        });
        run.say(`${mix}: ${blockLine(block)}`);
        those.push({ mix, about: [mix], blocks: [block] });
      }
      return those;
    });
    return findingsOf(lines, sizes, run);
  },
};

type OfMix = Pick<BlockWish, "template" | "script" | "check">;

async function wishOf(mix: Mix, bench: Bench, { clients, scarce }: Sizes, run: RowRun): Promise<OfMix> {
  const users = usersOf(run);
  switch (mix) {
    case "all succeed":
      return { ...(await hotEvent(bench, { users })), check: reserveFaults };
    case "ten times oversubscribed":
      return {
        ...(await hotEvent(bench, { users, capacity: scarce })),
        check: (pool, answers) => reserveFaults(pool, answers, scarce),
      };
    case "reserve, purchase, cancel": {
      const { template } = await hotEvent(bench, { users });
      const { eventId, userIds } = template.world;
      const args: PurchaseCycle = {
        secret: bench.jwtSecret,
        eventId,
        userIds: userIds.slice(0, clients),
      };
      return { template, script: { module: PURCHASE_CYCLE, args }, check: cycleFaults };
    }
  }
}

/** Each command that was answered succeeded and is kept; each reservation is in the state that its last command led to. */
const cycleFaults: NonNullable<BlockWish["check"]> = async (pool, { kinds }) => {
  const told = (kind: string, status: number): number => kinds[kind]?.statuses[String(status)] ?? 0;
  const [reserved, purchased, cancelled] = [
    told("reserve", 201),
    told("purchase", 200),
    told("cancel", 200),
  ] as const;
  const { rows } = await pool.query<{ status: string; count: number }>(
    "SELECT status, count(*)::int AS count FROM reservations GROUP BY 1",
  );
  const inState = (status: string): number => rows.find((row) => row.status === status)?.count ?? 0;
  const kept = await outcomesIn(pool);
  const succeeded = (type: string): number =>
    kept.find((one) => one.type === type && one.status === "succeeded")?.count ?? 0;
  const pairs: readonly (readonly [what: string, found: number, told: number])[] = [
    ["reservations that are held", inState("held"), reserved - purchased],
    ["that are purchased", inState("purchased"), purchased - cancelled],
    ["that are cancelled", inState("cancelled"), cancelled],
    ["reserves that succeeded", succeeded("reserve"), reserved],
    ["purchases that succeeded", succeeded("purchase"), purchased],
    ["cancels that succeeded", succeeded("cancel"), cancelled],
    ["all outcomes", kept.reduce((sum, { count }) => sum + count, 0), reserved + purchased + cancelled],
  ];
  return pairs.flatMap(([what, found, expected]) =>
    found === expected ? [] : [`${what}: ${found}, but answers tell of ${expected}`],
  );
};

type Line = Repeated & { readonly mix: Mix };

function findingsOf(lines: readonly Line[], { scarce }: Sizes, { smoke }: RowRun): Findings {
  const blocks = lines.flatMap((line) => line.blocks);
  const batchP99s = blocks.flatMap(({ batchP99Ms }) => batchP99Ms ?? []);
  const asked = lines
    .filter(({ mix }) => mix === "ten times oversubscribed")
    .reduce((sum, line) => sum + sentOf(line.blocks), 0);
  const times = asked / scarce;
  return {
    goals: [
      {
        sentence: "Valid requests without a 5xx or a broken connection",
        value: withoutFailure(blocks) * PERCENT,
        unit: "%",
        direction: "at-least",
        floor: WITHOUT_5XX_PERCENT_MIN,
        goal: WITHOUT_5XX_PERCENT_MIN,
      },
      {
        sentence: "Deadlocks, by pg_stat_database",
        value: blocks.reduce((sum, { deadlocks }) => sum + deadlocks, 0),
        unit: "",
        direction: "at-most",
        floor: 0,
        goal: 0,
      },
      {
        sentence: "P99 of a batch's transaction, of the slowest mix",
        value: Math.max(0, ...batchP99s),
        unit: "ms",
        direction: "at-most",
        floor: BATCH_P99_MS_MAX,
        goal: BATCH_P99_MS_MAX,
      },
    ],
    tables: [
      blockTable("Blocks", ["mix"], lines),
      {
        title: "Answers, by kind and status",
        columns: ["mix", "kind", "status", "answers"],
        rows: lines.flatMap(({ mix, blocks: [block] }) =>
          block === undefined ? [] : answerRows(mix, block),
        ),
      },
    ],
    plots: [],
    notes: [
      `Where there were too few, ${asked} asked for ${scarce} tickets: ${times.toFixed(1)} times as many.`,
      "Latencies are those of reserves.",
      "The worker tells how long its transactions take in buckets up to 50 and 100 ms; the P99 lies evenly between them.",
      ...noiseNotes(lines),
    ],
    faults: [
      ...faultsOf(lines),
      ...(times < OVERSUBSCRIBED && !smoke
        ? [`only ${times.toFixed(1)} times as many asked as there were tickets`]
        : []),
    ],
  };
}

const sentOf = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, { answers }) => sum + (answers.kinds[RESERVE]?.sent ?? 0), 0);

function withoutFailure(blocks: readonly Block[]): number {
  const all = blocks.reduce(
    (sum, { answers }) => sum + Object.values(answers.kinds).reduce((those, { sent }) => those + sent, 0),
    0,
  );
  const failed = blocks.reduce((sum, { answers }) => sum + answers.errors + serverErrors(answers), 0);
  return all === 0 ? 0 : 1 - failed / all;
}

const serverErrors = ({ kinds }: Answers): number =>
  Object.values(kinds)
    .flatMap(({ statuses }) => Object.entries(statuses))
    .reduce((sum, [status, count]) => (Number(status) >= SERVER_ERROR ? sum + count : sum), 0);

const answerRows = (mix: Mix, { answers }: Block): (string | number)[][] =>
  Object.entries(answers.kinds).flatMap(([kind, { statuses }]) =>
    Object.entries(statuses).map(([status, count]) => [mix, kind, status, count]),
  );
