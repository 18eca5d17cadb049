// Who lets five holds lapse within ten minutes gets no hold for five minutes after the last.
import { COOLDOWN_AFTER, LIVE_HOLDS_MAX } from "@holdfast/domain";
import type { ScenarioTexts } from "../scenario.ts";

/** Ann takes a hold of ten seconds at each of these times, and lets it lapse: it ends eleven seconds later. */
const lapses = (...times: string[]): string =>
  times
    .map((time) => {
      const [hour, minute] = time.split(":");
      return `
    ${time}:00  ann  reserves 1               -> held until ${time}:10
    ${time}:11  (timer)  expires ${hour}:${minute}:10   -> settled`;
    })
    .join("");

const HOURS = Array.from({ length: LIVE_HOLDS_MAX }, (_, n) => String(n + 1).padStart(2, "0"));
const MANY_SLOTS = HOURS.map((hour) => `slot S${hour} ${hour}:00:00-${hour}:30:00 capacity 9`).join(", ");
const AT_ONCE = Array.from({ length: COOLDOWN_AFTER }, (_, n) => HOURS[n] ?? "");

export const COOLDOWN: ScenarioTexts = {
  "the cooldown": {
    "begins with the fifth hold that lapses within ten minutes, and ends five minutes after it": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    12:04:12      ann  reserves 1   -> limit-exceeded cooldown until 12:09:11
    12:09:10.999  ann  reserves 1   -> limit-exceeded cooldown until 12:09:11
    12:09:11      ann  reserves 1   -> held
    `,
    "does not begin with the fourth": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03")}
    12:03:12  ann  reserves 1   -> held
    `,
    "counts ten minutes to the millisecond: at ten it begins": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03")}
    12:09:50  ann  reserves 1               -> held until 12:10:00
    12:10:11  (timer)  expires 12:10:00     -> settled
    12:10:12  ann  reserves 1               -> limit-exceeded cooldown until 12:15:11
    `,
    "counts ten minutes to the millisecond: a millisecond more and it does not": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03")}
    12:09:50      ann  reserves 1               -> held until 12:10:00
    12:10:11.001  (timer)  expires 12:10:00     -> settled
    12:10:12      ann  reserves 1               -> held
    `,
    "begins again with each hold that lapses behind it, while there are five within ten minutes": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    ${lapses("12:10")}
    12:10:12  ann  reserves 1   -> limit-exceeded cooldown until 12:15:11
    `,
    "is nobody else's, and counts neither what was bought nor what was given back": `
    capacity 9, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03")}
    12:04:00  ann  reserves 1   -> held
    12:04:01  ann  cancels      -> cancelled
    12:04:02  ann  reserves 1   -> held
    12:04:03  ann  purchases    -> purchased
    12:04:04  ann  cancels      -> cancelled
    12:04:05  ann  reserves 1   -> held until 12:04:15
    12:04:16  (timer)  expires 12:04:15   -> settled
    12:04:17  ann  reserves 1   -> limit-exceeded cooldown
    12:04:17  bob  reserves 1   -> held
    `,
    "counts holds of all events": `
    event play: capacity 9 14:00:00-15:00:00, holds last 10s
    event gala: capacity 9 20:00:00-21:00:00
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    12:04:12  ann  reserves 1 at gala   -> limit-exceeded cooldown until 12:09:11
    `,
    "counts each of five holds that lapse at once": `
    ${MANY_SLOTS}, holds last 10s
    ${AT_ONCE.map((hour) => `00:00:00  ann  reserves 1 of S${hour}  -> held`).join("\n")}
    00:00:11  (timer)  expires 00:00:10   -> settled
    00:00:12  ann  reserves 1 of S09      -> limit-exceeded cooldown until 00:05:11
    `,
    "counts no offer that lapses: nobody took it": `
    capacity 1, holds last 10s, offers last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03")}
    12:04:00  eve  reserves 1             -> held
    12:04:01  ann  joins 1                -> waiting at 1
    12:04:02  eve  cancels                -> cancelled
    12:04:03  (look)  ann's entry         -> offered until 12:04:12
    12:04:13  (timer)  expires 12:04:12   -> settled
    12:04:14  ann  reserves 1             -> held
    `,
    "comes behind the limit of live holds": `
    event tour: ${MANY_SLOTS}, max per user 99, holds last 3600s
    event play: capacity 9, holds last 10s
    event gala: slot G 20:00:00-21:00:00 capacity 9
    ${["00:10", "00:11", "00:12", "00:13", "00:14"]
      .map(
        (time) => `
    ${time}:00  ann  reserves 1 at play                      -> held
    ${time}:11  (timer)  expires ${time}:10 at play          -> settled`,
      )
      .join("")}
    00:14:12  ann  reserves 1 of G at gala       -> limit-exceeded cooldown until 00:19:11
    ${HOURS.map((hour) => `00:19:11  ann  reserves 1 of S${hour} at tour  -> held`).join("\n")}
    00:19:12  ann  reserves 1 of G at gala       -> limit-exceeded holds
    `,
    "comes before overlap, and before what is sold out": `
    event play: capacity 9 18:00:00-19:00:00, holds last 10s
    event gala: capacity 1 20:00:00-21:00:00
    event fair: capacity 9 20:00:00-21:00:00
    11:59:00  bob  reserves 1 at gala    -> held
    11:59:00  ann  reserves 1 at fair    -> held
    11:59:01  ann  purchases at fair     -> purchased
    11:59:02  ann  reserves 1 at gala    -> overlap purchased
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    12:04:12  ann  reserves 1 at gala           -> limit-exceeded cooldown
    12:04:12  ann  reserves 1 or waits at gala  -> limit-exceeded cooldown
    `,
    "keeps nobody from joining a waitlist, but from its tickets": `
    capacity 1, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    12:04:12  eve  reserves 1             -> held until 12:04:22
    12:04:13  ann  joins 1                -> waiting at 1
    12:04:14  bob  joins 1                -> waiting at 2
    12:04:15  eve  cancels                -> cancelled
    12:04:16  (look)  ann's entry         -> parked at 1 by limit-exceeded cooldown until 12:09:11
    12:04:16  (look)  bob's entry         -> offered
    12:04:17  bob  cancels                -> cancelled
    12:09:11  (timer)  sweeps             -> settled
    12:09:11  (look)  ann's entry         -> offered
    `,
    "leaves who is passed over for it as free as anybody, once it has ended; a reservation of the slot is in the way then": `
    capacity 2, holds last 10s
    ${lapses("12:00", "12:01", "12:02", "12:03", "12:04")}
    12:04:12  eve  reserves 2             -> held
    12:04:13  ann  joins 1                -> waiting at 1
    12:04:14  eve  cancels                -> cancelled
    12:09:11  (look)  ann's entry         -> parked at 1 by limit-exceeded cooldown until 12:09:11
    12:09:12  ann  reserves 1             -> held
    12:09:13  (timer)  sweeps             -> settled
    12:09:14  (look)  ann's entry         -> parked at 1 by already-reserved until 12:10:13
    12:09:15  ann  cancels                -> cancelled
    12:09:16  (look)  ann's entry         -> offered
    `,
  },
};
