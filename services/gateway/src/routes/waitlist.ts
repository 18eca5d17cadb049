// Waiting for a slot: joining its line, leaving it, and one's places in lines.
import {
  Cursor,
  INTEGER_MAX,
  JoinWaitlistBody,
  Limit,
  presentWaitlistEntry,
  TIME_MAX,
  TIME_MIN,
  WaitlistEntry,
  WaitlistEntryList,
} from "@holdfast/contracts";
import { findEntryOf, listEntries, listLine, type WaitlistRecord } from "@holdfast/db";
import { ENTRY_STATUSES, EventId, SlotId, WaitlistEntryId } from "@holdfast/domain";
import { z } from "zod";
import { authorityOf } from "../authority.ts";
import { ACCEPTED, answerCommand, COMMAND_PROBLEMS, frameCommand, slotEventOf } from "../command-door.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { pageOf, readCursor } from "../pages.ts";
import { notFound } from "../refused.ts";

const OfSlot = z.object({ id: SlotId });
const OfEntry = z.object({ id: WaitlistEntryId });
const After = z.strictObject({ createdAt: z.int().min(TIME_MIN).max(TIME_MAX), id: WaitlistEntryId });
const AfterInLine = z.int().min(1).max(INTEGER_MAX);

export function waitlistEndpoints(deps: GatewayDeps): Endpoint[] {
  const { commands, metrics, now, origins, pool, reads } = deps;
  const door = { commands, metrics, reads };
  const { roleOver, mustOrganize } = authorityOf(deps);

  const join = endpoint({
    method: "POST",
    url: "/v1/slots/:id/waitlist",
    access: "user",
    rate: "command",
    tag: "Waitlists",
    summary: "Wait for tickets of a slot",
    takes: "command",
    params: OfSlot,
    body: JoinWaitlistBody,
    answers: { 201: { description: "Waiting.", schema: WaitlistEntry }, 202: ACCEPTED },
    problems: [
      ...COMMAND_PROBLEMS,
      "event-cancelled",
      "event-over",
      "sales-not-open",
      "sales-closed",
      "waitlist-closed",
      "limit-exceeded",
      "already-reserved",
      "already-waiting",
      "tickets-available",
      "waitlist-full",
    ],
    async handle(asked, reply) {
      const { id: slotId } = asked.params;
      const frame = frameCommand(asked, now);
      const eventId = await slotEventOf(deps, slotId, frame);
      const input = { slotId, quantity: asked.body.quantity };
      const command = { ...frame, eventId, type: "join-waitlist" as const, input };
      return await answerCommand(door, command, asked.request, reply, 201);
    },
  });

  const leave = endpoint({
    method: "DELETE",
    url: "/v1/waitlist/:id",
    access: "user",
    rate: "command",
    tag: "Waitlists",
    summary: "Wait no longer, or give an offer back",
    takes: "command",
    params: OfEntry,
    answers: { 200: { description: "Left.", schema: WaitlistEntry }, 202: ACCEPTED },
    problems: [...COMMAND_PROBLEMS, "not-active"],
    async handle(asked, reply) {
      const { id: entryId } = asked.params;
      const frame = frameCommand(asked, now);
      const origin = await origins.ofEntry(entryId);
      if (origin === null) throw notFound();
      const { eventId } = origin;
      const role = await roleOver(origin, asked.identity);
      const command = { ...frame, eventId, type: "leave-waitlist" as const, input: { entryId, role } };
      return await answerCommand(door, command, asked.request, reply, 200);
    },
  });

  const list = endpoint({
    method: "GET",
    url: "/v1/waitlist",
    access: "user",
    rate: "read",
    tag: "Waitlists",
    summary: "Your places in waitlists, the newest first",
    query: z.strictObject({
      status: z.enum(ENTRY_STATUSES).optional(),
      eventId: EventId.optional(),
      limit: Limit,
      cursor: Cursor.optional(),
    }),
    answers: { 200: { description: "A page.", schema: WaitlistEntryList } },
    async handle({ query, identity, request }, reply) {
      const found = await listEntries(pool, {
        userId: identity.userId,
        eventId: query.eventId ?? null,
        status: query.status ?? null,
        limit: query.limit + 1,
        after: readCursor(After, query.cursor),
      });
      const page = {
        present: presentWaitlistEntry,
        cursorOf: ({ createdAt, id }: WaitlistRecord) => ({ createdAt, id }),
      };
      return pageOf(found, query.limit, page, request, reply);
    },
  });

  const one = endpoint({
    method: "GET",
    url: "/v1/waitlist/:id",
    access: "user",
    rate: "read",
    tag: "Waitlists",
    summary: "One of your places, and how many are before you",
    params: OfEntry,
    answers: { 200: { description: "The entry.", schema: WaitlistEntry } },
    problems: ["not-found"],
    async handle({ params, identity }) {
      const found = await findEntryOf(pool, identity.userId, params.id);
      if (found === null) throw notFound();
      const { eventId, createdAt, offeredAt, endedAt } = found;
      reads.told(eventId, Math.max(createdAt, offeredAt ?? 0, endedAt ?? 0));
      return presentWaitlistEntry(found);
    },
  });

  const line = endpoint({
    method: "GET",
    url: "/v1/slots/:id/waitlist",
    access: "organizer",
    rate: "read",
    tag: "Waitlists",
    summary: "The line of a slot of an event that you organize, the head first",
    params: OfSlot,
    query: z.strictObject({
      status: z.enum(ENTRY_STATUSES).optional(),
      limit: Limit,
      cursor: Cursor.optional(),
    }),
    answers: { 200: { description: "A page.", schema: WaitlistEntryList } },
    problems: ["not-found"],
    async handle({ params, query, identity, request }, reply) {
      const eventId = await origins.eventOfSlot(params.id);
      if (eventId === null) throw notFound();
      await mustOrganize(eventId, identity);
      const found = await listLine(pool, {
        slotId: params.id,
        status: query.status ?? null,
        limit: query.limit + 1,
        after: readCursor(AfterInLine, query.cursor),
      });
      const page = { present: presentWaitlistEntry, cursorOf: ({ seq }: WaitlistRecord) => seq };
      return pageOf(found, query.limit, page, request, reply);
    },
  });

  return [join, leave, list, one, line];
}
