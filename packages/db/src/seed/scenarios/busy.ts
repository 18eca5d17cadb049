// The one who is always somewhere: beside reservations in every state, waitlist entries in every state but two, of
// which one waits in the full house, and one was closed with the cancelled event.
import { buys, cancels, joins, leaves, offerTo, purchases } from "../acts.ts";
import { DAY_MS, HOUR_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";

const EVENING = { hour: 20, minutes: 120, capacity: 2 };

const readings: Announcement = {
  when: "upcoming",
  n: 10,
  name: "Busy: readings for two",
  description: "Five evenings, two armchairs.",
  venue: "The Reading Room",
  sittings: [
    { ...EVENING, name: "First reading", inDays: 13 },
    { ...EVENING, name: "Second reading", inDays: 15 },
    { ...EVENING, name: "Third reading", inDays: 17 },
    { ...EVENING, name: "Fourth reading", inDays: 19 },
    { ...EVENING, name: "Fifth reading", inDays: 21 },
  ],
  terms: { offerSeconds: 86_400 },
};

export const busyEverywhere: Scenario = {
  name: "busy",
  look: "reservations and waitlist entries in every state",
  where: { email: "busy@test.com" },
  announced: [readings],
  play({ now, busy, somebody, on }) {
    const room = on(readings);
    const waitFor = (sitting: number) => {
      const at = now - 14 * DAY_MS + sitting * HOUR_MS;
      const sold = buys(room, at, { userId: somebody(), quantity: 2, sitting });
      return { sold, entry: joins(room, at + HOUR_MS / 2, { userId: busy, quantity: 1, sitting }) };
    };
    const fulfilled = waitFor(0);
    const declined = waitFor(1);
    const lapsed = waitFor(2);
    const left = waitFor(3);
    const offered = waitFor(4);

    leaves(room, now - 12 * DAY_MS, left.entry);
    cancels(room, now - 9 * DAY_MS, fulfilled.sold);
    purchases(room, now - 9 * DAY_MS + HOUR_MS, offerTo(fulfilled.entry));
    cancels(room, now - 8 * DAY_MS, declined.sold);
    cancels(room, now - 8 * DAY_MS + HOUR_MS, offerTo(declined.entry));
    cancels(room, now - 6 * DAY_MS, lapsed.sold);
    cancels(room, now - HOUR_MS, offered.sold);
  },
};
