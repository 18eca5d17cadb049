// The order of precedence of `cancel`: who may, until when, and what it sets free.
import type { ScenarioTexts } from "../scenario.ts";

export const CANCEL: ScenarioTexts = {
  "the order of precedence of cancel": {
    "who may not see a reservation is told not-found, in every state of it": `
    capacity 9, holds last 60s, otto is organizer
    12:00:00  ann   cancels nothing       -> not-found
    12:00:00  ann   reserves 1            -> held
    12:00:01  bob   cancels ann's         -> not-found
    12:00:01  otto  cancels ann's         -> not-found
    12:00:02  ann   cancels               -> cancelled
    12:00:03  bob   cancels ann's         -> not-found
    12:00:04  ann   reserves 1            -> held
    12:01:05  (timer)  expires 12:01:04   -> settled
    12:01:06  bob   cancels ann's         -> not-found
    `,
    "the event's organizer and any admin may; an organizer who is none any more may not": `
    event play: capacity 9, organizer olga, olga is organizer, ada is admin
    event gala: capacity 9 14:00:00-15:00:00, organizer pete, pete is user
    12:00:00  ann   reserves 1              -> held
    12:00:00  bob   reserves 1              -> held
    12:00:00  cyd   reserves 1 at gala      -> held
    12:00:01  olga  cancels ann's           -> cancelled
    12:00:01  ada   cancels bob's           -> cancelled
    12:00:01  olga  cancels cyd's at gala   -> not-found
    12:00:01  pete  cancels cyd's at gala   -> not-found
    12:00:02  (look)  ann's                 -> cancelled by organizer at 12:00:01
    12:00:02  (look)  bob's                 -> cancelled by organizer at 12:00:01
    12:00:02  (look)  cyd's at gala         -> held
    `,
    "cancelling again is the same success, even past the cutoff, and changes nothing": `
    capacity 9 13:00:00-14:00:00, cancel cutoff 600s
    12:00:00  ann  reserves 1   -> held
    12:00:01  ann  cancels      -> cancelled
    12:00:02  ann  cancels      -> cancelled
    13:30:00  ann  cancels      -> cancelled
    13:30:00  (look)  ann's     -> cancelled by user at 12:00:01
    `,
    "an expired hold answers not-active before cancellation-closed": `
    capacity 9 12:05:00-14:00:00, holds last 60s
    12:00:00  ann  reserves 1             -> held
    12:01:01  (timer)  expires 12:01:00   -> settled
    12:01:02  ann  cancels                -> not-active
    12:30:00  ann  cancels                -> not-active
    `,
    "the owner may until the cutoff's very instant, judged by when it was sent; organizers may for ever": `
    capacity 9 13:00:00-14:00:00, cancel cutoff 600s, ada is admin, organizer olga, olga is organizer
    12:00:00      ann   reserves 1                      -> held
    12:00:00      bob   reserves 1                      -> held
    12:00:00      cyd   reserves 1                      -> held
    12:00:00      olga  reserves 1                      -> held
    12:00:01      ann   purchases                       -> purchased
    12:00:01      bob   purchases                       -> purchased
    12:00:01      cyd   purchases                       -> purchased
    12:00:01      olga  purchases                       -> purchased
    12:49:59.999  ann   cancels                         -> cancelled
    12:50:00      bob   cancels                         -> cancellation-closed
    12:50:02      bob   cancels, sent 12:49:59.999      -> cancelled
    13:30:00      cyd   cancels                         -> cancellation-closed
    13:30:00      olga  cancels                         -> cancellation-closed
    13:30:00      ada   cancels cyd's                   -> cancelled
    `,
    "with no cutoff the owner may until the slot starts": `
    capacity 9 13:00:00-14:00:00
    12:00:00      ann  reserves 1   -> held
    12:00:00      bob  reserves 1   -> held
    12:00:01      ann  purchases    -> purchased
    12:00:01      bob  purchases    -> purchased
    12:59:59.999  ann  cancels      -> cancelled
    13:00:00      bob  cancels      -> cancellation-closed
    `,
    "a hold past its deadline that nobody has settled yet can still be given back": `
    capacity 1, holds last 60s
    12:00:00      ann  reserves 1   -> held until 12:01:00
    12:01:00.499  ann  cancels      -> cancelled
    12:01:00.499  bob  reserves 1   -> held
    `,
  },

  "what cancelling sets free": {
    "the tickets of a hold and of a purchase are free at once": `
    capacity 2
    12:00:00  ann  reserves 1     -> held
    12:00:00  bob  reserves 1     -> held
    12:00:01  bob  purchases      -> purchased
    12:00:02  ann  cancels        -> cancelled
    12:00:03  bob  cancels        -> cancelled
    12:00:03  (look)  slot main   -> 0 held, 0 purchased
    12:00:04  cyd  reserves 2     -> held
    `,
  },
};
