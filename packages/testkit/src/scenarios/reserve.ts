// The order of precedence of `reserve`: each line, and at each pair of neighbours that the first one answers.

import { LIVE_HOLDS_MAX } from "@holdfast/domain";
import type { ScenarioTexts } from "../scenario.ts";

const hours = Array.from({ length: LIVE_HOLDS_MAX }, (_, n) => String(n + 1).padStart(2, "0"));
const tour = hours.map((hour) => `slot S${hour} ${hour}:00:00-${hour}:30:00 capacity 9`).join(", ");
const holdAll = hours.map((hour) => `00:00:00  ann  reserves 1 of S${hour} at tour  -> held until 00:01:00`);

export const RESERVE: ScenarioTexts = {
  "what a reservation is": {
    "a last pair of tickets is held by the first who asks, and free again when the deadline has passed": `
    capacity 2, holds last 600s
    12:00:00  ann  reserves 2   -> held until 12:10:00
    12:00:01  bob  reserves 1   -> all-held until 12:10:00
    12:10:00  ann  purchases    -> hold-expired
    12:10:01  bob  reserves 1   -> held
    `,
    "a slot may be named or, where there is only one, left out": `
    capacity 5
    12:00:00  ann  reserves 1           -> held
    12:00:00  bob  reserves 1 of main   -> held
    12:00:00  cyd  reserves 1 of other  -> not-found slot
    `,
    "each slot has a capacity of its own": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    12:00:00  ann  reserves 1 of A  -> held
    12:00:00  bob  reserves 1 of A  -> all-held until 12:05:00
    12:00:00  bob  reserves 1 of B  -> held
    12:00:00  ann  reserves 1 of B  -> all-held
    12:00:01  (look)  slot A        -> 1 held, 0 purchased
    12:00:01  (look)  slot B        -> 1 held, 0 purchased
    `,
  },

  "a deadline": {
    "is a whole second, rounded up, counted from applying and not from sending": `
    capacity 5, holds last 60s
    12:00:00.001  ann  reserves 1                    -> held until 12:01:01
    12:00:01      bob  reserves 1                    -> held until 12:01:01
    12:00:07.250  cyd  reserves 1, sent 12:00:00     -> held until 12:01:08
    `,
    "is never later than the slot's start, even one that is no whole second": `
    capacity 5 12:00:30.500-13:00:00, holds last 60s
    12:00:00  ann  reserves 1   -> held until 12:00:30.5
    12:00:30  bob  reserves 1   -> held until 12:00:30.5
    12:00:31  cyd  reserves 1   -> event-over
    `,
  },

  "the order of precedence of reserve": {
    "event-cancelled comes before event-over": `
    cancelled 10:59:59, capacity 1 11:00:00-13:00:00
    10:59:58  bob  reserves 1   -> held
    10:59:59  ann  reserves 1   -> event-cancelled
    12:00:00  ann  reserves 1   -> event-cancelled
    `,
    "event-over comes before sales-not-open, and an event is over once its last slot starts": `
    slot A 11:00:00-13:00:00 capacity 1, slot B 12:00:00-13:00:00 capacity 1, sales open 12:00:00.500
    11:59:59.999  ann  reserves 1 of A   -> sales-not-open until 12:00:00.5
    12:00:00      ann  reserves 1 of B   -> event-over
    12:00:00.500  ann  reserves 1 of B   -> event-over
    `,
    "a slot has started by the time of applying, however early it was asked for": `
    capacity 1 12:00:00-13:00:00
    12:00:00  ann  reserves 1, sent 11:59:59   -> event-over
    `,
    "sales open at the very instant, judged by when it was sent": `
    capacity 9, sales open 12:00:00
    11:59:59.999  ann  reserves 1                     -> sales-not-open until 12:00:00
    12:00:00      bob  reserves 1, sent 11:59:59.999  -> sales-not-open until 12:00:00
    12:00:00      cyd  reserves 1                     -> held
    `,
    "sales close at the very instant, judged by when it was sent": `
    capacity 9, sales close 12:00:00
    11:59:59.999  ann  reserves 1                     -> held
    12:00:00      bob  reserves 1                     -> sales-closed
    12:00:05      cyd  reserves 1, sent 11:59:59.999  -> held
    `,
    "sales-not-open comes before sales-closed": `
    capacity 9, sales open 12:00:00, sales closed by hand
    11:00:00  ann  reserves 1   -> sales-not-open
    12:00:00  ann  reserves 1   -> sales-closed
    `,
    "sales-closed comes before slot-required": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1, sales close 12:00:00
    11:59:59  ann  reserves 1   -> slot-required
    12:00:00  ann  reserves 1   -> sales-closed
    `,
    "slot-required comes before limits, and is asked for even if one slot is over": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    12:00:00  ann  reserves 99   -> slot-required
    18:30:00  ann  reserves 1    -> slot-required
    `,
    "an unknown slot is not found before any limit": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    12:00:00  ann  reserves 99 of C   -> not-found slot
    `,
    "another event's slot is not found": `
    event play: slot A 18:00:00-19:00:00 capacity 1
    event gala: capacity 1
    12:00:00  ann  reserves 1 of A at gala   -> not-found slot
    `,
    "a slot that has started is over before any limit, while others go on": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1
    18:00:00  ann  reserves 99 of A   -> event-over
    18:00:00  ann  reserves 1 of B    -> held
    `,
    "the limit of an order comes before the capacity, and both before already-reserved": `
    capacity 3, max per order 4
    12:00:00  ann  reserves 1   -> held
    12:00:00  ann  reserves 5   -> limit-exceeded order
    12:00:00  ann  reserves 4   -> limit-exceeded capacity
    12:00:00  ann  reserves 3   -> already-reserved
    `,
    "already-reserved comes before the limit of a user, for a hold and for a purchase, until it ends": `
    capacity 9, max per user 2
    12:00:00  ann  reserves 2   -> held
    12:00:00  ann  reserves 2   -> already-reserved
    12:00:01  ann  purchases    -> purchased
    12:00:02  ann  reserves 2   -> already-reserved
    12:00:03  ann  cancels      -> cancelled
    12:00:04  ann  reserves 2   -> held
    `,
    "the limit of a user counts held and purchased tickets over all slots of the event, and no other event's": `
    event play: slot A 18:00:00-19:00:00 capacity 9, slot B 19:00:00-20:00:00 capacity 9, slot C 20:00:00-21:00:00 capacity 9, max per user 5
    event gala: capacity 9 14:00:00-15:00:00, max per user 5
    12:00:00  ann  reserves 5 at gala  -> held
    12:00:00  ann  reserves 2 of A     -> held
    12:00:00  ann  purchases of A      -> purchased
    12:00:00  ann  reserves 2 of B     -> held
    12:00:00  ann  reserves 2 of C     -> limit-exceeded user
    12:00:00  ann  reserves 1 of C     -> held
    12:00:01  ann  cancels of B        -> cancelled
    12:00:01  ann  reserves 3 of B     -> limit-exceeded user
    12:00:01  ann  reserves 2 of B     -> held
    `,
    "the limit of live holds spans events, and comes after the limit of a user and before overlap": `
    event tour: ${tour}, max per user 99, holds last 60s
    event gala: slot G 22:00:00-23:00:00 capacity 9, slot K 01:00:00-02:00:00 capacity 9, max per user 1
    ${holdAll.join("\n")}
    00:00:01  ann  reserves 2 of G at gala    -> limit-exceeded user
    00:00:01  ann  reserves 1 of K at gala    -> limit-exceeded holds
    00:00:01  ann  reserves 1 of G at gala    -> limit-exceeded holds
    00:00:01  bob  reserves 1 of G at gala    -> held
    00:00:02  ann  purchases of S01 at tour   -> purchased
    00:00:03  ann  reserves 1 of K at gala    -> overlap purchased
    00:00:03  ann  reserves 1 of G at gala    -> held
    `,
    "live holds are those whose deadline has not come, settled or not": `
    event tour: ${tour}, max per user 99, holds last 60s
    event gala: slot G 22:00:00-23:00:00 capacity 9
    ${holdAll.join("\n")}
    00:00:59.999  ann  reserves 1 of G at gala    -> limit-exceeded holds
    00:01:00      ann  reserves 1 of G at gala    -> held
    00:01:00      (look)  ann's of S01 at tour    -> held
    `,
    "overlap comes before sold-out and all-held": `
    event play: capacity 9
    event gala: capacity 1
    12:00:00  ann  reserves 1            -> held
    12:00:00  bob  reserves 1 at gala    -> held
    12:00:01  ann  reserves 1 at gala    -> overlap held
    12:00:02  bob  purchases at gala     -> purchased
    12:00:03  ann  reserves 1 at gala    -> overlap held
    12:00:04  cyd  reserves 1 at gala    -> sold-out
    `,
    "sold-out is said when no hold can set free enough, all-held when one can": `
    capacity 4
    12:00:00  ann  reserves 2   -> held
    12:00:01  ann  purchases    -> purchased
    12:00:02  bob  reserves 1   -> held until 12:05:02
    12:00:03  cyd  reserves 2   -> all-held until 12:05:02
    12:00:03  cyd  reserves 3   -> sold-out
    12:00:03  cyd  reserves 1   -> held
    12:00:04  bob  purchases    -> purchased
    12:00:05  dan  reserves 1   -> all-held until 12:05:03
    12:00:05  dan  reserves 2   -> sold-out
    12:00:06  cyd  purchases    -> purchased
    12:00:07  dan  reserves 1   -> sold-out
    `,
    "all-held names the earliest deadline of that slot": `
    slot A 18:00:00-19:00:00 capacity 2, slot B 19:00:00-20:00:00 capacity 1, holds last 60s
    12:00:00  dan  reserves 1 of B   -> held until 12:01:00
    12:00:10  ann  reserves 1 of A   -> held until 12:01:10
    12:00:20  bob  reserves 1 of A   -> held until 12:01:20
    12:00:30  cyd  reserves 1 of A   -> all-held until 12:01:10
    12:00:31  ann  cancels           -> cancelled
    12:00:32  cyd  reserves 2 of A   -> all-held until 12:01:20
    `,
  },
};
