// What the expiry worker may be told from outside.
import { DEFAULT_PREFIX } from "@holdfast/event-queue";
import { StoresConfig } from "@holdfast/runtime";
import { z } from "zod";

export const ExpiryWorkerConfig = StoresConfig.extend({
  REDIS_PREFIX: z.string().min(1).default(DEFAULT_PREFIX),
});
