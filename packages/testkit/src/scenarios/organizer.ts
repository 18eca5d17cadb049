// What an event's organizer may change while it is on sale: the order of precedence, and what follows for others.
import type { ScenarioTexts } from "../scenario.ts";

export const ORGANIZER: ScenarioTexts = {
  "whoever changes an event": {
    "must be its organizer or an admin; for all others there is none": `
    event play: slot A 18:00:00-19:00:00 capacity 5, slot B 19:00:00-20:00:00 capacity 5, organizer olga, olga is organizer
    event gala: capacity 5, organizer pete, pete is user, ada is admin
    12:00:00  ann   edits holds to 60s at play                        -> not-found
    12:00:00  ann   adds slot C 20:00:00-21:00:00 capacity 1 at play  -> not-found
    12:00:00  ann   resizes slot A to 1 at play                       -> not-found
    12:00:00  ann   removes slot A at play                            -> not-found
    12:00:00  ann   sets capacity 1 of A at play                      -> not-found
    12:00:00  ann   closes sales at play                              -> not-found
    12:00:00  ann   opens sales at play                               -> not-found
    12:00:00  ann   cancels the event at play                         -> not-found
    12:00:01  olga  edits holds to 60s at gala                        -> not-found
    12:00:01  pete  edits holds to 60s at gala                        -> not-found
    12:00:02  olga  edits holds to 60s at play                        -> done version 2
    12:00:03  ada   edits holds to 60s at gala                        -> done version 2
    `,
    "finds slots of the event only": `
    event play: capacity 5, organizer olga, olga is organizer
    event gala: slot G 18:00:00-19:00:00 capacity 5, organizer olga
    12:00:00  olga  resizes slot G to 1 at play       -> not-found
    12:00:00  olga  removes slot G at play            -> not-found
    12:00:00  olga  sets capacity 1 of G at play      -> not-found
    12:00:00  olga  sets capacity 1 of G at gala      -> done
    `,
    "may say which version it is that they change, and each change moves it on": `
    slot A 18:00:00-19:00:00 capacity 5, slot B 19:00:00-20:00:00 capacity 5, organizer olga, olga is organizer
    12:00:00  olga  edits holds to 60s, if version 2                             -> precondition-failed
    12:00:00  olga  edits holds to 60s, if version 1                             -> done version 2
    12:00:01  olga  adds slot C 20:00:00-21:00:00 capacity 1, if version 1       -> precondition-failed
    12:00:02  olga  adds slot C 20:00:00-21:00:00 capacity 1, if version 2       -> done
    12:00:03  olga  resizes slot A to 6, if version 2                            -> precondition-failed
    12:00:04  olga  resizes slot A to 6, if version 3                            -> done
    12:00:05  olga  removes slot C, if version 3                                 -> precondition-failed
    12:00:06  olga  removes slot C, if version 4                                 -> done
    12:00:07  olga  sets capacity 7 of A                                         -> done
    12:00:08  olga  closes sales                                                 -> done version 7
    12:00:09  (look)  the event                                                  -> salesClosed, version 7
    `,
    "changes nothing of a cancelled event, and is told so behind a version that does not fit": `
    slot A 18:00:00-19:00:00 capacity 5, slot B 19:00:00-20:00:00 capacity 5, organizer olga, olga is organizer
    12:00:00  olga  cancels the event                                            -> done version 2
    12:00:01  olga  edits holds to 60s, if version 1                             -> precondition-failed
    12:00:01  olga  edits holds to 60s, if version 2                             -> event-cancelled
    12:00:01  olga  adds slot C 20:00:00-21:00:00 capacity 1                     -> event-cancelled
    12:00:01  olga  resizes slot C to 6                                          -> not-found
    12:00:01  olga  resizes slot A to 6                                          -> event-cancelled
    12:00:01  olga  removes slot C                                               -> not-found
    12:00:01  olga  removes slot A                                               -> event-cancelled
    12:00:01  olga  sets capacity 7 of C                                         -> not-found
    12:00:01  olga  sets capacity 7 of A                                         -> event-cancelled
    12:00:01  olga  closes sales                                                 -> event-cancelled
    12:00:01  olga  opens sales                                                  -> event-cancelled
    12:00:01  olga  cancels the event                                            -> done version 2
    `,
  },
  "editing an event": {
    "counts from then on: for holds that are made, not for those that were": `
    capacity 5, holds last 60s, organizer olga, olga is organizer
    12:00:00  ann   reserves 1                                       -> held until 12:01:00
    12:00:01  olga  edits holds to 120s and max per order to 1       -> done version 2
    12:00:02  bob   reserves 2                                       -> limit-exceeded order
    12:00:02  bob   reserves 1                                       -> held until 12:02:02
    12:00:03  (look)  ann's                                          -> held
    `,
    "changes the limit of a user, the cutoff and what is read of it": `
    capacity 5 14:00:00-15:00:00, organizer olga, olga is organizer
    12:00:00  olga  edits max per user to 1 and cancel cutoff to 3600s and name to Gala and venue to Hall   -> done version 2
    12:00:01  ann   reserves 2        -> limit-exceeded user
    12:00:01  ann   reserves 1        -> held
    12:00:02  ann   purchases         -> purchased
    13:00:00  ann   cancels           -> cancellation-closed
    `,
    "moves the times of its sales, in order": `
    capacity 5, organizer olga, olga is organizer, sales open 11:00:00
    10:00:00  olga  edits sales close to 11:00:00                               -> validation-failed /salesCloseAt
    10:00:00  olga  edits sales close to 10:00:00                               -> validation-failed /salesCloseAt
    10:00:00  olga  edits sales close to 11:00:01                               -> done version 2
    10:00:01  olga  edits sales open to 12:00:00                                -> validation-failed /salesCloseAt
    10:00:01  olga  edits sales open to 12:00:00 and sales close to 13:00:00    -> done version 3
    11:30:00  ann   reserves 1                                                  -> sales-not-open until 12:00:00
    11:30:01  olga  edits sales open to never and sales close to never          -> done version 4
    11:30:02  ann   reserves 1                                                  -> held
    `,
    "changes whether reservations may overlap only while there were none, of any slot": `
    slot A 18:00:00-19:00:00 capacity 5, slot B 19:00:00-20:00:00 capacity 5, organizer olga, olga is organizer
    12:00:00  olga  edits overlap to allow      -> done
    12:00:00  olga  edits overlap to refuse     -> done
    12:00:01  ann   reserves 1 of B             -> held
    12:00:02  ann   cancels                     -> cancelled
    12:00:03  olga  edits overlap to allow      -> slot-in-use
    12:00:03  olga  edits overlap to refuse     -> done
    `,
    "a time that makes no sense comes before what is in use": `
    capacity 5, organizer olga, olga is organizer, sales open 11:00:00
    12:00:00  ann   reserves 1                                               -> held
    12:00:01  olga  edits overlap to allow and sales close to 10:00:00       -> validation-failed /salesCloseAt
    `,
    "of its waitlist: each term alone": `
    capacity 1, organizer olga, olga is organizer, holds last 7200s
    12:00:00  eve   reserves 1                                                  -> held
    12:00:01  olga  edits waitlist to off                                       -> done
    12:00:02  ann   joins 1                                                     -> waitlist-closed
    12:00:03  olga  edits waitlist to on and max entries to 1                   -> done
    12:00:04  ann   joins 1                                                     -> waiting at 1
    12:00:05  bob   joins 1                                                     -> waitlist-full
    12:00:06  olga  edits max entries to 0                                      -> done
    12:00:07  (look)  ann's entry                                               -> waiting at 1
    12:00:08  olga  edits offers to 60s and mode to strict and collect to 1s    -> done
    12:00:09  eve   cancels                                                     -> cancelled
    12:00:10  (look)  ann's entry                                               -> offered until 12:01:09
    `,
  },
  slots: {
    "are added, and sell like any other": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  olga  adds slot C 15:00:00-16:00:00 capacity 2      -> done
    12:00:01  (look)  slot C                                      -> 0 held, 0 purchased, 0 waiting, 2 available
    12:00:02  ann   reserves 1                                    -> slot-required
    12:00:02  ann   reserves 2 of C                               -> held
    12:00:03  (look)  the event                                   -> onSale, version 2
    `,
    "must end behind their start": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  olga  adds slot C 15:00:00-15:00:00 capacity 2      -> validation-failed /endsAt
    12:00:00  olga  moves slot main to 15:00:00-14:00:00          -> validation-failed /endsAt
    `,
    "have a name, too, that may change": `
    slot A 18:00:00-19:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1                          -> held
    12:00:01  olga  renames slot A to Z                 -> done
    12:00:02  (look)  slot Z                            -> 1 held
    `,
    "move while nobody has reserved one, and stand still for ever after": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1 of A                     -> held
    12:00:01  olga  moves slot A to 18:00:00-19:00:00   -> done
    12:00:02  olga  moves slot A to 18:00:01-19:00:00   -> slot-in-use
    12:00:02  olga  moves slot A to 18:00:00-19:00:01   -> slot-in-use
    12:00:02  olga  moves slot B to 12:30:00-20:00:00   -> done
    12:00:03  ann   cancels                             -> cancelled
    12:00:04  olga  moves slot A to 12:30:00-20:00:00   -> slot-in-use
    12:30:00  bob   reserves 1 of B                     -> event-over
    `,
    "a time that makes no sense comes before what is in use, and that before what is sold": `
    slot A 18:00:00-19:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1                          -> held
    12:00:01  olga  moves slot A to 18:00:00-18:00:00   -> validation-failed /endsAt
    `,
    "are removed when nobody ever asked for them, all but the last": `
    slot A 18:00:00-19:00:00 capacity 1, slot B 19:00:00-20:00:00 capacity 1, slot C 20:00:00-21:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1 of A     -> held
    12:00:01  ann   cancels             -> cancelled
    12:00:02  olga  removes slot A      -> slot-in-use
    12:00:03  olga  removes slot B      -> done
    12:00:04  olga  removes slot B      -> not-found
    12:00:05  ann   reserves 1 of B     -> not-found slot
    12:00:06  ann   joins 1 of B        -> not-found
    `,
    "the last one stays": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  olga  removes slot main   -> slot-in-use
    `,
    "stay when somebody waited for them once": `
    slot A 18:00:00-19:00:00 capacity 2, slot B 19:00:00-20:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  olga  sets capacity 0 of A   -> done
    12:00:01  ann   joins 1 of A           -> limit-exceeded capacity
    12:00:02  olga  removes slot A         -> done
    12:00:03  olga  adds slot C 20:00:00-21:00:00 capacity 1   -> done
    12:00:04  eve   reserves 1 of C        -> held
    12:00:05  ann   joins 1 of C           -> waiting at 1
    12:00:06  ann   leaves                 -> left
    12:00:07  olga  removes slot C         -> slot-in-use
    `,
  },
  capacity: {
    "that is raised is for the public when nobody waits": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1         -> held
    12:00:01  olga  sets capacity 2    -> done
    12:00:02  bob   reserves 1         -> held
    `,
    "is never lower than what is held and purchased, and the numbers are told (race 11)": `
    capacity 5, organizer olga, olga is organizer
    12:00:00  ann   reserves 2                  -> held
    12:00:00  bob   reserves 1                  -> held
    12:00:01  bob   purchases                   -> purchased
    12:00:02  olga  sets capacity 2             -> capacity-below-committed 2 held 1 purchased
    12:00:02  olga  resizes slot main to 0      -> capacity-below-committed 2 held 1 purchased
    12:00:03  olga  sets capacity 3             -> done
    12:00:04  cyd   reserves 1                  -> all-held
    `,
    "that is lowered closes the entries that it can never hold": `
    capacity 3, organizer olga, olga is organizer
    12:00:00  eve   reserves 2                -> held
    12:00:01  ann   joins 3                   -> waiting at 1
    12:00:02  bob   joins 2                   -> waiting at 2
    12:00:03  olga  sets capacity 2           -> done
    12:00:04  (look)  ann's entry             -> closed by capacity at 12:00:03
    12:00:04  (look)  bob's entry             -> waiting at 1
    `,
    "that is lowered closes a head whose party it cannot hold, so that those behind may fit": `
    capacity 3, waitlist strict, organizer olga, olga is organizer
    12:00:00  eve   reserves 1                -> held
    12:00:01  ann   joins 3                   -> waiting at 1
    12:00:02  bob   joins 1                   -> waiting at 2
    12:00:03  olga  resizes slot main to 2    -> done
    12:00:04  (look)  ann's entry             -> closed by capacity at 12:00:03
    12:00:04  (look)  bob's entry             -> offered
    `,
    "of nothing refuses everybody, and closes whoever waits": `
    capacity 1, organizer olga, olga is organizer
    12:00:00  eve   reserves 1                -> held
    12:00:01  ann   joins 1                   -> waiting at 1
    12:00:02  eve   cancels                   -> cancelled
    12:00:03  ann   cancels                   -> cancelled
    12:00:04  olga  sets capacity 0           -> done
    12:00:05  bob   reserves 1                -> limit-exceeded capacity
    12:00:05  bob   joins 1                   -> limit-exceeded capacity
    `,
  },
  sales: {
    "close and open by hand, and holds are bought all the same": `
    capacity 5, organizer olga, olga is organizer
    12:00:00  ann   reserves 1        -> held
    12:00:01  olga  closes sales      -> done version 2
    12:00:02  olga  closes sales      -> done version 2
    12:00:03  bob   reserves 1        -> sales-closed
    12:00:03  bob   joins 1           -> sales-closed
    12:00:04  ann   purchases         -> purchased
    12:00:05  olga  opens sales       -> done version 3
    12:00:06  olga  opens sales       -> done version 3
    12:00:07  bob   reserves 1        -> held
    `,
    "opened by hand open no earlier than their time": `
    capacity 5, sales open 13:00:00, organizer olga, olga is organizer
    12:00:00  olga  opens sales       -> done version 1
    12:00:01  bob   reserves 1        -> sales-not-open
    `,
  },
  "a cancelled event": {
    "refuses everything from then on, and all that it had ends": `
    slot A 18:00:00-19:00:00 capacity 2, slot B 19:00:00-20:00:00 capacity 1, organizer olga, olga is organizer
    12:00:00  ann   reserves 1 of A       -> held
    12:00:00  bob   reserves 1 of A       -> held
    12:00:00  cyd   reserves 1 of B       -> held
    12:00:01  bob   purchases             -> purchased
    12:00:02  dan   joins 1 of A          -> waiting at 1
    12:00:03  fay   joins 1 of B          -> waiting at 1
    12:00:04  cyd   cancels               -> cancelled
    12:00:05  (look)  fay's entry         -> offered
    12:00:06  olga  cancels the event     -> done version 2
    12:00:07  (look)  ann's               -> cancelled by event-cancelled at 12:00:06
    12:00:07  (look)  bob's               -> cancelled by event-cancelled at 12:00:06
    12:00:07  (look)  cyd's               -> cancelled by user at 12:00:04
    12:00:07  (look)  fay's               -> cancelled by event-cancelled at 12:00:06
    12:00:07  (look)  fay's entry         -> closed by event-cancelled at 12:00:06
    12:00:07  (look)  dan's entry         -> closed by event-cancelled at 12:00:06
    12:00:07  (look)  slot A              -> 0 held, 0 purchased, 0 waiting
    12:00:07  (look)  the event           -> cancelled, version 2
    12:00:08  eve   reserves 1 of A       -> event-cancelled
    12:00:08  eve   joins 1 of A          -> event-cancelled
    12:00:08  ann   purchases             -> event-cancelled
    12:00:08  ann   cancels               -> cancelled
    12:00:08  dan   leaves                -> not-active
    `,
    "stays cancelled when it is cancelled again": `
    capacity 1, organizer olga, olga is organizer, ada is admin
    12:00:00  olga  cancels the event     -> done version 2
    12:00:01  ada   cancels the event     -> done version 2
    12:00:02  (look)  the event           -> cancelled, version 2
    `,
  },
};
