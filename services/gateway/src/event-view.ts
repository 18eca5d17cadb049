// One event as it was read, in the words in which people are told of it. Worded when the first one asks, and anew when
// time alone has changed something: its status, or what is withheld from the public.
import { eventTag, nextMoment, presentAvailability, presentEvent } from "@holdfast/contracts";
import type { EventRecord } from "@holdfast/db";
import type { EpochMs } from "@holdfast/domain";
import type { Read } from "./recent-reads.ts";

export type Form = "event" | "availability";

/** What a view takes in memory, for each character of its event as JSON: the record, and both its bodies. */
const BYTES_PER_CHARACTER = 4;

export class EventView implements Read {
  readonly asOf: number;
  readonly until: number;
  readonly bytes: number;
  readonly #event: EventRecord;
  /** Database time until which the words are true. */
  #wordedUntil = Number.NEGATIVE_INFINITY;
  #tag = "";
  #bodies: Record<Form, string | null> = { event: null, availability: null };

  constructor(event: EventRecord, characters: number, { asOf, until }: Pick<Read, "asOf" | "until">) {
    this.asOf = asOf;
    this.until = until;
    this.bytes = characters * BYTES_PER_CHARACTER;
    this.#event = event;
  }

  /** The event's tag at this moment of database time. */
  tag(at: EpochMs): string {
    if (at >= this.#wordedUntil) {
      this.#wordedUntil = nextMoment(this.#event, at);
      this.#tag = eventTag(this.#event, at);
      this.#bodies = { event: null, availability: null };
    }
    return this.#tag;
  }

  /** JSON. */
  body(form: Form, at: EpochMs): string {
    this.tag(at);
    const worded = this.#bodies[form] ?? JSON.stringify(PRESENT[form](this.#event, at));
    this.#bodies[form] = worded;
    return worded;
  }
}

const PRESENT = {
  event: presentEvent,
  availability: presentAvailability,
} satisfies Record<Form, (event: EventRecord, at: EpochMs) => unknown>;
