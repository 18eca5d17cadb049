// What came of a scenario's line, in the scenario's words.
import { clockText, type Step, type Target } from "../../testkit/src/scenario.ts";
import {
  availableTickets,
  type EpochMs,
  type EventId,
  eventStatus,
  isLive,
  isParked,
  type Outcome,
  offerIdOf,
  type PassedOver,
  type Refusal,
  type Reservation,
  type Succeeded,
  type WaitlistEntry,
} from "../src/index.ts";
import { idOf } from "./names.ts";
import { entryOf, MIDNIGHT, reservationOf, slotNamed } from "./play-commands.ts";
import type { World } from "./world.ts";

const time = (at: EpochMs | null): string => (at === null ? "unknown" : clockText(at - MIDNIGHT));

export function resultOf(outcome: Outcome): string {
  switch (outcome.status) {
    case "failed":
      return `failed ${outcome.failure}`;
    case "withdrawn":
      return outcome.status;
    case "succeeded":
      return successOf(outcome);
    case "rejected":
      return refusalOf(outcome.refusal);
  }
}

function successOf({ reservation, entry, position, slot, event }: Succeeded): string {
  if (reservation !== null) {
    const { status, expiresAt } = reservation;
    return status === "held" ? `held until ${time(expiresAt)}` : status;
  }
  if (entry !== undefined) return entry.status === "waiting" ? `waiting at ${position}` : entry.status;
  if (event !== undefined) return `done version ${event.version}`;
  return slot === undefined ? "settled" : "done";
}

function refusalOf(refusal: Refusal): string {
  switch (refusal.code) {
    case "all-held":
      return `all-held until ${time(refusal.earliestReleaseAt)}`;
    case "sales-not-open":
      return `sales-not-open until ${time(refusal.salesOpenAt)}`;
    case "limit-exceeded":
      return refusal.limit === "cooldown"
        ? `limit-exceeded cooldown until ${time(refusal.retryAt)}`
        : `limit-exceeded ${refusal.limit}`;
    case "overlap":
      return `overlap ${refusal.retryable ? "held" : "purchased"}`;
    case "not-found":
      return refusal.pointer === "/slotId" ? "not-found slot" : "not-found";
    case "capacity-below-committed":
      return `capacity-below-committed ${refusal.held} held ${refusal.purchased} purchased`;
    case "validation-failed":
      return `validation-failed ${refusal.pointer}`;
    default:
      return refusal.code;
  }
}

export function seen(world: World, { action, event, at }: Step): string {
  switch (action.type) {
    case "look-at-slot":
      return slotSeen(world, event, action.slot, MIDNIGHT + at);
    case "look-at-event":
      return eventSeen(world, idOf("event", event), MIDNIGHT + at);
    case "look-at-entry":
      return entrySeen(world, event, action.target);
    case "look-at-reservation":
      return reservationSeen(world.reservations.get(reservationOf(world, event, action.target)));
    default:
      return "nothing to look at";
  }
}

function slotSeen(world: World, event: string, name: string, now: EpochMs): string {
  const terms = world.terms.get(idOf("event", event));
  const slot = world.slots.get(idOf("event", event))?.get(slotNamed(world, event, name));
  if (slot === undefined || terms === undefined) return "no such slot";
  const available = availableTickets(terms, slot, now);
  return `${slot.held} held, ${slot.purchased} purchased, ${slot.waiting} waiting, ${available} available`;
}

function eventSeen(world: World, id: EventId, now: EpochMs): string {
  const terms = world.terms.get(id);
  const slots = [...(world.slots.get(id)?.values() ?? [])];
  if (terms === undefined) return "no such event";
  const status = eventStatus(terms, slots, false, now);
  const unfinished = world.windingDown.has(id) ? ", winding down" : "";
  return `${status}, version ${world.details.get(id)?.version}${unfinished}`;
}

function reservationSeen(row: Reservation | undefined): string {
  if (row === undefined) return "no reservation";
  return row.endedAt === null ? row.status : `${row.status} by ${row.endReason} at ${time(row.endedAt)}`;
}

function entrySeen(world: World, event: string, target: Target): string {
  const entry = world.entries.get(entryOf(world, event, target));
  if (entry === undefined) return "no entry";
  if (!isLive(entry.status)) return `${entry.status} by ${entry.endReason} at ${time(entry.endedAt)}`;
  if (entry.status === "offered") {
    const offer = world.reservations.get(offerIdOf(entry.id));
    return `offered until ${time(offer?.expiresAt ?? null)}`;
  }
  const place = placeOf(world, entry);
  const { lastPassedOver: last, recheckAt } = entry;
  if (last === null) return `waiting at ${place}`;
  if (isParked(entry)) return `parked at ${place} by ${reasonOf(last)} until ${time(recheckAt)}`;
  return `waiting at ${place} passed over for ${reasonOf(last)} at ${time(last.at)}`;
}

const reasonOf = ({ reason, limit }: PassedOver): string => (limit === null ? reason : `${reason} ${limit}`);

const placeOf = (world: World, { slotId, seq }: WaitlistEntry): number =>
  [...world.entries.values()].filter(
    (other) => other.slotId === slotId && other.status === "waiting" && other.seq <= seq,
  ).length;
