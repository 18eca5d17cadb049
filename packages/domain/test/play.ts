// Plays a scenario on the rules: one command a batch, again with the commands of one moment in one batch, and again
// with batches that load as little as they may. What a line asks of the waitlist's workers is done right behind it;
// what it asks for later, when its time has come.
// The parser is the test kit's; it is reached by path because a workspace may have no cycles, not even for tests.
import { expect, test } from "vitest";
import { parseScenario, type Scenario, type Step } from "../../testkit/src/scenario.ts";
import type { AnyCommand, FollowUp } from "../src/index.ts";
import { violations } from "./invariants.ts";
import { idOf } from "./names.ts";
import { commandOf, eventRow, MIDNIGHT } from "./play-commands.ts";
import { resultOf, seen } from "./play-results.ts";
import {
  createWorld,
  follow,
  LOAD_LIMITS,
  type LoadLimits,
  runWhole,
  sweepsDue,
  type World,
} from "./world.ts";

interface Playing {
  /** Commands of one moment go into one batch. */
  readonly batched: boolean;
  readonly limits?: LoadLimits;
}

const WAYS: Readonly<Record<string, Playing>> = {
  "one by one": { batched: false },
  "in batches": { batched: true },
  "in small pieces": { batched: true, limits: { dueMax: 1, lineMax: 2, leftoverMax: 1 } },
};

/** A test that is a scenario: each line must be answered as it is written. */
export function scenario(name: string, text: string): void {
  for (const [way, playing] of Object.entries(WAYS)) {
    test(`${name} (${way})`, () => {
      const read = parseScenario(text);
      expect(play(read, playing)).toEqual(read.steps.map((step) => step.text));
    });
  }
}

/** The scenario's lines, each with the result that it really had. */
export function play(read: Scenario, { batched, limits = LOAD_LIMITS }: Playing): string[] {
  const world = createWorld(read.events.map(eventRow));
  const commands = new Map<Step, AnyCommand>();
  const lines: string[] = [];
  let pending: Step[] = [];
  let later: FollowUp[] = [];

  const made = (step: Step): AnyCommand => {
    const known = commands.get(step) ?? commandOf(world, read, step);
    commands.set(step, known);
    return known;
  };
  const flush = () => {
    const [first] = pending;
    if (first === undefined) return;
    const now = MIDNIGHT + first.at;
    const given = pending.map(made);
    const { applied, followUps } = runWhole(world, idOf("event", first.event), given, now, limits);
    later.push(...followUps);
    expect(violations(world)).toEqual([]);
    const asked = followUps.flatMap((each) =>
      each.kind === "expire-elsewhere" ? [`${each.eventId} ${each.dueAt}`] : [],
    );
    for (const [index, step] of pending.entries()) {
      const outcome = applied[index]?.outcome;
      const asks = step.asks && `${idOf("event", step.asks.event)} ${MIDNIGHT + step.asks.dueAt}`;
      const asksFit = asks === null ? asked.length === 0 || batched : asked.includes(asks);
      lines.push(written(step, outcome === undefined ? "no answer" : resultOf(outcome), asksFit));
    }
    pending = [];
  };
  const sweep = (at: number): string => {
    const now = MIDNIGHT + at;
    later.push(...follow(world, { changes: [], followUps: sweepsDue(world, now) }, now, limits));
    return "settled";
  };
  /** Up to a moment: what was asked for that time, and events that are cancelled by then. */
  const passTime = (at: number) => {
    for (;;) {
      const [next] = later
        .flatMap((asked) => (asked.kind === "promote" ? [asked] : []))
        .sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > MIDNIGHT + at) break;
      later = later.filter((asked) => asked !== next);
      later.push(...follow(world, { changes: [], followUps: [next] }, next.at, limits));
    }
    cancelEvents(world, read, at);
  };

  for (const step of read.steps) {
    const [first] = pending;
    const owner = "target" in step.action ? step.action.target?.owner : undefined;
    const joins = batched && first?.event === step.event && first.at === step.at;
    if (!joins || !isCommand(step) || pending.some(({ who }) => who === owner)) flush();
    if (pending.length === 0) passTime(step.at);
    for (const promised of read.steps) {
      if (!promised.accepted || promised.sentAt > step.at || lines.length > read.steps.indexOf(promised))
        continue;
      const command = made(promised);
      world.accepted.set(command.id, command);
    }
    if (isCommand(step)) pending.push(step);
    else lines.push(written(step, step.action.type === "sweep" ? sweep(step.at) : seen(world, step), true));
  }
  flush();
  return lines;
}

const isCommand = ({ action: { type } }: Step): boolean => !type.startsWith("look") && type !== "sweep";

function cancelEvents(world: World, read: Scenario, at: number): void {
  for (const { name, cancelledAt } of read.events) {
    const terms = world.terms.get(idOf("event", name));
    if (terms === undefined || cancelledAt === null || cancelledAt > at) continue;
    world.terms.set(terms.id, { ...terms, cancelledAt: MIDNIGHT + cancelledAt });
  }
}

/** What a line leaves out at the end of its result is not looked at. */
function written(step: Step, actual: string, asksFit: boolean): string {
  const { word, detail } = step.result;
  const expected = detail === null ? word : `${word} ${detail}`;
  const fits = actual === expected || [" ", ", "].some((more) => actual.startsWith(expected + more));
  return fits && asksFit ? step.text : `${step.text}   !! ${asksFit ? actual : `${actual}, asks otherwise`}`;
}
