// W2, race 4: a ticket that comes free while a thousand strangers ask for one goes to who waits for it, by whatever way
// it came free. `WAITER_RUNS=100` for the long form.
import type { Command, EpochMs, UserId, WaitlistEntryId } from "@holdfast/domain";
import {
  cancel,
  createEvent,
  createUsers,
  type EventOptions,
  editEvent,
  editSlot,
  expireDue,
  joinWaitlist,
  leaveWaitlist,
  purchase,
  reserve,
  setCapacity,
  type TestEvent,
  until,
  wordOf,
} from "@holdfast/testkit";
import { afterAll, beforeAll, test } from "vitest";
import { at, tally } from "./crowd.ts";
import { untilDatabaseTime } from "./database-time.ts";
import { checkInvariants } from "./invariants.ts";
import { type SystemWithDoor, startSystemWithDoor } from "./queue-door.ts";
import { START_TIMEOUT_MS } from "./system.ts";
import { makeEntry, makeReservation, offerOf, statusOf, succeed } from "./waiters.ts";

const RUNS = Number(process.env["WAITER_RUNS"] ?? 3);
const STRANGERS = 1_000;
const RUN_TIMEOUT_MS = 20_000;
/** Milliseconds past a deadline from which on any command ends the hold, with some slack. */
const SURELY_DUE_MS = 600;

let house: SystemWithDoor;

beforeAll(async () => {
  house = await startSystemWithDoor({ workers: 1, waitlistWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => house.close(), START_TIMEOUT_MS);

/** Somebody waits for one ticket, and there is a way for it to come free. */
interface Setting {
  readonly event: TestEvent;
  readonly waiter: UserId;
  readonly entryId: WaitlistEntryId;
  /** Sent amid the strangers. Null: time alone frees the ticket, before any of them is heard. */
  readonly frees: Command | null;
  /** Strangers before it are stamped then; now unless told otherwise. */
  readonly strangersAt?: EpochMs;
}

interface Taken {
  readonly event: TestEvent;
  readonly owner: UserId;
  readonly reservationId: Parameters<typeof cancel>[2];
  readonly deadline: EpochMs;
}

/** One user, whom nobody has seen before. */
async function somebody(): Promise<UserId> {
  return at(await createUsers(house.pool, 1), 0);
}

/** The only ticket is held by somebody. */
async function heldTicket(terms: EventOptions["terms"] = {}): Promise<Taken> {
  const event = await createEvent(house.pool, { capacities: [1], terms, waitlist: {} });
  const owner = await somebody();
  const { id, expiresAt } = await makeReservation(house.door, reserve(event.id, owner));
  return { event, owner, reservationId: id, deadline: expiresAt ?? 0 };
}

async function boughtTicket(): Promise<Taken> {
  const taken = await heldTicket();
  await succeed(house.door, purchase(taken.event.id, taken.owner, taken.reservationId));
  return taken;
}

/** The only ticket is offered to somebody. */
async function offeredTicket(offerSeconds = 900): Promise<Taken & { readonly entryId: WaitlistEntryId }> {
  const { event, owner: former, reservationId: held } = await heldTicket({ offerSeconds });
  const owner = await somebody();
  const { id: entryId } = await makeEntry(house.door, joinWaitlist(event.id, owner, event.slotId));
  await succeed(house.door, cancel(event.id, former, held));
  const reservationId = await offerOf(house.pool, entryId);
  const { rows } = await house.pool.query<{ due: Date }>(
    "SELECT expires_at AS due FROM reservations WHERE id = $1",
    [reservationId],
  );
  // The next one's offer need not be as short.
  await house.pool.query("UPDATE events SET offer_seconds = 900 WHERE id = $1", [event.id]);
  return { event, owner, reservationId, entryId, deadline: rows[0]?.due.getTime() ?? 0 };
}

/** Somebody behind all that already wait. */
async function withWaiter(event: TestEvent, frees: Command | null): Promise<Setting> {
  const waiter = await somebody();
  const { id } = await makeEntry(house.door, joinWaitlist(event.id, waiter, event.slotId));
  return { event, waiter, entryId: id, frees };
}

/** A ticket, or `free` of them, lies free, and the head of a strict line wants more; the waiter stands behind it. */
async function keptForHead(free: 1 | 2): Promise<Setting & { head: UserId; headEntry: WaitlistEntryId }> {
  const event = await createEvent(house.pool, {
    capacities: [2 + free],
    waitlist: { mode: "strict" },
  });
  const [holder, other, head] = await createUsers(house.pool, 3);
  if (holder === undefined || other === undefined || head === undefined) throw new Error("three were made");
  await makeReservation(house.door, reserve(event.id, holder, { quantity: 2 }));
  const { id } = await makeReservation(house.door, reserve(event.id, other, { quantity: free }));
  const quantity = 2 + free;
  const headEntry = await makeEntry(house.door, joinWaitlist(event.id, head, event.slotId, { quantity }));
  await succeed(house.door, cancel(event.id, other, id));
  return { ...(await withWaiter(event, null)), head, headEntry: headEntry.id };
}

const organizers = { role: "organizer" } as const;

/** Every way for a ticket to come free, or to be no longer somebody else's. */
const WAYS: Record<string, () => Promise<Setting>> = {
  "its owner cancels a hold": async () => {
    const { event, owner, reservationId } = await heldTicket();
    return withWaiter(event, cancel(event.id, owner, reservationId));
  },
  "its owner cancels a purchase": async () => {
    const { event, owner, reservationId } = await boughtTicket();
    return withWaiter(event, cancel(event.id, owner, reservationId));
  },
  "the organizer cancels a hold": async () => {
    const { event, reservationId } = await heldTicket();
    return withWaiter(event, cancel(event.id, event.organizerId, reservationId, organizers));
  },
  "the organizer cancels a purchase": async () => {
    const { event, reservationId } = await boughtTicket();
    return withWaiter(event, cancel(event.id, event.organizerId, reservationId, organizers));
  },
  "an admin cancels a purchase": async () => {
    const { event, reservationId } = await boughtTicket();
    return withWaiter(event, cancel(event.id, await somebody(), reservationId, { role: "admin" }));
  },
  "a hold runs out, and its timer rings": async () => {
    const { event, deadline } = await heldTicket({ holdSeconds: 1 });
    const setting = await withWaiter(event, expireDue(event.id, deadline));
    await untilDatabaseTime(house.pool, deadline + SURELY_DUE_MS);
    return { ...setting, strangersAt: deadline };
  },
  "a hold runs out, and a stranger's command ends it": async () => {
    const { event, deadline } = await heldTicket({ holdSeconds: 1 });
    const setting = await withWaiter(event, null);
    await untilDatabaseTime(house.pool, deadline + SURELY_DUE_MS);
    return setting;
  },
  "an offer is declined": async () => {
    const { event, owner, reservationId } = await offeredTicket();
    return withWaiter(event, cancel(event.id, owner, reservationId));
  },
  "the organizer takes an offer back": async () => {
    const { event, reservationId } = await offeredTicket();
    return withWaiter(event, cancel(event.id, event.organizerId, reservationId, organizers));
  },
  "an offer lapses": async () => {
    const { event, deadline } = await offeredTicket(1);
    const setting = await withWaiter(event, null);
    await untilDatabaseTime(house.pool, deadline + SURELY_DUE_MS);
    return setting;
  },
  "who is offered it leaves": async () => {
    const { event, owner, entryId } = await offeredTicket();
    return withWaiter(event, leaveWaitlist(event.id, owner, entryId));
  },
  "the organizer removes who is offered it": async () => {
    const { event, entryId } = await offeredTicket();
    return withWaiter(event, leaveWaitlist(event.id, event.organizerId, entryId, organizers));
  },
  "an offer that was bought is cancelled": async () => {
    const { event, owner, reservationId } = await offeredTicket();
    await succeed(house.door, purchase(event.id, owner, reservationId));
    return withWaiter(event, cancel(event.id, owner, reservationId));
  },
  "capacity is raised": async () => {
    const { event } = await heldTicket();
    return withWaiter(event, setCapacity(event.id, event.organizerId, event.slotId, 2));
  },
  "the slot is edited to have more": async () => {
    const { event } = await heldTicket();
    return withWaiter(event, editSlot(event.id, event.organizerId, event.slotId, { capacity: 2 }));
  },
  "the head, which wants more than is free, leaves": async () => {
    const { head, headEntry, ...setting } = await keptForHead(1);
    return { ...setting, frees: leaveWaitlist(setting.event.id, head, headEntry) };
  },
  "the organizer removes such a head": async () => {
    const { headEntry, ...setting } = await keptForHead(1);
    const { id, organizerId } = setting.event;
    return { ...setting, frees: leaveWaitlist(id, organizerId, headEntry, organizers) };
  },
  "others may now pass such a head": async () => {
    const { event, ...setting } = await keptForHead(1);
    return {
      ...setting,
      event,
      frees: editEvent(event.id, event.organizerId, { waitlist: { mode: "skip" } }),
    };
  },
  "capacity is lowered below what such a head wants": async () => {
    const { event, ...setting } = await keptForHead(2);
    return { ...setting, event, frees: setCapacity(event.id, event.organizerId, event.slotId, 3) };
  },
  "a collection for such a head runs out": async () => {
    const event = await createEvent(house.pool, {
      capacities: [4],
      waitlist: { maxSkips: 1, collectSeconds: 1 },
    });
    const [holder, other, third, head, passer] = await createUsers(house.pool, 5);
    if (!holder || !other || !third || !head || !passer) throw new Error("five were made");
    await makeReservation(house.door, reserve(event.id, holder, { quantity: 2 }));
    const [one, two] = await Promise.all(
      [other, third].map((user) => makeReservation(house.door, reserve(event.id, user))),
    );
    await makeEntry(house.door, joinWaitlist(event.id, head, event.slotId, { quantity: 4 }));
    const passing = await makeEntry(house.door, joinWaitlist(event.id, passer, event.slotId));
    await succeed(house.door, cancel(event.id, other, one?.id ?? at([], 0)));
    await offerOf(house.pool, passing.id); // the one skip
    const setting = await withWaiter(event, null);
    await succeed(house.door, cancel(event.id, third, two?.id ?? at([], 0)));
    return setting;
  },
};

/** Sends all that there is in one go, half of the strangers before what frees the ticket. Their words, counted. */
async function rush({ event, frees, strangersAt }: Setting, strangers: readonly UserId[]) {
  const { door } = house;
  const half = strangers.length / 2;
  const asked = strangers.map((user, i) =>
    i < half && strangersAt !== undefined
      ? reserve(event.id, user, { at: strangersAt })
      : reserve(event.id, user),
  );
  const commands: Command[] = frees === null ? asked : [...asked.slice(0, half), frees, ...asked.slice(half)];
  await house.pause(event.id);
  const outcomes = commands.map(async (command) => (await door.ask(command)).outcome);
  await until("all to be queued", async () => at(await door.depthsOf([event.id]), 0) >= commands.length);
  await house.resume(event.id);
  const words = (await Promise.all(outcomes)).map(wordOf);
  const freed = frees === null ? [] : words.splice(half, 1);
  return { freed, words: tally(words) };
}

test.concurrent.for(Object.keys(WAYS))(
  `W2, race 4: among a thousand strangers the waiter gets the ticket when %s (${RUNS} times)`,
  { timeout: RUNS * RUN_TIMEOUT_MS },
  async (way, { expect }) => {
    const strangers = await createUsers(house.pool, STRANGERS);
    for (let run = 0; run < RUNS; run += 1) {
      const setting = await (WAYS[way] as () => Promise<Setting>)();
      const { event, waiter, entryId } = setting;
      expect(await statusOf(house.pool, entryId)).toBe("waiting");
      const { freed, words } = await rush(setting, strangers);
      expect(freed.filter((word) => !["cancelled", "done", "declined", "left"].includes(word))).toEqual([]);
      const { "all-held": allHeld = 0, "sold-out": soldOut = 0, ...others } = words;
      expect(others).toEqual({});
      expect(allHeld + soldOut).toBe(STRANGERS);
      const offer = await offerOf(house.pool, entryId);
      expect(wordOf((await house.door.ask(purchase(event.id, waiter, offer))).outcome)).toBe("purchased");
      expect(await statusOf(house.pool, entryId)).toBe("fulfilled");
    }
  },
);

test("W2: after all of them nothing contradicts the invariants", {
  timeout: RUNS * RUN_TIMEOUT_MS,
}, async ({ expect }) => {
  expect(await checkInvariants(house.pool)).toEqual([]);
});
