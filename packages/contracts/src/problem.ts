// Every error that outsiders meet (RFC 9457): one table, held to `docs/problems.md` by a test, both ways.
import type { Refusal, RefusalCode } from "@holdfast/domain";
import { z } from "zod";
import type { Command } from "./command.ts";
import { isoTime, isoTimeOrNull } from "./fields.ts";

export const NEXT_STEPS = ["join-waitlist", "retry-after", "use-existing"] as const;
export type NextStep = (typeof NEXT_STEPS)[number];

interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  /** What is said when there is nothing more particular to say. */
  readonly detail: string;
  readonly nextStep?: NextStep;
}

export type ProblemCode =
  | RefusalCode
  | "malformed-request"
  | "unauthenticated"
  | "forbidden"
  | "method-not-allowed"
  | "not-acceptable"
  | "request-timeout"
  | "payload-too-large"
  | "unsupported-media-type"
  | "headers-too-large"
  | "already-finished"
  | "email-taken"
  | "webhook-url-not-allowed"
  | "rate-limited"
  | "internal"
  | "queue-full"
  | "unavailable";

export const PROBLEMS = {
  "malformed-request": {
    status: 400,
    title: "Malformed request",
    detail: "The request could not be read.",
  },
  "validation-failed": {
    status: 400,
    title: "Validation failed",
    detail: "The request was read, but some of it is not as it must be.",
  },
  unauthenticated: {
    status: 401,
    title: "Not signed in",
    detail: "A valid access token is needed.",
  },
  forbidden: { status: 403, title: "Not allowed", detail: "Your role does not allow this." },
  "not-found": { status: 404, title: "Not found", detail: "There is no such thing, or it is not yours." },
  "method-not-allowed": {
    status: 405,
    title: "Method not allowed",
    detail: "This path does not take this method.",
  },
  "not-acceptable": {
    status: 406,
    title: "Not acceptable",
    detail: "Accept rules out every form in which this can be answered.",
  },
  "request-timeout": {
    status: 408,
    title: "Request timeout",
    detail: "The request did not arrive in time.",
  },
  "payload-too-large": { status: 413, title: "Body too large", detail: "A body may have 16 KiB at most." },
  "unsupported-media-type": {
    status: 415,
    title: "Unsupported media type",
    detail: "Bodies are JSON in UTF-8, not compressed: Content-Type: application/json.",
  },
  "headers-too-large": {
    status: 431,
    title: "Headers too large",
    detail: "The request's headers are too large.",
  },
  "sold-out": {
    status: 409,
    title: "Sold out",
    detail: "Fewer tickets than you want are left unsold.",
    nextStep: "join-waitlist",
  },
  "all-held": {
    status: 409,
    title: "All tickets are held",
    detail: "The tickets left are held by others, who may still buy them or let them go.",
    nextStep: "retry-after",
  },
  "already-reserved": {
    status: 409,
    title: "Already reserved",
    detail: "You have an active reservation of this slot.",
    nextStep: "use-existing",
  },
  "already-waiting": {
    status: 409,
    title: "Already waiting",
    detail: "You are in the slot's waitlist, or have an offer from it.",
    nextStep: "use-existing",
  },
  "limit-exceeded": { status: 409, title: "Limit exceeded", detail: "This is more than is allowed." },
  overlap: {
    status: 409,
    title: "Overlapping reservation",
    detail: "You have an active reservation at an overlapping time.",
  },
  "sales-not-open": {
    status: 409,
    title: "Sales are not open yet",
    detail: "Tickets are not on sale yet.",
    nextStep: "retry-after",
  },
  "sales-closed": { status: 409, title: "Sales are closed", detail: "Tickets are no longer on sale." },
  "event-cancelled": { status: 409, title: "Event cancelled", detail: "The event does not take place." },
  "event-over": { status: 409, title: "Event over", detail: "It has started already." },
  "slot-required": {
    status: 409,
    title: "Slot required",
    detail: "The event has several slots: say which one by slotId.",
  },
  "already-purchased": {
    status: 409,
    title: "Already purchased",
    detail: "The reservation was purchased with another payment reference.",
  },
  "not-active": {
    status: 409,
    title: "Not active",
    detail: "The reservation or waitlist entry has ended.",
  },
  "cancellation-closed": {
    status: 409,
    title: "Cancellation closed",
    detail: "It is too late to cancel.",
  },
  "tickets-available": {
    status: 409,
    title: "Tickets are available",
    detail: "There are tickets for you: reserve them.",
  },
  "waitlist-closed": {
    status: 409,
    title: "Waitlist closed",
    detail: "The slot has no waitlist, or it has closed.",
  },
  "waitlist-full": {
    status: 409,
    title: "Waitlist full",
    detail: "As many wait for the slot as may.",
  },
  "capacity-below-committed": {
    status: 409,
    title: "Capacity below what is taken",
    detail: "More tickets of the slot are held or sold.",
  },
  "slot-in-use": {
    status: 409,
    title: "Slot in use",
    detail:
      "This cannot change any more once a slot had reservations or a waitlist, and an event keeps one slot.",
  },
  "already-finished": {
    status: 409,
    title: "Already finished",
    detail: "The command has ended: it cannot be withdrawn, nor sent again once it was.",
  },
  "email-taken": {
    status: 409,
    title: "E-mail address taken",
    detail: "There is an account with this e-mail address.",
  },
  "hold-expired": { status: 410, title: "Hold expired", detail: "The hold's deadline has passed." },
  "precondition-failed": {
    status: 412,
    title: "Precondition failed",
    detail: "The event has changed: its version is none that If-Match names.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "Idempotency key reused",
    detail: "This Idempotency-Key came with another request before.",
  },
  "webhook-url-not-allowed": {
    status: 422,
    title: "Webhook URL not allowed",
    detail:
      "Webhooks go to public addresses only, by https on its usual port, without credentials in the URL.",
  },
  "rate-limited": {
    status: 429,
    title: "Too many requests",
    detail: "You have sent too many requests.",
    nextStep: "retry-after",
  },
  internal: { status: 500, title: "Internal error", detail: "Something went wrong on our side." },
  "queue-full": {
    status: 503,
    title: "Queue full",
    detail: "Too many commands wait for this event.",
    nextStep: "retry-after",
  },
  unavailable: {
    status: 503,
    title: "Unavailable",
    detail: "The service cannot answer this at the moment.",
    nextStep: "retry-after",
  },
} as const satisfies Record<ProblemCode, ProblemEntry>;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Where the gateway serves `docs/problems.md`: with a code behind the hash, a problem's `type`. */
export const PROBLEMS_PAGE = "/docs/problems";
export const PROBLEM_MEDIA_TYPE = "application/problem+json";

export const FieldError = z.object({ pointer: z.string(), detail: z.string() }).meta({ id: "FieldError" });
export type FieldError = z.infer<typeof FieldError>;

export const Problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(PROBLEM_CODES),
    instance: z.string(),
    requestId: z.string(),
    nextStep: z.enum(NEXT_STEPS).optional(),
    errors: z.array(FieldError).optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** What a problem tells beside what all tell: plain values, or the whole command that is in the way. */
export type ProblemMember = string | number | boolean | null | Command;

/** What went wrong, before it is known in which request. */
export interface ProblemFacts {
  readonly code: ProblemCode;
  readonly detail?: string;
  /** When it is another than the code's. */
  readonly nextStep?: NextStep;
  readonly errors?: readonly FieldError[];
  /** Members of the problem's own, such as `reservationId`. */
  readonly members?: Readonly<Record<string, ProblemMember>>;
}

export interface Occasion {
  readonly instance: string;
  readonly requestId: string;
}

export function presentProblem(facts: ProblemFacts, occasion: Occasion): Problem {
  const { code, detail, errors, members } = facts;
  const entry: ProblemEntry = PROBLEMS[code];
  const nextStep = facts.nextStep ?? entry.nextStep;
  return {
    type: `${PROBLEMS_PAGE}#${code}`,
    title: entry.title,
    status: entry.status,
    detail: detail ?? entry.detail,
    code,
    instance: occasion.instance,
    requestId: occasion.requestId,
    ...(nextStep === undefined ? {} : { nextStep }),
    ...(errors === undefined ? {} : { errors: [...errors] }),
    ...members,
  };
}

const LIMIT_DETAILS = {
  order: "This is more than one order may have.",
  capacity: "This is more than the slot has at all.",
  user: "With this you would have more tickets of the event than one user may have.",
  holds: "You hold as many reservations as one user may hold at once.",
  slots: "The event has as many slots as an event may have.",
  cooldown: "You let too many holds lapse: there are no new ones for you until retryAt.",
} as const;

/** What is wrong with a field that does not fit to what was there before. */
const MISFITS = {
  "/salesCloseAt": "must be later than salesOpenAt",
  "/endsAt": "must be later than startsAt",
} as const;

/** Words a refusal of the rules for outsiders. */
export function problemOf(refusal: Refusal): ProblemFacts {
  switch (refusal.code) {
    case "not-found":
      if (refusal.pointer === undefined) return { code: "not-found" };
      return {
        code: "not-found",
        errors: [{ pointer: refusal.pointer, detail: "no such slot of this event" }],
      };
    case "sales-not-open":
      return { code: refusal.code, members: { salesOpenAt: isoTime(refusal.salesOpenAt) } };
    case "limit-exceeded": {
      const { code, limit } = refusal;
      const detail = LIMIT_DETAILS[limit];
      if (limit !== "cooldown") return { code, detail, members: { limit } };
      return { code, detail, nextStep: "retry-after", members: { limit, retryAt: isoTime(refusal.retryAt) } };
    }
    case "already-reserved":
      return { code: refusal.code, members: { reservationId: refusal.reservationId } };
    case "already-waiting":
      return { code: refusal.code, members: { waitlistEntryId: refusal.waitlistEntryId } };
    case "capacity-below-committed":
      return { code: refusal.code, members: { held: refusal.held, purchased: refusal.purchased } };
    case "validation-failed": {
      const { code, pointer } = refusal;
      return { code, errors: [{ pointer, detail: MISFITS[pointer] }] };
    }
    case "overlap": {
      const { reservationId, retryable } = refusal;
      return { code: refusal.code, members: { reservationId, retryable } };
    }
    case "all-held":
      return { code: refusal.code, members: { earliestReleaseAt: isoTimeOrNull(refusal.earliestReleaseAt) } };
    case "event-cancelled":
    case "event-over":
    case "sales-closed":
    case "slot-required":
    case "sold-out":
    case "already-purchased":
    case "hold-expired":
    case "not-active":
    case "cancellation-closed":
    case "tickets-available":
    case "waitlist-closed":
    case "waitlist-full":
    case "slot-in-use":
    case "precondition-failed":
    case "idempotency-key-reused":
      return { code: refusal.code };
  }
}
