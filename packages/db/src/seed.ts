// Example data for a machine of one's own: people, events past and to come, reservations and waitlists in every state,
// and named scenarios. The same at every seeding, but for the time: everything is told relative to it. Production
// refuses to be seeded.
import { base, en, Faker } from "@faker-js/faker";
import type { EpochMs } from "@holdfast/domain";
import type pg from "pg";
import { inTransaction } from "./queryable.ts";
import { SEED_ACCOUNTS, type SeedAccount } from "./seed/accounts.ts";
import { imagineCrowd } from "./seed/crowd.ts";
import { imagineUsers } from "./seed/people.ts";
import { announce } from "./seed/scenario.ts";
import { announcementOf, findScenarios, playScenarios, type SeedScenario } from "./seed/scenarios.ts";
import { imagineEvent, type Numbered } from "./seed/shows.ts";
import { type World, writeWorld } from "./seed/write.ts";

export { SEED_ACCOUNTS } from "./seed/accounts.ts";
export type { SeedScenario } from "./seed/scenarios.ts";

const PAST_EVENTS = 30;
const UPCOMING_EVENTS = 70;
/** Users who take part in scenarios, and in nothing else. */
const CAST = 110;
const FAKER_SEED = 20_260_101;
/** Seeders take turns on this advisory lock. */
const SEED_LOCK = 7_421_003;

export interface SeedSummary {
  readonly users: number;
  readonly events: number;
  readonly reservations: number;
  readonly accounts: readonly SeedAccount[];
  readonly scenarios: readonly SeedScenario[];
  /** False when there were events already: then nothing was written. */
  readonly created: boolean;
}

/** Writes the example data, all or nothing, unless the database has events already. */
export async function seed(pool: pg.Pool, { now }: { now: Date }): Promise<SeedSummary> {
  return inTransaction(pool, async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [SEED_LOCK]);
    const { rowCount } = await tx.query("SELECT FROM events LIMIT 1");
    const created = rowCount === 0;
    if (created) await writeWorld(tx, imagine(now.getTime()));
    const { rows } = await tx.query<{ users: number; events: number; reservations: number }>(
      `SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM events) AS events,
        (SELECT count(*)::int FROM reservations) AS reservations`,
    );
    const counts = { users: 0, events: 0, reservations: 0, ...rows[0] };
    return { ...counts, accounts: SEED_ACCOUNTS, scenarios: await findScenarios(tx), created };
  });
}

function imagine(now: EpochMs): World {
  const faker = new Faker({ locale: [en, base], seed: FAKER_SEED });
  const users = imagineUsers(faker, now);
  const organizers = users.filter((user) => user.role === "organizer").map((user) => user.id);
  const [organizerId] = organizers; // the one with an account that is told: what is staged is for them to look at
  if (organizerId === undefined) throw new Error("there is no organizer");
  const imagined = (when: Numbered["when"], count: number) =>
    Array.from({ length: count }, (_, n) => {
      const event = imagineEvent(faker, now, { when, n }, organizers);
      const announced = announcementOf({ when, n });
      return {
        staged: announced !== undefined,
        event: announced ? announce(announced, { ...event, organizerId }, now) : event,
      };
    });
  const past = imagined("past", PAST_EVENTS);
  const upcoming = imagined("upcoming", UPCOMING_EVENTS);
  const events = [...past, ...upcoming].map(({ event }) => event);

  const [, busy] = users;
  if (busy === undefined) throw new Error("there is no busy user");
  const others = users.slice(SEED_ACCOUNTS.length).map(({ id }) => id);
  const unstaged = (all: typeof past) => all.flatMap(({ staged, event }) => (staged ? [] : [event]));
  const crowd = imagineCrowd(faker, {
    now,
    busy: busy.id,
    people: others.slice(0, -CAST),
    past: unstaged(past),
    upcoming: unstaged(upcoming),
  });
  const cast = others.slice(-CAST);
  const stages = playScenarios({ now, busy: busy.id, cast, elsewhere: crowd, events });
  return { now, users, events, crowd, stages };
}
