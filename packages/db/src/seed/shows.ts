// The events of the example data as their organizers announce them, before anybody has asked for a ticket.
import type { Faker } from "@faker-js/faker";
import {
  type EpochMs,
  type EventId,
  HOLD_SECONDS_MAX,
  MAX_PER_USER_DEFAULT,
  type SlotId,
  type UserId,
} from "@holdfast/domain";
import type { NewEvent, NewSlot } from "../events.ts";
import { DAY_MS, dayOf, HOUR_MS, MINUTE_MS, seedId } from "./ids.ts";

/** Events are numbered among those that are over, and among those to come. */
export interface Numbered {
  readonly when: "past" | "upcoming";
  readonly n: number;
}

const dayFor = ({ when, n }: Numbered, now: EpochMs): EpochMs =>
  dayOf(now) + (when === "past" ? -(2 + n * 5) : 2 + n * 2) * DAY_MS;

export const seedEventId = (of: Numbered, now: EpochMs): EventId =>
  seedId("event", of.n, dayFor(of, now), of.when);

/** Of its slots the one with that number. */
export const seedSlotId = (of: Numbered, k: number, now: EpochMs): SlotId =>
  seedId("slot", of.n * 10 + k, dayFor(of, now), of.when);

export function imagineEvent(
  faker: Faker,
  now: EpochMs,
  of: Numbered,
  organizers: readonly UserId[],
): NewEvent {
  const { when, n } = of;
  const day = dayFor(of, now);
  const show = imagineShow(faker, n);
  const slots = Array.from({ length: show.sittings }, (_, k): NewSlot => {
    const startsAt = day + (show.firstHour + k * show.hoursBetween) * HOUR_MS;
    return {
      id: seedSlotId(of, k, now),
      name: show.sittings === 1 ? null : `${ORDINALS[k] ?? k + 1} ${show.sitting}`,
      startsAt,
      endsAt: startsAt + show.minutes * MINUTE_MS,
      capacity: show.capacity,
    };
  });
  const lastStart = Math.max(...slots.map((slot) => slot.startsAt));
  return {
    id: seedEventId(of, now),
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
