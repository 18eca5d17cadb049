// Example data for a machine of one's own: people, events past and to come, reservations in every state. The same
// at every seeding, but for the time: everything is told relative to it. Production refuses to be seeded.
import { createHash } from "node:crypto";
import { base, en, Faker } from "@faker-js/faker";
import {
  type EpochMs,
  type EventId,
  encodeId,
  HOLD_SECONDS_DEFAULT,
  HOLD_SECONDS_MAX,
  type IdKind,
  type IdOf,
  isActive,
  MAX_PER_USER_DEFAULT,
  overlaps,
  type Reservation,
  type SlotId,
  type UserId,
  type UserRole,
} from "@holdfast/domain";
import { hash } from "@node-rs/argon2";
import type pg from "pg";
import { insertEvent, type NewEvent, type NewSlot } from "./events.ts";
import { inTransaction } from "./queryable.ts";

const USERS = 300;
const PAST_EVENTS = 30;
const UPCOMING_EVENTS = 70;
/** Reservations that the seed tries to give to each user but the busy one. */
const RESERVATIONS_PER_USER_MAX = 4;
const FAKER_SEED = 20_260_101;
/** Seeders take turns on this advisory lock. */
const SEED_LOCK = 7_421_003;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface SeedAccount {
  readonly email: string;
  readonly password: string;
  readonly role: UserRole;
  /** What to try with it. */
  readonly note: string;
}

/** The first one's role is `user`, despite its name. */
export const SEED_ACCOUNTS: readonly SeedAccount[] = [
  { email: "admin@example.com", password: "password123", role: "user", note: "a user without reservations" },
  { email: "busy@test.com", password: "password", role: "user", note: "reservations in every state" },
  { email: "admin@test.com", password: "password", role: "admin", note: "may do everything" },
  { email: "organizer@test.com", password: "password", role: "organizer", note: "made these events" },
];

export interface SeedSummary {
  readonly users: number;
  readonly events: number;
  readonly reservations: number;
  readonly accounts: readonly SeedAccount[];
  /** False when there were events already: then nothing was written. */
  readonly created: boolean;
}

/** Writes the example data, all or nothing, unless the database has events already. */
export async function seed(pool: pg.Pool, { now }: { now: Date }): Promise<SeedSummary> {
  return inTransaction(pool, async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [SEED_LOCK]);
    const { rowCount } = await tx.query("SELECT FROM events LIMIT 1");
    const created = rowCount === 0;
    if (created) await write(tx, imagine(now.getTime()));
    const { rows } = await tx.query<{ users: number; events: number; reservations: number }>(
      `SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM events) AS events,
        (SELECT count(*)::int FROM reservations) AS reservations`,
    );
    return { users: 0, events: 0, reservations: 0, ...rows[0], accounts: SEED_ACCOUNTS, created };
  });
}

interface WeightedState {
  readonly weight: number;
  readonly value: Reservation["status"];
}

const PAST_STATES: WeightedState[] = [
  { weight: 8, value: "purchased" },
  { weight: 2, value: "cancelled" },
  { weight: 2, value: "expired" },
];
const UPCOMING_STATES: WeightedState[] = [...PAST_STATES, { weight: 1, value: "held" }];

interface SeedUser {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: UserRole;
  readonly password: string;
  readonly createdAt: EpochMs;
}

interface World {
  readonly now: EpochMs;
  readonly users: readonly SeedUser[];
  readonly events: readonly NewEvent[];
  readonly reservations: readonly Reservation[];
}

function imagine(now: EpochMs): World {
  const faker = new Faker({ locale: [en, base], seed: FAKER_SEED });
  const users = imagineUsers(faker, now);
  const organizers = users.filter((user) => user.role === "organizer").map((user) => user.id);
  const past = Array.from({ length: PAST_EVENTS }, (_, n) => imagineEvent(faker, now, n, "past", organizers));
  const upcoming = Array.from({ length: UPCOMING_EVENTS }, (_, n) =>
    imagineEvent(faker, now, n, "upcoming", organizers),
  );
  const events = [...past, ...upcoming];
  const book = openBook(now, events);
  const [, busy] = users;
  if (busy !== undefined) fillBusyBook(book, busy.id, past, upcoming);
  for (const user of users.slice(SEED_ACCOUNTS.length)) {
    const wanted = faker.number.int({ min: 0, max: RESERVATIONS_PER_USER_MAX });
    for (const event of faker.helpers.arrayElements(events, wanted)) {
      const slot = faker.helpers.arrayElement([...event.slots]);
      const state = faker.helpers.weightedArrayElement(slot.startsAt < now ? PAST_STATES : UPCOMING_STATES);
      book.add(user.id, event, slot, faker.number.int({ min: 1, max: 4 }), state);
    }
  }
  return { now, users, events, reservations: book.reservations };
}

function imagineUsers(faker: Faker, now: EpochMs): SeedUser[] {
  return Array.from({ length: USERS }, (_, n) => {
    const createdAt = now - 200 * DAY_MS + n * HOUR_MS;
    const firstName = faker.person.firstName();
    const lastName = faker.person.lastName();
    const account = SEED_ACCOUNTS[n];
    return {
      id: seedId("user", n, createdAt),
      email:
        account?.email ??
        faker.internet.email({ firstName, lastName: `${lastName}${n}`, provider: "example.com" }),
      name: `${firstName} ${lastName}`,
      role: account?.role ?? (n % 60 === 0 ? "organizer" : "user"),
      password: account?.password ?? "password",
      createdAt,
    };
  });
}

function imagineEvent(
  faker: Faker,
  now: EpochMs,
  n: number,
  when: "past" | "upcoming",
  organizers: readonly UserId[],
): NewEvent {
  const dayStart = Math.floor(now / DAY_MS) * DAY_MS;
  const day = dayStart + (when === "past" ? -(2 + n * 5) : 2 + n * 2) * DAY_MS;
  const show = imagineShow(faker, n);
  const slots = Array.from({ length: show.sittings }, (_, k): NewSlot => {
    const startsAt = day + (show.firstHour + k * show.hoursBetween) * HOUR_MS;
    return {
      id: seedId("slot", n * 10 + k, day, when),
      name: show.sittings === 1 ? null : `${ORDINALS[k] ?? k + 1} ${show.sitting}`,
      startsAt,
      endsAt: startsAt + show.minutes * MINUTE_MS,
      capacity: show.capacity,
    };
  });
  const lastStart = Math.max(...slots.map((slot) => slot.startsAt));
  return {
    id: seedId("event", n, day, when),
    organizerId: faker.helpers.arrayElement([...organizers]),
    name: show.name,
    description: show.description,
    venue: show.venue,
    // Every tenth one to come is not on sale yet; every seventh stops selling an hour before the last slot.
    salesOpenAt: when === "upcoming" && n % 10 === 9 ? day - 2 * DAY_MS : null,
    salesCloseAt: n % 7 === 6 ? lastStart - HOUR_MS : null,
    holdSeconds: n % 5 === 0 ? HOLD_SECONDS_MAX : faker.helpers.arrayElement([120, 300, 600]),
    offerSeconds: 900,
    maxPerOrder: faker.helpers.arrayElement([4, 6, 10]),
    maxPerUser: MAX_PER_USER_DEFAULT,
    overlapPolicy: n % 12 === 11 ? "allow" : "refuse",
    cancelCutoffSeconds: faker.helpers.arrayElement([0, 0, 86_400]),
    waitlist: {
      enabled: true,
      mode: n % 4 === 3 ? "strict" : "skip",
      maxSkips: 5,
      collectSeconds: 900,
      maxEntries: 100_000,
      closesBeforeSeconds: 0,
    },
    slots,
  };
}

const ORDINALS = ["First", "Second", "Third", "Fourth"];

interface Show {
  readonly name: string;
  readonly description: string;
  readonly venue: string;
  readonly sitting: string;
  readonly sittings: number;
  readonly firstHour: number;
  readonly hoursBetween: number;
  readonly minutes: number;
  readonly capacity: number;
}

function imagineShow(faker: Faker, n: number): Show {
  const city = faker.location.city();
  const capacity = faker.helpers.arrayElement([12, 40, 80, 150, 400, 1_200]);
  switch (n % 5) {
    case 0: {
      const artist = faker.music.artist();
      const description = `One night only. Doors open an hour before. Support: ${faker.music.artist()}.`;
      const venue = `${city} ${faker.helpers.arrayElement(["Arena", "Hall", "Ballroom"])}`;
      return { ...ONE_EVENING, name: `${artist} live in ${city}`, description, venue, capacity };
    }
    case 1: {
      const description = `A staged reading of “${faker.book.title()}”, with a talk afterwards.`;
      const venue = `${faker.location.street()} Playhouse, ${city}`;
      return { ...MATINEE_AND_EVENING, name: faker.book.title(), description, venue, capacity };
    }
    case 2: {
      const food = faker.food.ethnicCategory();
      const description = `Cook and eat together: ${faker.food.dish()} and three more courses.`;
      const venue = `Kitchen Studio ${city}`;
      return { ...WORKSHOPS, name: `${food} cooking class`, description, venue, capacity: 12 };
    }
    case 3: {
      const description = "Timed entry, half an hour apart. Stay as long as you like.";
      const name = `${faker.color.human()} and light: an exhibition`;
      return {
        ...TIMED_ENTRY,
        name: capitalize(name),
        description,
        venue: `${city} Museum of Art`,
        capacity: 80,
      };
    }
    default: {
      const [home, away] = [city, faker.location.city()];
      const description = "Regular season. Gates open ninety minutes before kick-off.";
      return {
        ...ONE_EVENING,
        name: `${home} United v ${away} Rovers`,
        description,
        venue: `${home} Park`,
        capacity,
      };
    }
  }
}

const ONE_EVENING = { sitting: "show", sittings: 1, firstHour: 19, hoursBetween: 0, minutes: 150 };
const MATINEE_AND_EVENING = {
  sitting: "performance",
  sittings: 2,
  firstHour: 14,
  hoursBetween: 5,
  minutes: 120,
};
const WORKSHOPS = { sitting: "sitting", sittings: 3, firstHour: 10, hoursBetween: 4, minutes: 180 };
const TIMED_ENTRY = { sitting: "entry", sittings: 4, firstHour: 10, hoursBetween: 0.5, minutes: 30 };

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

interface Book {
  readonly reservations: readonly Reservation[];
  /** Enters a reservation unless the rules would have refused it. */
  add(
    userId: UserId,
    event: NewEvent,
    slot: NewSlot,
    quantity: number,
    status: Reservation["status"],
  ): boolean;
}

function openBook(now: EpochMs, events: readonly NewEvent[]): Book {
  const reservations: Reservation[] = [];
  const taken = new Map<SlotId, number>();
  const slots = new Map(
    events.flatMap((event) => event.slots.map((slot) => [slot.id, { event, slot }] as const)),
  );

  const mayTake = (userId: UserId, event: NewEvent, slot: NewSlot, quantity: number): boolean => {
    if ((taken.get(slot.id) ?? 0) + quantity > slot.capacity) return false;
    const own = reservations.filter((other) => other.userId === userId && isActive(other.status));
    return own.every((other) => {
      const there = slots.get(other.slotId);
      return other.eventId !== event.id && (there === undefined || !overlaps(there.slot, slot));
    });
  };

  return {
    reservations,
    add(userId, event, slot, wanted, status) {
      const quantity = Math.min(wanted, event.maxPerOrder);
      const active = isActive(status);
      if (active && !mayTake(userId, event, slot, quantity)) return false;
      if (active) taken.set(slot.id, (taken.get(slot.id) ?? 0) + quantity);
      const end = Math.min(now, slot.startsAt);
      const createdAt =
        status === "held" ? now - MINUTE_MS : end - (1 + (reservations.length % 40)) * HOUR_MS;
      const expiresAt =
        status === "held"
          ? holdUntil(now, slot)
          : Math.min(createdAt + event.holdSeconds * 1000, end - MINUTE_MS);
      const ended = {
        expired: expiresAt + 500,
        cancelled: createdAt + MINUTE_MS,
        held: null,
        purchased: null,
      }[status];
      reservations.push({
        id: seedId("reservation", reservations.length, createdAt),
        eventId: event.id,
        slotId: slot.id,
        userId,
        quantity,
        status,
        origin: "public",
        paymentReference: status === "purchased" ? `seed-${reservations.length}` : null,
        expiresAt: status === "purchased" ? null : expiresAt,
        createdAt,
        purchasedAt: status === "purchased" ? createdAt + MINUTE_MS : null,
        endedAt: ended,
        endReason: ({ expired: "deadline", cancelled: "user", held: null, purchased: null } as const)[status],
      });
      return true;
    },
  };
}

/** Held ones are there to be tried: they last as long as a hold may. */
const holdUntil = (now: EpochMs, slot: NewSlot): EpochMs =>
  Math.min(Math.ceil(now / 1000) * 1000 + (HOLD_SECONDS_MAX - 60) * 1000, slot.startsAt);

/** Something of each kind, past and to come, for the one who is always somewhere. */
function fillBusyBook(
  book: Book,
  busy: UserId,
  past: readonly NewEvent[],
  upcoming: readonly NewEvent[],
): void {
  const wishes: [readonly NewEvent[], number, Reservation["status"]][] = [
    [upcoming, 0, "held"],
    [upcoming, 5, "held"],
    [upcoming, 1, "purchased"],
    [upcoming, 2, "purchased"],
    [upcoming, 3, "cancelled"],
    [upcoming, 4, "expired"],
    [past, 0, "purchased"],
    [past, 1, "purchased"],
    [past, 2, "cancelled"],
    [past, 3, "expired"],
  ];
  for (const [events, n, status] of wishes) {
    const event = events[n];
    const slot = event?.slots[0];
    if (event === undefined || slot === undefined || !book.add(busy, event, slot, 2, status)) {
      throw new Error(`the seed cannot give the busy user event ${n} as ${status}`);
    }
  }
}

/** An id made of a time and of what it is for, so that it sorts like others and is the same at every seeding. */
function seedId<Kind extends IdKind>(kind: Kind, n: number, at: EpochMs, salt = ""): IdOf[Kind] {
  const bytes = createHash("sha256").update(`${kind} ${salt} ${n}`).digest().subarray(0, 16);
  bytes.writeUIntBE(Math.max(0, at), 0, 6);
  return encodeId(kind, bytes);
}

async function write(tx: pg.PoolClient, { now, users, events, reservations }: World): Promise<void> {
  const hashes = new Map<string, string>();
  for (const password of new Set(users.map((user) => user.password)))
    hashes.set(password, await hash(password));
  await tx.query(
    `INSERT INTO users (id, email, name, role, password_hash, created_at, auth_changed_at)
    SELECT u.id, u.email, u.name, u.role, u.hash, u.created_at, u.created_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
      AS u(id, email, name, role, hash, created_at)`,
    [
      users.map((user) => user.id),
      users.map((user) => user.email),
      users.map((user) => user.name),
      users.map((user) => user.role),
      users.map((user) => hashes.get(user.password)),
      users.map((user) => new Date(user.createdAt)),
    ],
  );
  for (const event of events) await insertEvent(tx, event);
  const exclusive = new Map(
    events.map((event): [EventId, boolean] => [event.id, event.overlapPolicy === "refuse"]),
  );
  const at = (time: EpochMs | null): Date | null => (time === null ? null : new Date(time));
  await tx.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, payment_reference, expires_at,
      created_at, purchased_at, ended_at, end_reason, during, exclusive)
    SELECT r.id, r.event_id, r.slot_id, r.user_id, r.quantity, r.status, 'public', r.payment_reference, r.expires_at,
      r.created_at, r.purchased_at, r.ended_at, r.end_reason, tstzrange(s.starts_at, s.ends_at), r.exclusive
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
      $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::boolean[])
      AS r(id, event_id, slot_id, user_id, quantity, status, payment_reference, expires_at, created_at, purchased_at,
        ended_at, end_reason, exclusive)
    JOIN slots s ON s.id = r.slot_id`,
    [
      reservations.map((row) => row.id),
      reservations.map((row) => row.eventId),
      reservations.map((row) => row.slotId),
      reservations.map((row) => row.userId),
      reservations.map((row) => row.quantity),
      reservations.map((row) => row.status),
      reservations.map((row) => row.paymentReference),
      reservations.map((row) => at(row.expiresAt)),
      reservations.map((row) => at(row.createdAt)),
      reservations.map((row) => at(row.purchasedAt)),
      reservations.map((row) => at(row.endedAt)),
      reservations.map((row) => row.endReason),
      reservations.map((row) => exclusive.get(row.eventId)),
    ],
  );
  await tx.query(
    `UPDATE slots s SET held = r.held, purchased = r.purchased, inventory = 1
    FROM (
      SELECT slot_id, coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0)::int AS held,
        coalesce(sum(quantity) FILTER (WHERE status = 'purchased'), 0)::int AS purchased
      FROM reservations GROUP BY slot_id
    ) r WHERE r.slot_id = s.id`,
  );
  await tx.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, submitted_at, finished_at)
    SELECT 'cmd_' || substr(id, 5), event_id, row_number() OVER (PARTITION BY event_id ORDER BY created_at, id), 'reserve',
      user_id, 'succeeded', $1::jsonb -> id, created_at, created_at
    FROM reservations`,
    [
      Object.fromEntries(
        reservations.map((row) => [row.id, { status: "succeeded", reservation: asMade(row) }]),
      ),
    ],
  );
  await tx.query(
    `UPDATE event_lanes l SET next_seq = o.ended + 1, logical_at = o.latest
    FROM (SELECT event_id, count(*) AS ended, max(submitted_at) AS latest FROM outcomes GROUP BY event_id) o
    WHERE o.event_id = l.event_id`,
  );
  await tx.query("UPDATE events SET created_at = least(starts_at, $1) - interval '60 days'", [new Date(now)]);
}

/** As the command that made it answered: what became of it later is told by the row alone. */
const asMade = (row: Reservation): Reservation => ({
  ...row,
  status: "held",
  expiresAt: row.expiresAt ?? row.createdAt + HOLD_SECONDS_DEFAULT * 1000,
  paymentReference: null,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
});
