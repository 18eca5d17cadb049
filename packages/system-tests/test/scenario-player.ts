// Plays scenarios on a running system: the texts that the rules are held to, with the same words for the same things,
// read from the tables. The clock stands still and is moved by hand from line to line; what timers would ask for when
// their time comes is asked for here, and so is what the waitlist worker would ask for right behind a line.
import { acceptCommands, findEvent, insertEvent, ms, RESERVATION_COLUMNS } from "@holdfast/db";
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
  type Slot,
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

/** Promotions and looks at parked waiters that may follow from one line. */
const FOLLOWED_MAX = 1_000;

export interface Player {
  /** The scenario's lines so far, each as it was written, with what came of it instead where that differs. */
  readonly lines: readonly string[];
  readonly written: readonly string[];
  readonly events: readonly EventId[];
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
  const events = [...world.terms.keys()];
  await loadWorld(pool, world);

  const commands = new Map<Step, AnyCommand>();
  const lines: string[] = [];

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

  async function playStep(step: Step, now: EpochMs): Promise<string> {
    const former = new Map(world.reservations);
    if (step.action.type === "sweep") {
      for (const asked of sweepsDue(world, now)) await askFollowUp(asked, now);
      await followUp(former, now);
      return "settled";
    }
    if (step.action.type.startsWith("look")) return seen(world, step);
    const command = made(step);
    const isWoundDown = isOfOrganizer(command) ? await woundDown(pool, world, step) : null;
    const isAsked = step.asks === null ? null : await countsUp(pool, step.asks.event);
    const outcome = await ask(command);
    await isWoundDown?.(outcome);
    await followUp(former, now);
    if (isAsked !== null) {
      await isAsked();
      await loadWorld(pool, world);
      await followUp(former, now);
    }
    return resultOf(outcome);
  }

  return {
    lines,
    written: parseScenario(text).steps.map((step) => step.text),
    events,
    nextStop() {
      const next = read.steps[lines.length];
      if (next === undefined) return null;
      const promotions = slotsOf(world).flatMap(({ slot }) => slot.promoteAt ?? []);
      return Math.min(MIDNIGHT + next.at, ...promotions);
    },
    async play(now) {
      await followUp(new Map(world.reservations), now);
      if (await cancelEvents(pool, read, now)) await loadWorld(pool, world);
      for (;;) {
        const step = read.steps[lines.length];
        if (step === undefined || MIDNIGHT + step.at > now) return;
        const promised = read.steps
          .slice(lines.length)
          .filter(({ accepted, sentAt }) => accepted && MIDNIGHT + sentAt <= now);
        if (promised.length > 0) {
          await acceptCommands(
            pool,
            promised.map((one) => ({ command: made(one) as Command, ticket: null })),
          );
        }
        lines.push(lineOf(step, await playStep(step, now)));
      }
    },
  };
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

async function createPeople(pool: pg.Pool, { events, steps }: Scenario): Promise<void> {
  const names = new Set([...events.map(({ organizer }) => organizer), ...steps.map(({ who }) => who)]);
  const ids = [...names].map((name) => idOf("user", name));
  await pool.query(
    `INSERT INTO users (id, email, name, password_hash)
    SELECT id, id || '@example.com', 'Somebody', 'none' FROM unnest($1::text[]) AS given(id)`,
    [ids],
  );
}

async function createEvents(pool: pg.Pool, { events }: Scenario): Promise<void> {
  for (const event of events) {
    const { terms, slots } = eventRow(event);
    await insertEvent(pool, { name: "An evening", description: null, venue: null, ...terms, slots });
    if (terms.salesClosed)
      await pool.query("UPDATE events SET sales_closed = true WHERE id = $1", [terms.id]);
  }
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

const slotsOf = (world: World): { eventId: EventId; slot: Slot }[] =>
  [...world.slots].flatMap(([eventId, slots]) => [...slots.values()].map((slot) => ({ eventId, slot })));

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

/** Reads what the tables hold of the world's events. Rows that it knows keep their place, new ones come last. */
async function loadWorld(pool: pg.Pool, world: World): Promise<void> {
  const events = [...world.terms.keys()];
  const [facts, winding, slots, reservations, entries] = await Promise.all([
    Promise.all(events.map((id) => findEvent(pool, id))),
    pool.query<{ id: EventId }>("SELECT id FROM events WHERE winding_down AND id = ANY ($1::text[])", [
      events,
    ]),
    pool.query<SlotRow>(
      `SELECT id, event_id AS "eventId", name, ${ms("starts_at")} AS "startsAt", ${ms("ends_at")} AS "endsAt", capacity,
        held, purchased, used, waiting, parked, last_seq AS "lastSeq", coalesce(passers, '{}') AS passers,
        ${ms("promote_at")} AS "promoteAt"
      FROM slots WHERE event_id = ANY ($1::text[]) ORDER BY starts_at, id`,
      [events],
    ),
    pool.query<Reservation>(
      `SELECT ${RESERVATION_COLUMNS} FROM reservations WHERE event_id = ANY ($1::text[]) ORDER BY created_at, id`,
      [events],
    ),
    pool.query<WaitlistEntry>(
      `SELECT id, event_id AS "eventId", slot_id AS "slotId", user_id AS "userId", quantity, status, seq,
        ${ms("created_at")} AS "createdAt", ${ms("offered_at")} AS "offeredAt", ${ms("ended_at")} AS "endedAt",
        end_reason AS "endReason", ${ms("recheck_at")} AS "recheckAt", last_passed_over AS "lastPassedOver"
      FROM waitlist_entries WHERE event_id = ANY ($1::text[]) ORDER BY created_at, seq`,
      [events],
    ),
  ]);
  for (const event of facts) {
    if (event === null) throw new Error("an event is gone");
    world.terms.set(event.id, event);
    world.details.set(event.id, event);
  }
  world.windingDown.clear();
  for (const { id } of winding.rows) world.windingDown.add(id);
  for (const id of events) world.slots.set(id, new Map());
  for (const { eventId, ...slot } of slots.rows) {
    world.slots.get(eventId)?.set(slot.id, { ...slot, collecting: null });
  }
  for (const row of reservations.rows) world.reservations.set(row.id, row);
  for (const row of entries.rows) world.entries.set(row.id, row);
}

type SlotRow = Omit<Slot, "collecting"> & { readonly eventId: EventId };

/** Resolves to one that resolves when the event has been asked to settle since. */
async function countsUp(pool: pg.Pool, event: string): Promise<() => Promise<void>> {
  const asked = () => countOutcomes(pool, idOf("event", event), "expire-due");
  const before = await asked();
  return async () => void (await until("the other event to be asked", async () => (await asked()) > before));
}

/** Resolves to one that resolves when the worker has wound down what the line leaves behind, if it does. */
async function woundDown(
  pool: pg.Pool,
  world: World,
  { action, event }: Step,
): Promise<(outcome: Outcome) => Promise<void>> {
  const id = idOf("event", event);
  const former = new Map(world.slots.get(id));
  const pieces = () => countOutcomes(pool, id, "wind-down");
  const before = await pieces();
  return async (outcome) => {
    if (outcome.status !== "succeeded") return;
    const lowered = slotsOf(world).some(({ slot }) => {
      const was = former.get(slot.id);
      return was !== undefined && slot.capacity < was.capacity && was.waiting > 0;
    });
    const leaves =
      lowered ||
      world.windingDown.has(id) ||
      (action.type === "edit-event" && action.edits.waitlist !== undefined);
    if (!leaves) return;
    const isDone = async (): Promise<boolean> => {
      if ((await pieces()) === before) return false;
      await loadWorld(pool, world);
      return !world.windingDown.has(id);
    };
    await until("what is left behind to be wound down", isDone);
  };
}

async function countOutcomes(pool: pg.Pool, eventId: EventId, type: Command["type"]): Promise<number> {
  const { rows } = await pool.query<{ ended: number }>(
    "SELECT count(*)::int AS ended FROM outcomes WHERE event_id = $1 AND type = $2",
    [eventId, type],
  );
  return rows[0]?.ended ?? 0;
}
