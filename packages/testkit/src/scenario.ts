// Reads a scenario: terms, then a table of who does what when and what is answered. The text says nothing of how
// it is run, so the same one can be played on the rules alone and on the whole system.
//
//   capacity 2, holds last 600s
//   12:00:00  ann  reserves 2                  -> held until 12:10:00
//   12:00:01  bob  reserves 1, key k1          -> all-held until 12:10:00
//   12:10:02  ann  purchases, sent 12:09:59.5  -> purchased
//   12:10:02  (look)  slot main                -> 0 held, 2 purchased
import {
  HOLD_SECONDS_DEFAULT,
  MAX_PER_ORDER_DEFAULT,
  MAX_PER_USER_DEFAULT,
  type RefusalCode,
  USER_ROLES,
  type UserRole,
} from "@holdfast/domain";

/** Milliseconds since the scenario's midnight. */
export type ClockMs = number;

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
  /** From when on it is cancelled; null for never. */
  readonly cancelledAt: ClockMs | null;
  readonly salesOpenAt: ClockMs | null;
  readonly salesCloseAt: ClockMs | null;
  readonly salesClosed: boolean;
  readonly holdSeconds: number;
  readonly maxPerOrder: number;
  readonly maxPerUser: number;
  readonly overlapPolicy: "refuse" | "allow";
  readonly cancelCutoffSeconds: number;
}

/** Whose reservation is meant: the latest one of that user (in that slot); null is one that never was. */
export type Target = { readonly owner: string; readonly slot: string | null } | null;

export type Action =
  | { readonly type: "reserve"; readonly quantity: number; readonly slot: string | null }
  | { readonly type: "purchase"; readonly target: Target; readonly paymentReference: string | null }
  | { readonly type: "cancel"; readonly target: Target }
  | { readonly type: "expire-due"; readonly dueAt: ClockMs }
  | { readonly type: "unknown"; readonly name: string }
  | { readonly type: "look-at-slot"; readonly slot: string }
  | { readonly type: "look-at-reservation"; readonly target: Target };

export interface Step {
  /** The line as written, for failure messages. */
  readonly text: string;
  /** When it is applied. */
  readonly at: ClockMs;
  /** The stamp: when it was sent, if that was earlier. */
  readonly sentAt: ClockMs;
  /** An accepted command had its row from the stamp on, not only its place in the queue. */
  readonly accepted: boolean;
  readonly who: string;
  readonly event: string;
  readonly idempotencyKey: string | null;
  readonly action: Action;
  readonly result: { readonly word: string; readonly detail: string | null };
  /** Which event's holds are asked to be settled, up to when. */
  readonly asks: { readonly event: string; readonly dueAt: ClockMs } | null;
}

export interface Scenario {
  readonly events: readonly ScenarioEvent[];
  readonly roles: ReadonlyMap<string, UserRole>;
  readonly steps: readonly Step[];
}

const NAME = "[a-z][a-z0-9-]*";
const SLOT = "[A-Za-z][A-Za-z0-9-]*";
const TIME = String.raw`\d\d:\d\d:\d\d(?:\.\d{1,3})?`;
const UNTIL = new RegExp(`^until ${TIME}$`);

/** What may stand behind each result; null where nothing may. Left out of a line, it is not looked at. */
const RESULTS = {
  held: UNTIL,
  purchased: null,
  cancelled: null,
  settled: null,
  failed: /^(unsupported|internal)$/,
  "not-found": /^slot$/,
  "event-cancelled": null,
  "event-over": null,
  "sales-not-open": UNTIL,
  "sales-closed": null,
  "slot-required": null,
  "limit-exceeded": /^(order|capacity|user|holds|slots|cooldown(?: until \S+)?)$/,
  "already-reserved": null,
  overlap: /^(held|purchased)$/,
  "sold-out": null,
  "all-held": UNTIL,
  "already-purchased": null,
  "hold-expired": null,
  "not-active": null,
  "cancellation-closed": null,
  "already-waiting": null,
  "waitlist-closed": null,
  "waitlist-full": null,
  "tickets-available": null,
  "capacity-below-committed": /^\d+ held \d+ purchased$/,
  "slot-in-use": null,
  "precondition-failed": null,
  "validation-failed": /^\S+$/,
  "idempotency-key-reused": null,
} satisfies Record<RefusalCode | "held" | "purchased" | "cancelled" | "settled" | "failed", RegExp | null>;

/** Throws, with the line, at the first one that it cannot read whole. */
export function parseScenario(text: string): Scenario {
  const events: ScenarioEvent[] = [];
  const roles = new Map<string, UserRole>();
  const steps: Step[] = [];
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    try {
      if (/^\d/.test(line)) steps.push(parseStep(line, events, steps.at(-1)?.at ?? 0));
      else if (steps.length > 0) throw new Error("terms come before the first step");
      else parseTerms(line, events, roles);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}: ${line}`, { cause: error });
    }
  }
  for (const { name, slots } of events) if (slots.length === 0) throw new Error(`event ${name} has no slots`);
  if (steps.length === 0) throw new Error("a scenario has steps");
  return { events, roles, steps };
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
  maxPerOrder: MAX_PER_ORDER_DEFAULT,
  maxPerUser: MAX_PER_USER_DEFAULT,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
});

type Term = (found: string[], event: ScenarioEvent, roles: Map<string, UserRole>) => Partial<ScenarioEvent>;

const TERMS: readonly (readonly [pattern: string, Term])[] = [
  [`capacity (\\d+)`, ([n], event) => addSlot(event, "main", "20:00:00", "22:00:00", n)],
  [`capacity (\\d+) (${TIME})-(${TIME})`, ([n, from, to], event) => addSlot(event, "main", from, to, n)],
  [
    `slot (${SLOT}) (${TIME})-(${TIME}) capacity (\\d+)`,
    ([name, from, to, n], event) => addSlot(event, name, from, to, n),
  ],
  [`holds last (\\d+)s`, ([n]) => ({ holdSeconds: Number(n) })],
  [`max per order (\\d+)`, ([n]) => ({ maxPerOrder: Number(n) })],
  [`max per user (\\d+)`, ([n]) => ({ maxPerUser: Number(n) })],
  [`sales open (${TIME})`, ([at]) => ({ salesOpenAt: clock(at) })],
  [`sales close (${TIME})`, ([at]) => ({ salesCloseAt: clock(at) })],
  ["sales closed by hand", () => ({ salesClosed: true })],
  ["overlap allowed", () => ({ overlapPolicy: "allow" })],
  [`cancel cutoff (\\d+)s`, ([n]) => ({ cancelCutoffSeconds: Number(n) })],
  [`cancelled (${TIME})`, ([at]) => ({ cancelledAt: clock(at) })],
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

function parseTerms(line: string, events: ScenarioEvent[], roles: Map<string, UserRole>): void {
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

type Reader = (found: readonly (string | undefined)[], who: string) => Action;

const TARGET = `(?: (nothing)|(?: (${NAME})'s)?(?: of (${SLOT}))?)`;
const target = (nothing: string | undefined, owner: string, slot: string | undefined): Target =>
  nothing === undefined ? { owner, slot: slot ?? null } : null;

const ACTIONS: readonly (readonly [pattern: string, Reader])[] = [
  [
    `reserves (\\d+)(?: of (${SLOT}))?`,
    ([n, slot]) => ({ type: "reserve", quantity: Number(n), slot: slot ?? null }),
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
  [`sends (${NAME})`, ([name = ""]) => ({ type: "unknown", name })],
];
const TIMER: typeof ACTIONS = [[`expires (${TIME})`, ([at]) => ({ type: "expire-due", dueAt: clock(at) })]];
const LOOK: typeof ACTIONS = [
  [`slot (${SLOT})`, ([slot = ""]) => ({ type: "look-at-slot", slot })],
  [
    `(${NAME})'s(?: of (${SLOT}))?`,
    ([owner = "", slot]) => ({ type: "look-at-reservation", target: target(undefined, owner, slot) }),
  ],
];

function parseStep(line: string, events: readonly ScenarioEvent[], notBefore: ClockMs): Step {
  const parts = new RegExp(`^(${TIME})\\s+(\\(timer\\)|\\(look\\)|${NAME})\\s+(.+?)\\s+-> (.+)$`).exec(line);
  const [, time, who = "", doing = "", answer = ""] = parts ?? [];
  if (parts === null) throw new Error("not of the form `time  who  does what  -> result`");
  const at = clock(time);
  if (at < notBefore) throw new Error("time runs backwards");

  const [phrase = "", ...options] = doing.split(", ");
  const placed = new RegExp(`^(.+?)(?: at (${NAME}))?$`).exec(phrase);
  const event = placed?.[2] ?? events[0]?.name;
  const terms = events.find(({ name }) => name === event);
  if (event === undefined || terms === undefined) throw new Error(`unknown event "${event}"`);
  const readers = who === "(timer)" ? TIMER : who === "(look)" ? LOOK : ACTIONS;
  const action = readers
    .map(([pattern, read]) => ({ read, match: new RegExp(`^${pattern}$`).exec(placed?.[1] ?? "") }))
    .flatMap(({ read, match }) => (match === null ? [] : [read(match.slice(1), who)]))[0];
  if (action === undefined) throw new Error(`unknown action "${phrase}"`);

  const found = options.map((option) => /^(sent|accepted|key) (\S+)$/.exec(option));
  const names = found.map((match) => match?.[1]);
  if (names.includes(undefined) || new Set(names).size < names.length) throw new Error("unknown option");
  const option = (name: string) => found.find((match) => match?.[1] === name)?.[2];
  const stamp = option("sent") ?? option("accepted");

  const asking = new RegExp(`^(.+), asks (${NAME}) to expire (${TIME})$`).exec(answer);
  return {
    text: line,
    at,
    sentAt: stamp === undefined ? at : clock(stamp),
    accepted: option("accepted") !== undefined,
    who,
    event,
    idempotencyKey: option("key") ?? null,
    action,
    result: action.type.startsWith("look")
      ? { word: answer, detail: null }
      : parseResult(asking?.[1] ?? answer),
    asks: asking === null ? null : { event: asking[2] ?? "", dueAt: clock(asking[3]) },
  };
}

function parseResult(text: string): Step["result"] {
  const [word = "", ...rest] = text.split(" ");
  const detail = rest.length === 0 ? null : rest.join(" ");
  const pattern = Object.entries(RESULTS).find(([known]) => known === word)?.[1];
  const fits = detail === null || pattern?.test(detail) === true;
  if (pattern === undefined || !fits) throw new Error(`unknown result "${text}"`);
  return { word, detail };
}

function clock(text = ""): ClockMs {
  const [hours = Number.NaN, minutes = Number.NaN, seconds = Number.NaN] = text.split(":").map(Number);
  const ms = Math.round(((hours * 60 + minutes) * 60 + seconds) * 1000);
  if (!(hours < 24 && minutes < 60 && seconds < 60)) throw new Error(`no time of day: "${text}"`);
  return ms;
}

/** The other way round: `12:10:00`, with milliseconds only where there are some. */
export function clockText(ms: ClockMs): string {
  const text = new Date(ms).toISOString().slice(11, 23);
  return text.endsWith(".000") ? text.slice(0, 8) : text.replace(/0+$/, "");
}
