// Plays a scenario on the rules: one command a batch, and again with the commands of one moment in one batch.
// The parser is the test kit's; it is reached by path because a workspace may have no cycles, not even for tests.
import { expect, test } from "vitest";
import { clockText, parseScenario, type Scenario, type Step } from "../../testkit/src/scenario.ts";
import {
  type AnyCommand,
  type CommandId,
  OFFER_SECONDS_DEFAULT,
  type Outcome,
  type Reservation,
  type ReservationId,
} from "../src/index.ts";
import { UNTOUCHED, WAITLIST } from "./builders.ts";
import { idOf } from "./names.ts";
import { createWorld, type EventRow, run, type World } from "./world.ts";

const MIDNIGHT = Date.UTC(2030, 0, 1);

/** A test that is a scenario: each line must be answered as it is written. */
export function scenario(name: string, text: string): void {
  for (const batches of ["one by one", "in batches"] as const) {
    test(`${name} (${batches})`, () => {
      const read = parseScenario(text);
      expect(play(read, batches === "in batches")).toEqual(read.steps.map((step) => step.text));
    });
  }
}

/** The scenario's lines, each with the result that it really had. */
export function play(read: Scenario, batched: boolean): string[] {
  const world = createWorld(read.events.map(eventRow));
  const commands = new Map<Step, AnyCommand>();
  const lines: string[] = [];
  let pending: Step[] = [];

  const commandOf = (step: Step): AnyCommand => {
    const known = commands.get(step) ?? command(world, read, step);
    commands.set(step, known);
    return known;
  };
  const flush = () => {
    const [first] = pending;
    if (first === undefined) return;
    cancelEvents(world, read, first.at);
    const given = pending.map(commandOf);
    const { applied, followUps } = run(world, idOf("event", first.event), given, MIDNIGHT + first.at);
    const asked = followUps.flatMap((each) =>
      each.kind === "expire-elsewhere" ? [`${each.eventId} ${each.dueAt}`] : [],
    );
    for (const [index, step] of pending.entries()) {
      const outcome = applied[index]?.outcome;
      const asks = step.asks && `${idOf("event", step.asks.event)} ${MIDNIGHT + step.asks.dueAt}`;
      const asksFit = asks === null ? asked.length === 0 || batched : asked.includes(asks);
      lines.push(written(step, outcome === undefined ? "no answer" : resultOf(outcome), asksFit));
    }
    pending = [];
  };

  for (const step of read.steps) {
    const [first] = pending;
    const owner = "target" in step.action ? step.action.target?.owner : undefined;
    const joins = batched && first?.event === step.event && first.at === step.at;
    if (!joins || step.action.type.startsWith("look") || pending.some(({ who }) => who === owner)) flush();
    for (const later of read.steps) {
      if (!later.accepted || later.sentAt > step.at || lines.length > read.steps.indexOf(later)) continue;
      const { id } = commandOf(later);
      world.accepted.set(id, commandOf(later));
    }
    if (step.action.type.startsWith("look")) lines.push(written(step, seen(world, step), true));
    else pending.push(step);
  }
  flush();
  return lines;
}

function cancelEvents(world: World, read: Scenario, at: number): void {
  for (const { name, cancelledAt } of read.events) {
    const terms = world.terms.get(idOf("event", name));
    if (terms === undefined || cancelledAt === null || cancelledAt > at) continue;
    world.terms.set(terms.id, { ...terms, cancelledAt: MIDNIGHT + cancelledAt });
  }
}

function written(step: Step, actual: string, asksFit: boolean): string {
  const { word, detail } = step.result;
  const expected = detail === null ? word : `${word} ${detail}`;
  const fits = actual === expected || (detail === null && actual.startsWith(`${word} `));
  return fits && asksFit ? step.text : `${step.text}   !! ${asksFit ? actual : `${actual}, asks otherwise`}`;
}

function resultOf(outcome: Outcome): string {
  if (outcome.status === "failed") return `failed ${outcome.failure}`;
  if (outcome.status === "succeeded") {
    if (outcome.reservation === null) return "settled";
    const { status, expiresAt } = outcome.reservation;
    return status === "held" ? `held until ${time(expiresAt)}` : status;
  }
  const { refusal } = outcome;
  switch (refusal.code) {
    case "all-held":
      return `all-held until ${time(refusal.earliestReleaseAt)}`;
    case "sales-not-open":
      return `sales-not-open until ${time(refusal.salesOpenAt)}`;
    case "limit-exceeded":
      return `limit-exceeded ${refusal.limit}`;
    case "overlap":
      return `overlap ${refusal.retryable ? "held" : "purchased"}`;
    case "not-found":
      return refusal.pointer === "/slotId" ? "not-found slot" : "not-found";
    default:
      return refusal.code;
  }
}

function seen(world: World, { action, event }: Step): string {
  if (action.type === "look-at-slot") {
    const slot = world.slots.get(idOf("event", event))?.get(slotId(event, action.slot));
    return slot === undefined ? "no such slot" : `${slot.held} held, ${slot.purchased} purchased`;
  }
  if (action.type !== "look-at-reservation") return "nothing to look at";
  const row = world.reservations.get(reservationOf(world, event, action.target));
  if (row === undefined) return "no reservation";
  return row.endedAt === null ? row.status : `${row.status} by ${row.endReason} at ${time(row.endedAt)}`;
}

const time = (at: number | null): string => (at === null ? "unknown" : clockText(at - MIDNIGHT));
const slotId = (event: string, slot: string) => idOf("slot", `${event} ${slot}`);

type Target = Extract<Step["action"], { target: unknown }>["target"];

function reservationOf(world: World, event: string, target: Target): ReservationId {
  const rows = [...world.reservations.values()].filter(
    (row: Reservation) =>
      target !== null &&
      row.eventId === idOf("event", event) &&
      row.userId === idOf("user", target.owner) &&
      (target.slot === null || row.slotId === slotId(event, target.slot)),
  );
  return rows.at(-1)?.id ?? idOf("reservation", "that never was");
}

/** A keyed command's id comes from user, key and request, as at the door: the same request is the same command. */
function command(world: World, read: Scenario, step: Step): AnyCommand {
  const { action, event, who, idempotencyKey } = step;
  const made = (type: string, input: object) => {
    const request = `${who} ${idempotencyKey} ${type} ${JSON.stringify(input)}`;
    const id: CommandId = idOf(
      "command",
      idempotencyKey === null ? `line ${read.steps.indexOf(step)}` : request,
    );
    return { id, eventId: idOf("event", event), at: MIDNIGHT + step.sentAt, fingerprint: null };
  };
  const from = { userId: idOf("user", who), idempotencyKey };
  switch (action.type) {
    case "reserve": {
      const { quantity } = action;
      const input = { slotId: action.slot === null ? null : slotId(event, action.slot), quantity };
      return { ...made("reserve", input), ...from, type: "reserve", input };
    }
    case "purchase": {
      const reservationId = reservationOf(world, event, action.target);
      const input = { reservationId, paymentReference: action.paymentReference };
      return { ...made("purchase", input), ...from, type: "purchase", input };
    }
    case "cancel": {
      const role = read.roles.get(who) ?? "user";
      const input = { reservationId: reservationOf(world, event, action.target), role };
      return { ...made("cancel", input), ...from, type: "cancel", input };
    }
    case "expire-due": {
      const input = { dueAt: MIDNIGHT + action.dueAt };
      return { ...made("expire-due", input), userId: null, idempotencyKey: null, type: "expire-due", input };
    }
    case "unknown":
      return { ...made(action.name, {}), ...from, type: action.name };
    default:
      throw new Error(`no command: ${step.text}`);
  }
}

const eventRow = (event: Scenario["events"][number]): EventRow => ({
  terms: {
    id: idOf("event", event.name),
    organizerId: idOf("user", event.organizer),
    cancelledAt: null,
    salesOpenAt: event.salesOpenAt === null ? null : MIDNIGHT + event.salesOpenAt,
    salesCloseAt: event.salesCloseAt === null ? null : MIDNIGHT + event.salesCloseAt,
    salesClosed: event.salesClosed,
    holdSeconds: event.holdSeconds,
    offerSeconds: OFFER_SECONDS_DEFAULT,
    maxPerOrder: event.maxPerOrder,
    maxPerUser: event.maxPerUser,
    overlapPolicy: event.overlapPolicy,
    cancelCutoffSeconds: event.cancelCutoffSeconds,
    waitlist: WAITLIST,
  },
  slots: event.slots.map((slot) => ({
    ...UNTOUCHED,
    id: slotId(event.name, slot.name),
    startsAt: MIDNIGHT + slot.startsAt,
    endsAt: MIDNIGHT + slot.endsAt,
    capacity: slot.capacity,
  })),
});
