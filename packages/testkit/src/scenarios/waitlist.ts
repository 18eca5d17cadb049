// Joining and leaving a waitlist: the order of precedence of each, and what becomes of an offer.
import type { ScenarioTexts } from "../scenario.ts";

export const WAITLIST: ScenarioTexts = {
  "joining a waitlist": {
    "who finds no tickets may wait, and stands behind those who came before": `
    capacity 2
    12:00:00  ann  reserves 2      -> held
    12:00:01  bob  joins 1         -> waiting at 1
    12:00:02  cyd  joins 2         -> waiting at 2
    12:00:03  (look)  slot main    -> 2 held, 0 purchased, 2 waiting, 0 available
    12:00:03  (look)  cyd's entry  -> waiting at 2
    12:00:04  bob  leaves          -> left
    12:00:05  (look)  cyd's entry  -> waiting at 1
    12:00:06  bob  joins 1         -> waiting at 2
    `,
    "a reserve may wait instead of being refused, and takes tickets when there are some": `
    capacity 2
    12:00:00  ann  reserves 1 or waits   -> held
    12:00:01  bob  reserves 2 or waits   -> waiting at 1
    12:00:02  cyd  reserves 1            -> all-held
    12:00:03  cyd  reserves 1 or waits   -> waiting at 2
    `,
    "each slot has a line of its own": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    12:00:00  ann  reserves 1 of A   -> held
    12:00:00  ann  reserves 1 of B   -> held
    12:00:01  bob  joins 1 of A      -> waiting at 1
    12:00:02  bob  joins 1 of B      -> waiting at 1
    12:00:03  ann  cancels of B      -> cancelled
    12:00:04  (look)  bob's entry of A   -> waiting at 1
    12:00:04  (look)  bob's entry of B   -> offered until 12:15:03
    `,
  },
  "the order of precedence of joining": {
    "event-cancelled comes before event-over": `
    cancelled 10:59:59, capacity 1 11:00:00-13:00:00
    10:59:59  ann  joins 1   -> event-cancelled
    12:00:00  ann  joins 1   -> event-cancelled
    `,
    "event-over comes before sales-not-open": `
    capacity 1 11:00:00-13:00:00, sales open 12:00:00
    10:59:59  ann  joins 1   -> sales-not-open until 12:00:00
    11:00:00  ann  joins 1   -> event-over
    `,
    "sales-not-open comes before sales-closed, and both before the slot is looked for": `
    slot A 18:00:00-19:00:00 capacity 1, sales open 12:00:00, sales closed by hand
    11:00:00  ann  joins 1 of C   -> sales-not-open
    12:00:00  ann  joins 1 of C   -> sales-closed
    `,
    "sales close at the very instant, judged by when it was sent": `
    capacity 1, sales close 12:00:00
    11:00:00  eve  reserves 1                   -> held
    11:00:01  eve  purchases                    -> purchased
    12:00:00  ann  joins 1                      -> sales-closed
    12:00:01  bob  joins 1, sent 11:59:59.999   -> waiting at 1
    `,
    "an unknown slot is not found, and one that has started is over while others go on": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    18:00:00  ann  joins 99 of C   -> not-found
    18:00:00  ann  joins 99 of A   -> event-over
    `,
    "a waitlist that is off, or closed, comes before any limit": `
    event play: capacity 1, waitlist off
    event gala: capacity 1 14:00:00-15:00:00, waitlist closes 3600s before
    12:00:00      ann  joins 99           -> waitlist-closed
    12:59:59.999  ann  joins 99 at gala   -> limit-exceeded order
    13:00:00      ann  joins 99 at gala   -> waitlist-closed
    `,
    "a waitlist closes at the slot's start when nothing is said": `
    slot A 13:00:00-14:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    12:59:59.998  ann  reserves 1 of A   -> held until 13:00:00
    12:59:59.999  bob  joins 1 of A      -> waiting at 1
    13:00:00      cyd  joins 1 of A      -> event-over
    `,
    "the limit of an order comes before the capacity, and both before already-reserved": `
    capacity 3, max per order 4
    12:00:00  ann  reserves 3   -> held
    12:00:01  ann  joins 5      -> limit-exceeded order
    12:00:01  ann  joins 4      -> limit-exceeded capacity
    12:00:01  ann  joins 3      -> already-reserved
    `,
    "already-reserved comes before the limit of a user, for a hold, a purchase and an offer": `
    capacity 2, max per user 2
    12:00:00  ann  reserves 1   -> held
    12:00:00  eve  reserves 1   -> held
    12:00:01  ann  joins 2      -> already-reserved
    12:00:02  ann  purchases    -> purchased
    12:00:03  ann  joins 2      -> already-reserved
    12:00:04  bob  joins 1      -> waiting at 1
    12:00:05  eve  cancels      -> cancelled
    12:00:06  (look)  bob's entry  -> offered
    12:00:07  bob  joins 2      -> already-reserved
    `,
    "already-waiting comes before the limit of a user": `
    slot A 18:00:00-19:00:00 capacity 9, slot B 19:00:00-20:00:00 capacity 9, max per user 3
    12:00:00  eve  reserves 3 of A   -> held
    12:00:00  fay  reserves 3 of A   -> held
    12:00:00  gil  reserves 3 of A   -> held
    12:00:01  ann  joins 2 of A      -> waiting at 1
    12:00:02  ann  reserves 2 of B   -> held
    12:00:03  ann  joins 2 of A      -> already-waiting
    `,
    "the limit of a user comes before tickets-available": `
    slot A 18:00:00-19:00:00 capacity 2, slot B 19:00:00-20:00:00 capacity 2, max per user 2
    12:00:00  ann  reserves 1 of A   -> held
    12:00:01  ann  joins 2 of B      -> limit-exceeded user
    12:00:01  ann  joins 1 of B      -> tickets-available
    `,
    "tickets-available comes before waitlist-full; what is free is no use to one who wants more": `
    capacity 2, max entries 1
    12:00:00  ann  reserves 1   -> held
    12:00:01  bob  joins 1      -> tickets-available
    12:00:01  bob  joins 2      -> waiting at 1
    12:00:02  cyd  joins 1      -> waitlist-full
    12:00:03  bob  leaves       -> left
    12:00:04  cyd  joins 1      -> tickets-available
    12:00:05  cyd  joins 2      -> waiting at 1
    `,
    "a waitlist for nobody is full from the start": `
    capacity 1, max entries 0
    12:00:00  ann  reserves 1           -> held
    12:00:01  bob  joins 1              -> waitlist-full
    12:00:01  bob  reserves 1 or waits  -> waitlist-full
    `,
    "live holds, the cooldown and overlap are nobody's business until tickets are to be had": `
    event play: capacity 1
    event gala: capacity 9
    12:00:00  eve  reserves 1           -> held
    12:00:00  ann  reserves 1 at gala   -> held
    12:00:01  ann  joins 1              -> waiting at 1
    12:00:02  ann  reserves 1           -> overlap held
    `,
  },
  "the order of precedence of a reserve that would rather wait": {
    "already-reserved comes before already-waiting": `
    capacity 1, waitlist strict
    12:00:00  eve  reserves 1             -> held
    12:00:01  ann  joins 1                -> waiting at 1
    12:00:02  ann  reserves 1 or waits    -> already-waiting
    12:00:03  eve  cancels                -> cancelled
    12:00:04  (look)  ann's entry         -> offered
    12:00:05  ann  reserves 1 or waits    -> already-reserved
    `,
    "one who waits and does not ask to is not told so": `
    capacity 1
    12:00:00  eve  reserves 1   -> held
    12:00:01  ann  joins 1      -> waiting at 1
    12:00:02  ann  reserves 1   -> all-held until 12:05:00
    `,
    "already-waiting comes before the limit of a user, and that before overlap": `
    event play: slot A 18:00:00-19:00:00 capacity 1, slot B 18:30:00-19:30:00 capacity 9, max per user 1
    event gala: capacity 9 18:00:00-19:00:00
    12:00:00  eve  reserves 1 of A             -> held
    12:00:01  ann  reserves 1 of A or waits    -> waiting at 1
    12:00:02  ann  reserves 1 of B             -> held
    12:00:03  ann  reserves 1 of A or waits    -> already-waiting
    12:00:04  ann  leaves                      -> left
    12:00:05  ann  reserves 1 of A or waits    -> limit-exceeded user
    12:00:06  bob  reserves 1 at gala          -> held
    12:00:07  bob  reserves 1 of A or waits    -> overlap held
    `,
    "it does not join a waitlist that is off, closed or full": `
    event play: capacity 1, waitlist off
    event gala: capacity 1 14:00:00-15:00:00, waitlist closes 3600s before
    event fair: capacity 1 15:00:00-16:00:00, max entries 1
    12:00:00  eve  reserves 1 at play            -> held
    12:00:00  eve  reserves 1 at gala            -> held
    12:00:00  eve  reserves 1 at fair            -> held
    12:00:01  ann  reserves 1 or waits at play   -> waitlist-closed
    12:00:01  ann  reserves 1 or waits at gala   -> waiting at 1
    12:00:01  ann  reserves 1 or waits at fair   -> waiting at 1
    12:00:01  bob  reserves 1 or waits at fair   -> waitlist-full
    12:00:02  eve  purchases at gala             -> purchased
    13:00:00  bob  reserves 1 or waits at gala   -> waitlist-closed
    `,
  },
  "the order of precedence of leaving": {
    "who may not see an entry is told not-found, in every state of it": `
    capacity 1, otto is organizer
    12:00:00  ann   leaves nothing        -> not-found
    12:00:00  eve   reserves 1            -> held
    12:00:01  ann   joins 1               -> waiting at 1
    12:00:02  bob   leaves ann's          -> not-found
    12:00:02  otto  leaves ann's          -> not-found
    12:00:03  eve   cancels               -> cancelled
    12:00:04  (look)  ann's entry         -> offered
    12:00:05  bob   leaves ann's          -> not-found
    12:00:06  ann   purchases             -> purchased
    12:00:07  bob   leaves ann's          -> not-found
    `,
    "the event's organizer and any admin may send somebody away": `
    capacity 1, organizer olga, olga is organizer, ada is admin
    12:00:00  eve   reserves 1      -> held
    12:00:01  ann   joins 1         -> waiting at 1
    12:00:02  bob   joins 1         -> waiting at 2
    12:00:03  olga  leaves ann's    -> left
    12:00:04  ada   leaves bob's    -> left
    12:00:05  (look)  ann's entry   -> left by organizer at 12:00:03
    12:00:05  (look)  bob's entry   -> left by organizer at 12:00:04
    `,
    "an entry is used once: leaving again is not-active, whatever it ended as, and who joins again stands at the back": `
    capacity 1, offers last 60s
    12:00:00  eve  reserves 1              -> held
    12:00:01  ann  joins 1                 -> waiting at 1
    12:00:02  bob  joins 1                 -> waiting at 2
    12:00:03  ann  leaves                  -> left
    12:00:04  ann  leaves                  -> not-active
    12:00:05  ann  joins 1                 -> waiting at 2
    12:00:06  eve  cancels                 -> cancelled
    12:01:07  (timer)  expires 12:01:06    -> settled
    12:01:08  bob  leaves                  -> not-active
    12:01:09  (look)  bob's entry          -> lapsed by deadline at 12:01:07
    12:01:10  ann  purchases               -> purchased
    12:01:11  ann  leaves                  -> not-active
    `,
    "leaving gives up an offer with its tickets": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  (look)  ann's entry    -> offered until 12:15:02
    12:00:04  ann  leaves            -> left
    12:00:05  (look)  ann's entry    -> left by user at 12:00:04
    12:00:05  (look)  ann's          -> cancelled by declined at 12:00:04
    12:00:05  (look)  slot main      -> 0 held, 0 purchased, 0 waiting, 1 available
    `,
    "an organizer who takes an offer back ends it as one": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  eve   reserves 1       -> held
    12:00:01  ann   joins 1          -> waiting at 1
    12:00:02  eve   cancels          -> cancelled
    12:00:03  olga  leaves ann's     -> left
    12:00:04  (look)  ann's entry    -> left by organizer at 12:00:03
    12:00:04  (look)  ann's          -> cancelled by organizer at 12:00:03
    `,
  },
  "an offer": {
    "is a hold for which its own time counts, in whole seconds": `
    capacity 1, holds last 30s, offers last 900s
    12:00:00      eve  reserves 1     -> held until 12:00:30
    12:00:01      ann  joins 1        -> waiting at 1
    12:00:02.250  eve  cancels        -> cancelled
    12:00:03      (look)  ann's       -> held
    12:00:03      (look)  ann's entry -> offered until 12:15:03
    `,
    "that is bought fulfils the entry, and fulfilled it stays when the purchase is cancelled": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  ann  purchases         -> purchased
    12:00:04  (look)  ann's entry    -> fulfilled by purchased at 12:00:03
    12:00:05  ann  cancels           -> cancelled
    12:00:06  (look)  ann's          -> cancelled by user at 12:00:05
    12:00:06  (look)  ann's entry    -> fulfilled by purchased at 12:00:03
    `,
    "that its owner cancels is declined": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  eve  cancels           -> cancelled
    12:00:03  ann  cancels           -> cancelled
    12:00:04  (look)  ann's          -> cancelled by declined at 12:00:03
    12:00:04  (look)  ann's entry    -> declined by user at 12:00:03
    `,
    "that its organizer cancels is declined, too, and says by whom": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  eve   reserves 1       -> held
    12:00:01  ann   joins 1          -> waiting at 1
    12:00:02  eve   cancels          -> cancelled
    12:00:03  olga  cancels ann's    -> cancelled
    12:00:04  (look)  ann's          -> cancelled by organizer at 12:00:03
    12:00:04  (look)  ann's entry    -> declined by organizer at 12:00:03
    `,
    "that is not taken lapses, and the next one is asked": `
    capacity 1, offers last 60s
    12:00:00  eve  reserves 1             -> held
    12:00:01  ann  joins 1                -> waiting at 1
    12:00:02  bob  joins 1                -> waiting at 2
    12:00:03  eve  cancels                -> cancelled
    12:01:04  (timer)  expires 12:01:03   -> settled
    12:01:05  (look)  ann's entry         -> lapsed by deadline at 12:01:04
    12:01:05  (look)  ann's               -> expired by deadline at 12:01:04
    12:01:05  (look)  bob's entry         -> offered until 12:02:04
    `,
    "never outlives the slot's start": `
    capacity 1 12:10:00.500-13:00:00
    12:00:00  eve  reserves 1         -> held
    12:00:01  ann  joins 1            -> waiting at 1
    12:00:02  eve  cancels            -> cancelled
    12:00:03  (look)  ann's entry     -> offered until 12:10:00.5
    `,
    "never outlives the closing of the waitlist": `
    capacity 1 13:00:00-14:00:00, waitlist closes 3000s before
    12:00:00  eve  reserves 1         -> held
    12:00:01  ann  joins 1            -> waiting at 1
    12:00:02  eve  cancels            -> cancelled
    12:00:03  (look)  ann's entry     -> offered until 12:10:00
    `,
    "goes on being made when sales are closed, by hand or by time": `
    capacity 2, sales close 13:00:00, organizer olga, olga is organizer, holds last 7200s
    12:00:00  eve   reserves 1        -> held
    12:00:00  fay   reserves 1        -> held
    12:00:01  ann   joins 1           -> waiting at 1
    12:00:02  bob   joins 1           -> waiting at 2
    12:00:03  olga  closes sales      -> done version 2
    12:00:04  eve   cancels           -> cancelled
    12:00:05  (look)  ann's entry     -> offered
    12:00:06  ann   purchases         -> purchased
    13:00:00  fay   cancels           -> cancelled
    13:00:01  (look)  bob's entry     -> offered
    13:00:02  bob   purchases         -> purchased
    `,
    "goes on being made when the waitlist was switched off: only joining ends": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  eve   reserves 1               -> held
    12:00:01  ann   joins 1                  -> waiting at 1
    12:00:02  olga  edits waitlist to off    -> done
    12:00:03  bob   joins 1                  -> waitlist-closed
    12:00:04  eve   cancels                  -> cancelled
    12:00:05  (look)  ann's entry            -> offered
    `,
  },
  "when a waitlist closes": {
    "what is free goes to the public at that very instant, and who waits is told": `
    capacity 2 14:00:00-15:00:00, waitlist closes 3600s before, waitlist strict
    12:00:00      eve  reserves 1       -> held
    12:00:01      eve  purchases        -> purchased
    12:00:02      ann  joins 2          -> waiting at 1
    12:00:03      (look)  slot main     -> 0 held, 1 purchased, 1 waiting, 0 available
    12:59:59.999  bob  reserves 1       -> all-held
    13:00:00      (look)  slot main     -> 0 held, 1 purchased, 1 waiting, 1 available
    13:00:00      bob  reserves 1       -> held
    13:00:01      (timer)  sweeps       -> settled
    13:00:02      (look)  ann's entry   -> closed by cutoff at 13:00:01
    13:00:02      (look)  slot main     -> 1 held, 1 purchased, 0 waiting, 0 available
    `,
    "an offer that lapses then goes to nobody in the line": `
    capacity 1 14:00:00-15:00:00, waitlist closes 3600s before
    12:00:00      eve  reserves 1             -> held
    12:00:01      eve  purchases              -> purchased
    12:00:02      ann  joins 1                -> waiting at 1
    12:00:03      bob  joins 1                -> waiting at 2
    12:59:00      eve  cancels                -> cancelled
    12:59:01      (look)  ann's entry         -> offered until 13:00:00
    13:00:00.500  (timer)  expires 13:00:00   -> settled
    13:00:01      (look)  bob's entry         -> waiting at 1
    13:00:01      cyd  reserves 1             -> held
    13:00:02      (timer)  sweeps             -> settled
    13:00:03      (look)  bob's entry         -> closed by cutoff at 13:00:02
    `,
    "whoever still waits when the slot has started is told that it is over": `
    capacity 1 13:00:00-14:00:00
    12:00:00  eve  reserves 1        -> held
    12:00:01  eve  purchases         -> purchased
    12:00:02  ann  joins 1           -> waiting at 1
    13:00:00  (timer)  sweeps        -> settled
    13:00:01  (look)  ann's entry    -> closed by slot-over at 13:00:00
    `,
    "it may be closed earlier by an edit, and what is free is the public's at once": `
    capacity 2 20:00:00-22:00:00, waitlist strict, organizer olga, olga is organizer
    12:00:00  eve   reserves 1                    -> held
    12:00:01  eve   purchases                     -> purchased
    12:00:02  ann   joins 2                       -> waiting at 1
    12:00:03  bob   reserves 1                    -> all-held
    12:00:04  olga  edits closing to 36000s       -> done
    12:00:05  (look)  ann's entry                 -> closed by cutoff at 12:00:04
    12:00:06  bob   reserves 1                    -> held
    `,
  },
};
