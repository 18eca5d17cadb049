// What the reservation worker may be told from outside.
import { DEFAULT_PREFIX } from "@holdfast/event-queue";
import { StoresConfig } from "@holdfast/runtime";
import { z } from "zod";

/** Events that one worker drains side by side, unless told otherwise. */
const DRAIN_SLOTS_DEFAULT = 16;

export const ReservationWorkerConfig = StoresConfig.extend({
  REDIS_PREFIX: z.string().min(1).default(DEFAULT_PREFIX),
  DRAIN_SLOTS: z.coerce.number().int().min(1).max(64).default(DRAIN_SLOTS_DEFAULT),
});
