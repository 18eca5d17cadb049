// The terms that a scenario begins with: what is sold, and on which conditions.
import {
  HOLD_SECONDS_DEFAULT,
  MAX_PER_ORDER_DEFAULT,
  MAX_PER_USER_DEFAULT,
  OFFER_SECONDS_DEFAULT,
  USER_ROLES,
  type UserRole,
  WAITLIST_COLLECT_SECONDS_DEFAULT,
  WAITLIST_ENTRIES_DEFAULT,
  WAITLIST_MAX_SKIPS_DEFAULT,
  type WaitlistTerms,
} from "@holdfast/domain";
import { type ClockMs, clock, NAME, SLOT, TIME } from "./scenario-clock.ts";

export interface ScenarioSlot {
  readonly name: string;
  readonly startsAt: ClockMs;
  readonly endsAt: ClockMs;
  readonly capacity: number;
}

export interface ScenarioEvent {
  readonly name: string;
  readonly slots: readonly ScenarioSlot[];
  readonly organizer: string;
  /** From when on it is cancelled, without its organizer's doing; null for never. */
  readonly cancelledAt: ClockMs | null;
  readonly salesOpenAt: ClockMs | null;
  readonly salesCloseAt: ClockMs | null;
  readonly salesClosed: boolean;
  readonly holdSeconds: number;
  readonly offerSeconds: number;
  readonly maxPerOrder: number;
  readonly maxPerUser: number;
  readonly overlapPolicy: "refuse" | "allow";
  readonly cancelCutoffSeconds: number;
  readonly waitlist: WaitlistTerms;
}

const newEvent = (name: string): ScenarioEvent => ({
  name,
  slots: [],
  organizer: "organizer",
  cancelledAt: null,
  salesOpenAt: null,
  salesCloseAt: null,
  salesClosed: false,
  holdSeconds: HOLD_SECONDS_DEFAULT,
  offerSeconds: OFFER_SECONDS_DEFAULT,
  maxPerOrder: MAX_PER_ORDER_DEFAULT,
  maxPerUser: MAX_PER_USER_DEFAULT,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
  waitlist: {
    enabled: true,
    mode: "skip",
    maxSkips: WAITLIST_MAX_SKIPS_DEFAULT,
    collectSeconds: WAITLIST_COLLECT_SECONDS_DEFAULT,
    maxEntries: WAITLIST_ENTRIES_DEFAULT,
    closesBeforeSeconds: 0,
  },
});

type Term = (found: string[], event: ScenarioEvent, roles: Map<string, UserRole>) => Partial<ScenarioEvent>;

const ofWaitlist =
  (read: (found: string[]) => Partial<WaitlistTerms>): Term =>
  (found, { waitlist }) => ({ waitlist: { ...waitlist, ...read(found) } });

const TERMS: readonly (readonly [pattern: string, Term])[] = [
  [`capacity (\\d+)`, ([n], event) => addSlot(event, "main", "20:00:00", "22:00:00", n)],
  [`capacity (\\d+) (${TIME})-(${TIME})`, ([n, from, to], event) => addSlot(event, "main", from, to, n)],
  [
    `slot (${SLOT}) (${TIME})-(${TIME}) capacity (\\d+)`,
    ([name, from, to, n], event) => addSlot(event, name, from, to, n),
  ],
  [`holds last (\\d+)s`, ([n]) => ({ holdSeconds: Number(n) })],
  [`offers last (\\d+)s`, ([n]) => ({ offerSeconds: Number(n) })],
  [`max per order (\\d+)`, ([n]) => ({ maxPerOrder: Number(n) })],
  [`max per user (\\d+)`, ([n]) => ({ maxPerUser: Number(n) })],
  [`sales open (${TIME})`, ([at]) => ({ salesOpenAt: clock(at) })],
  [`sales close (${TIME})`, ([at]) => ({ salesCloseAt: clock(at) })],
  ["sales closed by hand", () => ({ salesClosed: true })],
  ["overlap allowed", () => ({ overlapPolicy: "allow" })],
  [`cancel cutoff (\\d+)s`, ([n]) => ({ cancelCutoffSeconds: Number(n) })],
  [`cancelled (${TIME})`, ([at]) => ({ cancelledAt: clock(at) })],
  ["waitlist off", ofWaitlist(() => ({ enabled: false }))],
  ["waitlist strict", ofWaitlist(() => ({ mode: "strict" }))],
  [`max skips (\\d+)`, ofWaitlist(([n]) => ({ maxSkips: Number(n) }))],
  [`collect (\\d+)s`, ofWaitlist(([n]) => ({ collectSeconds: Number(n) }))],
  [`max entries (\\d+)`, ofWaitlist(([n]) => ({ maxEntries: Number(n) }))],
  [`waitlist closes (\\d+)s before`, ofWaitlist(([n]) => ({ closesBeforeSeconds: Number(n) }))],
  [`organizer (${NAME})`, ([name = ""]) => ({ organizer: name })],
  [
    `(${NAME}) is (${USER_ROLES.join("|")})`,
    ([name = "", role], _, roles) => {
      const known = USER_ROLES.find((one) => one === role);
      if (known !== undefined) roles.set(name, known);
      return {};
    },
  ],
];

export function parseTerms(line: string, events: ScenarioEvent[], roles: Map<string, UserRole>): void {
  const named = new RegExp(`^event (${NAME}): (.+)$`).exec(line);
  if (named !== null || events.length === 0) events.push(newEvent(named?.[1] ?? "event"));
  for (const phrase of (named?.[2] ?? line).split(", ")) {
    const event = events.at(-1);
    const found = TERMS.map(([pattern, term]) => ({
      term,
      match: new RegExp(`^${pattern}$`).exec(phrase),
    })).find(({ match }) => match !== null);
    if (event === undefined || found?.match == null) throw new Error(`unknown term "${phrase}"`);
    events.splice(-1, 1, { ...event, ...found.term(found.match.slice(1), event, roles) });
  }
}

function addSlot(
  event: ScenarioEvent,
  name = "",
  from = "",
  to = "",
  capacity = "0",
): Partial<ScenarioEvent> {
  if (event.slots.some((slot) => slot.name === name)) throw new Error(`slot ${name} stands twice`);
  const slot = { name, startsAt: clock(from), endsAt: clock(to), capacity: Number(capacity) };
  if (slot.endsAt <= slot.startsAt) throw new Error(`slot ${name} ends before it starts`);
  return { slots: [...event.slots, slot] };
}
