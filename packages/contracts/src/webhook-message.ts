// What an endpoint is sent (Standard Webhooks): a message about something that happened, worded when it is sent out of the
// facts that were kept when it happened.
import {
  EventId,
  NOTICE_TYPES,
  type Notice,
  WEBHOOK_DISABLED_REASONS,
  type WebhookDisabledReason,
  WebhookEndpointId,
  WebhookMessageId,
} from "@holdfast/domain";
import { z } from "zod";
import { Command, presentCommand } from "./command.ts";
import { Event, presentEventMade } from "./event.ts";
import { isoTime, TimeOut } from "./fields.ts";
import { presentReservation, Reservation } from "./reservation.ts";
import { presentWaitlistEntry, WaitlistEntry } from "./waitlist.ts";

/** Of bodies: grows when one could be misread by who knows only the one before. */
export const WEBHOOK_API_VERSION = "1";

/** What an endpoint may ask for. */
export const WEBHOOK_TYPES = NOTICE_TYPES;
export type WebhookType = (typeof WEBHOOK_TYPES)[number];

const envelope = {
  /** The same on every try, and for every endpoint: what tells a repeat. */
  id: WebhookMessageId,
  /** When it happened. */
  timestamp: TimeOut,
  apiVersion: z.literal(WEBHOOK_API_VERSION),
};

const ofEvent = <Type extends WebhookType, Resource extends z.ZodType>(
  types: readonly Type[],
  resource: Resource,
  id: string,
) =>
  z
    .object({
      ...envelope,
      type: z.enum(types),
      data: z.object({
        eventId: EventId,
        /** The event's messages in the order in which things happened. A gap is what this endpoint was not told of. */
        sequence: z.int(),
        resource,
      }),
    })
    .meta({ id });

const typesOf = <Prefix extends string>(prefix: Prefix) =>
  WEBHOOK_TYPES.filter((type): type is Extract<WebhookType, `${Prefix}.${string}`> =>
    type.startsWith(`${prefix}.`),
  );

export const CommandMessage = ofEvent(typesOf("command"), Command, "CommandMessage");
export const ReservationMessage = ofEvent(typesOf("reservation"), Reservation, "ReservationMessage");
export const WaitlistMessage = ofEvent(typesOf("waitlist"), WaitlistEntry, "WaitlistMessage");
export const EventMessage = ofEvent(typesOf("event"), Event, "EventMessage");

/** Sent when its owner asks for it, and before anything else: the endpoint answers with the challenge. */
export const VerificationMessage = z
  .object({
    ...envelope,
    type: z.literal("endpoint.verification"),
    data: z.object({ challenge: z.string() }),
  })
  .meta({ id: "VerificationMessage" });

export const TestMessage = z
  .object({
    ...envelope,
    type: z.literal("endpoint.test"),
    data: z.object({ endpointId: WebhookEndpointId }),
  })
  .meta({ id: "TestMessage" });

/** To the other endpoints of its owner. */
export const EndpointDisabledMessage = z
  .object({
    ...envelope,
    type: z.literal("endpoint.disabled"),
    data: z.object({ endpointId: WebhookEndpointId, reason: z.enum(WEBHOOK_DISABLED_REASONS) }),
  })
  .meta({ id: "EndpointDisabledMessage" });

export const WebhookMessage = z.discriminatedUnion("type", [
  CommandMessage,
  ReservationMessage,
  WaitlistMessage,
  EventMessage,
  VerificationMessage,
  TestMessage,
  EndpointDisabledMessage,
]);
export type WebhookMessage = z.infer<typeof WebhookMessage>;
export type WebhookMessageType = WebhookMessage["type"];

/** What is kept of a message that is about an endpoint and no event. */
export type EndpointNotice =
  | { readonly type: "endpoint.verification"; readonly challenge: string }
  | { readonly type: "endpoint.test"; readonly endpointId: WebhookEndpointId }
  | {
      readonly type: "endpoint.disabled";
      readonly endpointId: WebhookEndpointId;
      readonly reason: WebhookDisabledReason;
    };

export interface MessageFacts {
  readonly id: WebhookMessageId;
  /** Milliseconds since 1970: when it happened. */
  readonly createdAt: number;
  /** Null for what is about an endpoint. */
  readonly eventId: EventId | null;
  readonly sequence: number | null;
  readonly notice: Notice | EndpointNotice;
}

export function presentMessage(message: MessageFacts): WebhookMessage {
  const { id, notice } = message;
  const sent = { id, timestamp: isoTime(message.createdAt), apiVersion: WEBHOOK_API_VERSION } as const;
  if (notice.type === "endpoint.verification") {
    return { ...sent, type: notice.type, data: { challenge: notice.challenge } };
  }
  if (notice.type === "endpoint.test") {
    return { ...sent, type: notice.type, data: { endpointId: notice.endpointId } };
  }
  if (notice.type === "endpoint.disabled") {
    const { endpointId, reason } = notice;
    return { ...sent, type: notice.type, data: { endpointId, reason } };
  }
  return presentNotice(sent, message, notice);
}

function presentNotice(
  sent: Pick<WebhookMessage, "id" | "timestamp" | "apiVersion">,
  { eventId, sequence }: MessageFacts,
  notice: Notice,
): WebhookMessage {
  if (eventId === null || sequence === null) throw new Error(`${sent.id} is about an event, and names none`);
  const place = { eventId, sequence };
  if ("reservation" in notice) {
    const resource = presentReservation(notice.reservation);
    return { ...sent, type: notice.type, data: { ...place, resource } };
  }
  if ("entry" in notice) {
    const { entry, position, offer } = notice;
    const resource = presentWaitlistEntry({ ...entry, position, offer });
    return { ...sent, type: notice.type, data: { ...place, resource } };
  }
  if ("event" in notice) {
    return {
      ...sent,
      type: notice.type,
      data: { ...place, resource: presentEventMade(notice.event, notice.asOf) },
    };
  }
  const { command } = notice;
  const facts = { ...command, status: command.outcome.status, position: null, estimatedWaitMs: null };
  return { ...sent, type: notice.type, data: { ...place, resource: presentCommand(facts, sent.id) } };
}
