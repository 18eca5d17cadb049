// What is due is settled before each command, at logical time minus the grace: never early, and in bounded time.
import type { ScenarioTexts } from "../scenario.ts";

export const DEADLINES: ScenarioTexts = {
  settling: {
    "a hold ends at the event's first command stamped half a second past its deadline, with no timer (F5)": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1        -> held until 12:01:00
    12:01:00.499  bob  reserves 1        -> all-held until 12:01:00
    12:01:00.499  (look)  ann's          -> held
    12:01:00.500  bob  reserves 1        -> held
    12:01:00.500  (look)  ann's          -> expired by deadline at 12:01:00.5
    `,
    "a timer is judged at its own second and the grace, however early it was sent, but never before its time": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1                              -> held until 12:01:00
    12:01:00.499  (timer)  expires 12:01:00                    -> settled
    12:01:00.499  (look)  ann's                                -> held
    12:01:00.500  (timer)  expires 12:01:00, sent 12:00:10     -> settled
    12:01:00.500  (look)  ann's                                -> expired by deadline at 12:01:00.5
    `,
    "a timer that comes long after its second settles up to its own stamp": `
    capacity 2, holds last 60s
    12:00:00  ann  reserves 1               -> held until 12:01:00
    12:00:30  bob  reserves 1               -> held until 12:01:30
    12:05:00  (timer)  expires 12:01:00     -> settled
    12:05:00  (look)  slot main             -> 0 held, 0 purchased
    `,
    "a timer for a second with nothing due changes nothing": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1               -> held until 12:01:00
    12:00:40  (timer)  expires 12:00:30     -> settled
    12:00:40  (timer)  expires 19:00:00     -> settled
    12:00:40  (look)  ann's                 -> held
    `,
    "a command that waited long is judged by its stamp: what became due since is not settled for it": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1                      -> held until 12:01:00
    12:03:00  bob  reserves 1, sent 12:01:00.499   -> all-held until 12:01:00
    12:03:00  bob  reserves 1, sent 12:01:00.500   -> held
    `,
    "logical time does not run backwards: what a later stamp has settled stays settled": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1                    -> held until 12:01:00
    12:02:00  (timer)  expires 12:01:00          -> settled
    12:02:00  bob  reserves 1, sent 12:00:30     -> held
    `,
    "a stamp from the future counts as now": `
    capacity 1, holds last 60s, sales open 12:00:30
    12:00:00  ann  reserves 1, sent 12:00:40     -> sales-not-open
    12:00:30  ann  reserves 1                    -> held until 12:01:30
    12:01:20  bob  reserves 1, sent 12:05:00     -> all-held
    12:01:20  (look)  ann's                      -> held
    `,
    "a hold that is capped by its slot's start ends like any other, and its slot is over": `
    slot A 12:00:30-13:00:00 capacity 1, slot B 14:00:00-15:00:00 capacity 1, holds last 60s
    12:00:00      ann  reserves 1 of A   -> held until 12:00:30
    12:00:30      ann  purchases         -> hold-expired
    12:00:30.500  bob  reserves 1 of A   -> event-over
    12:00:30.500  (look)  slot A         -> 0 held, 0 purchased
    `,
    "a rejected or unknown command settles too": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1          -> held until 12:01:00
    12:02:00  bob  sends juggle        -> failed unsupported
    12:02:00  (look)  ann's            -> expired by deadline at 12:02:00
    12:02:01  bob  purchases nothing   -> not-found
    `,
  },

  repeats: {
    "the same request under the same key is the same command, answered as before, though all has changed since": `
    capacity 1, holds last 60s
    12:00:00  ann  reserves 1, key k1   -> held until 12:01:00
    12:00:01  ann  reserves 1, key k1   -> held until 12:01:00
    12:05:00  ann  reserves 1, key k1   -> held until 12:01:00
    12:05:00  (look)  ann's             -> held
    12:05:01  bob  reserves 1           -> held
    12:05:02  ann  reserves 1, key k1   -> held until 12:01:00
    12:05:03  ann  reserves 1, key k2   -> all-held
    12:09:00  ann  reserves 1, key k2   -> all-held
    `,
    "another request under a used key is refused and does nothing; the key stays with the first (race 14)": `
    capacity 9, holds last 60s
    12:00:00  ann  reserves 1, key k1          -> held
    12:00:00  ann  cancels, key k1             -> idempotency-key-reused
    12:00:00  (look)  ann's                    -> held
    12:00:01  ann  reserves 1, key k1          -> held
    12:00:01  ann  reserves 2, key k1          -> idempotency-key-reused
    12:00:02  ann  reserves 2, key k1          -> idempotency-key-reused
    `,
    "a key belongs to its user, and a rejected or failed command uses it up like any other": `
    capacity 9
    12:00:00  ann  reserves 1, key k1      -> held
    12:00:00  bob  reserves 1, key k1      -> held
    12:00:00  cyd  reserves 99, key k1     -> limit-exceeded order
    12:00:00  cyd  reserves 1, key k1      -> idempotency-key-reused
    12:00:00  dan  sends juggle, key k1   -> failed unsupported
    12:00:00  dan  reserves 1, key k1      -> idempotency-key-reused
    `,
  },
};
