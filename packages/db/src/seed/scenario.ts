// What a named scenario of the example data consists of: the events that it announces, and what then happened.
import type { EpochMs, OverlapPolicy, UserId, WaitlistTerms } from "@holdfast/domain";
import type { NewEvent } from "../events.ts";
import { DAY_MS, dayOf, HOUR_MS, MINUTE_MS } from "./ids.ts";
import { type Numbered, seedSlotId } from "./shows.ts";
import type { Stage } from "./stage.ts";

export interface Scenario {
  readonly name: string;
  /** What to look at, for people. */
  readonly look: string;
  /** Where to look: one of its events, or somebody's account. */
  readonly where: Announcement | { readonly email: string };
  readonly announced: readonly Announcement[];
  play(scene: Scene): void;
}

export interface Scene {
  readonly now: EpochMs;
  readonly busy: UserId;
  /** Somebody of whom nothing else is told. */
  somebody(): UserId;
  on(announced: Announcement): Stage;
}

/** An event that takes the place of the imagined one with its number. */
export interface Announcement extends Numbered {
  readonly name: string;
  readonly description: string;
  readonly venue: string;
  readonly sittings: readonly Sitting[];
  readonly terms?: {
    readonly holdSeconds?: number;
    readonly offerSeconds?: number;
    readonly maxPerOrder?: number;
    readonly overlapPolicy?: OverlapPolicy;
    readonly waitlist?: Partial<WaitlistTerms>;
  };
}

export interface Sitting {
  readonly name?: string;
  /** Days from the day of the seeding; past ones are negative. */
  readonly inDays: number;
  /** At which it starts, in universal time. */
  readonly hour: number;
  readonly minutes: number;
  readonly capacity: number;
}

export function announce(announcement: Announcement, imagined: NewEvent, now: EpochMs): NewEvent {
  const { name, description, venue, sittings, terms: { waitlist, ...terms } = {} } = announcement;
  return {
    ...imagined,
    ...TERMS,
    name,
    description,
    venue,
    ...terms,
    waitlist: { ...WAITLIST, ...waitlist },
    slots: sittings.map((sitting, k) => {
      const id = seedSlotId(announcement, k, now);
      const startsAt = dayOf(now) + sitting.inDays * DAY_MS + sitting.hour * HOUR_MS;
      const { name: called = null, capacity } = sitting;
      return { id, name: called, startsAt, endsAt: startsAt + sitting.minutes * MINUTE_MS, capacity };
    }),
  };
}

const TERMS = {
  salesOpenAt: null,
  salesCloseAt: null,
  holdSeconds: 300,
  offerSeconds: 900,
  maxPerOrder: 10,
  maxPerUser: 10,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
} as const satisfies Partial<NewEvent>;

const WAITLIST: WaitlistTerms = {
  enabled: true,
  mode: "skip",
  maxSkips: 5,
  collectSeconds: 900,
  maxEntries: 100_000,
  closesBeforeSeconds: 0,
};
