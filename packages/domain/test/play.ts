// Plays a scenario on the rules: one command a batch, and again with the commands of one moment in one batch. What a
// line asks of the waitlist's workers is done right behind it; what it asks for later, when its time has come.
// The parser is the test kit's; it is reached by path because a workspace may have no cycles, not even for tests.
import { expect, test } from "vitest";
import { parseScenario, type Scenario, type Step } from "../../testkit/src/scenario.ts";
import type { AnyCommand, FollowUp } from "../src/index.ts";
import { idOf } from "./names.ts";
import { commandOf, eventRow, MIDNIGHT } from "./play-commands.ts";
import { resultOf, seen } from "./play-results.ts";
import { createWorld, follow, runWhole, sweepsDue, type World } from "./world.ts";

/** A test that is a scenario: each line must be answered as it is written. */
export function scenario(name: string, text: string): void {
  for (const batches of ["one by one", "in batches"] as const) {
    test(`${name} (${batches})`, () => {
      const read = parseScenario(text);
      expect(play(read, batches === "in batches")).toEqual(read.steps.map((step) => step.text));
    });
  }
}

/** The scenario's lines, each with the result that it really had. */
export function play(read: Scenario, batched: boolean): string[] {
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
    const { applied, followUps } = runWhole(world, idOf("event", first.event), pending.map(made), now);
    later.push(...followUps);
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
  /** Up to a moment: what was asked for that time, and events that are cancelled by then. */
  const passTime = (at: number) => {
    for (;;) {
      const [next] = later
        .flatMap((asked) => (asked.kind === "promote" ? [asked] : []))
        .sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > MIDNIGHT + at) break;
      later = later.filter((asked) => asked !== next);
      later.push(...follow(world, { changes: [], followUps: [next] }, next.at));
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
    else lines.push(written(step, withoutCommand(world, step, later), true));
  }
  flush();
  return lines;
}

const isCommand = ({ action: { type } }: Step): boolean => !type.startsWith("look") && type !== "sweep";

function withoutCommand(world: World, step: Step, later: FollowUp[]): string {
  if (step.action.type !== "sweep") return seen(world, step);
  const now = MIDNIGHT + step.at;
  later.push(...follow(world, { changes: [], followUps: sweepsDue(world, now) }, now));
  return "settled";
}

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
