// Events that are over, and events to come. One of those that are over had a waitlist to the end.
import { buys, cancels, joins, offerTo, purchases, slotOf } from "../acts.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";

const premiere: Announcement = {
  when: "past",
  n: 4,
  name: "Past: a premiere",
  description: "One performance. Somebody waited until the curtain went up.",
  venue: "Station Theatre",
  sittings: [{ inDays: -22, hour: 19, minutes: 120, capacity: 6 }],
};

export const pastAndUpcoming: Scenario = {
  name: "past and upcoming",
  look: "one of 30 that are over, with a waitlist; 70 are to come",
  where: premiere,
  announced: [premiere],
  play({ somebody, on }) {
    const stage = on(premiere);
    const { startsAt } = slotOf(stage);
    const [sold] = [2, 2, 2].map((quantity, n) =>
      buys(stage, startsAt - 9 * DAY_MS + n * HOUR_MS, { userId: somebody(), quantity }),
    );
    const [first] = [2, 1].map((quantity, n) =>
      joins(stage, startsAt - 8 * DAY_MS + n * HOUR_MS, { userId: somebody(), quantity }),
    );
    if (sold !== undefined) cancels(stage, startsAt - 2 * DAY_MS, sold);
    if (first !== undefined) purchases(stage, startsAt - 2 * DAY_MS + 5 * MINUTE_MS, offerTo(first));
    stage.pass(startsAt + 1_000);
  },
};
