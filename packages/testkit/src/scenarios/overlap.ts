// Overlap: half-open time ranges over all events of a user, and what a hold of another event means.
import type { ScenarioTexts } from "../scenario.ts";

export const OVERLAP: ScenarioTexts = {
  overlap: {
    "half-open: ranges that only touch do not overlap, one shared second does": `
    event play: capacity 9 18:00:00-20:00:00
    event before: capacity 9 16:00:00-18:00:00
    event after: capacity 9 20:00:00-22:00:00
    event early: capacity 9 16:00:00-18:00:01
    event late: capacity 9 19:59:59-22:00:00
    event inside: capacity 9 18:30:00-19:00:00
    event around: capacity 9 17:00:00-21:00:00
    12:00:00  ann  reserves 1 at play     -> held
    12:00:01  ann  reserves 1 at early    -> overlap held
    12:00:01  ann  reserves 1 at late     -> overlap held
    12:00:01  ann  reserves 1 at inside   -> overlap held
    12:00:01  ann  reserves 1 at around   -> overlap held
    12:00:01  ann  reserves 1 at before   -> held
    12:00:01  ann  reserves 1 at after    -> held
    12:00:01  bob  reserves 1 at inside   -> held
    `,
    "slots of one event overlap like any others": `
    slot A 18:00:00-20:00:00 capacity 9, slot B 19:00:00-21:00:00 capacity 9, slot C 20:00:00-22:00:00 capacity 9
    12:00:00  ann  reserves 1 of A   -> held
    12:00:00  ann  reserves 1 of B   -> overlap held
    12:00:00  ann  reserves 1 of C   -> held
    12:00:00  ann  purchases of A    -> purchased
    12:00:00  ann  reserves 1 of B   -> overlap purchased
    `,
    "an event that allows overlap takes no part, on either side": `
    event play: capacity 9
    event party: capacity 9, overlap allowed
    event fair: capacity 9, overlap allowed
    event gala: capacity 9
    12:00:00  ann  reserves 1 at party   -> held
    12:00:00  ann  reserves 1 at play    -> held
    12:00:00  ann  reserves 1 at fair    -> held
    12:00:00  ann  reserves 1 at gala    -> overlap held
    `,
    "a claim that has ended is in nobody's way": `
    event play: capacity 9, holds last 60s
    event gala: capacity 9
    12:00:00  ann  reserves 1            -> held
    12:00:01  ann  reserves 1 at gala    -> overlap held
    12:00:02  ann  cancels               -> cancelled
    12:00:03  ann  reserves 1 at gala    -> held
    12:00:04  ann  reserves 1            -> overlap held
    12:00:05  ann  cancels at gala       -> cancelled
    12:00:06  ann  reserves 1            -> held
    12:01:07  (timer)  expires 12:01:06  -> settled
    12:01:08  ann  reserves 1 at gala    -> held
    `,
    "a purchase in the way is named before a hold, since waiting does not help with it": `
    event early: capacity 9 18:00:00-20:00:00
    event late: capacity 9 20:00:00-22:00:00
    event gala: capacity 9 19:00:00-21:00:00
    12:00:00  ann  reserves 1 at early   -> held
    12:00:00  ann  reserves 1 at late    -> held
    12:00:01  ann  reserves 1 at gala    -> overlap held
    12:00:02  ann  purchases at late     -> purchased
    12:00:03  ann  reserves 1 at gala    -> overlap purchased
    `,
  },

  "a hold of another event": {
    "blocks past its deadline until its own event settles it, and that event is asked to": `
    event play: capacity 9, holds last 60s
    event gala: capacity 9, holds last 60s
    12:00:00      ann  reserves 1 at play               -> held until 12:01:00
    12:00:59.999  ann  reserves 1 at gala               -> overlap held
    12:01:00      ann  reserves 1 at gala               -> overlap held, asks play to expire 12:01:00
    12:30:00      ann  reserves 1 at gala               -> overlap held, asks play to expire 12:01:00
    12:30:01      (timer)  expires 12:01:00 at play     -> settled
    12:30:02      ann  reserves 1 at gala               -> held
    `,
    "within the same event nobody is asked: it settles itself": `
    slot A 18:00:00-20:00:00 capacity 9, slot B 19:00:00-21:00:00 capacity 9, holds last 60s
    12:00:00      ann  reserves 1 of A   -> held until 12:01:00
    12:01:00.499  ann  reserves 1 of B   -> overlap held
    12:01:00.500  ann  reserves 1 of B   -> held
    `,
  },
};
