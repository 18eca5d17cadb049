// A full slot: more people wait than will ever get in, in parties of several sizes, until its waitlist is full, too.
import type { UserId, WaitlistEntryId } from "@holdfast/domain";
import { buys, cancels, joins, offerTo, purchases, slotOf } from "../acts.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../ids.ts";
import type { Announcement, Scenario } from "../scenario.ts";
import type { Stage } from "../stage.ts";

const EVENING = { inDays: 5, hour: 19, minutes: 150 };
const PARTIES = [2, 1, 4, 3, 2, 1];
/** Of those who wait: they found tickets elsewhere, for the same evening. */
const ELSEWHERE = [1, 4, 9];
const BUSY_JOINS_AS = 15;

const concert: Announcement = {
  when: "upcoming",
  n: 6,
  name: "Full house: a farewell concert",
  description: "Their last evening together. Sold out; the waitlist is longer than the queue at the door.",
  venue: "Harbour Hall",
  sittings: [{ ...EVENING, capacity: 40 }],
  terms: { maxPerOrder: 4, waitlist: { maxEntries: 30 } },
};

const elsewhere: Announcement = {
  when: "upcoming",
  n: 7,
  name: "Full house: the same evening in the cellar",
  description: "For those who could not wait. Some who wait for the farewell concert have tickets for this.",
  venue: "Harbour Hall, cellar stage",
  sittings: [{ ...EVENING, capacity: 60 }],
};

export const fullHouse: Scenario = {
  name: "full house",
  look: "sold out; 30 wait, three of them parked; one more: waitlist-full",
  where: concert,
  announced: [concert, elsewhere],
  play({ now, busy, somebody, on }) {
    const hall = on(concert);
    const buyers = Array.from({ length: 10 }, (_, n) =>
      buys(hall, now - 20 * DAY_MS + n * HOUR_MS, { userId: somebody(), quantity: 4 }),
    );
    const queueing = (n: number): UserId => (n === BUSY_JOINS_AS ? busy : somebody());
    const entries = Array.from({ length: 24 }, (_, n) => {
      const quantity = PARTIES[n % PARTIES.length] ?? 1;
      return joins(hall, now - 18 * DAY_MS + n * HOUR_MS, { userId: queueing(n), quantity });
    });
    const cellar = on(elsewhere);
    for (const n of ELSEWHERE) {
      const userId = entries[n]?.userId ?? somebody();
      buys(cellar, now - 16 * DAY_MS + n * HOUR_MS, { userId, quantity: 2 });
    }

    const [canceller] = buyers;
    if (canceller !== undefined) cancels(hall, now - 12 * DAY_MS, canceller);
    answerOffers(hall);

    for (let n = 0; ; n += 1) {
      const input = { slotId: slotOf(hall).id, quantity: PARTIES[n % PARTIES.length] ?? 1 };
      const at = now - 10 * DAY_MS + n * 5 * HOUR_MS;
      if (hall.ask(at, somebody(), { type: "join-waitlist", input }).status === "rejected") break;
    }
    hall.pass(now - 20_000);
  },
};

/** Who is asked second declines, the third does not answer, and all others buy, until all is sold again. */
function answerOffers(hall: Stage): void {
  let asked = 0;
  let forgetful: WaitlistEntryId | undefined;
  for (;;) {
    const at = (hall.ended.at(-1)?.finishedAt ?? 0) + MINUTE_MS;
    const offered = hall.entries.filter(({ status }) => status === "offered");
    const entry = offered.find(({ id }) => id !== forgetful);
    if (entry !== undefined) {
      asked += 1;
      if (asked === 2) cancels(hall, at, offerTo(entry));
      else if (asked === 3) forgetful = entry.id;
      else purchases(hall, at, offerTo(entry));
    } else if (offered.length > 0) hall.pass(at);
    else return;
  }
}
