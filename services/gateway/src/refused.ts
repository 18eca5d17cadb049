// The one exception that is an answer: whatever the gateway refuses, it refuses by throwing this.
import type { ProblemFacts } from "@holdfast/contracts";

export class Refused extends Error {
  override readonly name = "Refused";
  readonly facts: ProblemFacts;
  readonly headers: Readonly<Record<string, string>>;

  constructor(facts: ProblemFacts, headers: Readonly<Record<string, string>> = {}) {
    super(facts.code);
    this.facts = facts;
    this.headers = headers;
  }
}

export const notFound = (): Refused => new Refused({ code: "not-found" });

export const unauthenticated = (detail?: string): Refused =>
  new Refused(
    { code: "unauthenticated", ...(detail === undefined ? {} : { detail }) },
    { "www-authenticate": "Bearer" },
  );

export const forbidden = (): Refused => new Refused({ code: "forbidden" });

export const malformed = (detail: string): Refused => new Refused({ code: "malformed-request", detail });

export const invalid = (pointer: string, detail: string): Refused =>
  new Refused({ code: "validation-failed", errors: [{ pointer, detail }] });

export const later = (
  code: "queue-full" | "unavailable" | "rate-limited",
  retryAfterSeconds: number,
): Refused => new Refused({ code }, { "retry-after": String(Math.max(1, Math.ceil(retryAfterSeconds))) });
