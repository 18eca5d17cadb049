// The named scenarios of the example data, in the order in which people are told of them.
import type { EventId, UserId } from "@holdfast/domain";
import type { Queryable } from "../queryable.ts";
import { seedTail } from "./ids.ts";
import type { Announcement, Scenario } from "./scenario.ts";
import { busyEverywhere } from "./scenarios/busy.ts";
import { cancelled } from "./scenarios/cancelled.ts";
import { chain } from "./scenarios/chain.ts";
import { fullHouse } from "./scenarios/full-house.ts";
import { overlaps } from "./scenarios/overlaps.ts";
import { pastAndUpcoming } from "./scenarios/past-and-upcoming.ts";
import { severalSittings } from "./scenarios/several-sittings.ts";
import { type Numbered, seedEventId } from "./shows.ts";
import { openStages, type Stage, type Staging } from "./stage.ts";

const SCENARIOS: readonly Scenario[] = [
  fullHouse,
  severalSittings,
  chain,
  busyEverywhere,
  overlaps,
  cancelled,
  pastAndUpcoming,
];

/** A scenario as people are told of it. */
export interface SeedScenario {
  readonly name: string;
  /** The id of an event, or the e-mail of an account. */
  readonly where: string;
  readonly look: string;
}

/** The announcement with that number, when there is one. */
export const announcementOf = ({ when, n }: Numbered): Announcement | undefined =>
  SCENARIOS.flatMap(({ announced }) => announced).find((one) => one.when === when && one.n === n);

export interface Play extends Staging {
  readonly busy: UserId;
  /** Of whom nothing is told elsewhere. */
  readonly cast: readonly UserId[];
}

/** Plays all of them, one after the other. */
export function playScenarios({ busy, cast, ...staging }: Play): Stage[] {
  const openStage = openStages(staging);
  const stages: Stage[] = [];
  const people = cast.values();
  for (const scenario of SCENARIOS) {
    scenario.play({
      now: staging.now,
      busy,
      somebody() {
        const { value } = people.next();
        if (value === undefined) throw new Error("the scenarios need more people");
        return value;
      },
      on(announced) {
        const id = seedEventId(announced, staging.now);
        const event = staging.events.find((one) => one.id === id);
        if (event === undefined) throw new Error(`${announced.name} was not announced`);
        const stage = openStage(event);
        stages.push(stage);
        return stage;
      },
    });
  }
  return stages;
}

/**
 * Where they are in this database. Left out are those of which the event is not there, or is another by now: an
 * earlier version may have seeded it.
 */
export async function findScenarios(db: Queryable): Promise<SeedScenario[]> {
  const announced = SCENARIOS.flatMap(({ where }) => ("n" in where ? [where] : []));
  const { rows } = await db.query<{ id: EventId; name: string }>(
    "SELECT id, name FROM events WHERE right(id, length(($1::text[])[1])) = ANY ($1::text[])",
    [announced.map(tailOf)],
  );
  return SCENARIOS.flatMap(({ name, where, look }) => {
    if ("email" in where) return [{ name, where: where.email, look }];
    const found = rows.find((row) => seedTail(row.id) === tailOf(where) && row.name === where.name);
    return found === undefined ? [] : [{ name, where: found.id, look }];
  });
}

/** The same at every seeding. */
const tailOf = (of: Numbered): string => seedTail(seedEventId(of, 0));
