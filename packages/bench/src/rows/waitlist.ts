// A short waitlist and a long one: what it takes to join it, to leave it, and to be told one's place in it.
import { type SlotId, type UserId, WAITLIST_ENTRIES_MAX } from "@holdfast/domain";
import { createEvent, createUsers } from "@holdfast/testkit/fixtures";
import { withBench } from "../bench.ts";
import { type Bench, type Block, runBlock } from "../block.ts";
import type { Wait } from "../load-generator/scripts/wait.ts";
import type { Findings, Row } from "../row.ts";
import type { Template } from "../stores.ts";
import { createLine, sellOut, type Waiter } from "./outstanding.ts";
import { faultsOf, inPairs, type Pair, type Size, shareGoal, timesTable } from "./two-sizes.ts";

const WAIT = import.meta.resolve("../load-generator/scripts/wait.ts");

interface Sizes {
  readonly rounds: number;
  readonly entries: Readonly<Record<Size, number>>;
  readonly perSecond: number;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Those who join must find room in the longest line that there may be. */
const ROOM = 10_000;

const FULL: Sizes = {
  rounds: 2,
  entries: { small: 1_000, large: WAITLIST_ENTRIES_MAX - ROOM },
  perSecond: 600,
  connections: 100,
  warmUpSeconds: 8,
  seconds: 15,
};
const SMOKE: Sizes = {
  rounds: 1,
  entries: { small: 100, large: 2_000 },
  perSecond: 60,
  connections: 20,
  warmUpSeconds: 0.5,
  seconds: 1,
};

const DEEDS = ["join", "leave", "position"];
/** Who asks for a place stands here and there in the line: one of so many. */
const PLACES = 100;
const SHARE_MAX = 1.3;

interface World {
  readonly slotId: SlotId;
  readonly joinerIds: readonly UserId[];
  readonly waiters: readonly Waiter[];
}

interface Load {
  readonly template: Template<World>;
  readonly args: Wait;
}

export const waitlist: Row = {
  name: "waitlist",
  title: "A million who wait",
  about:
    `${FULL.perSecond} requests a second in an open loop, a third each: somebody joins the waitlist of a slot that is ` +
    "sold out, somebody who waits anywhere in the line asks for the place, and somebody who has just joined leaves. " +
    `${FULL.entries.small} and ${FULL.entries.large} wait, in turn: an event may let ${WAITLIST_ENTRIES_MAX} wait, and ` +
    "those who join need room.",
  minutes: 5,
  async measure(run) {
    const sizes = run.smoke ? SMOKE : FULL;
    return withBench(run, async (bench) => {
      const pairs = await inPairs(
        run,
        run.rounds ?? sizes.rounds,
        async (size) => makeLoad(await bench(), sizes.entries[size], sizes),
        async (load) => pressed(await bench(), load, sizes),
      );
      return findingsOf(pairs, sizes);
    });
  },
};

async function makeLoad(
  { stores, jwtSecret: secret }: Bench,
  length: number,
  { perSecond, warmUpSeconds, seconds }: Sizes,
): Promise<Load> {
  const template = await stores.template<World>(`${length} who wait`, async (pool) => {
    const event = await createEvent(pool, {
      capacities: [1],
      waitlist: { maxEntries: WAITLIST_ENTRIES_MAX },
    });
    const joins = Math.ceil((perSecond * (warmUpSeconds + seconds + 1)) / DEEDS.length);
    const [buyer, ...joinerIds] = await createUsers(pool, joins + 1);
    if (buyer === undefined) throw new Error("nobody is there to buy the ticket");
    await sellOut(pool, event, buyer);
    const waiters = await createLine(pool, event, { length, every: Math.ceil(length / PLACES) });
    return { slotId: event.slotId, joinerIds, waiters };
  });
  return { template, args: { secret, ...template.world } };
}

const pressed = (
  bench: Bench,
  { template, args }: Load,
  { perSecond, connections, warmUpSeconds, seconds }: Sizes,
): Promise<Block> =>
  runBlock(bench, {
    variant: "holdfast",
    pool: null,
    template,
    script: { module: WAIT, args },
    loop: { kind: "open", perSecond, connections },
    warmUpSeconds,
    seconds,
    commandKinds: ["join", "leave"],
  });

function findingsOf(pairs: readonly Pair<null>[], { entries }: Sizes): Findings {
  const names = { small: `${entries.small} entries`, large: `${entries.large} entries` };
  return {
    goals: DEEDS.map((kind) =>
      shareGoal(pairs, {
        kind,
        sentence: `P99 of ${kind === "position" ? "a position" : `to ${kind}`} with ${names.large}, over that with ${entries.small}`,
        atMost: SHARE_MAX,
      }),
    ),
    tables: [timesTable(pairs, { kinds: DEEDS, names })],
    plots: [],
    notes: [
      "A place in the line is the sum of its stretches of 512 numbers, and a count within one: a line of a million has " +
        "2,000 stretches.",
    ],
    faults: faultsOf(pairs),
  };
}
