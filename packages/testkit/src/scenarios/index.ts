// Every scenario, by topic. Whoever can carry out what a scenario says may run them all.
import type { ScenarioTexts } from "../scenario.ts";
import { CANCEL } from "./cancel.ts";
import { DEADLINES } from "./deadlines.ts";
import { OVERLAP } from "./overlap.ts";
import { PROMOTION } from "./promotion.ts";
import { PURCHASE } from "./purchase.ts";
import { RESERVE } from "./reserve.ts";
import { WAITLIST } from "./waitlist.ts";

export const SCENARIOS: Readonly<Record<string, ScenarioTexts>> = {
  reserve: RESERVE,
  purchase: PURCHASE,
  cancel: CANCEL,
  deadlines: DEADLINES,
  overlap: OVERLAP,
  waitlist: WAITLIST,
  promotion: PROMOTION,
};
