// Endpoints of webhooks and their deliveries, as their owners see them. (What is sent to them: see `webhook-message.ts`.)
import {
  DELIVERY_STATUSES,
  DeliveryId,
  type DeliveryStatus,
  WEBHOOK_DISABLED_REASONS,
  WEBHOOK_ENDPOINT_STATUSES,
  type WebhookDisabledReason,
  WebhookEndpointId,
  type WebhookEndpointStatus,
  WebhookMessageId,
} from "@holdfast/domain";
import { z } from "zod";
import { AnyTimeIn, isoTime, isoTimeOrNull, TimeOut } from "./fields.ts";
import { listOf } from "./list.ts";
import { WEBHOOK_TYPES, type WebhookType } from "./webhook-message.ts";

/** Characters of an endpoint's URL and of its description. */
export const WEBHOOK_URL_LENGTH_MAX = 2_048;
export const WEBHOOK_DESCRIPTION_LENGTH_MAX = 500;

/** What parsers of URLs pass over in silence, or read as something else: nobody would see where it leads. */
const HIDDEN_IN_URLS = /[\s\p{C}\\]/u;

/** Any URL: whether webhooks may go there is decided elsewhere. Kept as it is written. */
const Url = z
  .string()
  .max(WEBHOOK_URL_LENGTH_MAX)
  .refine((text) => !HIDDEN_IN_URLS.test(text) && URL.canParse(text), {
    error: "must be a URL such as https://example.com/webhooks",
  });

const Types = z
  .array(z.enum(WEBHOOK_TYPES))
  .min(1)
  .superRefine((types, context) => {
    for (const [at, type] of types.entries()) {
      if (types.indexOf(type) < at) context.addIssue({ code: "custom", path: [at], message: "comes twice" });
    }
  });

const Description = z.string().max(WEBHOOK_DESCRIPTION_LENGTH_MAX);

export const CreateWebhookBody = z
  .strictObject({ url: Url, types: Types.optional(), description: Description.optional() })
  .meta({ id: "CreateWebhookBody" });
export type CreateWebhookBody = z.infer<typeof CreateWebhookBody>;

export const EditWebhookBody = z
  .strictObject({
    url: Url.optional(),
    types: Types.nullable().optional(),
    description: Description.nullable().optional(),
  })
  .meta({ id: "EditWebhookBody" });
export type EditWebhookBody = z.infer<typeof EditWebhookBody>;

/** Any time: `1970-01-01T00:00:00Z` is a usual way to say "everything". */
export const ReplayBody = z.strictObject({ since: AnyTimeIn }).meta({ id: "ReplayBody" });
export type ReplayBody = z.infer<typeof ReplayBody>;

export const WebhookEndpoint = z
  .object({
    object: z.literal("webhookEndpoint"),
    id: WebhookEndpointId,
    url: z.string(),
    /** All there are when none were named; those that will be added come to it then, too. */
    types: z.array(z.enum(WEBHOOK_TYPES)),
    description: z.string().nullable(),
    status: z.enum(WEBHOOK_ENDPOINT_STATUSES),
    /** Null while it is not disabled. */
    disabledReason: z.enum(WEBHOOK_DISABLED_REASONS).nullable(),
    createdAt: TimeOut,
  })
  .meta({ id: "WebhookEndpoint" });
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>;

export const WebhookEndpointList = listOf(WebhookEndpoint, "WebhookEndpointList");

/** With what its messages are signed with: shown when it is made, and when it is rotated. */
export const WebhookEndpointWithSecret = WebhookEndpoint.extend({ secret: z.string() }).meta({
  id: "WebhookEndpointWithSecret",
});
export type WebhookEndpointWithSecret = z.infer<typeof WebhookEndpointWithSecret>;

export const Replay = z
  .object({
    object: z.literal("replay"),
    /** Deliveries that are sent again. */
    count: z.int(),
  })
  .meta({ id: "Replay" });
export type Replay = z.infer<typeof Replay>;

export const Delivery = z
  .object({
    object: z.literal("delivery"),
    id: DeliveryId,
    endpointId: WebhookEndpointId,
    /** The `webhook-id` of every try. */
    webhookId: WebhookMessageId,
    type: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.array(
      z.object({
        at: TimeOut,
        /** The answer's; null when there was none. */
        status: z.int().nullable(),
        durationMs: z.int(),
      }),
    ),
    nextAttemptAt: TimeOut.nullable(),
    createdAt: TimeOut,
  })
  .meta({ id: "Delivery" });
export type Delivery = z.infer<typeof Delivery>;

export const DeliveryList = listOf(Delivery, "DeliveryList");

export interface WebhookEndpointFacts {
  readonly id: WebhookEndpointId;
  readonly url: string;
  /** Null: none were named. */
  readonly types: readonly WebhookType[] | null;
  readonly description: string | null;
  readonly status: WebhookEndpointStatus;
  readonly disabledReason: WebhookDisabledReason | null;
  readonly createdAt: number;
}

export const presentWebhookEndpoint = (endpoint: WebhookEndpointFacts): WebhookEndpoint => ({
  object: "webhookEndpoint",
  id: endpoint.id,
  url: endpoint.url,
  types: [...(endpoint.types ?? WEBHOOK_TYPES)],
  description: endpoint.description,
  status: endpoint.status,
  disabledReason: endpoint.disabledReason,
  createdAt: isoTime(endpoint.createdAt),
});

export interface DeliveryFacts {
  readonly id: DeliveryId;
  readonly endpointId: WebhookEndpointId;
  readonly messageId: WebhookMessageId;
  readonly type: string;
  readonly status: DeliveryStatus;
  /** Times in milliseconds since 1970. */
  readonly attempts: readonly {
    readonly at: number;
    readonly status: number | null;
    readonly durationMs: number;
  }[];
  readonly nextAttemptAt: number | null;
  readonly createdAt: number;
}

export const presentDelivery = (delivery: DeliveryFacts): Delivery => ({
  object: "delivery",
  id: delivery.id,
  endpointId: delivery.endpointId,
  webhookId: delivery.messageId,
  type: delivery.type,
  status: delivery.status,
  attempts: delivery.attempts.map(({ at, status, durationMs }) => ({ at: isoTime(at), status, durationMs })),
  nextAttemptAt: isoTimeOrNull(delivery.nextAttemptAt),
  createdAt: isoTime(delivery.createdAt),
});
