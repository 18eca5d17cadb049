// Random histories of a waitlist: an event with two slots at one time, another event in the way, and steps that each
// mean what there is at that moment.
import fc from "fast-check";
import {
  type AnyCommand,
  type EpochMs,
  type EventTerms,
  isActive,
  promote,
  SETTLE_GRACE_MS,
  type Slot,
  type SlotId,
  type UserId,
  WAITLIST_MODES,
} from "../src/index.ts";
import { HOUR, UNTOUCHED, WAITLIST } from "./builders.ts";
import { idOf } from "./names.ts";
import { createWorld, type EventRow, type World } from "./world.ts";

export const START = Date.UTC(2030, 0, 1, 12);
export const SECOND = 1000;
export const NAMES = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"];
export const USERS: readonly UserId[] = NAMES.map((name) => idOf("user", name));
export const HERE = idOf("event", "here");
const ELSEWHERE = idOf("event", "elsewhere");
export const OLGA = idOf("user", "olga");
/** Two slots at one time, so that a reservation of one stands in the way of the other. */
export const SLOTS: readonly SlotId[] = [idOf("slot", "first"), idOf("slot", "second")];
const OTHER_SLOT = idOf("slot", "elsewhere");

export const plan = fc.record({
  mode: fc.constantFrom("skip", "skip", ...WAITLIST_MODES),
  maxSkips: fc.integer({ min: 0, max: 3 }),
  collectSeconds: fc.integer({ min: 1, max: 20 }),
  closesBeforeSeconds: fc.constantFrom(0, 3_000),
  maxPerUser: fc.constantFrom(3, 4, 10),
  overlapPolicy: fc.constantFrom("refuse" as const, "allow" as const),
  capacity: fc.integer({ min: 1, max: 5 }),
  offerSeconds: fc.integer({ min: 2, max: 30 }),
  lineMax: fc.integer({ min: 1, max: 4 }),
  /** Who has bought the first slot's tickets when the history begins, one each, and who waits for how many. */
  soldOut: fc.boolean(),
  waiting: fc.array(fc.constantFrom(1, 1, 1, 2, 3, 4), { maxLength: USERS.length }),
  steps: fc.array(
    fc.record({
      what: fc.oneof(
        ...(
          [
            [6, "join"],
            [4, "reserve"],
            [2, "leave"],
            [4, "purchase"],
            [5, "cancel"],
            [3, "capacity"],
            [2, "elsewhere"],
            [3, "expire"],
            [4, "pass"],
            [7, "follow"],
            [2, "follow all"],
            [1, "lose"],
            [1, "again"],
            [3, "look"],
            [1, "sweep"],
          ] as const
        ).map(([weight, what]) => ({ weight, arbitrary: fc.constant(what) })),
      ),
      who: fc.nat(USERS.length - 1),
      which: fc.nat(30),
      quantity: fc.constantFrom(1, 1, 1, 2, 2, 3, 4),
      flag: fc.boolean(),
    }),
    { minLength: 5, maxLength: 90, size: "max" },
  ),
});
export type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;
export type Step = Plan["steps"][number];

const UNLIMITED = { salesOpenAt: null, salesCloseAt: null, salesClosed: false, cancelledAt: null };

function termsOf(id: EventTerms["id"], planned: Plan): EventTerms {
  const { mode, maxSkips, collectSeconds, closesBeforeSeconds } = planned;
  return {
    ...UNLIMITED,
    id,
    organizerId: OLGA,
    holdSeconds: 10,
    offerSeconds: planned.offerSeconds,
    maxPerOrder: 5,
    maxPerUser: planned.maxPerUser,
    overlapPolicy: planned.overlapPolicy,
    cancelCutoffSeconds: 0,
    waitlist: { ...WAITLIST, mode, maxSkips, collectSeconds, closesBeforeSeconds },
  };
}

const slotAt = (id: SlotId, capacity: number): Slot => ({
  ...UNTOUCHED,
  id,
  capacity,
  startsAt: START + HOUR,
  endsAt: START + 2 * HOUR,
});

export const worldOf = (planned: Plan): World => {
  const events: EventRow[] = [
    { terms: termsOf(HERE, planned), slots: SLOTS.map((id) => slotAt(id, planned.capacity)) },
    {
      terms: { ...termsOf(ELSEWHERE, planned), overlapPolicy: "refuse" },
      slots: [slotAt(OTHER_SLOT, 100)],
    },
  ];
  return createWorld(events);
};

/** One of the list, whatever the number. */
export const pickOf = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];

/** What a step asks for, as the world is now; nothing when there is nothing to ask it of. */
export function commandOfStep(
  world: World,
  { what, who, which, quantity, flag }: Step,
  name: string,
  now: EpochMs,
): AnyCommand | undefined {
  const userId = USERS[who] ?? OLGA;
  const slotId = SLOTS[which % 4 === 0 ? 1 : 0] as SlotId;
  const base = { id: idOf("command", name), eventId: HERE, at: now, fingerprint: null };
  const from = (sender: UserId) => ({ ...base, userId: sender, idempotencyKey: null });
  const reservations = [...world.reservations.values()].filter(({ status }) => isActive(status));
  const held = reservations.filter(({ status }) => status === "held");
  switch (what) {
    case "join":
      return { ...from(userId), type: "join-waitlist", input: { slotId, quantity } };
    case "reserve":
      return {
        ...from(userId),
        type: "reserve",
        input: { slotId, quantity, ...(flag ? { orWait: true } : {}) },
      };
    case "leave": {
      const entry = pickOf(
        [...world.entries.values()].filter(({ endedAt }) => endedAt === null),
        which,
      );
      if (entry === undefined) return undefined;
      const sender = flag ? entry.userId : OLGA;
      return { ...from(sender), type: "leave-waitlist", input: { entryId: entry.id, role: "organizer" } };
    }
    case "purchase": {
      const row = pickOf(held, which);
      if (row === undefined) return undefined;
      const input = { reservationId: row.id, paymentReference: null };
      return { ...from(row.userId), eventId: row.eventId, type: "purchase", input };
    }
    case "cancel": {
      const row = pickOf(reservations, which);
      if (row === undefined) return undefined;
      const input = { reservationId: row.id, role: "organizer" } as const;
      return { ...from(flag ? row.userId : OLGA), eventId: row.eventId, type: "cancel", input };
    }
    case "capacity": {
      const capacity = flag ? which % 8 : (world.slots.get(HERE)?.get(slotId)?.capacity ?? 0) + 1;
      return { ...from(OLGA), type: "set-capacity", input: { slotId, capacity, role: "organizer" } };
    }
    case "elsewhere":
      return {
        ...from(userId),
        eventId: ELSEWHERE,
        type: "reserve",
        input: { slotId: OTHER_SLOT, quantity: 1 },
      };
    case "expire": {
      const row = pickOf(held, which);
      if (row?.expiresAt == null) return undefined;
      const nobody = { userId: null, idempotencyKey: null };
      const at = Math.max(now, row.expiresAt + SETTLE_GRACE_MS);
      return {
        ...base,
        ...nobody,
        at,
        eventId: row.eventId,
        type: "expire-due",
        input: { dueAt: row.expiresAt },
      };
    }
    case "look":
      return promote(base.id, { eventId: HERE, slotId, from: null, recheck: [] }, now);
    default:
      return undefined;
  }
}
