// What must be true of the tables, as sentences with a statement each that finds what contradicts it. Looks at one
// moment and changes nothing, so that it may be asked while everything runs. The sentences are in `invariants/`.
import type { EventId, SlotId } from "@holdfast/domain";
import type pg from "pg";
import { AT_REST } from "./invariants/at-rest.ts";
import { COMMANDS } from "./invariants/commands.ts";
import { COUNTERS } from "./invariants/counters.ts";
import { EVENTS } from "./invariants/events.ts";
import { LATE } from "./invariants/late.ts";
import { inLook } from "./invariants/look.ts";
import { RESERVATIONS } from "./invariants/reservations.ts";
import { TURNS } from "./invariants/turns.ts";
import { WAITLIST } from "./invariants/waitlist.ts";
import { WEBHOOKS } from "./invariants/webhooks.ts";

export interface Contradiction {
  /** The invariant, as it should be. */
  readonly sentence: string;
  /** Null when it is about no event. */
  readonly eventId: EventId | null;
  readonly slotId: SlotId | null;
  /** What is found instead, with the names of the rows. */
  readonly difference: string;
}

/** True in every snapshot: what one of these compares is written in one transaction. */
const ALWAYS = {
  ...COUNTERS,
  ...RESERVATIONS,
  ...WAITLIST,
  ...TURNS,
  ...COMMANDS,
  ...EVENTS,
  ...WEBHOOKS,
};

/** Of one sentence: whoever wants to know more has found enough to look for the cause. */
export const CONTRADICTIONS_PER_SENTENCE_MAX = 1_000;

export interface Examined {
  /** All, unless told otherwise. */
  readonly events?: readonly EventId[];
  /** Also what is true only when nothing is under way. */
  readonly atRest?: boolean;
  /** What must have happened by now, too, unless told otherwise: of a system that does not run it may not. */
  readonly late?: boolean;
}

/** The sentences that are asked, in their order, each with its statement. */
export const sentencesOf = ({ atRest = false, late = true }: Examined): readonly [string, string][] =>
  Object.entries({ ...ALWAYS, ...(late ? LATE : {}), ...(atRest ? AT_REST : {}) });

/** Everything that contradicts an invariant, at one moment. Empty when all is well. */
export async function findContradictions(pool: pg.Pool, examined: Examined = {}): Promise<Contradiction[]> {
  return await inLook(pool, async (ask) => {
    const found: Contradiction[] = [];
    for (const [sentence, statement] of sentencesOf(examined)) {
      const rows = await ask<Omit<Contradiction, "sentence">>(
        `SELECT event_id AS "eventId", slot_id AS "slotId", difference
        FROM (${statement}) AS found LIMIT ${CONTRADICTIONS_PER_SENTENCE_MAX}`,
        [examined.events ?? null],
      );
      found.push(...rows.map((row) => ({ sentence, ...row })));
    }
    return found;
  });
}

/** A contradiction as one line. */
export const contradictionText = ({ sentence, eventId, slotId, difference }: Contradiction): string =>
  `not so: ${sentence}: ${[eventId, slotId].filter((id) => id !== null).join(" ")}: ${difference}`;
