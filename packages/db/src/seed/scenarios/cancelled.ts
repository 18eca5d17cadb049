// An event to come that its organizer cancelled, with everything on it: tickets that were bought or held, an offer,
// and somebody who waited. All of it has ended.
import { buys, cancels, joins, reserves } from "../acts.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";
import { done } from "../stage.ts";

const picnic: Announcement = {
  when: "upcoming",
  n: 14,
  name: "Cancelled: a picnic concert",
  description: "The meadow is under water. Nothing can be had of it any more.",
  venue: "Mill Meadow",
  sittings: [{ inDays: 25, hour: 15, minutes: 240, capacity: 10 }],
  terms: { holdSeconds: 3_600 },
};

export const cancelled: Scenario = {
  name: "cancelled",
  look: "to come, and cancelled: all that was reserved or waited has ended",
  where: picnic,
  announced: [picnic],
  play({ now, busy, somebody, on }) {
    const meadow = on(picnic);
    const cancelledAt = now - DAY_MS;
    const [sold] = [2, 2, 2, 2].map((quantity, n) =>
      buys(meadow, cancelledAt - 6 * DAY_MS + n * HOUR_MS, { userId: somebody(), quantity }),
    );
    reserves(meadow, cancelledAt - 40 * MINUTE_MS, { userId: somebody(), quantity: 2 });
    joins(meadow, cancelledAt - 30 * MINUTE_MS, { userId: somebody(), quantity: 2 });
    joins(meadow, cancelledAt - 20 * MINUTE_MS, { userId: busy, quantity: 1 });
    if (sold !== undefined) cancels(meadow, cancelledAt - 10 * MINUTE_MS, sold);
    const { organizerId } = meadow.event;
    done(meadow.ask(cancelledAt, organizerId, { type: "cancel-event", input: { role: "organizer" } }));
  },
};
