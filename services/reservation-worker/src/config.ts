// What the reservation worker may be told from outside.
import { StoresConfig } from "@holdfast/runtime";
import { z } from "zod";

/** Events that one worker drains side by side, unless told otherwise. */
const DRAIN_SLOTS_DEFAULT = 16;

export const ReservationWorkerConfig = StoresConfig.extend({
  DRAIN_SLOTS: z.coerce.number().int().min(1).max(64).default(DRAIN_SLOTS_DEFAULT),
});
