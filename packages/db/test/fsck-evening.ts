// An event with something of each kind, made by commands: what the tests of the checker and of repairs spoil.
import {
  type EventId,
  offerIdOf,
  type ReserveCommand,
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

type Nine<T> = [T, T, T, T, T, T, T, T, T];

/** Numbers in the early slot's waitlist. */
export const ENTRY = { hal: 1, gus: 2, cyd: 3, dan: 4, eve: 5, fay: 6 } as const;

export async function anEvening(pool: pg.Pool, worker: TestWorker): Promise<Evening> {
  const [ann, bob, cyd, dan, eve, fay, gus, hal, ivy] = (await createUsers(pool, 9)) as Nine<UserId>;
  const event = await createEvent(pool, { capacities: [3, 10], terms: { maxPerUser: 4 }, waitlist: {} });
  const { id: eventId, slotId: early } = event;
  const [startsAt, late] = [event.slots[0]?.startsAt, event.slots[1]?.id];
  if (startsAt === undefined || late === undefined) throw new Error("an evening has two slots");
  const [anns, ivys, bobs] = [ann, ivy, bob].map((user) => reserve(eventId, user, { slotId: early }));
  const [hals, dans] = [hal, dan].map((user) => joinWaitlist(eventId, user, early));
  if (!anns || !ivys || !bobs || !hals || !dans) throw new Error("each of them asks for something");
  const cancelled = ({ id, userId }: ReserveCommand) => cancel(eventId, userId, reservationIdOf(id));
  await worker.apply(eventId, [
    anns,
    ivys,
    bobs,
    purchase(eventId, bob, reservationIdOf(bobs.id), { paymentReference: "bob's", key: "bob buys" }),
    hals,
    joinWaitlist(eventId, gus, early),
    joinWaitlist(eventId, cyd, early),
    dans,
    joinWaitlist(eventId, eve, early, { quantity: 2 }),
    reserve(eventId, fay, { slotId: early, orWait: true }),
  ]);
  await worker.apply(eventId, [cancelled(ivys)]);
  await worker.apply(eventId, [
    purchase(eventId, hal, offerIdOf(waitlistEntryIdOf(hals.id))),
    reserve(eventId, gus, { slotId: late, quantity: 4 }),
    cancelled(anns),
  ]);
  await worker.apply(eventId, [leaveWaitlist(eventId, dan, waitlistEntryIdOf(dans.id))]);
  return { eventId, early, late, startsAt, gus };
}
