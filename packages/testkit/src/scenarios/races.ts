// The races of the rules, as far as one event's queue decides them. Whoever waits is never overtaken, however many
// ask, and whatever it was that set tickets free.
import type { ScenarioTexts } from "../scenario.ts";

interface Freeing {
  /** Terms beside `capacity 2 … organizer olga`. */
  readonly terms?: string;
  /** Before ann waits for one ticket, while there is none. */
  readonly before: string;
  /** What sets it free, at 12:05:00. */
  readonly freed: string;
}

/** Eve and fay have both tickets. */
const HELD = `
    12:00:00  eve  reserves 1   -> held
    12:00:00  fay  reserves 1   -> held`;
/** Bob's offer is what ann waits for. */
const BOB_IS_OFFERED = `${HELD}
    12:00:01  bob  joins 1         -> waiting at 1
    12:00:02  eve  cancels         -> cancelled
    12:00:03  (look)  bob's entry  -> offered until 12:04:58`;
/** Bob waits for more than the one ticket that is free, and keeps ann from it. */
const BOB_WANTS_TWO = `
    12:00:00  eve  reserves 1      -> held
    12:00:01  bob  joins 2         -> waiting at 1`;

const FREEING: Readonly<Record<string, Freeing>> = {
  "a hold that is given back": {
    before: HELD,
    freed: "12:05:00  eve  cancels                            -> cancelled",
  },
  "a purchase that its owner cancels": {
    before: `${HELD}
    12:00:01  eve  purchases                          -> purchased`,
    freed: "12:05:00  eve  cancels                            -> cancelled",
  },
  "a hold that the organizer cancels": {
    before: HELD,
    freed: "12:05:00  olga  cancels eve's                     -> cancelled",
  },
  "a purchase that the organizer cancels": {
    before: `${HELD}
    12:00:01  eve  purchases                          -> purchased`,
    freed: "12:05:00  olga  cancels eve's                     -> cancelled",
  },
  "a hold that expires": {
    terms: "holds last 298s",
    before: `${HELD}
    12:00:01  fay  purchases                          -> purchased`,
    freed: "12:05:00  (timer)  expires 12:04:58               -> settled",
  },
  "an offer that is declined": {
    before: BOB_IS_OFFERED,
    freed: "12:04:57  bob  cancels                            -> cancelled",
    terms: "offers last 296s",
  },
  "an offer that lapses": {
    terms: "offers last 296s",
    before: BOB_IS_OFFERED,
    freed: "12:05:00  (timer)  expires 12:04:58               -> settled",
  },
  "an offer whose owner leaves the waitlist": {
    terms: "offers last 296s",
    before: BOB_IS_OFFERED,
    freed: "12:04:57  bob  leaves                             -> left",
  },
  "an offer that the organizer takes back": {
    terms: "offers last 296s",
    before: BOB_IS_OFFERED,
    freed: "12:04:57  olga  leaves bob's                      -> left",
  },
  "an offer that was bought and is cancelled": {
    terms: "offers last 296s",
    before: `${BOB_IS_OFFERED}
    12:00:04  bob  purchases                          -> purchased`,
    freed: "12:05:00  bob  cancels                            -> cancelled",
  },
  "a capacity that is raised": {
    before: HELD,
    freed: "12:05:00  olga  sets capacity 3                   -> done",
  },
  "a slot that is edited to hold more": {
    before: HELD,
    freed: "12:05:00  olga  resizes slot main to 3            -> done",
  },
  "a head that leaves, so that those behind fit": {
    terms: "waitlist strict",
    before: BOB_WANTS_TWO,
    freed: "12:05:00  bob  leaves                             -> left",
  },
  "a head that the organizer sends away": {
    terms: "waitlist strict",
    before: BOB_WANTS_TWO,
    freed: "12:05:00  olga  leaves bob's                      -> left",
  },
  "a capacity lowered below what the head wants": {
    terms: "waitlist strict",
    before: `
    12:00:00  olga  sets capacity 3                   -> done
    12:00:00  eve  reserves 1                         -> held
    12:00:01  bob  joins 3                            -> waiting at 1`,
    freed: "12:05:00  olga  sets capacity 2                   -> done",
  },
  "a waitlist that begins to skip": {
    terms: "waitlist strict",
    before: BOB_WANTS_TWO,
    freed: "12:05:00  olga  edits mode to skip                -> done",
  },
  "a waitlist that may skip more often": {
    terms: "max skips 0",
    before: BOB_WANTS_TWO,
    freed: "12:05:00  olga  edits max skips to 1              -> done",
  },
  "tickets that were collected long enough": {
    terms: "max skips 1, collect 296s, offers last 7200s",
    before: `
    12:00:00  olga  sets capacity 4                   -> done
    12:00:00  eve  reserves 1                         -> held
    12:00:01  bob  joins 4                            -> waiting at 1
    12:00:02  cyd  joins 1                            -> waiting at 2
    12:00:03  (look)  cyd's entry                     -> offered`,
    freed: "12:05:00  (look)  slot main                       -> 3 held",
  },
};

/** Requests at once: few suffice to find who overtakes, and one text shows that a thousand make no difference. */
const CROWD = 20;
const GREAT_CROWD = 1_000;

const crowdAt = (time: string, people: number): string =>
  Array.from({ length: people }, (_, n) => `${time}  guest-${n}  reserves 1   -> all-held`).join("\n");

const freeing = ({ terms, before, freed }: Freeing, crowd: number): string => {
  const [time = ""] = freed.split(" ");
  return `
    capacity 2, organizer olga, olga is organizer${terms === undefined ? "" : `, ${terms}`}
    ${before}
    12:00:10  ann  joins 1            -> waiting
    ${freed}
    ${crowdAt(time, crowd)}
    12:05:01  (look)  ann's entry     -> offered
    12:05:02  ann  purchases          -> purchased`;
};

const nameOf = (what: string): string => `race 4: ${what} makes an offer, and nobody's reserve comes between`;

export const RACES: ScenarioTexts = {
  "every way to free a ticket": {
    ...Object.fromEntries(Object.entries(FREEING).map(([what, how]) => [nameOf(what), freeing(how, CROWD)])),
    "race 4: of a thousand reserves none comes between a cancel and the one who waits": freeing(
      { before: HELD, freed: "12:05:00  eve  cancels   -> cancelled" },
      GREAT_CROWD,
    ),
  },
  "a purchase against the deadline of an offer": {
    "race 1: a millisecond before it wins, and the entry is fulfilled": `
    capacity 1, offers last 60s
    12:00:00      eve  reserves 1             -> held
    12:00:01      ann  joins 1                -> waiting at 1
    12:00:02      eve  cancels                -> cancelled
    12:01:01.999  ann  purchases              -> purchased
    12:01:03      (timer)  expires 12:01:02   -> settled
    12:01:04      (look)  ann's entry         -> fulfilled by purchased at 12:01:01.999
    `,
    "race 1: at the deadline's own instant it is too late, and the entry lapses with the hold": `
    capacity 1, offers last 60s
    12:00:00      eve  reserves 1             -> held
    12:00:01      ann  joins 1                -> waiting at 1
    12:00:02      eve  cancels                -> cancelled
    12:01:02      ann  purchases              -> hold-expired
    12:01:02      (look)  ann's entry         -> offered
    12:01:02.500  (timer)  expires 12:01:02   -> settled
    12:01:03      (look)  ann's entry         -> lapsed by deadline at 12:01:02.5
    `,
    "race 2: accepted in time and applied late, it takes the offer, and who waits behind goes on waiting": `
    capacity 1, offers last 60s
    12:00:00  eve  reserves 1                         -> held
    12:00:01  ann  joins 1                            -> waiting at 1
    12:00:02  bob  joins 1                            -> waiting at 2
    12:00:03  eve  cancels                            -> cancelled
    12:05:00  cyd  reserves 1                         -> all-held
    12:05:01  ann  purchases, accepted 12:01:02.999   -> purchased
    12:05:02  (look)  ann's entry                     -> fulfilled by purchased at 12:05:01
    12:05:02  (look)  bob's entry                     -> waiting at 1
    `,
    "race 3: an offer's time counts from when it is made, and not from when tickets came free": `
    capacity 1, holds last 60s, offers last 60s
    12:00:00  eve  reserves 1                -> held until 12:01:00
    12:00:01  ann  joins 1, sent 11:59:00    -> waiting at 1
    12:10:00  (timer)  expires 12:01:00      -> settled
    12:10:01  (look)  ann's entry            -> offered until 12:11:00
    `,
  },
  "a user at the limit": {
    "race 6: who takes an offer and reserves elsewhere at once gets one of them": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 9, max per user 1
    12:00:00  eve  reserves 1 of A            -> held
    12:00:01  ann  joins 1 of A               -> waiting at 1
    12:00:02  eve  cancels                    -> cancelled
    12:00:03  ann  reserves 1 of B            -> limit-exceeded user
    12:00:03  ann  joins 1 of B               -> limit-exceeded user
    12:00:03  ann  reserves 1 of B or waits   -> limit-exceeded user
    12:00:03  ann  purchases of A             -> purchased
    12:00:03  ann  reserves 1 of B            -> limit-exceeded user
    `,
    "race 6: who reserves elsewhere first is passed over, and the next one is asked": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 9, max per user 1
    12:00:00  eve  reserves 1 of A      -> held
    12:00:01  ann  joins 1 of A         -> waiting at 1
    12:00:02  bob  joins 1 of A         -> waiting at 2
    12:00:03  ann  reserves 1 of B      -> held
    12:00:03  eve  cancels              -> cancelled
    12:00:04  (look)  ann's entry       -> parked at 1 by limit-exceeded user
    12:00:04  (look)  bob's entry       -> offered
    `,
    "race 6: tickets that come free together go to a user who waits twice only as far as the limit": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1, max per user 1
    12:00:00  eve  reserves 1 of A      -> held
    12:00:00  fay  reserves 1 of B      -> held
    12:00:01  ann  joins 1 of A         -> waiting at 1
    12:00:01  ann  joins 1 of B         -> waiting at 1
    12:00:02  eve  cancels              -> cancelled
    12:00:02  fay  cancels              -> cancelled
    12:00:03  (look)  ann's entry of A  -> offered
    12:00:03  (look)  ann's entry of B  -> parked at 1 by limit-exceeded user
    `,
  },
  "an offer that is declined and bought at once": {
    "race 7: declined first, there is nothing left to buy": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  ann  cancels           -> cancelled
    12:00:03  ann  purchases         -> not-active
    12:00:03  ann  leaves            -> not-active
    12:00:04  (look)  ann's entry    -> declined by user at 12:00:03
    12:00:04  (look)  slot main      -> 0 held, 0 purchased, 0 waiting, 1 available
    `,
    "race 7: bought first, what is cancelled then is the purchase": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  ann  purchases         -> purchased
    12:00:03  ann  leaves            -> not-active
    12:00:03  ann  cancels           -> cancelled
    12:00:04  (look)  ann's entry    -> fulfilled by purchased at 12:00:03
    12:00:04  (look)  slot main      -> 0 held, 0 purchased, 0 waiting, 1 available
    `,
    "race 7: given up with the entry first, there is nothing left to buy or to cancel": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  ann  leaves            -> left
    12:00:03  ann  purchases         -> not-active
    12:00:03  ann  cancels           -> cancelled
    12:00:04  (look)  ann's entry    -> left by user at 12:00:03
    `,
  },
  "a capacity that is lowered": {
    "race 11: what was bought a moment before counts, and what was given back does not": `
    capacity 3, organizer olga, olga is organizer
    12:00:00  ann   reserves 1                 -> held
    12:00:00  bob   reserves 2                 -> held
    12:00:01  ann   purchases                  -> purchased
    12:00:01  olga  sets capacity 2            -> capacity-below-committed 2 held 1 purchased
    12:00:02  bob   cancels                    -> cancelled
    12:00:02  olga  sets capacity 0            -> capacity-below-committed 0 held 1 purchased
    12:00:02  olga  sets capacity 1            -> done
    12:00:03  cyd   reserves 1                 -> sold-out
    `,
    "race 11: an offer counts like any hold": `
    capacity 2, organizer olga, olga is organizer
    12:00:00  eve   reserves 2                 -> held
    12:00:01  ann   joins 2                    -> waiting at 1
    12:00:02  eve   cancels                    -> cancelled
    12:00:03  olga  sets capacity 1            -> capacity-below-committed 2 held 0 purchased
    `,
  },
  "an event that is cancelled with commands in its queue": {
    "race 12: those behind it are rejected, and each reservation and entry ends once": `
    capacity 2, organizer olga, olga is organizer
    12:00:00  ann   reserves 1               -> held
    12:00:00  bob   reserves 1               -> held
    12:00:01  cyd   joins 1                  -> waiting at 1
    12:00:02  olga  cancels the event        -> done
    12:00:02  ann   purchases                -> event-cancelled
    12:00:02  dan   reserves 1               -> event-cancelled
    12:00:02  dan   reserves 1 or waits      -> event-cancelled
    12:00:02  dan   joins 1                  -> event-cancelled
    12:00:03  (look)  ann's                  -> cancelled by event-cancelled at 12:00:02
    12:00:03  (look)  cyd's entry            -> closed by event-cancelled at 12:00:02
    12:00:03  (look)  the event              -> cancelled, version 2
    12:00:04  bob   cancels                  -> cancelled
    12:00:04  (look)  bob's                  -> cancelled by event-cancelled at 12:00:02
    `,
    "race 12: those before it are applied, and what they made ends with the rest": `
    capacity 2, organizer olga, olga is organizer
    12:00:00  ann   reserves 1               -> held
    12:00:01  ann   purchases                -> purchased
    12:00:01  bob   reserves 1               -> held
    12:00:01  cyd   reserves 1 or waits      -> waiting at 1
    12:00:01  olga  cancels the event        -> done
    12:00:02  (look)  ann's                  -> cancelled by event-cancelled at 12:00:01
    12:00:02  (look)  bob's                  -> cancelled by event-cancelled at 12:00:01
    12:00:02  (look)  cyd's entry            -> closed by event-cancelled at 12:00:01
    `,
  },
};
