// Who of a waitlist is asked next: first in, first out, in both modes; who may not have tickets is passed over.
import type { ScenarioTexts } from "../scenario.ts";

/** Five singles, of which each cancels later. */
const FIVE_HELD = `
    12:00:00  eva  reserves 1   -> held
    12:00:00  eli  reserves 1   -> held
    12:00:00  eve  reserves 1   -> held
    12:00:00  ebo  reserves 1   -> held
    12:00:00  edi  reserves 1   -> held`;

export const PROMOTION: ScenarioTexts = {
  "tickets that come free": {
    "are offered in the order in which people joined, as many as fit": `
    capacity 3, holds last 7200s
    12:00:00  eve  reserves 3        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  bob  joins 2           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:00:04  eve  cancels           -> cancelled
    12:00:05  (look)  ann's entry    -> offered until 12:15:04
    12:00:05  (look)  bob's entry    -> offered until 12:15:04
    12:00:05  (look)  cyd's entry    -> waiting at 1
    12:00:05  (look)  slot main      -> 3 held, 0 purchased, 1 waiting, 0 available
    `,
    "are nobody else's while somebody waits who may have them": `
    capacity 2, waitlist strict
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  (look)  slot main      -> 1 held, 0 purchased, 1 waiting, 0 available
    12:00:03  bob  reserves 1        -> all-held until 12:05:00
    12:00:04  bob  joins 1           -> waiting at 2
    12:00:05  eve  purchases         -> purchased
    12:00:06  cyd  reserves 1        -> all-held until unknown
    12:00:06  cyd  reserves 2        -> sold-out
    `,
    "are the public's again when nobody is left": `
    capacity 1
    12:00:00  eve  reserves 1        -> held
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  ann  leaves            -> left
    12:00:03  eve  cancels           -> cancelled
    12:00:04  (look)  slot main      -> 0 held, 0 purchased, 0 waiting, 1 available
    12:00:05  bob  reserves 1        -> held
    `,
    "are offered to one who joins for more than was free, as soon as there are enough": `
    capacity 3
    12:00:00  eve  reserves 2        -> held
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  (look)  ann's entry    -> waiting at 1
    12:00:03  eve  cancels           -> cancelled
    12:00:04  (look)  ann's entry    -> offered
    12:00:05  (look)  slot main      -> 2 held, 0 purchased, 0 waiting, 1 available
    `,
  },
  "a strict waitlist": {
    "waits for its head, however long, and lets nobody pass": `
    capacity 5, waitlist strict, holds last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  eva  cancels           -> cancelled
    12:00:04  (look)  ann's entry    -> waiting at 1
    12:00:04  (look)  bob's entry    -> waiting at 2
    12:00:04  (look)  slot main      -> 4 held, 0 purchased, 2 waiting, 0 available
    18:00:00  (timer)  sweeps        -> settled
    18:00:01  (look)  bob's entry    -> waiting at 2
    18:00:02  eli  cancels           -> cancelled
    18:00:03  (look)  ann's entry    -> offered
    18:00:03  (look)  bob's entry    -> waiting at 1
    `,
    "goes on when its head leaves: those behind may fit": `
    capacity 5, waitlist strict, holds last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  eva  cancels           -> cancelled
    12:00:04  ann  leaves            -> left
    12:00:05  (look)  bob's entry    -> offered
    `,
    "lets others pass once it skips": `
    capacity 5, waitlist strict, holds last 36000s, organizer olga, olga is organizer
    ${FIVE_HELD}
    12:00:01  ann   joins 2               -> waiting at 1
    12:00:02  bob   joins 1               -> waiting at 2
    12:00:03  eva   cancels               -> cancelled
    12:00:04  (look)  bob's entry         -> waiting at 2
    12:00:05  olga  edits mode to skip    -> done
    12:00:06  (look)  bob's entry         -> offered
    12:00:06  (look)  ann's entry         -> waiting at 1 passed over for too-few at 12:00:05
    `,
  },
  "a waitlist that skips": {
    "lets smaller parties pass a head that wants more than is free": `
    capacity 5, holds last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 3           -> waiting at 1
    12:00:02  bob  joins 2           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:00:04  eva  cancels           -> cancelled
    12:00:05  (look)  ann's entry    -> waiting at 1 passed over for too-few at 12:00:04
    12:00:05  (look)  bob's entry    -> waiting at 2
    12:00:05  (look)  cyd's entry    -> offered
    `,
    "does so as often as its skips, then collects tickets for the head": `
    capacity 5, holds last 36000s, max skips 2, collect 600s
    ${FIVE_HELD}
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:00:04  dan  joins 1           -> waiting at 4
    12:01:00  eva  cancels           -> cancelled
    12:01:01  (look)  bob's entry    -> offered
    12:02:00  eli  cancels           -> cancelled
    12:02:01  (look)  cyd's entry    -> offered
    12:03:00  eve  cancels           -> cancelled
    12:03:01  (look)  dan's entry    -> waiting at 2
    12:03:01  (look)  slot main      -> 4 held, 0 purchased, 2 waiting, 0 available
    12:04:00  ebo  cancels           -> cancelled
    12:04:01  (look)  ann's entry    -> offered
    12:04:01  (look)  dan's entry    -> waiting at 1
    `,
    "lets others pass again when collecting ran out, as often as before": `
    capacity 5, holds last 36000s, max skips 1, collect 600s, offers last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 4           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:00:04  dan  joins 1           -> waiting at 4
    12:01:00  eva  cancels           -> cancelled
    12:01:01  (look)  bob's entry    -> offered
    12:02:00  eli  cancels           -> cancelled
    12:02:01  (look)  cyd's entry    -> waiting at 2
    12:10:59  (look)  cyd's entry    -> waiting at 2
    12:11:00  (look)  cyd's entry    -> offered
    12:11:00  (look)  ann's entry    -> waiting at 1 passed over for too-few at 12:11:00
    12:12:00  eve  cancels           -> cancelled
    12:20:59  (look)  dan's entry    -> waiting at 2
    12:21:00  (look)  dan's entry    -> offered
    `,
    "a collection that ran out while nothing was free has run out all the same": `
    capacity 5, holds last 36000s, max skips 1, collect 600s, offers last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 4           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:01:00  eva  cancels           -> cancelled
    12:01:01  (look)  bob's entry    -> offered
    12:30:00  eli  cancels           -> cancelled
    12:30:01  (look)  cyd's entry    -> offered
    `,
    "with no skips at all it waits like a strict one": `
    capacity 5, holds last 36000s, max skips 0, collect 60s
    ${FIVE_HELD}
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:01:00  eva  cancels           -> cancelled
    12:01:01  (look)  bob's entry    -> waiting at 2
    13:00:00  (timer)  sweeps        -> settled
    13:00:01  (look)  bob's entry    -> waiting at 2
    13:00:02  eli  cancels           -> cancelled
    13:00:03  (look)  ann's entry    -> offered
    `,
    "with no time to collect it collects for a second": `
    capacity 5, holds last 36000s, max skips 1, collect 0s, offers last 36000s
    ${FIVE_HELD}
    12:00:01  ann  joins 4           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:01:00  eva  cancels           -> cancelled
    12:01:00.500  eli  cancels       -> cancelled
    12:01:00.999  (look)  cyd's entry  -> waiting at 2
    12:01:01  (look)  cyd's entry    -> offered
    `,
    "does not count those who stood before the head": `
    capacity 5, holds last 36000s, max skips 1, collect 600s
    ${FIVE_HELD}
    12:00:01  ann  joins 1           -> waiting at 1
    12:00:02  bob  joins 3           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:00:04  eva  cancels           -> cancelled
    12:00:05  (look)  ann's entry    -> offered
    12:00:06  eli  cancels           -> cancelled
    12:00:07  (look)  cyd's entry    -> offered
    `,
    "the next head inherits the skips that it suffered itself, and no others": `
    capacity 5, holds last 36000s, max skips 2, collect 600s
    ${FIVE_HELD}
    12:00:01  ann  joins 2           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 2           -> waiting at 3
    12:00:04  dan  joins 1           -> waiting at 4
    12:00:05  fay  joins 1           -> waiting at 5
    12:00:06  gil  joins 1           -> waiting at 6
    12:01:00  eva  cancels           -> cancelled
    12:01:01  (look)  bob's entry    -> offered
    12:02:00  ann  leaves            -> left
    12:03:00  eli  cancels           -> cancelled
    12:03:01  (look)  dan's entry    -> offered
    12:04:00  eve  cancels           -> cancelled
    12:04:01  (look)  fay's entry    -> offered
    12:05:00  ebo  cancels           -> cancelled
    12:05:01  (look)  gil's entry    -> waiting at 2
    12:06:00  edi  cancels           -> cancelled
    12:06:01  (look)  cyd's entry    -> offered
    12:06:01  (look)  gil's entry    -> waiting at 1
    `,
    "a head that leaves while tickets are collected for it makes room for those behind": `
    capacity 5, holds last 36000s, max skips 1, collect 600s
    ${FIVE_HELD}
    12:00:01  ann  joins 3           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:00:03  cyd  joins 1           -> waiting at 3
    12:01:00  eva  cancels           -> cancelled
    12:02:00  eli  cancels           -> cancelled
    12:02:01  (look)  cyd's entry    -> waiting at 2
    12:03:00  ann  leaves            -> left
    12:03:01  (look)  cyd's entry    -> offered
    `,
    "forgets for whom tickets were collected when nobody waits any more": `
    capacity 5, holds last 36000s, max skips 1, collect 600s
    ${FIVE_HELD}
    12:00:01  ann  joins 3           -> waiting at 1
    12:00:02  bob  joins 1           -> waiting at 2
    12:01:00  eva  cancels           -> cancelled
    12:02:00  eli  cancels           -> cancelled
    12:03:00  ann  leaves            -> left
    12:04:00  cyd  joins 2           -> waiting at 1
    12:05:00  dan  joins 1           -> waiting at 2
    12:05:01  (look)  dan's entry    -> offered
    `,
    "stops letting others pass once it is strict": `
    capacity 5, holds last 36000s, organizer olga, olga is organizer
    ${FIVE_HELD}
    12:00:01  ann   joins 2                 -> waiting at 1
    12:00:02  bob   joins 1                 -> waiting at 2
    12:00:03  olga  edits mode to strict    -> done
    12:00:04  eva   cancels                 -> cancelled
    12:00:05  (look)  bob's entry           -> waiting at 2
    `,
    "and collects no longer once it may skip more often": `
    capacity 5, holds last 36000s, max skips 1, organizer olga, olga is organizer
    ${FIVE_HELD}
    12:00:01  ann   joins 4                   -> waiting at 1
    12:00:02  bob   joins 1                   -> waiting at 2
    12:00:03  cyd   joins 1                   -> waiting at 3
    12:01:00  eva   cancels                   -> cancelled
    12:02:00  eli   cancels                   -> cancelled
    12:02:01  (look)  cyd's entry             -> waiting at 2
    12:03:00  olga  edits max skips to 2      -> done
    12:03:01  (look)  cyd's entry             -> offered
    `,
  },
  "a waiter who may not have tickets at the moment": {
    "is passed over for an overlap and asked again as soon as it is gone": `
    event play: capacity 1
    event gala: capacity 9
    12:00:00  eve  reserves 1 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:01  ann  joins 1 at play         -> waiting at 1
    12:00:02  eve  cancels at play         -> cancelled
    12:00:03  (look)  ann's entry at play  -> parked at 1 by overlap until 12:01:02
    12:00:03  (look)  slot main at play    -> 0 held, 0 purchased, 1 waiting, 1 available
    12:00:04  ann  cancels at gala         -> cancelled
    12:00:05  (look)  ann's entry at play  -> offered
    `,
    "does not stop the line: the next one is asked": `
    event play: capacity 2, waitlist strict
    event gala: capacity 9
    12:00:00  eve  reserves 2 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:01  ann  joins 2 at play         -> waiting at 1
    12:00:02  bob  joins 1 at play         -> waiting at 2
    12:00:03  eve  cancels at play         -> cancelled
    12:00:04  (look)  ann's entry at play  -> parked at 1 by overlap until 12:01:03
    12:00:04  (look)  bob's entry at play  -> offered
    12:00:05  cyd  reserves 1 at play      -> held
    `,
    "and does not keep tickets from the public: it is asked again when there are some": `
    event play: capacity 1
    event gala: capacity 9
    12:00:00  eve  reserves 1 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:01  ann  joins 1 at play         -> waiting at 1
    12:00:02  eve  cancels at play         -> cancelled
    12:00:03  bob  reserves 1 at play      -> held
    12:00:04  ann  cancels at gala         -> cancelled
    12:00:05  (look)  ann's entry at play  -> waiting at 1 passed over for overlap at 12:00:02
    12:00:06  bob  cancels at play         -> cancelled
    12:00:07  (look)  ann's entry at play  -> offered
    `,
    "is looked at by the sweep when its minute is over, and parked again if nothing changed": `
    event play: capacity 1
    event gala: capacity 9, overlap allowed
    event fair: capacity 9, holds last 90s
    12:00:00      eve  reserves 1 at play      -> held
    12:00:00      ann  reserves 1 at fair      -> held until 12:01:30
    12:00:01      ann  joins 1 at play         -> waiting at 1
    12:00:02      eve  cancels at play         -> cancelled
    12:01:01.999  (timer)  sweeps              -> settled
    12:01:01.999  (look)  ann's entry at play  -> parked at 1 by overlap until 12:01:02
    12:01:02      (timer)  sweeps              -> settled
    12:01:02      (look)  ann's entry at play  -> parked at 1 by overlap until 12:02:02
    `,
    "is looked at less and less often while nothing changes": `
    event play: capacity 1
    event gala: capacity 9
    12:00:00  eve  reserves 1 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:00  ann  purchases at gala       -> purchased
    12:00:01  ann  joins 1 at play         -> waiting at 1
    12:00:02  eve  cancels at play         -> cancelled
    12:01:02  (timer)  sweeps              -> settled
    12:01:02  (look)  ann's entry at play  -> parked at 1 by overlap until 12:02:02
    12:02:02  (timer)  sweeps              -> settled
    12:02:02  (look)  ann's entry at play  -> parked at 1 by overlap until 12:04:02
    12:04:02  (timer)  sweeps              -> settled
    12:04:02  (look)  ann's entry at play  -> parked at 1 by overlap until 12:08:02
    16:00:00  (timer)  sweeps              -> settled
    16:00:00  (look)  ann's entry at play  -> parked at 1 by overlap until 16:30:00
    `,
    "keeps tickets from others only as long as it may have them itself": `
    event play: capacity 3, waitlist strict, holds last 36000s
    event gala: capacity 9
    12:00:00  eve  reserves 2 at play      -> held
    12:00:00  eli  reserves 1 at play      -> held
    12:00:01  ann  joins 2 at play         -> waiting at 1
    12:00:02  bob  joins 1 at play         -> waiting at 2
    12:00:03  eli  cancels at play         -> cancelled
    12:00:04  ann  reserves 1 at gala      -> held
    12:00:05  (look)  bob's entry at play  -> waiting at 2
    12:01:04  (look)  bob's entry at play  -> offered
    12:01:04  (look)  ann's entry at play  -> parked at 1 by overlap until 12:02:03
    `,
    "asks the other event to settle a hold that is past its deadline": `
    event play: capacity 1
    event fair: capacity 9, holds last 60s
    12:00:00  eve  reserves 1 at play            -> held
    12:00:00  ann  reserves 1 at fair            -> held until 12:01:00
    12:00:01  ann  joins 1 at play               -> waiting at 1
    12:02:00  eve  cancels at play               -> cancelled, asks fair to expire 12:01:00
    12:02:01  (timer)  expires 12:01:00 at fair  -> settled
    12:02:02  (look)  ann's entry at play        -> offered
    `,
    "because of the limit of a user": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 9, max per user 2
    12:00:00  eve  reserves 1 of A         -> held
    12:00:01  ann  joins 1 of A            -> waiting at 1
    12:00:02  ann  reserves 2 of B         -> held
    12:00:03  eve  cancels                 -> cancelled
    12:00:04  (look)  ann's entry of A     -> parked at 1 by limit-exceeded user until 12:01:03
    12:00:05  ann  cancels of B            -> cancelled
    12:00:06  (look)  ann's entry of A     -> offered
    `,
    "because of a limit that the organizer lifts: at once": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 9, max per user 2
    organizer olga, olga is organizer
    12:00:00  eve   reserves 1 of A              -> held
    12:00:01  ann   joins 1 of A                 -> waiting at 1
    12:00:02  ann   reserves 2 of B              -> held
    12:00:03  eve   cancels                      -> cancelled
    12:00:04  olga  edits max per user to 3      -> done
    12:00:05  (timer)  sweeps                    -> settled
    12:00:05  (look)  ann's entry of A           -> offered
    `,
    "two small parties of one user share the user's limit, the eldest first": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1, max per user 1
    12:00:00  eve  reserves 1 of A         -> held
    12:00:00  fay  reserves 1 of B         -> held
    12:00:01  ann  joins 1 of A            -> waiting at 1
    12:00:02  ann  joins 1 of B            -> waiting at 1
    12:00:03  eve  cancels                 -> cancelled
    12:00:04  (look)  ann's entry of A     -> offered
    12:00:05  fay  cancels                 -> cancelled
    12:00:06  (look)  ann's entry of B     -> parked at 1 by limit-exceeded user until 12:01:05
    12:00:07  ann  cancels of A            -> cancelled
    12:00:08  (look)  ann's entry of B     -> offered
    `,
    "keeps its place, and is asked before those who came later": `
    event play: capacity 2, waitlist strict
    event gala: capacity 9
    12:00:00  eve  reserves 1 at play      -> held
    12:00:00  fay  reserves 1 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:01  ann  joins 1 at play         -> waiting at 1
    12:00:02  bob  joins 1 at play         -> waiting at 2
    12:00:03  cyd  joins 1 at play         -> waiting at 3
    12:00:04  eve  cancels at play         -> cancelled
    12:00:05  (look)  bob's entry at play  -> offered
    12:00:06  ann  cancels at gala         -> cancelled
    12:00:07  fay  cancels at play         -> cancelled
    12:00:08  (look)  ann's entry at play  -> offered
    12:00:08  (look)  cyd's entry at play  -> waiting at 1
    `,
    "leaves like anybody else, and is closed like anybody else": `
    event play: capacity 2 14:00:00-15:00:00, waitlist closes 3600s before
    event gala: capacity 9 14:00:00-15:00:00
    12:00:00  eve  reserves 2 at play      -> held
    12:00:00  ann  reserves 1 at gala      -> held
    12:00:00  bob  reserves 1 at gala      -> held
    12:00:01  ann  joins 1 at play         -> waiting at 1
    12:00:02  bob  joins 1 at play         -> waiting at 2
    12:00:03  eve  cancels at play         -> cancelled
    12:00:04  (look)  bob's entry at play  -> parked at 2 by overlap
    12:00:05  ann  leaves at play          -> left
    12:00:06  (look)  slot main at play    -> 0 held, 0 purchased, 1 waiting, 2 available
    13:00:00  (timer)  sweeps              -> settled
    13:00:01  (look)  bob's entry at play  -> closed by cutoff at 13:00:00
    13:00:01  (look)  slot main at play    -> 0 held, 0 purchased, 0 waiting, 2 available
    `,
  },
};
