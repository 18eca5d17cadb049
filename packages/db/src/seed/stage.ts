// An event of which the rules themselves played what happened: commands at moments of the past, applied one by one.
// Holds end and promotions follow by themselves, as the workers see to it. No rule stands here.
import {
  type ActiveClaim,
  type AnyCommand,
  applyBatch,
  type Batch,
  type BatchResult,
  COOLDOWN_MS,
  COOLDOWN_WINDOW_MS,
  type Command,
  type CommandId,
  type EpochMs,
  type EventDetails,
  type EventTerms,
  expireDue,
  type FollowUp,
  isActive,
  isParked,
  isUnpaidExpiry,
  type Outcome,
  promote,
  type Reservation,
  SETTLE_GRACE_MS,
  type Slot,
  type SlotId,
  type Succeeded,
  type UserId,
  windDown,
} from "@holdfast/domain";
import type { NewEvent } from "../events.ts";
import type { Ended, History } from "./history.ts";
import { seedId, seedTail } from "./ids.ts";
import { closing, detailsOf, leftoversOf, linesOf, termsOf, unsold } from "./loaded.ts";

/** Milliseconds after a hold can be settled in which it is, and in which a follow-up comes to its event. */
const PROMPT_MS = 150;

/** What somebody asks for, without who and when. */
type Asked = { [C in Command as C["type"]]: Pick<C, "type" | "input"> }[Command["type"]];

export interface Stage extends History {
  readonly event: NewEvent;
  /** As it is now; `slots` by start. */
  readonly terms: EventTerms;
  readonly details: EventDetails;
  readonly slots: readonly Slot[];
  /** Somebody asks at that moment; moments go forwards. What is due by then has happened. */
  ask(at: EpochMs, userId: UserId, asked: Asked): Outcome;
  /** Time passes: holds end, closed waitlists empty, and parked waiters are looked at again. */
  pass(at: EpochMs): void;
}

export interface Staging {
  readonly now: EpochMs;
  /** The past of everything that is on no stage. */
  readonly elsewhere: History;
  readonly events: readonly NewEvent[];
}

/** Stages of one world: what a user has on one is known on all others. */
export function openStages({ now, elsewhere, events }: Staging): (event: NewEvent) => Stage {
  const histories: History[] = [elsewhere];
  const eventsById = new Map(events.map((event) => [event.id, event]));

  function claims(): Map<UserId, ActiveClaim[]> {
    const found = histories.flatMap(({ reservations }) => reservations.flatMap(claimOf));
    return Map.groupBy(found, ({ userId }) => userId);
  }

  function claimOf({ status, userId, ...row }: Reservation): (ActiveClaim & { userId: UserId })[] {
    const event = eventsById.get(row.eventId);
    const slot = event?.slots.find(({ id }) => id === row.slotId);
    if (event === undefined || slot === undefined || !isActive(status)) return [];
    const { startsAt, endsAt } = slot;
    const { id, eventId, slotId, quantity, expiresAt } = row;
    const exclusive = event.overlapPolicy === "refuse";
    return [{ id, eventId, slotId, userId, quantity, status, expiresAt, startsAt, endsAt, exclusive }];
  }

  function expiries(at: EpochMs): Map<UserId, EpochMs[]> {
    const reach = at - COOLDOWN_WINDOW_MS - COOLDOWN_MS;
    const unpaid = histories
      .flatMap(({ reservations }) => reservations.filter(isUnpaidExpiry))
      .filter(({ endedAt }) => (endedAt ?? 0) > reach);
    const byUser = Map.groupBy(unpaid, ({ userId }) => userId);
    return new Map([...byUser].map(([user, rows]) => [user, rows.map(({ endedAt }) => endedAt ?? 0)]));
  }

  return (event) => {
    const stage = openStage(event, now, (at) => ({ claims: claims(), expiries: expiries(at) }));
    histories.push(stage);
    return stage;
  };
}

interface Timer {
  readonly at: EpochMs;
  command(now: EpochMs): Command;
}

type OfUsers = Pick<Batch["state"], "claims" | "expiries">;

function openStage(event: NewEvent, now: EpochMs, ofUsers: (at: EpochMs) => OfUsers): Stage {
  const slots = new Map(event.slots.map((slot): [SlotId, Slot] => [slot.id, unsold(slot)]));
  const state: Omit<Batch["state"], "lines" | "leftovers"> = {
    terms: termsOf(event),
    details: detailsOf(event, now),
    slots,
    reservations: new Map(),
    entries: new Map(),
    claims: new Map(),
    expiries: new Map(),
    awaitingPurchase: new Set(),
    otherDeadlines: new Map(),
  };
  const ended: Ended[] = [];
  let logicalAt: EpochMs = 0;

  const nextId = (at: EpochMs): CommandId => seedId("command", ended.length, at, seedTail(event.id));

  function apply(command: Command): Outcome {
    const { at } = command;
    const last = ended.at(-1)?.finishedAt ?? 0;
    if (at < last) throw new Error(`${command.type} of ${event.name} comes ${last - at} ms too late`);
    const loaded = {
      ...state,
      ...ofUsers(at),
      lines: linesOf(state, command),
      leftovers: leftoversOf(state, at),
    };
    const result = applyBatch([command], {
      state: loaded,
      outcomes: new Map(),
      keys: new Map(),
      logicalAt,
      now: at,
      settledUpTo: Number.POSITIVE_INFINITY,
      onFault: refuseFault,
    });
    state.terms = loaded.terms;
    state.details = loaded.details;
    logicalAt = result.logicalAt;
    const outcome = note(command, result);
    for (const asked of result.followUps) follow(asked, at);
    return outcome;
  }

  function note({ id, eventId, type, userId, at }: Command, { applied: [applied] }: BatchResult): Outcome {
    if (applied === undefined) throw new Error(`${type} of ${event.name} did not end`);
    const { outcome, seen } = applied;
    const times = { submittedAt: at, finishedAt: at };
    ended.push({ id, eventId, seq: ended.length + 1, type, userId, outcome, seen, ...times });
    return outcome;
  }

  /** What is asked for later has a timer. */
  function follow(asked: FollowUp, before: EpochMs): void {
    const at = before + PROMPT_MS;
    if (asked.kind === "promote" && asked.at <= at) apply(promote(nextId(at), asked, at));
    if (asked.kind === "wind-down") apply(windDown(nextId(at), event.id, { at, after: asked.after }));
  }

  /** What timers bring about, one moment after the other: what comes of it may set new ones. */
  function runTimers(by: EpochMs): void {
    for (;;) {
      const [next] = [...deadlines(), ...looks()].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > by) return;
      const at = Math.max(next.at, ended.at(-1)?.finishedAt ?? 0);
      apply(next.command(at));
    }
  }

  const deadlines = (): Timer[] =>
    [...state.reservations.values()].flatMap(({ status, expiresAt: dueAt }) => {
      if (status !== "held" || dueAt === null) return [];
      const at = dueAt + SETTLE_GRACE_MS + PROMPT_MS;
      return [{ at, command: (now) => expireDue(nextId(now), event.id, { at: now, dueAt }) }];
    });

  /** Into waitlists, when a collection of tickets runs out. */
  const looks = (): Timer[] =>
    [...slots.values()].flatMap(({ id: slotId, promoteAt }) => {
      if (promoteAt === null) return [];
      const look = { eventId: event.id, slotId, from: null, recheck: [] };
      return [{ at: promoteAt + PROMPT_MS, command: (now) => promote(nextId(now), look, now) }];
    });

  return {
    event,
    get terms() {
      return state.terms;
    },
    get details() {
      return state.details ?? detailsOf(event, now);
    },
    get slots() {
      return [...slots.values()];
    },
    get reservations() {
      return [...state.reservations.values()];
    },
    get entries() {
      return [...state.entries.values()];
    },
    ended,
    ask(at, userId, asked) {
      runTimers(at);
      const from = { id: nextId(at), eventId: event.id, at, userId, idempotencyKey: null, fingerprint: null };
      return apply({ ...from, ...asked } as Command);
    },
    pass(at) {
      runTimers(at);
      const parked = [...state.entries.values()].filter((entry) => isParked(entry));
      for (const [slotId, here] of Map.groupBy(parked, (entry) => entry.slotId)) {
        const recheck = here.map(({ id }) => id);
        apply(promote(nextId(at), { eventId: event.id, slotId, from: null, recheck }, at));
      }
      if (closing(state, at).length > 0) apply(windDown(nextId(at), event.id, { at, after: null }));
    },
  };
}

function refuseFault(command: AnyCommand, error: unknown): never {
  throw new Error(`${command.type} of the seed must not fail`, { cause: error });
}

/** What a command made; throws when it was not done. */
export function done(outcome: Outcome): Succeeded {
  if (outcome.status !== "succeeded") throw new Error(`the rules did not do it: ${JSON.stringify(outcome)}`);
  return outcome;
}
