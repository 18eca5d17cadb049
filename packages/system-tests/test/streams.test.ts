// N5: thousands watch their commands while a rush runs: each learns how it ended, and the rush hardly notices. The long
// form, STREAMS=5000 POLLS=2000, is held to the promise; the short one is too short to say anything of throughput.
import { setPaused } from "@holdfast/db";
import { commandOf, inParallel } from "@holdfast/load";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { median, report, tally } from "./crowd.ts";
import { endingOf, wordOf } from "./endings.ts";
import { checkInvariants } from "./invariants.ts";
import { createEvent, createPeople, type Person } from "./population.ts";
import { type Gateway, START_TIMEOUT_MS, type System, startSystem } from "./system.ts";
import { startWatchers } from "./watchers.ts";

const IS_LONG_FORM = process.env["STREAMS"] !== undefined;
const STREAMS = Number(process.env["STREAMS"] ?? 400);
const POLLS = Number(process.env["POLLS"] ?? 150);
/** Blocks with and without watchers, in turn. */
const PAIRS = Number(process.env["STREAM_PAIRS"] ?? (IS_LONG_FORM ? 5 : 1));
/** People in each rush. */
const CROWD = IS_LONG_FORM ? 30_000 : 2_000;
/** Requests of one kind that are under way at once. */
const AT_ONCE = 256;
/** The watched commands are let go when this share of the rush is answered: the others meet streams that are still. */
const LET_GO_AT = 1 / 3;
const SHARE_MIN = 0.8;
const ENDING_MS = 30_000;
const DRILL_TIMEOUT_MS = IS_LONG_FORM ? 600_000 : 60_000;

let system: System;
let gateway: Gateway;
let admin: Person;

beforeAll(async () => {
  system = await startSystem({ gateways: 1, workers: 1 });
  const [first] = system.gateways;
  const [person] = await createPeople(system.pool, 1, "admin");
  if (first === undefined || person === undefined) throw new Error("a gateway was asked for");
  [gateway, admin] = [first, person];
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

interface Block {
  readonly perSecond: number;
  /** Seconds of a core that the gateway took from the first request of the rush to the end of the last watched command. */
  readonly gatewaySeconds: number;
}

/** A rush, while as many commands of another event wait and then end, watched or not. */
async function rush(watched: boolean): Promise<Block> {
  const { client } = gateway;
  const [watchers, people] = await Promise.all([
    createPeople(system.pool, STREAMS + POLLS),
    createPeople(system.pool, CROWD),
  ]);
  const [theirs, hot] = await Promise.all([
    createEvent(system.pool, { capacity: 100 }),
    createEvent(system.pool, { capacity: 1 }),
  ]);
  await setPaused(system.pool, theirs.eventId, true);
  const commands = await inParallel(watchers, AT_ONCE, async ({ token }) => {
    const answer = await client.post(theirs.reservePath, { token, headers: { prefer: "respond-async" } });
    return { id: commandOf(answer) ?? `${answer.status}`, token };
  });
  const watching = watched
    ? await startWatchers({
        url: gateway.process.url,
        streams: commands.slice(0, STREAMS),
        polls: commands.slice(STREAMS),
      })
    : null;
  if (watched)
    await until("all of them to be waited for", async () => (await waitedFor()) === STREAMS + POLLS);

  const secondsBefore = await gatewaySeconds();
  let answered = 0;
  let resuming: Promise<unknown> = Promise.resolve();
  const startedAt = performance.now();
  const words = await inParallel(people, AT_ONCE, async ({ token }) => {
    const ending = await endingOf(client, token, await client.post(hot.reservePath, { token }));
    answered += 1;
    if (answered === Math.floor(CROWD * LET_GO_AT)) {
      resuming = client.post(`/v1/events/${theirs.eventId}/resume`, { token: admin.token });
    }
    return wordOf(ending);
  });
  const perSecond = CROWD / ((performance.now() - startedAt) / 1_000);
  expect(tally(words)).toEqual({ held: 1, "all-held": CROWD - 1 });

  await resuming;
  await until(
    "the watched commands to end",
    async () => (await endedOf(theirs.eventId)) === commands.length,
    ENDING_MS,
  );
  const block = { perSecond, gatewaySeconds: (await gatewaySeconds()) - secondsBefore };
  if (watching !== null) {
    const free = Math.min(100, commands.length);
    expect(tally(await watching.words)).toEqual({ succeeded: free, rejected: commands.length - free });
    await until("no stream to be left", async () => (await waitedFor()) === 0);
  }
  return block;
}

const metricsOfGateway = async (): Promise<string> => (await fetch(gateway.process.metricsUrl)).text();

const gatewaySeconds = async (): Promise<number> =>
  Number(/^process_cpu_seconds_total (\S+)/m.exec(await metricsOfGateway())?.[1]);

/** Streams and requests that the gateway has open and waiting. */
async function waitedFor(): Promise<number> {
  const told = await metricsOfGateway();
  const numbers = [...told.matchAll(/^holdfast_(?:streams_open\{.*\}|commands_waiting) (\d+)$/gm)];
  return numbers.reduce((sum, [, number]) => sum + Number(number), 0);
}

async function endedOf(eventId: string): Promise<number> {
  const { rows } = await system.pool.query<{ ended: number }>(
    "SELECT count(*)::int AS ended FROM outcomes WHERE event_id = $1",
    [eventId],
  );
  return rows[0]?.ended ?? 0;
}

test("N5: a rush beside thousands who watch their commands by streams and polls: each of them learns how it ended", {
  timeout: DRILL_TIMEOUT_MS,
}, async () => {
  await rush(false); // warms up
  const blocks: { alone: Block; beside: Block }[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const alone = await rush(false);
    const beside = await rush(true);
    blocks.push({ alone, beside });
  }
  const shares = blocks.map(({ alone, beside }) => beside.perSecond / alone.perSecond);
  const middle = (which: "alone" | "beside", what: keyof Block) =>
    median(blocks.map((pair) => pair[which][what]));
  report(
    `N5 ${STREAMS} streams and ${POLLS} polls: ${Math.round(middle("beside", "perSecond"))} answers/s, ` +
      `without ${Math.round(middle("alone", "perSecond"))}/s; shares ${shares.map((share) => share.toFixed(2)).join(" ")}; ` +
      `gateway ${middle("beside", "gatewaySeconds").toFixed(2)} s of a core, without ${middle("alone", "gatewaySeconds").toFixed(2)} s`,
  );
  if (IS_LONG_FORM) expect(median(shares)).toBeGreaterThanOrEqual(SHARE_MIN);
  expect(await checkInvariants(system.pool)).toEqual([]);
});
