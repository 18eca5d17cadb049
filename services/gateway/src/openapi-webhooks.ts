// The `webhooks` of the OpenAPI document: what endpoints are sent, one entry for each type.
import {
  CommandMessage,
  EndpointDisabledMessage,
  EventMessage,
  ReservationMessage,
  TestMessage,
  VerificationMessage,
  WaitlistMessage,
  type WebhookMessageType,
} from "@holdfast/contracts";
import { z } from "zod";
import type { JsonSchema } from "./json-schema.ts";

interface Sent {
  readonly summary: string;
  readonly schema: z.ZodType;
}

const SENT: Readonly<Record<WebhookMessageType, Sent>> = {
  "command.succeeded": { summary: "A command did what it asked", schema: CommandMessage },
  "command.rejected": { summary: "The rules refused a command", schema: CommandMessage },
  "command.failed": {
    summary: "A command ended by a fault of ours, and changed nothing",
    schema: CommandMessage,
  },
  "reservation.held": {
    summary: "Tickets are held, or offered to somebody who waited",
    schema: ReservationMessage,
  },
  "reservation.purchased": { summary: "Tickets were bought", schema: ReservationMessage },
  "reservation.cancelled": {
    summary: "A reservation was given back or cancelled",
    schema: ReservationMessage,
  },
  "reservation.expired": { summary: "A hold ended unpaid", schema: ReservationMessage },
  "waitlist.joined": { summary: "Somebody began to wait", schema: WaitlistMessage },
  "waitlist.offered": { summary: "Somebody who waited is offered tickets", schema: WaitlistMessage },
  "waitlist.fulfilled": { summary: "An offer was bought", schema: WaitlistMessage },
  "waitlist.declined": { summary: "An offer was given back", schema: WaitlistMessage },
  "waitlist.lapsed": { summary: "An offer ended unpaid", schema: WaitlistMessage },
  "waitlist.left": { summary: "Somebody waits no longer", schema: WaitlistMessage },
  "waitlist.closed": { summary: "A waitlist closed over somebody who waited", schema: WaitlistMessage },
  "event.cancelled": { summary: "An event does not take place", schema: EventMessage },
  "endpoint.verification": {
    summary: "A challenge: whoever answers 200 with it is sent everything else",
    schema: VerificationMessage,
  },
  "endpoint.test": { summary: "Asked for by the endpoint's owner", schema: TestMessage },
  "endpoint.disabled": {
    summary: "Another endpoint of the same owner was disabled",
    schema: EndpointDisabledMessage,
  },
};

const HEADERS = [
  ["webhook-id", "The message's id, the same on every try: what was seen before needs no second look."],
  ["webhook-timestamp", "When this try was made, in seconds since 1970."],
  ["webhook-signature", "`v1,` and a signature (Standard Webhooks); two while a secret is being replaced."],
] as const;

const ChallengeAnswer = z.object({ challenge: z.string() }).meta({ id: "ChallengeAnswer" });

/** `component` puts a schema among those with names, and returns how to refer to it. */
export const webhooksOf = (component: (schema: z.ZodType) => JsonSchema): Record<string, JsonSchema> =>
  Object.fromEntries(
    Object.entries(SENT).map(([type, { summary, schema }]) => [
      type,
      {
        post: {
          operationId: `on${type.replaceAll(/(?:^|\.)(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
          tags: ["Sent to you"],
          summary,
          security: [],
          parameters: HEADERS.map(([name, description]) => ({
            name,
            in: "header",
            required: true,
            description,
            schema: { type: "string" },
          })),
          requestBody: { required: true, content: { "application/json": { schema: component(schema) } } },
          responses: answersTo(type as WebhookMessageType, component),
        },
      },
    ]),
  );

const answersTo = (type: WebhookMessageType, component: (schema: z.ZodType) => JsonSchema): JsonSchema =>
  type === "endpoint.verification"
    ? {
        "200": {
          description: "The challenge that was sent.",
          content: { "application/json": { schema: component(ChallengeAnswer) } },
        },
      }
    : {
        "2XX": { description: "Taken. Anything else is tried again, for about three days." },
        "410": { description: "Never again: the endpoint is disabled." },
      };
