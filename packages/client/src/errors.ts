// Everything that is thrown: what Holdfast refused, and what else keeps a caller from its result.
import type { components } from "./generated/api.ts";

type Command = components["schemas"]["Command"];
type Problem = components["schemas"]["Problem"];

export type ProblemCode = Problem["code"];
export type NextStep = NonNullable<Problem["nextStep"]>;

/** What problems carry beside what all of them do. */
interface ProblemMembers {
  /** `earliestReleaseAt`: when tickets may come back at the earliest; null when nobody can say. */
  "all-held": { readonly earliestReleaseAt: string | null };
  "already-finished": { readonly command: Command };
  "already-reserved": { readonly reservationId: string };
  "already-waiting": { readonly waitlistEntryId: string };
  "capacity-below-committed": { readonly held: number; readonly purchased: number };
  "limit-exceeded": { readonly limit: string; readonly retryAt?: string };
  overlap: { readonly reservationId: string; readonly retryable: boolean };
  "sales-not-open": { readonly salesOpenAt: string };
}

export type MembersOf<Code extends ProblemCode> = Code extends keyof ProblemMembers
  ? ProblemMembers[Code]
  : Readonly<Record<string, unknown>>;

/** A refusal, as the API words it (RFC 9457). */
export class HoldfastProblem<Code extends ProblemCode = ProblemCode> extends Error {
  override readonly name = "HoldfastProblem";
  /** A server that is newer than this client may have others. */
  readonly code: Code;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Where the documentation of this problem is, from the API's own address. */
  readonly type: string;
  readonly requestId: string;
  readonly nextStep: NextStep | null;
  /** What is wrong with which field. */
  readonly errors: NonNullable<Problem["errors"]>;
  /** Milliseconds after which one may ask again; null when the answer did not say. */
  readonly retryAfterMs: number | null;
  readonly members: MembersOf<Code>;

  constructor(problem: Problem, retryAfterMs: number | null = null) {
    super(`${problem.title}: ${problem.detail}`);
    const {
      type,
      title,
      status,
      detail,
      code,
      instance: _,
      requestId,
      nextStep,
      errors,
      ...members
    } = problem;
    this.code = code as Code;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.type = type;
    this.requestId = requestId;
    this.nextStep = nextStep ?? null;
    this.errors = errors ?? [];
    this.retryAfterMs = retryAfterMs;
    this.members = members as unknown as MembersOf<Code>;
  }

  /** Whether it is one of these; the compiler then knows its members. */
  is<Asked extends ProblemCode>(...codes: Asked[]): this is HoldfastProblem<Asked> {
    return (codes as ProblemCode[]).includes(this.code);
  }
}

/** An answer that Holdfast does not give: of a proxy, most likely. */
export class UnexpectedAnswer extends Error {
  override readonly name = "UnexpectedAnswer";
  readonly status: number;

  constructor(status: number, what: string) {
    super(`${status}: ${what}`);
    this.status = status;
  }
}

/** No answer came, or not all of it. What was asked may have been done. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/**
 * A command was sent, and no answer came in time: it may have been accepted, or not. The same call with this
 * `idempotencyKey` finds out, and never asks for it twice.
 */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  readonly idempotencyKey: string;

  constructor(idempotencyKey: string, cause: unknown) {
    super("no answer came in time; what was asked may have been done", { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

/** The wait is over, and the command still in the queue. It will end: follow it, wait under its key, or withdraw it. */
export class StillQueued extends Error {
  override readonly name = "StillQueued";
  readonly command: Command;
  readonly idempotencyKey: string;

  constructor(command: Command, idempotencyKey: string) {
    super(`${command.id} is still in the queue`);
    this.command = command;
    this.idempotencyKey = idempotencyKey;
  }
}

/** The command was withdrawn before its turn came: it had no effect. */
export class CommandWithdrawn extends Error {
  override readonly name = "CommandWithdrawn";
  readonly command: Command;

  constructor(command: Command) {
    super(`${command.id} was withdrawn`);
    this.command = command;
  }
}

/** A webhook that must not be believed: not signed with the secret, not as it was sent, or too old. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused";
}

export const isProblem = (body: unknown): body is Problem =>
  typeof body === "object" &&
  body !== null &&
  "code" in body &&
  typeof body.code === "string" &&
  "status" in body;
