// Reserve, purchase, cancel, and a user's own reservations.
import {
  Cursor,
  Limit,
  NoFields,
  PurchaseBody,
  presentReservation,
  Reservation,
  ReservationList,
  ReserveBody,
  TIME_MAX,
  TIME_MIN,
  WaitlistEntry,
} from "@holdfast/contracts";
import { findReservationOf, listReservations, type ReservationListing } from "@holdfast/db";
import {
  EventId,
  RESERVATION_STATUSES,
  type Reservation as ReservationFacts,
  ReservationId,
} from "@holdfast/domain";
import { z } from "zod";
import { authorityOf } from "../authority.ts";
import { ACCEPTED, answerCommand, COMMAND_PROBLEMS, frameCommand } from "../command-door.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { pageOf, readCursor } from "../pages.ts";
import { notFound } from "../refused.ts";

const OfEvent = z.object({ id: EventId });
const OfReservation = z.object({ id: ReservationId });
const After = z.strictObject({ createdAt: z.int().min(TIME_MIN).max(TIME_MAX), id: ReservationId });
const PAGE = {
  present: presentReservation,
  cursorOf: ({ createdAt, id }: ReservationFacts) => ({ createdAt, id }),
};

export function reservationEndpoints(deps: GatewayDeps): Endpoint[] {
  const { commands, metrics, now, origins, pool, reads } = deps;
  const door = { commands, metrics, reads };
  const { roleOver, mustOrganize } = authorityOf(deps);

  /** Who is told that a hold has ended looks at what there is now. */
  const told = ({ eventId, createdAt, purchasedAt, endedAt }: ReservationFacts): void =>
    reads.told(eventId, Math.max(createdAt, purchasedAt ?? 0, endedAt ?? 0));

  async function readReservations(listing: ReservationListing): Promise<ReservationFacts[]> {
    const found = await listReservations(pool, listing);
    found.forEach(told);
    return found;
  }

  const reserve = endpoint({
    method: "POST",
    url: "/v1/events/:id/reserve",
    access: "user",
    rate: "command",
    tag: "Reservations",
    summary: "Reserve tickets of one slot, for some minutes",
    takes: "command",
    params: OfEvent,
    body: ReserveBody,
    answers: {
      201: {
        description: "Held; or waiting, when there were none and `onSoldOut` is `waitlist`.",
        schema: z.union([Reservation, WaitlistEntry]),
      },
      202: ACCEPTED,
    },
    problems: [
      ...COMMAND_PROBLEMS,
      "event-cancelled",
      "event-over",
      "sales-not-open",
      "sales-closed",
      "slot-required",
      "limit-exceeded",
      "already-reserved",
      "already-waiting",
      "overlap",
      "sold-out",
      "all-held",
      "waitlist-closed",
      "waitlist-full",
    ],
    async handle(asked, reply) {
      const { id: eventId } = asked.params;
      const frame = frameCommand(asked, now);
      if ((await origins.organizerOf(eventId)) === null) throw notFound();
      const { slotId = null, quantity, onSoldOut } = asked.body;
      const orWait = onSoldOut === "waitlist" ? ({ orWait: true } as const) : {};
      const input = { slotId, quantity, ...orWait };
      const command = { ...frame, eventId, type: "reserve" as const, input };
      return await answerCommand(door, command, asked.request, reply, 201);
    },
  });

  const purchase = endpoint({
    method: "POST",
    url: "/v1/reservations/:id/purchase",
    access: "user",
    rate: "command",
    tag: "Reservations",
    summary: "Buy what is held",
    takes: "command",
    params: OfReservation,
    body: PurchaseBody,
    answers: { 200: { description: "Purchased.", schema: Reservation }, 202: ACCEPTED },
    problems: [...COMMAND_PROBLEMS, "already-purchased", "event-cancelled", "hold-expired", "not-active"],
    async handle(asked, reply) {
      const { id: reservationId } = asked.params;
      const frame = frameCommand(asked, now);
      const origin = await origins.ofReservation(reservationId);
      if (origin === null || origin.userId !== asked.identity.userId) throw notFound();
      const { paymentReference = null } = asked.body;
      const { eventId } = origin;
      const command = {
        ...frame,
        eventId,
        type: "purchase" as const,
        input: { reservationId, paymentReference },
      };
      return await answerCommand(door, command, asked.request, reply, 200);
    },
  });

  const cancel = endpoint({
    method: "POST",
    url: "/v1/reservations/:id/cancel",
    access: "user",
    rate: "command",
    tag: "Reservations",
    summary: "Give tickets back",
    takes: "command",
    params: OfReservation,
    body: NoFields,
    answers: { 200: { description: "Cancelled.", schema: Reservation }, 202: ACCEPTED },
    problems: [...COMMAND_PROBLEMS, "not-active", "cancellation-closed"],
    async handle(asked, reply) {
      const { id: reservationId } = asked.params;
      const frame = frameCommand(asked, now);
      const origin = await origins.ofReservation(reservationId);
      if (origin === null) throw notFound();
      const { eventId } = origin;
      const role = await roleOver(origin, asked.identity);
      const command = { ...frame, eventId, type: "cancel" as const, input: { reservationId, role } };
      return await answerCommand(door, command, asked.request, reply, 200);
    },
  });

  const ListQuery = z.strictObject({
    status: z.enum(RESERVATION_STATUSES).optional(),
    when: z.enum(["upcoming", "past", "all"]).default("all"),
    eventId: EventId.optional(),
    limit: Limit,
    cursor: Cursor.optional(),
  });

  const list = endpoint({
    method: "GET",
    url: "/v1/reservations",
    access: "user",
    rate: "read",
    tag: "Reservations",
    summary: "Your reservations, the newest first",
    query: ListQuery,
    answers: { 200: { description: "A page.", schema: ReservationList } },
    async handle({ query, identity, request }, reply) {
      const found = await readReservations({
        of: { userId: identity.userId, ...(query.eventId === undefined ? {} : { eventId: query.eventId }) },
        status: query.status ?? null,
        when: query.when,
        now: now(),
        limit: query.limit + 1,
        after: readCursor(After, query.cursor),
      });
      return pageOf(found, query.limit, PAGE, request, reply);
    },
  });

  const one = endpoint({
    method: "GET",
    url: "/v1/reservations/:id",
    access: "user",
    rate: "read",
    tag: "Reservations",
    summary: "One of your reservations",
    params: OfReservation,
    answers: { 200: { description: "The reservation.", schema: Reservation } },
    problems: ["not-found"],
    async handle({ params, identity }) {
      const found = await findReservationOf(pool, identity.userId, params.id);
      if (found === null) throw notFound();
      told(found);
      return presentReservation(found);
    },
  });

  const ofEvent = endpoint({
    method: "GET",
    url: "/v1/events/:id/reservations",
    access: "organizer",
    rate: "read",
    tag: "Events",
    summary: "All reservations of an event that you organize, the newest first",
    params: OfEvent,
    query: ListQuery.omit({ when: true, eventId: true }),
    answers: { 200: { description: "A page.", schema: ReservationList } },
    problems: ["not-found"],
    async handle({ params, query, identity, request }, reply) {
      await mustOrganize(params.id, identity);
      const found = await readReservations({
        of: { eventId: params.id },
        status: query.status ?? null,
        when: "all",
        now: now(),
        limit: query.limit + 1,
        after: readCursor(After, query.cursor),
      });
      return pageOf(found, query.limit, PAGE, request, reply);
    },
  });

  return [reserve, purchase, cancel, list, one, ofEvent];
}
