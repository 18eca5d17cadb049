// What becomes of a delivery after an attempt, and of its endpoint: decided here, without a clock and without a store.
import { createHash, timingSafeEqual } from "node:crypto";
import type { WebhookMessageType } from "@holdfast/contracts";
import type { DeliveryStatus } from "@holdfast/domain";
import type { AttemptEnd } from "./attempt.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Milliseconds before each try, from the one before it. */
export const WAITS_MS: readonly number[] = [
  0,
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** Of a wait, the part that is added at most, so that what failed together does not come back together. */
export const JITTER = 0.1;
/** Milliseconds that an endpoint may ask for before the next try. */
export const RETRY_AFTER_MAX_MS = 24 * HOUR_MS;
/** Milliseconds of nothing but failures after which an endpoint is disabled. */
export const FAILING_MAX_MS = 5 * 24 * HOUR_MS;

/** Milliseconds between two failures after which nobody knows how it was meanwhile: longer than any wait between tries. */
export const FAILURES_APART_MAX_MS = 27 * HOUR_MS;

/** Statuses whose `Retry-After` counts. */
const NOT_NOW = [429, 503];
const GONE = 410;

export interface Verdict {
  readonly becomes: DeliveryStatus;
  /** Milliseconds until the next try; null when there is none. */
  readonly waitMs: number | null;
  /** What it says of the endpoint; null: nothing. */
  readonly endpoint: "verified" | "working" | "failing" | "gone" | null;
}

export interface Tried {
  readonly type: WebhookMessageType;
  /** What the endpoint was to answer, when it was asked to prove itself. */
  readonly challenge: string | null;
  /** Tries made before this one. */
  readonly tries: number;
  readonly end: Exclude<AttemptEnd, { kind: "broken-off" }>;
}

/** `now` in milliseconds since 1970, `random` from 0 to less than 1. */
export function judge(tried: Tried, { now, random }: { now: number; random: number }): Verdict {
  const { type, challenge, tries, end } = tried;
  const status = end.kind === "answered" ? end.status : null;
  if (type === "endpoint.verification") {
    const verified =
      end.kind === "answered" && status === 200 && challenge !== null && isAnswerTo(challenge, end.answer);
    return verified ? DELIVERED_AND("verified") : FAILED_AND(null);
  }
  if (status !== null && status >= 200 && status < 300) return DELIVERED_AND("working");
  if (status === GONE) return FAILED_AND("gone");
  // Whoever tries an endpoint out may do so with one that is not ready: that says nothing of it.
  const endpoint = type === "endpoint.test" ? null : "failing";
  const wait = WAITS_MS[tries + 1];
  if (wait === undefined) return FAILED_AND(endpoint);
  const asked =
    end.kind === "answered" && NOT_NOW.includes(end.status) ? retryAfterMs(end.retryAfter, now) : 0;
  const waitMs = Math.floor(Math.max(wait, Math.min(asked, RETRY_AFTER_MAX_MS)) * (1 + JITTER * random));
  return { becomes: "pending", waitMs, endpoint };
}

const DELIVERED_AND = (endpoint: Verdict["endpoint"]): Verdict => ({
  becomes: "delivered",
  waitMs: null,
  endpoint,
});
const FAILED_AND = (endpoint: Verdict["endpoint"]): Verdict => ({
  becomes: "failed",
  waitMs: null,
  endpoint,
});

/** Seconds, or a date; 0 for what is neither. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0;
  if (/^\d{1,9}$/.test(header)) return Number(header) * SECOND_MS;
  const date = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

/** Is the answer `{"challenge": …}` with what was asked? Takes as long whatever part of it is wrong. */
function isAnswerTo(challenge: string, answer: string | null): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const given = challengeIn(answer);
  return given !== null && timingSafeEqual(digest(given), digest(challenge));
}

function challengeIn(answer: string | null): string | null {
  if (answer === null) return null;
  try {
    const read: unknown = JSON.parse(answer);
    const { challenge } = Object(read) as { challenge?: unknown };
    return typeof challenge === "string" ? challenge : null;
  } catch {
    return null;
  }
}
