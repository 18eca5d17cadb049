// Events: making them, and looking at them. Their inventory is the worker's.
import { hash } from "node:crypto";
import {
  Availability,
  CreateEventBody,
  Cursor,
  Event,
  EventList,
  Limit,
  nextMoment,
  presentEvent,
  TIME_MAX,
  TIME_MIN,
} from "@holdfast/contracts";
import { type EventRecord, findEvent, insertEvent, listEvents } from "@holdfast/db";
import { EventId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { isUnchanged } from "../conditional.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import type { EventPage, PageRead } from "../event-reads.ts";
import type { EventView, Form } from "../event-view.ts";
import { linkedPage, readCursor } from "../pages.ts";
import { notFound } from "../refused.ts";

export const SEARCH_LENGTH_MAX = 100;
/** Seconds that anybody may keep an event or its availability. */
export const EVENT_MAX_AGE_SECONDS = 1;

const OfEvent = z.object({ id: EventId });
const Listing = z.strictObject({
  when: z.enum(["upcoming", "past", "all"]).default("upcoming"),
  q: z.string().min(1).max(SEARCH_LENGTH_MAX).optional(),
  limit: Limit,
  cursor: Cursor.optional(),
});
const After = z.strictObject({ startsAt: z.int().min(TIME_MIN).max(TIME_MAX), id: EventId });

interface LookAsked {
  readonly params: z.infer<typeof OfEvent>;
  readonly request: FastifyRequest;
}

/** Of answers whose bodies are worded already. */
const JSON_TYPE = "application/json; charset=utf-8";
const CACHE_CONTROL = `public, max-age=${EVENT_MAX_AGE_SECONDS}`;

export function eventEndpoints({ pool, now, reads, streams }: GatewayDeps): Endpoint[] {
  /** Answers with what one sees of an event, unless the client has seen it already: at once when it is in memory. */
  const look =
    (form: Form) =>
    ({ params, request }: LookAsked, reply: FastifyReply): Promise<void> | undefined => {
      const found = reads.event(params.id);
      if (found instanceof Promise) return found.then((view) => tell(view, form, request, reply));
      tell(found, form, request, reply);
      return undefined;
    };

  function tell(view: EventView | null, form: Form, request: FastifyRequest, reply: FastifyReply): void {
    if (view === null) throw notFound();
    const at = now();
    reply.header("cache-control", CACHE_CONTROL);
    if (isUnchanged(request, reply, view.tag(at))) return void reply.code(304).send();
    reply.header("content-type", JSON_TYPE).send(view.body(form, at));
  }

  const lookAtAvailability = look("availability");

  const readPage = async (query: z.infer<typeof Listing>, url: string): Promise<PageRead> => {
    const at = now();
    const found = await listEvents(pool, {
      when: query.when,
      q: query.q ?? null,
      now: at,
      limit: query.limit + 1,
      after: readCursor(After, query.cursor),
    });
    const paging = {
      present: (event: EventRecord) => presentEvent(event, at),
      cursorOf: ({ startsAt, id }: EventRecord) => ({ startsAt, id }),
    };
    const { page, link } = linkedPage(found, query.limit, paging, url);
    const body = JSON.stringify(page);
    // An event is past when its last slot has ended.
    const ends = found.map(({ slots }) => Math.max(...slots.map(({ endsAt }) => endsAt)));
    const moments = [...ends.filter((end) => end > at), ...found.map((event) => nextMoment(event, at))];
    return { body, link, tag: `"${hash("sha1", body, "base64url")}"`, changesAt: Math.min(...moments) };
  };

  function tellPage(page: EventPage | null, request: FastifyRequest, reply: FastifyReply): void {
    if (page === null) throw new Error("a page was read, and there is none");
    reply.header("link", page.link);
    if (isUnchanged(request, reply, page.tag)) return void reply.code(304).send();
    reply.header("content-type", JSON_TYPE).send(page.body);
  }

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
        reads.changed(id);
        const made = await findEvent(pool, id);
        if (made === null) throw notFound();
        reply.code(201).header("location", `/v1/events/${id}`);
        return presentEvent(made, now());
      },
    }),
    endpoint({
      method: "GET",
      url: "/v1/events",
      access: "anyone",
      rate: "read",
      tag: "Events",
      summary: "Events by their start; past ones the latest first",
      query: Listing,
      answers: { 200: { description: "A page.", schema: EventList }, 304: { description: "Unchanged." } },
      handle({ query, request }, reply) {
        const found = reads.page(request.url, () => readPage(query, request.url));
        if (found instanceof Promise) return found.then((page) => tellPage(page, request, reply));
        tellPage(found, request, reply);
        return undefined;
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
      handle: look("event"),
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
      handle: (asked, reply) =>
        asked.wantsStream
          ? streams.availability.watch(asked.params.id, asked.request, reply)
          : lookAtAvailability(asked, reply),
    }),
  ];
}
