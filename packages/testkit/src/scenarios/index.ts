// Every scenario, by topic. Whoever can carry out what a scenario says may run them all.
import type { ScenarioTexts } from "../scenario.ts";
import { CANCEL } from "./cancel.ts";
import { COOLDOWN } from "./cooldown.ts";
import { DEADLINES } from "./deadlines.ts";
import { ORGANIZER } from "./organizer.ts";
import { OVERLAP } from "./overlap.ts";
import { PROMOTION } from "./promotion.ts";
import { PURCHASE } from "./purchase.ts";
import { RACES } from "./races.ts";
import { RESERVE } from "./reserve.ts";
import { WAITLIST } from "./waitlist.ts";

export const SCENARIOS: Readonly<Record<string, ScenarioTexts>> = {
  reserve: RESERVE,
  purchase: PURCHASE,
  cancel: CANCEL,
  deadlines: DEADLINES,
  cooldown: COOLDOWN,
  overlap: OVERLAP,
  waitlist: WAITLIST,
  promotion: PROMOTION,
  organizer: ORGANIZER,
  races: RACES,
};
