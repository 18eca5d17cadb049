// What the webhook worker may be told from outside.
import { StoresConfig } from "@holdfast/runtime";
import { WEBHOOK_SETTINGS } from "@holdfast/webhooks";
import { z } from "zod";

/** Endpoints that have their turns side by side in one worker, unless told otherwise. */
const DELIVERY_SLOTS_DEFAULT = 64;

export const WebhookWorkerConfig = StoresConfig.extend({
  ...WEBHOOK_SETTINGS,
  DELIVERY_SLOTS: z.coerce.number().int().min(1).max(512).default(DELIVERY_SLOTS_DEFAULT),
});
