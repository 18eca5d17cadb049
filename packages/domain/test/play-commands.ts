// The commands that a scenario's lines stand for, and which reservation, entry or slot they mean.
import type { Scenario, Step, Target } from "../../testkit/src/scenario.ts";
import type {
  AnyCommand,
  CommandId,
  EventEdits,
  ReservationId,
  SlotId,
  WaitlistEntryId,
} from "../src/index.ts";
import { UNTOUCHED } from "./builders.ts";
import { idOf } from "./names.ts";
import type { EventRow, World } from "./world.ts";

export const MIDNIGHT = Date.UTC(2030, 0, 1);

/** A keyed command's id comes from user, key and request, as at the door: the same request is the same command. */
export function commandOf(world: World, read: Scenario, step: Step): AnyCommand {
  const { action, event, who, idempotencyKey } = step;
  const eventId = idOf("event", event);
  const role = read.roles.get(who) ?? "user";
  const ifVersion = step.ifVersion === null ? null : [step.ifVersion];
  const slotOf = (name: string): SlotId => slotNamed(world, event, name);
  const only = world.slots.get(eventId)?.keys().next().value ?? idOf("slot", "none");
  const made = (type: string, input: object) => {
    const request = `${who} ${idempotencyKey} ${type} ${JSON.stringify(input)}`;
    const id: CommandId = idOf(
      "command",
      idempotencyKey === null ? `line ${read.steps.indexOf(step)}` : request,
    );
    return { id, eventId, at: MIDNIGHT + step.sentAt, fingerprint: null };
  };
  const from = { userId: idOf("user", who), idempotencyKey };
  switch (action.type) {
    case "reserve": {
      const { quantity, orWait } = action;
      const slotId = action.slot === null ? null : slotOf(action.slot);
      const input = { slotId, quantity, ...(orWait ? { orWait: true as const } : {}) };
      return { ...made("reserve", input), ...from, type: "reserve", input };
    }
    case "purchase": {
      const reservationId = reservationOf(world, event, action.target);
      const input = { reservationId, paymentReference: action.paymentReference };
      return { ...made("purchase", input), ...from, type: "purchase", input };
    }
    case "cancel": {
      const input = { reservationId: reservationOf(world, event, action.target), role };
      return { ...made("cancel", input), ...from, type: "cancel", input };
    }
    case "join-waitlist": {
      const { quantity } = action;
      const input = { slotId: action.slot === null ? only : slotOf(action.slot), quantity };
      return { ...made("join-waitlist", input), ...from, type: "join-waitlist", input };
    }
    case "leave-waitlist": {
      const input = { entryId: entryOf(world, event, action.target), role };
      return { ...made("leave-waitlist", input), ...from, type: "leave-waitlist", input };
    }
    case "edit-event": {
      const input = { edits: inEpochTime(action.edits), ifVersion, role };
      return { ...made("edit-event", input), ...from, type: "edit-event", input };
    }
    case "add-slot": {
      const { slot, capacity } = action;
      const times = { startsAt: MIDNIGHT + action.startsAt, endsAt: MIDNIGHT + action.endsAt };
      const input = { name: slot, ...times, capacity, ifVersion, role };
      return { ...made("add-slot", input), ...from, type: "add-slot", input };
    }
    case "edit-slot": {
      const { name, startsAt, endsAt, capacity } = action;
      const edits = {
        name,
        startsAt: startsAt === undefined ? undefined : MIDNIGHT + startsAt,
        endsAt: endsAt === undefined ? undefined : MIDNIGHT + endsAt,
        capacity,
      };
      const input = { slotId: slotOf(action.slot), edits, ifVersion, role };
      return { ...made("edit-slot", input), ...from, type: "edit-slot", input };
    }
    case "remove-slot": {
      const input = { slotId: slotOf(action.slot), ifVersion, role };
      return { ...made("remove-slot", input), ...from, type: "remove-slot", input };
    }
    case "set-capacity": {
      const { capacity } = action;
      const input = { slotId: action.slot === null ? only : slotOf(action.slot), capacity, role };
      return { ...made("set-capacity", input), ...from, type: "set-capacity", input };
    }
    case "close-sales":
    case "open-sales":
    case "cancel-event":
      return { ...made(action.type, {}), ...from, type: action.type, input: { role } };
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

const inEpochTime = ({ salesOpenAt, salesCloseAt, ...edits }: EventEdits): EventEdits => ({
  ...edits,
  salesOpenAt: typeof salesOpenAt === "number" ? MIDNIGHT + salesOpenAt : salesOpenAt,
  salesCloseAt: typeof salesCloseAt === "number" ? MIDNIGHT + salesCloseAt : salesCloseAt,
});

/** Slots of the terms have ids of their names; those that were added later are known by the name itself. */
export function slotNamed(world: World, event: string, name: string): SlotId {
  const id = idOf("slot", `${event} ${name}`);
  const slots = [...(world.slots.get(idOf("event", event))?.values() ?? [])];
  return slots.find((slot) => slot.name === name && slot.id !== id)?.id ?? id;
}

/** The latest one of the user. An offer that was made counts from when it was made. */
export function reservationOf(world: World, event: string, target: Target): ReservationId {
  const rows = [...world.reservations.values()].filter(
    (row) =>
      target !== null &&
      row.eventId === idOf("event", event) &&
      row.userId === idOf("user", target.owner) &&
      (target.slot === null || row.slotId === slotNamed(world, event, target.slot)),
  );
  return rows.at(-1)?.id ?? idOf("reservation", "that never was");
}

export function entryOf(world: World, event: string, target: Target): WaitlistEntryId {
  const rows = [...world.entries.values()].filter(
    (row) =>
      target !== null &&
      row.eventId === idOf("event", event) &&
      row.userId === idOf("user", target.owner) &&
      (target.slot === null || row.slotId === slotNamed(world, event, target.slot)),
  );
  return rows.at(-1)?.id ?? idOf("waitlistEntry", "that never was");
}

export const eventRow = (event: Scenario["events"][number]): EventRow => ({
  terms: {
    id: idOf("event", event.name),
    organizerId: idOf("user", event.organizer),
    cancelledAt: null,
    salesOpenAt: event.salesOpenAt === null ? null : MIDNIGHT + event.salesOpenAt,
    salesCloseAt: event.salesCloseAt === null ? null : MIDNIGHT + event.salesCloseAt,
    salesClosed: event.salesClosed,
    holdSeconds: event.holdSeconds,
    offerSeconds: event.offerSeconds,
    maxPerOrder: event.maxPerOrder,
    maxPerUser: event.maxPerUser,
    overlapPolicy: event.overlapPolicy,
    cancelCutoffSeconds: event.cancelCutoffSeconds,
    waitlist: event.waitlist,
  },
  slots: event.slots.map((slot) => ({
    ...UNTOUCHED,
    id: idOf("slot", `${event.name} ${slot.name}`),
    startsAt: MIDNIGHT + slot.startsAt,
    endsAt: MIDNIGHT + slot.endsAt,
    capacity: slot.capacity,
  })),
});
