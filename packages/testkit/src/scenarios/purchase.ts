// The order of precedence of `purchase`, and its race with the deadline.
import type { ScenarioTexts } from "../scenario.ts";

export const PURCHASE: ScenarioTexts = {
  "the order of precedence of purchase": {
    "what is not there and what is not yours are the same: not-found, before anything else": `
    capacity 9, holds last 60s
    12:00:00  ann  purchases nothing  -> not-found
    12:00:00  ann  reserves 1         -> held
    12:00:01  bob  purchases ann's    -> not-found
    12:00:02  ann  purchases          -> purchased
    12:00:03  bob  purchases ann's    -> not-found
    12:00:04  ann  cancels            -> cancelled
    12:00:05  bob  purchases ann's    -> not-found
    12:00:06  ann  reserves 1         -> held
    12:01:07  (timer)  expires 12:01:06  -> settled
    12:01:08  bob  purchases ann's    -> not-found
    `,
    "a purchase again succeeds under the same reference, both absent being the same": `
    capacity 9
    12:00:00  ann  reserves 1           -> held
    12:00:01  ann  purchases            -> purchased
    12:00:02  ann  purchases            -> purchased
    12:00:03  ann  purchases with p1    -> already-purchased
    12:00:04  bob  reserves 1           -> held
    12:00:05  bob  purchases with p1    -> purchased
    12:00:06  bob  purchases with p1    -> purchased
    12:00:07  bob  purchases with p2    -> already-purchased
    12:00:08  bob  purchases            -> already-purchased
    12:00:09  (look)  slot main         -> 0 held, 2 purchased
    `,
    "a purchase again succeeds long after the hold's deadline": `
    capacity 9, holds last 60s
    12:00:00  ann  reserves 1   -> held
    12:00:01  ann  purchases    -> purchased
    19:00:00  ann  purchases    -> purchased
    `,
    "the end of sales does not stop a live hold": `
    capacity 9, holds last 60s, sales close 12:00:30
    12:00:00  ann  reserves 1   -> held
    12:00:40  ann  purchases    -> purchased
    `,
    "an expired hold answers hold-expired, a cancelled one not-active, whenever it was sent": `
    capacity 9, holds last 60s
    12:00:00  ann  reserves 1                   -> held
    12:00:00  bob  reserves 1                   -> held
    12:00:01  bob  cancels                      -> cancelled
    12:00:02  bob  purchases                    -> not-active
    12:01:01  (timer)  expires 12:01:00         -> settled
    12:01:02  ann  purchases, sent 12:00:59     -> hold-expired
    12:01:02  ann  purchases                    -> hold-expired
    12:01:02  bob  purchases                    -> not-active
    12:01:03  (look)  ann's                     -> expired by deadline at 12:01:01
    12:01:03  (look)  bob's                     -> cancelled by user at 12:00:01
    `,
    "event-cancelled comes after a purchase that stands, and before hold-expired and not-active": `
    capacity 9, holds last 60s, cancelled 12:00:30
    12:00:00  ann  reserves 1                   -> held
    12:00:00  bob  reserves 1                   -> held
    12:00:00  cyd  reserves 1                   -> held
    12:00:00  dan  reserves 1                   -> held
    12:00:01  ann  purchases with p1            -> purchased
    12:00:01  bob  cancels                      -> cancelled
    12:00:30  ann  purchases with p1            -> purchased
    12:00:30  ann  purchases with p2            -> already-purchased
    12:00:30  bob  purchases                    -> event-cancelled
    12:00:30  cyd  purchases                    -> event-cancelled
    12:00:30  cyd  purchases, sent 12:00:29     -> event-cancelled
    12:00:31  dan  purchases ann's              -> not-found
    12:00:31  dan  cancels                      -> cancelled
    12:01:01  (timer)  expires 12:01:00         -> settled
    12:01:01  cyd  purchases                    -> event-cancelled
    12:01:01  (look)  cyd's                     -> expired by deadline at 12:01:01
    `,
    "a purchase that was cancelled is not bought again": `
    capacity 9
    12:00:00  ann  reserves 1         -> held
    12:00:01  ann  purchases with p1  -> purchased
    12:00:02  ann  cancels            -> cancelled
    12:00:03  ann  purchases with p1  -> not-active
    `,
  },

  "purchase against the deadline (race 1)": {
    "a millisecond before it wins": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1   -> held until 12:01:00
    12:00:59.999  ann  purchases    -> purchased
    12:01:05      bob  reserves 1   -> sold-out
    `,
    "the deadline's own instant is too late, though nothing is settled yet": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1    -> held until 12:01:00
    12:01:00  ann  purchases     -> hold-expired
    12:01:00  (look)  ann's      -> held
    12:01:00  bob  reserves 1    -> all-held until 12:01:00
    `,
    "sent before the deadline and a little slow to reach the queue, it finds its hold within the grace": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1                     -> held until 12:01:00
    12:01:00.499  bob  reserves 1                     -> all-held until 12:01:00
    12:01:00.499  ann  purchases, sent 12:00:59.999   -> purchased
    `,
    "sent before the deadline but overtaken by more than the grace, it finds its hold settled": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1                     -> held until 12:01:00
    12:01:00.500  bob  reserves 1                     -> held
    12:01:00.500  ann  purchases, sent 12:00:59.999   -> hold-expired
    `,
    "accepted in time and applied late, it wins however long the queue was (race 2)": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1                  -> held until 12:01:00
    12:07:00  ann  purchases, sent 12:00:59    -> purchased
    `,
    "accepted in time, its hold is left alone until it comes, whatever is settled meanwhile (race 2, F6)": `
    capacity 2, holds last 60s
    12:00:00  ann  reserves 1                       -> held until 12:01:00
    12:00:00  bob  reserves 1                       -> held until 12:01:00
    12:05:00  (timer)  expires 12:01:00             -> settled
    12:05:00  cyd  reserves 2                       -> all-held until 12:01:00
    12:05:00  (look)  slot main                     -> 1 held, 0 purchased
    12:05:00  (look)  bob's                         -> expired by deadline at 12:05:00
    12:07:00  ann  purchases, accepted 12:00:59     -> purchased
    `,
    "accepted too late, it keeps nothing alive": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1                       -> held until 12:01:00
    12:05:00  bob  reserves 1                       -> held
    12:07:00  ann  purchases, accepted 12:01:00     -> hold-expired
    `,
  },
};
