// Reads a scenario: terms, then a table of who does what when and what is answered. The text says nothing of how
// it is run, so the same one can be played on the rules alone and on the whole system.
//
//   capacity 2, holds last 600s
//   12:00:00  ann  reserves 2                  -> held until 12:10:00
//   12:00:01  bob  reserves 1, key k1          -> all-held until 12:10:00
//   12:10:02  ann  purchases, sent 12:09:59.5  -> purchased
//   12:10:02  (look)  slot main                -> 0 held, 2 purchased, 0 waiting, 0 available
import type { RefusalCode, UserRole } from "@holdfast/domain";
import { type Action, readAction } from "./scenario-actions.ts";
import { type ClockMs, clock, NAME, TIME } from "./scenario-clock.ts";
import { parseTerms, type ScenarioEvent } from "./scenario-terms.ts";

export type { Action, Target } from "./scenario-actions.ts";
export { type ClockMs, clockText } from "./scenario-clock.ts";
export type { ScenarioEvent, ScenarioSlot } from "./scenario-terms.ts";

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
  /** The version that an organizer changes; null for any. */
  readonly ifVersion: number | null;
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

/** Texts by the sentence that each one tells, in groups. */
export type ScenarioTexts = Readonly<Record<string, Readonly<Record<string, string>>>>;

const UNTIL = new RegExp(`^until ${TIME}$`);

type SuccessWord = "held" | "purchased" | "cancelled" | "waiting" | "left" | "done" | "settled";

/** What may stand behind each result; null where nothing may. Left out of a line, it is not looked at. */
const RESULTS = {
  held: UNTIL,
  purchased: null,
  cancelled: null,
  /** Answers an organizer, with the event's version. */
  done: /^version \d+$/,
  settled: null,
  waiting: /^at \d+$/,
  left: null,
  failed: /^(unsupported|internal)$/,
  "not-found": /^slot$/,
  "event-cancelled": null,
  "event-over": null,
  "sales-not-open": UNTIL,
  "sales-closed": null,
  "slot-required": null,
  "limit-exceeded": new RegExp(`^(?:order|capacity|user|holds|slots|cooldown(?: until ${TIME})?)$`),
  "already-reserved": null,
  overlap: /^(held|purchased)$/,
  "sold-out": null,
  "all-held": new RegExp(`^until (?:${TIME}|unknown)$`),
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
} satisfies Record<RefusalCode | SuccessWord | "failed", RegExp | null>;

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
  const action = readAction(who, placed?.[1] ?? "");
  if (action === null) throw new Error(`unknown action "${phrase}"`);

  const found = options.map((option) => /^(sent|accepted|key|if version) (\S+)$/.exec(option));
  const names = found.map((match) => match?.[1]);
  if (names.includes(undefined) || new Set(names).size < names.length) throw new Error("unknown option");
  const option = (name: string) => found.find((match) => match?.[1] === name)?.[2];
  const ifVersion = option("if version");
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
    ifVersion: ifVersion === undefined ? null : Number(ifVersion),
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
