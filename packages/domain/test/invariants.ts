// The invariants of the rules that reservations and waitlist entries can keep or break, looked for in the rows of a
// whole world.
import {
  isLive,
  isParked,
  offerIdOf,
  type Reservation,
  SETTLE_GRACE_MS,
  type WaitlistEntry,
} from "../src/index.ts";
import type { World } from "./world.ts";

/** What is broken, one line each; nothing when all is well. */
export function violations(world: World): string[] {
  const rows = [...world.reservations.values()];
  const active = rows.filter(({ status }) => status === "held" || status === "purchased");
  const users = [...Map.groupBy(active, ({ userId }) => userId).values()];
  return [
    ...[...world.slots.values()]
      .flatMap((slots) => [...slots.values()])
      .flatMap((slot) => {
        const here = active.filter(({ slotId }) => slotId === slot.id);
        const held = tickets(here.filter(({ status }) => status === "held"));
        const purchased = tickets(here) - held;
        return [
          ...broken(slot.held !== held || slot.purchased !== purchased, `${slot.id} has miscounted`),
          ...broken(held + purchased > slot.capacity, `${slot.id} is oversold`),
          ...broken(
            new Set(here.map(({ userId }) => userId)).size < here.length,
            `two active ones of a user, ${slot.id}`,
          ),
        ];
      }),
    ...users.flatMap((mine) => [...overUserLimit(world, mine), ...overlapping(world, mine)]),
    ...rows.flatMap((row) => untimely(world, row)),
    ...linesMiscounted(world),
    ...[...world.entries.values()].flatMap((entry) => offerMissing(world, entry)),
    ...offersOfNobody(world, rows),
  ];
}

const tickets = (rows: readonly Reservation[]): number =>
  rows.reduce((sum, { quantity }) => sum + quantity, 0);
const broken = (is: boolean, what: string): string[] => (is ? [what] : []);

const overUserLimit = (world: World, mine: readonly Reservation[]): string[] =>
  [...Map.groupBy(mine, ({ eventId }) => eventId)].flatMap(([eventId, here]) =>
    broken(
      tickets(here) > (world.terms.get(eventId)?.maxPerUser ?? 0),
      `over the limit of a user in ${eventId}`,
    ),
  );

function overlapping(world: World, mine: readonly Reservation[]): string[] {
  const ranges = mine
    .filter(({ eventId }) => world.terms.get(eventId)?.overlapPolicy === "refuse")
    .map(({ eventId, slotId, id }) => ({ id, slot: world.slots.get(eventId)?.get(slotId) }))
    .map(({ id, slot }) => ({ id, startsAt: slot?.startsAt ?? 0, endsAt: slot?.endsAt ?? 0 }))
    .sort((a, b) => a.startsAt - b.startsAt);
  return ranges.flatMap(({ id, startsAt }, n) =>
    broken(startsAt < (ranges[n - 1]?.endsAt ?? 0), `${id} overlaps`),
  );
}

/** No hold ends before its deadline, and none outlives it once the event's logical time is past the grace. */
function untimely(world: World, row: Reservation): string[] {
  const deadline = row.expiresAt ?? Number.POSITIVE_INFINITY;
  const early = row.endReason === "deadline" && (row.endedAt ?? 0) < deadline;
  const settledUpTo = (world.logicalAt.get(row.eventId) ?? 0) - SETTLE_GRACE_MS;
  const awaited = [...world.accepted.values()].some(
    ({ input }) => input !== undefined && "reservationId" in input && input.reservationId === row.id,
  );
  const late = row.status === "held" && deadline <= settledUpTo && !awaited;
  return [...broken(early, `${row.id} ended early`), ...broken(late, `${row.id} outlives its deadline`)];
}

/** Counters of each line equal its rows, each number is given once, and a user has one live entry of a slot. */
const linesMiscounted = (world: World): string[] =>
  [...world.slots.values()]
    .flatMap((slots) => [...slots.values()])
    .flatMap((slot) => {
      const entries = [...world.entries.values()].filter(({ slotId }) => slotId === slot.id);
      const live = entries.filter(({ status }) => isLive(status));
      const numbers = new Set(entries.map(({ seq }) => seq));
      return [
        ...broken(
          slot.waiting !== entries.filter(({ status }) => status === "waiting").length ||
            slot.parked !== entries.filter(isParked).length,
          `${slot.id} has miscounted who waits`,
        ),
        ...broken(
          numbers.size < entries.length || Math.max(0, ...numbers) > slot.lastSeq,
          `${slot.id} has given a number twice`,
        ),
        ...broken(
          new Set(live.map(({ userId }) => userId)).size < live.length,
          `two live entries of a user, ${slot.id}`,
        ),
      ];
    });

/** Every offered entry has exactly one active hold, which is its own. */
function offerMissing(world: World, { id, status, slotId, userId, quantity }: WaitlistEntry): string[] {
  const offer = world.reservations.get(offerIdOf(id));
  const fits = offer?.slotId === slotId && offer.userId === userId && offer.quantity === quantity;
  const missing = status === "offered" && (offer?.status !== "held" || !fits);
  return broken(missing, `${id} is offered nothing`);
}

function offersOfNobody(world: World, rows: readonly Reservation[]): string[] {
  const offered = [...world.entries.values()].filter(({ status }) => status === "offered");
  const ids = new Set(offered.map(({ id }) => offerIdOf(id)));
  const offers = rows.filter(({ status, origin }) => status === "held" && origin === "waitlist");
  return offers.flatMap(({ id }) => broken(!ids.has(id), `${id} is an offer to nobody`));
}
