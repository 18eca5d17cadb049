// Three events of one evening. Two refuse whoever is elsewhere at that time: the public at once, and who waits for as
// long as it is so. The third does not mind.
import { buys, cancels, joins, offerTo, purchases, slotOf } from "../acts.ts";
import { DAY_MS, HOUR_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";

const IN_DAYS = 23;

const early: Announcement = {
  when: "upcoming",
  n: 11,
  name: "Overlaps: the early concert",
  description: "From seven to half past nine. The late concert begins before its end.",
  venue: "Market Church",
  sittings: [{ inDays: IN_DAYS, hour: 19, minutes: 150, capacity: 40 }],
};

const late: Announcement = {
  when: "upcoming",
  n: 12,
  name: "Overlaps: the late concert",
  description:
    "From eight to half past ten, four chairs. One is free for whoever is not at the early concert.",
  venue: "Market Church, crypt",
  sittings: [{ inDays: IN_DAYS, hour: 20, minutes: 150, capacity: 4 }],
};

const studio: Announcement = {
  when: "upcoming",
  n: 13,
  name: "Overlaps: an open studio",
  description: "From six to eleven. Come and go; tickets for anything else that evening are no hindrance.",
  venue: "The Dye Works",
  sittings: [{ inDays: IN_DAYS, hour: 18, minutes: 300, capacity: 40 }],
  terms: { overlapPolicy: "allow" },
};

export const overlaps: Scenario = {
  name: "overlaps",
  look: "its free ticket is neither for busy@test.com nor for who waits",
  where: late,
  announced: [early, late, studio],
  play({ now, busy, somebody, on }) {
    const [atEarly, atLate, atStudio] = [on(early), on(late), on(studio)];
    const [torn, free] = [somebody(), somebody()];
    const sold = buys(atLate, now - 12 * DAY_MS, { userId: somebody(), quantity: 2 });
    buys(atLate, now - 12 * DAY_MS + HOUR_MS, { userId: somebody(), quantity: 2 });
    joins(atLate, now - 11 * DAY_MS, { userId: torn, quantity: 1 });
    const next = joins(atLate, now - 10 * DAY_MS, { userId: free, quantity: 1 });
    buys(atEarly, now - 9 * DAY_MS, { userId: torn, quantity: 2 });
    buys(atEarly, now - 8 * DAY_MS, { userId: busy, quantity: 2 });
    buys(atStudio, now - 7 * DAY_MS, { userId: busy, quantity: 1 });
    cancels(atLate, now - 6 * DAY_MS, sold);
    purchases(atLate, now - 6 * DAY_MS + HOUR_MS / 12, offerTo(next));
    // Nobody else may have it who is busy that evening.
    atLate.ask(now - 5 * DAY_MS, busy, {
      type: "reserve",
      input: { slotId: slotOf(atLate).id, quantity: 1 },
    });
    atLate.pass(now - 20_000);
  },
};
