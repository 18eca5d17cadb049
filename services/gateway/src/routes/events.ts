// Events: making them, and looking at them. Their inventory is the worker's.
import {
  Availability,
  CreateEventBody,
  Cursor,
  Event,
  EventList,
  eventTag,
  Limit,
  presentAvailability,
  presentEvent,
  TIME_MAX,
  TIME_MIN,
} from "@holdfast/contracts";
import { type EventRecord, findEvent, insertEvent, listEvents } from "@holdfast/db";
import { type EpochMs, EventId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { isUnchanged } from "../conditional.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { pageOf, readCursor } from "../pages.ts";
import { notFound } from "../refused.ts";

export const SEARCH_LENGTH_MAX = 100;
/** Seconds that anybody may keep an event or its availability. */
export const EVENT_MAX_AGE_SECONDS = 1;

const OfEvent = z.object({ id: EventId });
const After = z.strictObject({ startsAt: z.int().min(TIME_MIN).max(TIME_MAX), id: EventId });

interface LookAsked {
  readonly params: z.infer<typeof OfEvent>;
  readonly request: FastifyRequest;
}

export function eventEndpoints({ pool, now, streams }: GatewayDeps): Endpoint[] {
  const eventOr404 = async (id: EventId): Promise<EventRecord> => {
    const event = await findEvent(pool, id);
    if (event === null) throw notFound();
    return event;
  };

  /** Answers with what one sees of an event, unless the client has seen it already. */
  const look =
    (present: (event: EventRecord, at: EpochMs) => unknown) =>
    async ({ params, request }: LookAsked, reply: FastifyReply): Promise<unknown> => {
      const event = await eventOr404(params.id);
      const at = now();
      reply.header("cache-control", `public, max-age=${EVENT_MAX_AGE_SECONDS}`);
      if (isUnchanged(request, reply, eventTag(event, at))) return reply.code(304).send();
      return present(event, at);
    };

  return [
    endpoint({
      method: "POST",
      url: "/v1/events",
      access: "organizer",
      rate: "write",
      tag: "Events",
      summary: "Make an event with its slots",
      body: CreateEventBody,
      answers: { 201: { description: "Made.", schema: Event } },
      async handle({ body, identity }, reply) {
        const id = newId("event");
        await insertEvent(pool, {
          ...body,
          id,
          organizerId: identity.userId,
          description: body.description ?? null,
          venue: body.venue ?? null,
          salesOpenAt: body.salesOpenAt ?? null,
          salesCloseAt: body.salesCloseAt ?? null,
          slots: body.slots.map((slot) => ({ ...slot, id: newId("slot"), name: slot.name ?? null })),
        });
        reply.code(201).header("location", `/v1/events/${id}`);
        return presentEvent(await eventOr404(id), now());
      },
    }),
    endpoint({
      method: "GET",
      url: "/v1/events",
      access: "anyone",
      rate: "read",
      tag: "Events",
      summary: "Events by their start; past ones the latest first",
      query: z.strictObject({
        when: z.enum(["upcoming", "past", "all"]).default("upcoming"),
        q: z.string().min(1).max(SEARCH_LENGTH_MAX).optional(),
        limit: Limit,
        cursor: Cursor.optional(),
      }),
      answers: { 200: { description: "A page.", schema: EventList } },
      async handle({ query, request }, reply) {
        const at = now();
        const found = await listEvents(pool, {
          when: query.when,
          q: query.q ?? null,
          now: at,
          limit: query.limit + 1,
          after: readCursor(After, query.cursor),
        });
        const page = {
          present: (event: EventRecord) => presentEvent(event, at),
          cursorOf: ({ startsAt, id }: EventRecord) => ({ startsAt, id }),
        };
        return pageOf(found, query.limit, page, request, reply);
      },
    }),
    endpoint({
      method: "GET",
      url: "/v1/events/:id",
      access: "anyone",
      rate: "read",
      tag: "Events",
      summary: "One event with its slots",
      params: OfEvent,
      answers: { 200: { description: "The event.", schema: Event }, 304: { description: "Unchanged." } },
      problems: ["not-found"],
      handle: look(presentEvent),
    }),
    endpoint({
      method: "GET",
      url: "/v1/events/:id/availability",
      access: "anyone",
      rate: "read",
      tag: "Events",
      summary: "How many tickets an event has left",
      stream:
        "Server-sent events: `availability` with the numbers, at once and whenever they have changed. Comments are " +
        "heartbeats. It ends after some minutes: come back.",
      params: OfEvent,
      answers: {
        200: { description: "The numbers.", schema: Availability },
        304: { description: "Unchanged." },
      },
      problems: ["not-found", "unavailable"],
      handle: async (asked, reply) =>
        asked.wantsStream
          ? streams.availability.watch(asked.params.id, asked.request, reply)
          : look(presentAvailability)(asked, reply),
    }),
  ];
}
