// The text of scenarios itself: it is read whole or refused with the line, and a wrong line shows.
import { describe, expect, test } from "vitest";
import { clockText, parseScenario } from "../../testkit/src/scenario.ts";
import { play } from "./play.ts";

const HOUR = 3_600_000;

describe("a scenario", () => {
  test("says what it says", () => {
    const read = parseScenario(`
      # a comment
      event play: capacity 2 18:00:00-20:00:00, holds last 60s, max per order 3, max per user 4
      sales open 11:00:00, sales close 12:30:00, cancel cutoff 600s, organizer olga, olga is organizer
      event gala: slot A 10:00:00-11:00:00 capacity 5, overlap allowed, sales closed by hand, cancelled 09:00:00

      12:00:00.5  ann  purchases bob's of A with p1 at gala, sent 11:59:59, key k1  -> overlap held, asks play to expire 11:00:00
      12:00:01    ann  cancels nothing, accepted 12:00:00  -> not-found
    `);
    expect(read.events).toMatchObject([
      {
        name: "play",
        slots: [{ name: "main", startsAt: 18 * HOUR, endsAt: 20 * HOUR, capacity: 2 }],
        holdSeconds: 60,
        maxPerOrder: 3,
        maxPerUser: 4,
        salesOpenAt: 11 * HOUR,
        salesCloseAt: 12.5 * HOUR,
        cancelCutoffSeconds: 600,
        organizer: "olga",
        overlapPolicy: "refuse",
        cancelledAt: null,
      },
      {
        name: "gala",
        slots: [{ name: "A" }],
        overlapPolicy: "allow",
        salesClosed: true,
        cancelledAt: 9 * HOUR,
      },
    ]);
    expect([...read.roles]).toEqual([["olga", "organizer"]]);
    expect(read.steps).toMatchObject([
      {
        at: 12 * HOUR + 500,
        sentAt: 12 * HOUR - 1000,
        accepted: false,
        who: "ann",
        event: "gala",
        idempotencyKey: "k1",
        action: { type: "purchase", target: { owner: "bob", slot: "A" }, paymentReference: "p1" },
        result: { word: "overlap", detail: "held" },
        asks: { event: "play", dueAt: 11 * HOUR },
      },
      { sentAt: 12 * HOUR, accepted: true, action: { type: "cancel", target: null }, asks: null },
    ]);
  });

  test("says what is waited for and what organizers change", () => {
    const read = parseScenario(`
      capacity 2, offers last 90s, waitlist strict, max skips 2, collect 60s, max entries 3, waitlist closes 3600s before
      event gala: capacity 1, waitlist off
      12:00:00  ann   reserves 2 of main or waits                                   -> waiting at 3
      12:00:00  bob   joins 2 of A                                                  -> limit-exceeded cooldown until 12:10:00
      12:00:00  bob   leaves ann's of A                                             -> left
      12:00:00  olga  edits holds to 60s and mode to skip and max skips to 1        -> done version 2
      12:00:00  olga  edits sales open to 13:00:00 and sales close to never, if version 3  -> precondition-failed
      12:00:00  olga  adds slot B 14:00:00-15:00:00 capacity 3                      -> done
      12:00:00  olga  sets capacity 1 of B                                          -> capacity-below-committed 2 held 1 purchased
      12:00:00  (timer)  sweeps                                                     -> settled
      12:00:00  (look)  ann's entry of A                                            -> offered until 12:15:00
      12:00:00  (look)  the event at gala                                           -> onSale, version 1
    `);
    expect(read.events).toMatchObject([
      {
        offerSeconds: 90,
        waitlist: {
          enabled: true,
          mode: "strict",
          maxSkips: 2,
          collectSeconds: 60,
          maxEntries: 3,
          closesBeforeSeconds: 3600,
        },
      },
      { waitlist: { enabled: false, mode: "skip" } },
    ]);
    expect(read.steps.map(({ action, result, ifVersion }) => ({ action, result, ifVersion }))).toMatchObject([
      { action: { type: "reserve", quantity: 2, slot: "main", orWait: true }, result: { detail: "at 3" } },
      { action: { type: "join-waitlist", quantity: 2, slot: "A" } },
      { action: { type: "leave-waitlist", target: { owner: "ann", slot: "A" } }, ifVersion: null },
      { action: { edits: { holdSeconds: 60, waitlist: { mode: "skip", maxSkips: 1 } } } },
      { action: { edits: { salesOpenAt: 13 * HOUR, salesCloseAt: null } }, ifVersion: 3 },
      { action: { type: "add-slot", slot: "B", startsAt: 14 * HOUR, endsAt: 15 * HOUR, capacity: 3 } },
      { action: { type: "set-capacity", slot: "B", capacity: 1 } },
      { action: { type: "sweep" } },
      { action: { type: "look-at-entry", target: { owner: "ann", slot: "A" } } },
      { action: { type: "look-at-event" } },
    ]);
  });

  test.each([
    ["no steps", "a scenario has steps", "capacity 1"],
    ["no slots", "event event has no slots", "holds last 60s\n12:00:00  ann  reserves 1  -> held"],
    ["an unknown term", 'unknown term "capacity lots"', "capacity lots"],
    [
      "a term between steps",
      "terms come before the first step",
      "capacity 1\n12:00:00  ann  reserves 1  -> held\nholds last 60s",
    ],
    ["a slot twice", "slot main stands twice", "capacity 1, capacity 2"],
    [
      "a slot that ends before it starts",
      "slot A ends before it starts",
      "slot A 20:00:00-19:00:00 capacity 1",
    ],
    ["no time of day", "no time of day", "capacity 1\n24:00:00  ann  reserves 1  -> held"],
    ["a minute too many", "no time of day", "capacity 1\n12:60:00  ann  reserves 1  -> held"],
    [
      "time that runs backwards",
      "time runs backwards",
      "capacity 1\n12:00:01  ann  reserves 1  -> held\n12:00:00  bob  reserves 1  -> held",
    ],
    ["no result", "not of the form", "capacity 1\n12:00:00  ann  reserves 1"],
    ["an unknown result", 'unknown result "hold"', "capacity 1\n12:00:00  ann  reserves 1  -> hold"],
    [
      "a result with a wrong detail",
      'unknown result "held since',
      "capacity 1\n12:00:00  ann  reserves 1  -> held since 12:00:00",
    ],
    [
      "a result that takes no detail",
      'unknown result "sold-out really"',
      "capacity 1\n12:00:00  ann  reserves 1  -> sold-out really",
    ],
    ["an unknown action", 'unknown action "borrows 1"', "capacity 1\n12:00:00  ann  borrows 1  -> held"],
    ["a timer that reserves", "unknown action", "capacity 1\n12:00:00  (timer)  reserves 1  -> held"],
    ["a user who expires", "unknown action", "capacity 1\n12:00:00  ann  expires 12:00:00  -> settled"],
    ["an unknown edit", 'unknown edit "rows to 3"', "capacity 1\n12:00:00  olga  edits rows to 3  -> done"],
    ["an unknown event", 'unknown event "gala"', "capacity 1\n12:00:00  ann  reserves 1 at gala  -> held"],
    ["an unknown option", "unknown option", "capacity 1\n12:00:00  ann  reserves 1, soon  -> held"],
    ["an option twice", "unknown option", "capacity 1\n12:00:00  ann  reserves 1, key a, key b  -> held"],
  ])("is refused for %s", (_, message, text) => {
    expect(() => parseScenario(text)).toThrow(message);
  });

  test("is refused with the line that could not be read", () => {
    expect(() => parseScenario("capacity 1\n12:00:00  ann  borrows 1  -> held")).toThrow(
      'unknown action "borrows 1": 12:00:00  ann  borrows 1  -> held',
    );
  });
});

test("a clock has milliseconds only where there are some", () => {
  expect([0, 12 * HOUR, 500, 1].map(clockText)).toEqual([
    "00:00:00",
    "12:00:00",
    "00:00:00.5",
    "00:00:00.001",
  ]);
});

test("a line that is answered otherwise shows what was answered", () => {
  const read = parseScenario(`
    event play: capacity 1, holds last 60s
    event gala: capacity 1
    12:00:00  ann  reserves 1                -> sold-out
    12:00:01  bob  reserves 1                -> all-held until 12:00:01
    12:00:02  (look)  ann's                  -> purchased
    12:00:02  (look)  bob's                  -> held
    12:00:02  (look)  slot main              -> 0 held, 0 purchased
    12:02:00  ann  reserves 1 at gala        -> overlap held
    12:02:00  ann  reserves 1 at gala        -> overlap held, asks play to expire 12:00:00
  `);
  expect(play(read, { batched: false }).map((line) => line.split("!! ")[1])).toEqual([
    "held until 12:01:00",
    "all-held until 12:01:00",
    "held",
    "no reservation",
    "1 held, 0 purchased, 0 waiting, 0 available",
    "overlap held, asks otherwise",
    "overlap held, asks otherwise",
  ]);
});
