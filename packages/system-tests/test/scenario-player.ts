// Plays scenarios on a running system: the texts that the rules are held to, with the same words for the same things,
// read from the tables. The clock stands still and is moved by hand from line to line; what timers would ask for when
// their time comes is asked for here, and so is what the waitlist worker would ask for right behind a line.
import { acceptCommands } from "@holdfast/db";
import {
  type AnyCommand,
  type Command,
  dueAsOf,
  type EpochMs,
  type EventId,
  expireDue,
  type FollowUp,
  isOfOrganizer,
  isParked,
  type Outcome,
  promote,
  type Reservation,
  type SlotId,
  type UserId,
  type WaitlistEntry,
  windDown,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { type Crowd, clockText, parseScenario, type Scenario, type Step, until } from "@holdfast/testkit";
import type pg from "pg";
// How the rules' own player reads a scenario. Reached by path: the package has nothing to export to other packages.
import { idOf } from "../../domain/test/names.ts";
import { commandOf, eventRow, MIDNIGHT } from "../../domain/test/play-commands.ts";
import { resultOf, seen } from "../../domain/test/play-results.ts";
import { createWorld, sweepsDue, type World } from "../../domain/test/world.ts";
import {
  countOutcomes,
  createEvents,
  createPeople,
  loadTerms,
  loadWorld,
  slotsOf,
} from "./scenario-world.ts";

/** Promotions and looks at parked waiters that may follow from one line. */
const FOLLOWED_MAX = 1_000;

/**
 * Looks at waiters, between two lines, that are made in their own moment. A line that is blocked for hours is looked at
 * every minute, and the others of these looks wait for the next stop: they find what the first ones found.
 */
const EXACT_LOOKS_MAX = 3;

export interface Player {
  /** The scenario's lines so far, each as it was written, with what came of it instead where that differs. */
  readonly lines: readonly string[];
  readonly written: readonly string[];
  /** When the clock must stand still for it next; null when it is played. */
  nextStop(): EpochMs | null;
  /** Plays what falls on this moment, at which the clock stands. */
  play(now: EpochMs): Promise<void>;
}

/** Makes the scenario's events and people. `nth` tells it from others on the same system. */
export async function openPlayer(pool: pg.Pool, door: Crowd, text: string, nth: number): Promise<Player> {
  const read = renamed(parseScenario(text), `n${nth}-`);
  await createPeople(pool, read);
  await createEvents(pool, read);
  const world = createWorld(read.events.map(eventRow));
  await Promise.all([loadTerms(pool, world), loadWorld(pool, world)]);

  const commands = new Map<Step, AnyCommand>();
  const lines: string[] = [];
  let playedUpTo = 0;
  let looksSinceLine = 0;

  const made = (step: Step): AnyCommand => {
    const known = commands.get(step) ?? unique(commandOf(world, read, step), nth);
    commands.set(step, known);
    return known;
  };

  /** Resolves to the outcome, when the world is as it is left by the command. */
  async function ask(command: AnyCommand): Promise<Outcome> {
    const { outcome } = await door.ask(command as Command); // also a command that nobody knows
    await loadWorld(pool, world);
    return outcome;
  }

  async function askFollowUp(asked: FollowUp, now: EpochMs): Promise<void> {
    const id = newId("command");
    switch (asked.kind) {
      case "promote":
        await ask(promote(id, asked, now));
        break;
      case "wind-down":
        await ask(windDown(id, asked.eventId, { at: now, after: asked.after }));
        break;
      case "expire-elsewhere":
        await ask(expireDue(id, asked.eventId, { at: now, dueAt: asked.dueAt }));
        break;
    }
  }

  /** Until nobody is to be looked at: lines where tickets came free, and parked waiters of whom something ended. */
  async function followUp(before: ReadonlyMap<string, Reservation>, now: EpochMs): Promise<void> {
    let former = before;
    for (let sent = 0; sent < FOLLOWED_MAX; sent += 1) {
      const due = [...promotionsDue(world, now), ...rechecksOf(world, former, now)];
      former = new Map(world.reservations);
      if (due.length === 0) return;
      for (const asked of due) await askFollowUp(asked, now);
    }
    throw new Error("follow-ups do not come to an end");
  }

  /** Commands of one moment, which go into the queue together. */
  async function playTogether(steps: readonly Step[], now: EpochMs): Promise<string[]> {
    const former = new Map(world.reservations);
    const given = steps.map(made);
    const settling = steps.flatMap(({ asks }) => (asks === null ? [] : [asks.event]));
    const [isAsked, isWoundDown] = await Promise.all([
      countUp(pool, settling, "expire-due"),
      given.some(isOfOrganizer) ? windDownsOf(pool, world, steps) : null,
    ]);
    const replies = await Promise.all(given.map((command) => door.ask(command as Command))); // known or not
    const outcomes = replies.map(({ outcome }) => outcome);
    await loadWorld(pool, world);
    if (isWoundDown !== null) await loadTerms(pool, world);
    await isWoundDown?.(outcomes);
    await followUp(former, now);
    if (settling.length > 0) {
      await isAsked();
      await loadWorld(pool, world);
      await followUp(former, now);
    }
    return outcomes.map(resultOf);
  }

  async function playAlone(step: Step, now: EpochMs): Promise<string> {
    if (step.action.type !== "sweep") return seen(world, step);
    const former = new Map(world.reservations);
    for (const asked of sweepsDue(world, now)) await askFollowUp(asked, now);
    await followUp(former, now);
    return "settled";
  }

  /** What is promised by now has its row. */
  async function promise(now: EpochMs): Promise<void> {
    const promised = read.steps
      .slice(lines.length)
      .filter(({ accepted, sentAt }) => accepted && MIDNIGHT + sentAt <= now);
    if (promised.length === 0) return;
    await acceptCommands(
      pool,
      promised.map((step) => ({ command: made(step) as Command, ticket: null })),
    );
  }

  return {
    lines,
    written: parseScenario(text).steps.map((step) => step.text),
    nextStop() {
      const next = read.steps[lines.length];
      if (next === undefined) return null;
      const looks = slotsOf(world).flatMap(({ slot: { promoteAt, collecting } }) => [
        looksSinceLine < EXACT_LOOKS_MAX ? (promoteAt ?? 0) : 0,
        collecting?.until ?? 0,
      ]);
      return Math.min(MIDNIGHT + next.at, ...looks.filter((at) => at > playedUpTo));
    },
    async play(now) {
      playedUpTo = now;
      looksSinceLine += 1;
      await followUp(new Map(world.reservations), now);
      if (await cancelEvents(pool, read, now)) await loadTerms(pool, world);
      await promise(now);
      for (;;) {
        const together = nextTogether(read.steps.slice(lines.length));
        const [first] = together;
        if (first === undefined || MIDNIGHT + first.at > now) return;
        looksSinceLine = 0;
        const results = isCommand(first) ? await playTogether(together, now) : [await playAlone(first, now)];
        for (const [i, step] of together.entries()) lines.push(lineOf(step, results[i] ?? "no answer"));
      }
    },
  };
}

const isCommand = ({ action: { type } }: Step): boolean => !type.startsWith("look") && type !== "sweep";

/** The next line, and those behind it that one may send in one go: of its moment and event, and of what is there. */
function nextTogether(steps: readonly Step[]): readonly Step[] {
  const [first] = steps;
  if (first === undefined || !isCommand(first)) return steps.slice(0, 1);
  const names = new Set<string>();
  const end = steps.findIndex((step) => {
    const owner = "target" in step.action ? step.action.target?.owner : undefined;
    const joins = isCommand(step) && step.event === first.event && step.at === first.at;
    const isKnown = owner === undefined || !names.has(owner);
    names.add(step.who);
    return !joins || !isKnown;
  });
  return end < 0 ? steps : steps.slice(0, end);
}

/**
 * What a line leaves out at the end of its result is not looked at. Of holds that are due and not settled, for whatever
 * reason, the worker reads no deadlines: when it finds no other hold, it cannot say when tickets come free.
 */
function lineOf({ text, at, result: { word, detail } }: Step, actual: string): string {
  const expected = detail === null ? word : `${word} ${detail}`;
  const isLonger = actual.startsWith(`${expected} `) || actual.startsWith(`${expected}, `);
  const isPast = word === "all-held" && detail !== null && detail <= `until ${clockText(dueAsOf(at))}`;
  return actual === expected || isLonger || (isPast && actual === "all-held until unknown")
    ? text
    : `${text}   !! ${actual}`;
}

/** The same scenario with other people at other events: all of them live in one database. */
function renamed({ events, roles, steps }: Scenario, prefix: string): Scenario {
  const name = (old: string): string => `${prefix}${old}`;
  return {
    events: events.map((event) => ({ ...event, name: name(event.name), organizer: name(event.organizer) })),
    roles: new Map([...roles].map(([who, role]) => [name(who), role])),
    steps: steps.map((step) => ({
      ...step,
      who: name(step.who),
      event: name(step.event),
      action:
        "target" in step.action && step.action.target !== null
          ? { ...step.action, target: { ...step.action.target, owner: name(step.action.target.owner) } }
          : step.action,
      asks: step.asks === null ? null : { ...step.asks, event: name(step.asks.event) },
    })),
  };
}

/** Commands without a key are named after their lines, which other scenarios have, too. */
function unique(command: AnyCommand, nth: number): AnyCommand {
  return { ...command, id: idOf("command", `${nth} ${command.id}`) };
}

/** Cancelled without its organizer's doing, and nothing is wound down. Tells whether there was any such event. */
async function cancelEvents(pool: pg.Pool, { events }: Scenario, now: EpochMs): Promise<boolean> {
  const cancelled = events.filter(({ cancelledAt }) => cancelledAt !== null && MIDNIGHT + cancelledAt <= now);
  for (const { name, cancelledAt } of cancelled) {
    await pool.query("UPDATE events SET cancelled_at = to_timestamp($2 / 1000.0) WHERE id = $1", [
      idOf("event", name),
      MIDNIGHT + (cancelledAt ?? 0),
    ]);
  }
  return cancelled.length > 0;
}

function promotionsDue(world: World, now: EpochMs): FollowUp[] {
  return slotsOf(world)
    .filter(({ slot }) => slot.promoteAt !== null && slot.promoteAt <= now)
    .map(({ eventId, slot }) => lookAt(eventId, slot.id, now, []));
}

/** Parked waiters are looked at again when a reservation of theirs has changed. */
function rechecksOf(world: World, former: ReadonlyMap<string, Reservation>, now: EpochMs): FollowUp[] {
  const relieved = new Set<UserId>();
  for (const { id, status, userId } of world.reservations.values()) {
    const before = former.get(id);
    if (before !== undefined && before.status !== status) relieved.add(userId);
  }
  const parked = [...world.entries.values()].filter((entry) => isParked(entry) && relieved.has(entry.userId));
  return [...Map.groupBy(parked, ({ slotId }) => slotId)].map(([slotId, here]) =>
    lookAt((here[0] as WaitlistEntry).eventId, slotId, now, here),
  );
}

const lookAt = (
  eventId: EventId,
  slotId: SlotId,
  at: EpochMs,
  recheck: readonly WaitlistEntry[],
): FollowUp => ({ kind: "promote", eventId, slotId, at, from: null, recheck: recheck.map(({ id }) => id) });

/** Resolves to one that resolves when each of these events has ended one more command of the type since. */
async function countUp(
  pool: pg.Pool,
  events: readonly string[],
  type: Command["type"],
): Promise<() => Promise<void>> {
  const ids = [...new Set(events)].map((name) => idOf("event", name));
  const count = () => Promise.all(ids.map((id) => countOutcomes(pool, id, type)));
  const before = await count();
  return async () => {
    const isMore = async () => (await count()).every((ended, i) => ended > (before[i] ?? 0));
    await until(`${type} to come by itself`, isMore);
  };
}

/** Resolves to one that resolves when the worker has wound down what the lines leave behind, if they do. */
async function windDownsOf(
  pool: pg.Pool,
  world: World,
  steps: readonly Step[],
): Promise<(outcomes: readonly Outcome[]) => Promise<void>> {
  const name = steps[0]?.event ?? "";
  const id = idOf("event", name);
  const former = new Map(world.slots.get(id));
  const isPiece = await countUp(pool, [name], "wind-down");
  return async (outcomes) => {
    const isLowered = slotsOf(world).some(({ slot }) => {
      const was = former.get(slot.id);
      return was !== undefined && slot.capacity < was.capacity && was.waiting > 0;
    });
    const isLeft = steps.some(
      ({ action }, i) =>
        outcomes[i]?.status === "succeeded" &&
        (isLowered || (action.type === "edit-event" && action.edits.waitlist !== undefined)),
    );
    if (!isLeft && !world.windingDown.has(id)) return;
    await isPiece();
    await until("what is left behind to be wound down", async () => {
      await loadWorld(pool, world);
      return !world.windingDown.has(id);
    });
  };
}
