// An event with something of each kind, made by commands: what the tests of the checker and of repairs spoil.
import {
  type Applied,
  type EventId,
  offerIdOf,
  reservationIdOf,
  type SlotId,
  type UserId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import type pg from "pg";
import {
  cancel,
  createEvent,
  createUsers,
  joinWaitlist,
  leaveWaitlist,
  purchase,
  reserve,
} from "../../testkit/src/index.ts";
import type { TestWorker } from "./fsck-worker.ts";

export interface Evening {
  readonly eventId: EventId;
  /** Three tickets: two bought, one offered to cyd; gus is parked, eve and fay wait. Number 1 is hal's. */
  readonly early: SlotId;
  /** Ten tickets, of which gus holds four: as many as one may have. */
  readonly late: SlotId;
  readonly startsAt: number;
  readonly gus: UserId;
}

/** Numbers in the early slot's waitlist. */
export const ENTRY = { hal: 1, gus: 2, cyd: 3, dan: 4, eve: 5, fay: 6 } as const;

export async function anEvening(pool: pg.Pool, worker: TestWorker): Promise<Evening> {
  const names = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ivy"] as const;
  const ids = await createUsers(pool, names.length);
  const people = Object.fromEntries(names.map((name, i) => [name, ids[i]])) as Record<
    (typeof names)[number],
    UserId
  >;
  const { ann, bob, cyd, dan, eve, fay, gus, hal, ivy } = people;
  const event = await createEvent(pool, { capacities: [3, 10], terms: { maxPerUser: 4 }, waitlist: {} });
  const { id: eventId } = event;
  const [{ id: early, startsAt }, { id: late }] = event.slots as [
    (typeof event.slots)[0],
    (typeof event.slots)[0],
  ];
  const taken = [ann, ivy, bob].map((user) => reserve(eventId, user, { slotId: early }));
  const [annsId, ivysId, bobsId] = taken.map(({ id }) => reservationIdOf(id)) as [
    ReturnType<typeof reservationIdOf>,
    ReturnType<typeof reservationIdOf>,
    ReturnType<typeof reservationIdOf>,
  ];
  const joins = [hal, gus, cyd, dan].map((user) => joinWaitlist(eventId, user, early));
  const [halsJoin, , , dansJoin] = joins;
  if (halsJoin === undefined || dansJoin === undefined) throw new Error("four join");
  await worker.apply(eventId, [
    ...taken,
    purchase(eventId, bob, bobsId, { paymentReference: "bob's", key: "bob buys" }),
    ...joins,
    joinWaitlist(eventId, eve, early, { quantity: 2 }),
    reserve(eventId, fay, { slotId: early, orWait: true }),
  ]);
  await worker.apply(eventId, [cancel(eventId, ivy, ivysId)]);
  await worker.apply(eventId, [
    purchase(eventId, hal, offerIdOf(waitlistEntryIdOf(halsJoin.id))),
    reserve(eventId, gus, { slotId: late, quantity: 4 }),
    cancel(eventId, ann, annsId),
  ]);
  const left = await worker.apply(eventId, [leaveWaitlist(eventId, dan, waitlistEntryIdOf(dansJoin.id))]);
  if (left.some(({ outcome }: Applied) => outcome.status !== "succeeded")) throw new Error("dan may leave");
  return { eventId, early, late, startsAt, gus };
}
