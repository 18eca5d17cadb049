// What an event's organizer, or an admin, may change about it. Everything that the rules judge is a command through the
// event's queue; to halt the event and to let it go on is not: it decides whether the queue is worked off at all.
import {
  EditEventBody,
  EditSlotBody,
  Event,
  NoFields,
  type ProblemCode,
  presentEvent,
  SetCapacityBody,
  Slot,
  SlotBody,
} from "@holdfast/contracts";
import { findEvent, setPaused } from "@holdfast/db";
import { EventId, SlotId } from "@holdfast/domain";
import { z } from "zod";
import { authorityOf } from "../authority.ts";
import {
  ACCEPTED,
  answerCommand,
  COMMAND_PROBLEMS,
  type CommandAsked,
  type CommandFrame,
  frameCommand,
  slotEventOf,
} from "../command-door.ts";
import { ifVersionOf } from "../conditional.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { notFound } from "../refused.ts";

const OfEvent = z.object({ id: EventId });
const OfSlot = z.object({ id: SlotId });
const COMMAND = { access: "organizer", rate: "command", tag: "Organizing", takes: "command" } as const;
const PROBLEMS = [...COMMAND_PROBLEMS, "event-cancelled"] as const;
const answersEvent = { 200: { description: "The event.", schema: Event }, 202: ACCEPTED };
const answersSlot = { 200: { description: "The slot.", schema: Slot }, 202: ACCEPTED };

/** A command of somebody who organizes this event. */
type OrganizerFrame = CommandFrame & { readonly eventId: EventId };

export function organizingEndpoints(deps: GatewayDeps): Endpoint[] {
  const { activate, changed, commands, metrics, now, pool, reads } = deps;
  const door = { commands, metrics, reads };
  const { mustOrganize } = authorityOf(deps);

  async function frameOfEvent(asked: CommandAsked, eventId: EventId): Promise<OrganizerFrame> {
    const frame = frameCommand(asked, now);
    await mustOrganize(eventId, asked.identity);
    return { ...frame, eventId };
  }

  async function frameOfSlot(asked: CommandAsked, slotId: SlotId): Promise<OrganizerFrame> {
    const frame = frameCommand(asked, now);
    const eventId = await slotEventOf(deps, slotId, frame);
    await mustOrganize(eventId, asked.identity);
    return { ...frame, eventId };
  }

  const edit = endpoint({
    ...COMMAND,
    method: "PATCH",
    url: "/v1/events/:id",
    summary: "Change an event",
    ifMatch: true,
    params: OfEvent,
    body: EditEventBody,
    answers: answersEvent,
    problems: [...PROBLEMS, "slot-in-use"],
    async handle(asked, reply) {
      const { body: edits, identity, request } = asked;
      const frame = await frameOfEvent(asked, asked.params.id);
      const input = { edits, ifVersion: ifVersionOf(request), role: identity.role };
      return await answerCommand(door, { ...frame, type: "edit-event", input }, request, reply, 200);
    },
  });

  const addSlot = endpoint({
    ...COMMAND,
    method: "POST",
    url: "/v1/events/:id/slots",
    summary: "Give an event one more slot",
    ifMatch: true,
    params: OfEvent,
    body: SlotBody,
    answers: { 201: { description: "Made.", schema: Slot }, 202: ACCEPTED },
    problems: [...PROBLEMS, "limit-exceeded"],
    async handle(asked, reply) {
      const { body, identity, request } = asked;
      const frame = await frameOfEvent(asked, asked.params.id);
      const input = {
        ...body,
        name: body.name ?? null,
        ifVersion: ifVersionOf(request),
        role: identity.role,
      };
      return await answerCommand(door, { ...frame, type: "add-slot", input }, request, reply, 201);
    },
  });

  const editSlot = endpoint({
    ...COMMAND,
    method: "PATCH",
    url: "/v1/slots/:id",
    summary: "Change a slot: its times only before it has a reservation",
    ifMatch: true,
    params: OfSlot,
    body: EditSlotBody,
    answers: answersSlot,
    problems: [...PROBLEMS, "slot-in-use", "capacity-below-committed"],
    async handle(asked, reply) {
      const { body: edits, identity, request } = asked;
      const { id: slotId } = asked.params;
      const frame = await frameOfSlot(asked, slotId);
      const input = { slotId, edits, ifVersion: ifVersionOf(request), role: identity.role };
      return await answerCommand(door, { ...frame, type: "edit-slot", input }, request, reply, 200);
    },
  });

  const removeSlot = endpoint({
    ...COMMAND,
    method: "DELETE",
    url: "/v1/slots/:id",
    summary: "Remove a slot that nobody ever reserved or waited for",
    ifMatch: true,
    params: OfSlot,
    answers: { 200: { description: "The slot as it was.", schema: Slot }, 202: ACCEPTED },
    problems: [...PROBLEMS, "slot-in-use"],
    async handle(asked, reply) {
      const { identity, request } = asked;
      const { id: slotId } = asked.params;
      const frame = await frameOfSlot(asked, slotId);
      const input = { slotId, ifVersion: ifVersionOf(request), role: identity.role };
      return await answerCommand(door, { ...frame, type: "remove-slot", input }, request, reply, 200);
    },
  });

  const setCapacity = endpoint({
    ...COMMAND,
    method: "POST",
    url: "/v1/slots/:id/capacity",
    summary: "Set how many tickets a slot has",
    params: OfSlot,
    body: SetCapacityBody,
    answers: answersSlot,
    problems: [...PROBLEMS, "capacity-below-committed"],
    async handle(asked, reply) {
      const { body, identity, request } = asked;
      const { id: slotId } = asked.params;
      const frame = await frameOfSlot(asked, slotId);
      const input = { slotId, capacity: body.capacity, role: identity.role };
      return await answerCommand(door, { ...frame, type: "set-capacity", input }, request, reply, 200);
    },
  });

  /** A command that says nothing but what is to become of the event. */
  const ofEvent = (
    verb: "cancel" | "close-sales" | "open-sales",
    type: "cancel-event" | "close-sales" | "open-sales",
    summary: string,
    problems: readonly ProblemCode[],
  ): Endpoint =>
    endpoint({
      ...COMMAND,
      method: "POST",
      url: `/v1/events/:id/${verb}`,
      summary,
      params: OfEvent,
      body: NoFields,
      answers: answersEvent,
      problems,
      async handle(asked, reply) {
        const frame = await frameOfEvent(asked, asked.params.id);
        const input = { role: asked.identity.role };
        return await answerCommand(door, { ...frame, type, input }, asked.request, reply, 200);
      },
    });

  const cancel = ofEvent(
    "cancel",
    "cancel-event",
    "Cancel an event, and with it all its reservations",
    COMMAND_PROBLEMS,
  );
  const closeSales = ofEvent(
    "close-sales",
    "close-sales",
    "Sell no more tickets; who waits is still asked",
    PROBLEMS,
  );
  const openSales = ofEvent(
    "open-sales",
    "open-sales",
    "Sell tickets again, as the event's times say",
    PROBLEMS,
  );

  async function eventNow(id: EventId): Promise<Event> {
    const event = await findEvent(pool, id);
    if (event === null) throw notFound();
    return presentEvent(event, now());
  }

  const pause = endpoint({
    method: "POST",
    url: "/v1/events/:id/pause",
    access: "organizer",
    rate: "write",
    tag: "Organizing",
    summary: "Halt an event: commands are accepted and keep their order, and none is applied",
    params: OfEvent,
    body: NoFields,
    answers: { 200: { description: "The event.", schema: Event } },
    async handle({ params, identity }) {
      await mustOrganize(params.id, identity);
      await setPaused(pool, params.id, true);
      changed(params.id);
      return eventNow(params.id);
    },
  });

  const resume = endpoint({
    method: "POST",
    url: "/v1/events/:id/resume",
    access: "organizer",
    rate: "write",
    tag: "Organizing",
    summary: "Let a halted event go on",
    params: OfEvent,
    body: NoFields,
    answers: { 200: { description: "The event.", schema: Event } },
    problems: ["unavailable"],
    async handle({ params, identity }) {
      await mustOrganize(params.id, identity);
      await setPaused(pool, params.id, false);
      changed(params.id);
      await activate(params.id); // should it fail, a repeat or the sweep does it
      return eventNow(params.id);
    },
  });

  return [edit, addSlot, editSlot, removeSlot, setCapacity, cancel, closeSales, openSales, pause, resume];
}
