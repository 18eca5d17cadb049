// A chain that plays while the system runs, with nobody's help: tickets were given back, the first who waits has an
// offer that lapses within half a minute, then the next are asked, until nobody is left and the public may have them.
import { buys, cancels, joins } from "../acts.ts";
import { DAY_MS, HOUR_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";

/** The second and the third are asked together. */
const PARTIES = [2, 1, 1, 2];

const recital: Announcement = {
  when: "upcoming",
  n: 9,
  name: "A chain: a recital for two",
  description: "Two seats beside the piano. Whoever is offered them has half a minute.",
  venue: "The Conservatory",
  sittings: [{ inDays: 3, hour: 18, minutes: 60, capacity: 2 }],
  terms: { offerSeconds: 30 },
};

export const chain: Scenario = {
  name: "a chain",
  look: "offers lapse after 30 s, the next are asked, until nobody is left",
  where: recital,
  announced: [recital],
  play({ now, somebody, on }) {
    const seats = on(recital);
    const sold = buys(seats, now - 9 * DAY_MS, { userId: somebody(), quantity: 2 });
    for (const [n, quantity] of PARTIES.entries()) {
      joins(seats, now - 8 * DAY_MS + n * HOUR_MS, { userId: somebody(), quantity });
    }
    cancels(seats, now - 1_000, sold);
  },
};
