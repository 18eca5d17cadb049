// What people, timers and onlookers do in a scenario.
import type { EventEdits } from "@holdfast/domain";
import { type ClockMs, clock, NAME, SLOT, TIME } from "./scenario-clock.ts";

/** Whose reservation or entry is meant: the latest of that user (in that slot); null is one that never was. */
export type Target = { readonly owner: string; readonly slot: string | null } | null;

export type Action =
  | {
      readonly type: "reserve";
      readonly quantity: number;
      readonly slot: string | null;
      readonly orWait: boolean;
    }
  | { readonly type: "purchase"; readonly target: Target; readonly paymentReference: string | null }
  | { readonly type: "cancel"; readonly target: Target }
  | { readonly type: "join-waitlist"; readonly quantity: number; readonly slot: string | null }
  | { readonly type: "leave-waitlist"; readonly target: Target }
  /** Times are times of day. */
  | { readonly type: "edit-event"; readonly edits: EventEdits }
  | {
      readonly type: "add-slot";
      readonly slot: string;
      readonly startsAt: ClockMs;
      readonly endsAt: ClockMs;
      readonly capacity: number;
    }
  | {
      readonly type: "edit-slot";
      readonly slot: string;
      readonly name?: string;
      readonly startsAt?: ClockMs;
      readonly endsAt?: ClockMs;
      readonly capacity?: number;
    }
  | { readonly type: "remove-slot"; readonly slot: string }
  | { readonly type: "set-capacity"; readonly slot: string | null; readonly capacity: number }
  | { readonly type: "close-sales" | "open-sales" | "cancel-event" }
  | { readonly type: "expire-due"; readonly dueAt: ClockMs }
  /** What is late is found and done: promotions, parked waiters, what is to be wound down. */
  | { readonly type: "sweep" }
  | { readonly type: "unknown"; readonly name: string }
  | { readonly type: "look-at-slot"; readonly slot: string }
  | { readonly type: "look-at-event" }
  | { readonly type: "look-at-reservation" | "look-at-entry"; readonly target: Target };

type Reader = (found: readonly (string | undefined)[], who: string) => Action;

const TARGET = `(?: (nothing)|(?: (${NAME})'s)?(?: of (${SLOT}))?)`;
const target = (nothing: string | undefined, owner: string, slot: string | undefined): Target =>
  nothing === undefined ? { owner, slot: slot ?? null } : null;

const ACTIONS: readonly (readonly [pattern: string, Reader])[] = [
  [
    `reserves (\\d+)(?: of (${SLOT}))?( or waits)?`,
    ([n, slot, waits]) => ({
      type: "reserve",
      quantity: Number(n),
      slot: slot ?? null,
      orWait: waits !== undefined,
    }),
  ],
  [
    `purchases${TARGET}(?: with (\\S+))?`,
    ([nothing, owner, slot, reference], who) => ({
      type: "purchase",
      target: target(nothing, owner ?? who, slot),
      paymentReference: reference ?? null,
    }),
  ],
  [
    `cancels${TARGET}`,
    ([nothing, owner, slot], who) => ({ type: "cancel", target: target(nothing, owner ?? who, slot) }),
  ],
  [
    `joins (\\d+)(?: of (${SLOT}))?`,
    ([n, slot]) => ({ type: "join-waitlist", quantity: Number(n), slot: slot ?? null }),
  ],
  [
    `leaves${TARGET}`,
    ([nothing, owner, slot], who) => ({
      type: "leave-waitlist",
      target: target(nothing, owner ?? who, slot),
    }),
  ],
  ["edits (.+)", ([edits = ""]) => ({ type: "edit-event", edits: readEdits(edits) })],
  [
    `adds slot (${SLOT}) (${TIME})-(${TIME}) capacity (\\d+)`,
    ([slot = "", from, to, n]) => ({
      type: "add-slot",
      slot,
      startsAt: clock(from),
      endsAt: clock(to),
      capacity: Number(n),
    }),
  ],
  [
    `moves slot (${SLOT}) to (${TIME})-(${TIME})`,
    ([slot = "", from, to]) => ({ type: "edit-slot", slot, startsAt: clock(from), endsAt: clock(to) }),
  ],
  [`renames slot (${SLOT}) to (${SLOT})`, ([slot = "", name = ""]) => ({ type: "edit-slot", slot, name })],
  [
    `resizes slot (${SLOT}) to (\\d+)`,
    ([slot = "", n]) => ({ type: "edit-slot", slot, capacity: Number(n) }),
  ],
  [`removes slot (${SLOT})`, ([slot = ""]) => ({ type: "remove-slot", slot })],
  [
    `sets capacity (\\d+)(?: of (${SLOT}))?`,
    ([n, slot]) => ({ type: "set-capacity", slot: slot ?? null, capacity: Number(n) }),
  ],
  ["closes sales", () => ({ type: "close-sales" })],
  ["opens sales", () => ({ type: "open-sales" })],
  ["cancels the event", () => ({ type: "cancel-event" })],
  [`sends (${NAME})`, ([name = ""]) => ({ type: "unknown", name })],
];
const TIMER: typeof ACTIONS = [
  [`expires (${TIME})`, ([at]) => ({ type: "expire-due", dueAt: clock(at) })],
  ["sweeps", () => ({ type: "sweep" })],
];
const LOOK: typeof ACTIONS = [
  [`slot (${SLOT})`, ([slot = ""]) => ({ type: "look-at-slot", slot })],
  ["the event", () => ({ type: "look-at-event" })],
  [
    `(${NAME})'s( entry)?(?: of (${SLOT}))?`,
    ([owner = "", entry, slot]) => ({
      type: entry === undefined ? "look-at-reservation" : "look-at-entry",
      target: target(undefined, owner, slot),
    }),
  ],
];

type EditReader = (value: string) => EventEdits;

const seconds = (value: string): number => Number(value.replace(/s$/, ""));
const timeOrNever = (value: string): ClockMs | null => (value === "never" ? null : clock(value));

/** What an organizer may say after `edits`, several joined by `and`. */
const EDITS: readonly (readonly [pattern: string, EditReader])[] = [
  ["name to (\\S+)", (value) => ({ name: value })],
  ["venue to (\\S+)", (value) => ({ venue: value })],
  ["holds to (\\d+s)", (value) => ({ holdSeconds: seconds(value) })],
  ["offers to (\\d+s)", (value) => ({ offerSeconds: seconds(value) })],
  ["max per order to (\\d+)", (value) => ({ maxPerOrder: Number(value) })],
  ["max per user to (\\d+)", (value) => ({ maxPerUser: Number(value) })],
  ["cancel cutoff to (\\d+s)", (value) => ({ cancelCutoffSeconds: seconds(value) })],
  [`sales open to (${TIME}|never)`, (value) => ({ salesOpenAt: timeOrNever(value) })],
  [`sales close to (${TIME}|never)`, (value) => ({ salesCloseAt: timeOrNever(value) })],
  ["overlap to (allow|refuse)", (value) => ({ overlapPolicy: value === "allow" ? "allow" : "refuse" })],
  ["waitlist to (on|off)", (value) => ({ waitlist: { enabled: value === "on" } })],
  ["mode to (strict|skip)", (value) => ({ waitlist: { mode: value === "strict" ? "strict" : "skip" } })],
  ["max skips to (\\d+)", (value) => ({ waitlist: { maxSkips: Number(value) } })],
  ["collect to (\\d+s)", (value) => ({ waitlist: { collectSeconds: seconds(value) } })],
  ["max entries to (\\d+)", (value) => ({ waitlist: { maxEntries: Number(value) } })],
  ["closing to (\\d+s)", (value) => ({ waitlist: { closesBeforeSeconds: seconds(value) } })],
];

function readEdits(text: string): EventEdits {
  let edits: EventEdits = {};
  for (const phrase of text.split(" and ")) {
    const [found] = EDITS.flatMap(([pattern, read]) => {
      const match = new RegExp(`^${pattern}$`).exec(phrase);
      return match === null ? [] : [read(match[1] ?? "")];
    });
    if (found === undefined) throw new Error(`unknown edit "${phrase}"`);
    const waitlist = { ...edits.waitlist, ...found.waitlist };
    edits = { ...edits, ...found, ...(found.waitlist === undefined ? {} : { waitlist }) };
  }
  return edits;
}

/** What is done, or null when nobody can do that. */
export function readAction(who: string, phrase: string): Action | null {
  const readers = who === "(timer)" ? TIMER : who === "(look)" ? LOOK : ACTIONS;
  for (const [pattern, read] of readers) {
    const match = new RegExp(`^${pattern}$`).exec(phrase);
    if (match !== null) return read(match.slice(1), who);
  }
  return null;
}
