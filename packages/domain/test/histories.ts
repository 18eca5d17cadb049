// Random histories: events, claims that were there before, and commands with their two times. What a step means
// (whose reservation, which deadline) depends on what came before, so a history is written down by the naive model.
import fc from "fast-check";
import {
  type AnyCommand,
  type EventId,
  type FollowUp,
  type Outcome,
  type Reservation,
  type Slot,
  USER_ROLES,
  type UserId,
} from "../src/index.ts";
import { UNTOUCHED, WAITLIST } from "./builders.ts";
import { type Naive, naive, tell } from "./naive.ts";
import { idOf } from "./names.ts";
import type { EventRow } from "./world.ts";

export const START = Date.UTC(2030, 0, 1, 12);
const SECOND = 1000;
const USERS: readonly UserId[] = ["ann", "bob", "cyd", "dan"].map((name) => idOf("user", name));
/** An event far away with room for more holds than a user may have. */
const FAR_SLOTS = 24;

/** Something accepted (its row written), or a command applied and what the model answers. */
export type Entry =
  | { readonly kind: "accept"; readonly command: AnyCommand }
  | {
      readonly kind: "apply";
      readonly command: AnyCommand;
      readonly now: number;
      readonly outcome: Outcome;
      readonly followUps: readonly FollowUp[];
    };

export interface History {
  readonly events: readonly EventRow[];
  readonly before: readonly Reservation[];
  readonly entries: readonly Entry[];
  readonly rowsAfter: readonly Reservation[];
}

const slot = fc.record({
  startsIn: fc.integer({ min: 0, max: 40 }),
  startsAtMs: fc.constantFrom(0, 0, 0, 300),
  lasts: fc.integer({ min: 1, max: 20 }),
  capacity: fc.integer({ min: 0, max: 5 }),
});

/** Nobody waits in these histories. */
const NO_WAITLIST = { offerSeconds: 60, waitlist: { ...WAITLIST, enabled: false } };

const rarely = <T>(value: T) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constant(value) });

const terms = fc.record({
  cancelledAt: rarely(START),
  salesOpenAt: fc.option(fc.integer({ min: -5, max: 4 }).map((s) => START + s * SECOND)),
  salesCloseAt: fc.option(fc.integer({ min: 8, max: 60 }).map((s) => START + s * SECOND)),
  salesClosed: fc.integer({ min: 0, max: 11 }).map((n) => n === 0),
  holdSeconds: fc.integer({ min: 1, max: 12 }),
  maxPerOrder: fc.integer({ min: 1, max: 5 }),
  maxPerUser: fc.integer({ min: 1, max: 6 }),
  overlapPolicy: fc.constantFrom("refuse", "refuse", "allow" as const),
  cancelCutoffSeconds: fc.constantFrom(0, 0, 5, 20),
});

const time = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ by: 0 }) },
  { weight: 3, arbitrary: fc.record({ by: fc.integer({ min: 1, max: 3000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ deadline: fc.nat(20), off: fc.constantFrom(-1, 0, 1, 499, 500, 501, 1500) }),
  },
);

const doing = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("reserve" as const),
      slot: fc.option(fc.nat(30), { freq: 4 }),
      foreign: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
      quantity: fc.constantFrom(1, 1, 1, 2, 3, 6),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom("purchase" as const, "accept" as const),
      row: fc.nat(30),
      owned: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
      reference: fc.constantFrom(null, null, "p1", "p2"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("cancel" as const),
      row: fc.nat(30),
      owned: fc.integer({ min: 0, max: 2 }).map((n) => n > 0),
      role: fc.constantFrom(...USER_ROLES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("expire" as const), row: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("deliver" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("again" as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unknown" as const) }) },
);

const step = fc.record({
  time,
  doing,
  event: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 2, arbitrary: fc.nat(3) }),
  user: fc.nat(USERS.length - 1),
  lag: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -400, max: 2500 }) },
  ),
  key: fc.option(fc.constantFrom("k1", "k2", "k3"), { freq: 6 }),
});

const plan = fc.record({
  events: fc.array(fc.record({ terms, slots: fc.array(slot, { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  farPolicy: fc.constantFrom("refuse" as const, "allow" as const),
  farCancelledAt: rarely(START),
  farHolds: fc.constantFrom(0, 0, 1, 3, 19, 20, 21),
  farDeadlines: fc.integer({ min: 1, max: 30 }),
  steps: fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
});

export const history: fc.Arbitrary<History> = plan.map(writeDown);

type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;
type PlannedStep = Plan["steps"][number];

function writeDown(planned: Plan): History {
  const events = [...planned.events.map(eventRow), farEvent(planned)];
  const before = Array.from({ length: planned.farHolds }, (_, n) => farHold(n, planned.farDeadlines));
  const model = naive(events, before);
  const entries: Entry[] = [];
  let now = START;
  let event = 0;
  for (const [index, planStep] of planned.steps.entries()) {
    now = Math.max(now, moment(planStep.time, model, now));
    event = planStep.event === null ? event : planStep.event % events.length;
    const made = command(model, entries, planStep, index, events[event], now);
    if (made === undefined) continue;
    if (planStep.doing.type === "accept") {
      model.accepted.push(made);
      entries.push({ kind: "accept", command: made });
    } else entries.push({ kind: "apply", command: made, now, ...tell(model, made, now) });
  }
  return { events, before, entries, rowsAfter: model.rows };
}

function moment(planned: PlannedStep["time"], model: Naive, now: number): number {
  if ("by" in planned) return now + planned.by;
  const deadlines = model.rows.flatMap(({ status, expiresAt }) =>
    status === "held" && expiresAt !== null ? [expiresAt] : [],
  );
  return (at(deadlines, planned.deadline) ?? now) + planned.off;
}

const at = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

function command(
  model: Naive,
  entries: readonly Entry[],
  { doing: what, user, lag, key }: PlannedStep,
  index: number,
  event: EventRow | undefined,
  now: number,
): AnyCommand | undefined {
  if (event === undefined) return undefined;
  const base = { id: idOf("command", `step ${index}`), at: now - lag, fingerprint: null };
  const made = (eventId: EventId = event.terms.id) => ({ ...base, eventId });
  const sender = (userId: UserId = at(USERS, user) ?? idOf("user", "nobody")) => ({
    userId,
    idempotencyKey: key,
  });
  const nobody = { userId: null, idempotencyKey: null };
  switch (what.type) {
    case "reserve": {
      const slotId = what.foreign ? idOf("slot", "elsewhere") : at(event.slots, what.slot ?? 0)?.id;
      const input = { slotId: what.slot === null ? null : (slotId ?? null), quantity: what.quantity };
      return { ...made(), ...sender(), type: "reserve", input };
    }
    case "purchase":
    case "accept": {
      const row = at(model.rows, what.row);
      const input = {
        reservationId: row?.id ?? idOf("reservation", "none"),
        paymentReference: what.reference,
      };
      const from = sender(what.owned ? row?.userId : undefined);
      if (what.type === "purchase") return { ...made(row?.eventId), ...from, type: "purchase", input };
      // One that is refused lets go of its hold only with the next batch, so that batches would show.
      const cancelled =
        model.events.find(({ terms: { id } }) => id === row?.eventId)?.terms.cancelledAt ?? null;
      if (cancelled !== null) return undefined;
      return { ...made(row?.eventId), ...from, idempotencyKey: null, type: "purchase", input };
    }
    case "cancel": {
      const row = at(model.rows, what.row);
      const input = { reservationId: row?.id ?? idOf("reservation", "none"), role: what.role };
      return {
        ...made(row?.eventId),
        ...sender(what.owned ? row?.userId : undefined),
        type: "cancel",
        input,
      };
    }
    case "expire": {
      const row = at(model.rows, what.row);
      const input = { dueAt: row?.expiresAt ?? now };
      return { ...made(row?.eventId), ...nobody, type: "expire-due", input };
    }
    case "deliver":
      return at(
        model.accepted.filter(({ id }) => model.ended.every((each) => each.command.id !== id)),
        what.which,
      );
    case "again":
      return at(
        entries.filter(({ kind }) => kind === "apply"),
        what.which,
      )?.command;
    case "unknown":
      return { ...made(), ...sender(), type: "juggle" };
  }
}

function eventRow({ terms: planned, slots }: Plan["events"][number], n: number): EventRow {
  const name = `event ${n}`;
  return {
    terms: {
      ...planned,
      ...NO_WAITLIST,
      id: idOf("event", name),
      organizerId: USERS[n] ?? idOf("user", "olga"),
    },
    slots: slots.map(({ startsIn, startsAtMs, lasts, capacity }, each): Slot => {
      const startsAt = START + startsIn * SECOND + startsAtMs;
      const id = idOf("slot", `${name} slot ${each}`);
      return { ...UNTOUCHED, id, startsAt, endsAt: startsAt + lasts * SECOND, capacity };
    }),
  };
}

const FAR = idOf("event", "far");
const farSlot = (n: number) => idOf("slot", `far ${n}`);

/** Slots of ten seconds, one behind the other from half a minute on: the first ones overlap those of other events. */
const farEvent = ({ farPolicy, farCancelledAt }: Plan): EventRow => ({
  terms: {
    id: FAR,
    organizerId: idOf("user", "olga"),
    cancelledAt: farCancelledAt,
    salesOpenAt: null,
    salesCloseAt: null,
    salesClosed: false,
    holdSeconds: 5,
    maxPerOrder: 2,
    maxPerUser: 2 * FAR_SLOTS,
    overlapPolicy: farPolicy,
    cancelCutoffSeconds: 0,
    ...NO_WAITLIST,
  },
  slots: Array.from({ length: FAR_SLOTS }, (_, n) => {
    const startsAt = START + (30 + n * 10) * SECOND;
    return { ...UNTOUCHED, id: farSlot(n), startsAt, endsAt: startsAt + 10 * SECOND, capacity: 3 };
  }),
});

/** A hold of ann's that was there before. */
const farHold = (n: number, deadline: number): Reservation => ({
  id: idOf("reservation", `far ${n}`),
  eventId: FAR,
  slotId: farSlot(n),
  userId: idOf("user", "ann"),
  quantity: 1 + (n % 2),
  status: "held",
  origin: "public",
  paymentReference: null,
  expiresAt: START + Math.min(deadline, 30) * SECOND,
  createdAt: START - SECOND,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
});
