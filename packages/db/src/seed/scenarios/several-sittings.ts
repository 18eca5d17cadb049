// One event, four sittings: one whose waitlist has closed, one with tickets, one that is nearly full, and one that is
// full, with people waiting.
import { buys, cancels, joins, offerTo, purchases, slotOf } from "../acts.ts";
import { DAY_MS, HOUR_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";

const SITTING = { hour: 19, minutes: 180, capacity: 20 };
const CLOSES_BEFORE_SECONDS = 172_800;

const menu: Announcement = {
  when: "upcoming",
  n: 8,
  name: "Several sittings: a tasting menu",
  description: "Nine courses on four evenings. Waitlists close two days before each.",
  venue: "The Old Mill",
  sittings: [
    { ...SITTING, name: "First evening", inDays: 1 },
    { ...SITTING, name: "Second evening", inDays: 7 },
    { ...SITTING, name: "Third evening", inDays: 9 },
    { ...SITTING, name: "Fourth evening", inDays: 11 },
  ],
  terms: { offerSeconds: 7_200, maxPerOrder: 6, waitlist: { closesBeforeSeconds: CLOSES_BEFORE_SECONDS } },
};

export const severalSittings: Scenario = {
  name: "several sittings",
  look: "waitlist closed; 12 tickets; the last ticket; full, and 5 wait",
  where: menu,
  announced: [menu],
  play({ now, somebody, on }) {
    const table = on(menu);
    let at = now - 20 * DAY_MS;
    const later = () => {
      at += HOUR_MS;
      return at;
    };
    const sell = (sitting: number, parties: readonly number[]) =>
      parties.map((quantity) => buys(table, later(), { userId: somebody(), quantity, sitting }));

    const first = sell(0, [4, 4, 4, 4, 4]);
    sell(1, [2]);
    const third = sell(2, [6, 6, 6, 1]);
    const [canceller] = sell(3, [2, 6, 6, 6]);
    for (const quantity of [2, 3, 1]) joins(table, later(), { userId: somebody(), quantity, sitting: 0 });

    // The first in the last line then buys so many of another evening that four more would be too many.
    const greedy = third[3]?.userId ?? somebody();
    joins(table, later(), { userId: greedy, quantity: 4, sitting: 3 });
    buys(table, later(), { userId: greedy, quantity: 6, sitting: 1 });
    const next = joins(table, later(), { userId: somebody(), quantity: 2, sitting: 3 });
    for (const quantity of [6, 2, 1, 3]) joins(table, later(), { userId: somebody(), quantity, sitting: 3 });
    if (canceller !== undefined) cancels(table, later(), canceller);
    purchases(table, later(), offerTo(next));

    const closedAt = slotOf(table, 0).startsAt - CLOSES_BEFORE_SECONDS * 1000;
    table.pass(closedAt + 1_000);
    const [giver] = first;
    if (giver !== undefined) cancels(table, closedAt + HOUR_MS, giver);
    table.pass(now - 20_000);
  },
};
