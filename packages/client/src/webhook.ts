// Whether a webhook was sent by Holdfast, lately, and arrived as it was sent (Standard Webhooks). Receives nothing itself.
import { Webhook } from "standardwebhooks";
import { WebhookRefused } from "./errors.ts";
import type { WebhookMessage } from "./webhook-message.ts";

/** Seconds by which a webhook's time and the receiver's may differ, either way. */
const TOLERANCE_SECONDS = 300;
/** Signatures that are looked at: a sender has two while its secret changes. */
const SIGNATURES_MAX = 8;
const VERSION = "v1,";

/** As requests carry them: of the web's kind, or of Node's. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface WebhookCheck {
  readonly toleranceSeconds?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The message, when it is signed with this secret (or one of these, while it changes). The body must be the very bytes
 * that came: whoever parses and words them again has others. Throws `WebhookRefused`.
 */
export function verifyWebhook(
  body: string | Uint8Array | ArrayBuffer,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  { toleranceSeconds = TOLERANCE_SECONDS, now = Date.now }: WebhookCheck = {},
): WebhookMessage {
  const id = headerOf(headers, "webhook-id");
  const timestamp = headerOf(headers, "webhook-timestamp");
  const signatures = headerOf(headers, "webhook-signature");
  const seconds = Number(timestamp);
  if (!/^[1-9]\d{0,11}$/.test(timestamp)) throw new WebhookRefused("webhook-timestamp is no time");
  if (Math.abs(now() / 1_000 - seconds) > toleranceSeconds) {
    throw new WebhookRefused(`webhook-timestamp is more than ${toleranceSeconds} s away`);
  }
  const text = typeof body === "string" ? body : textOf(body);
  const given = signatures.split(" ", SIGNATURES_MAX).filter((signature) => signature.startsWith(VERSION));
  const wanted = (typeof secrets === "string" ? [secrets] : secrets).map((secret) =>
    new Webhook(secret).sign(id, new Date(seconds * 1_000), text),
  );
  let found = false;
  for (const signature of given) for (const one of wanted) found = equal(signature, one) || found;
  if (!found) throw new WebhookRefused("no signature fits");
  return parsed(text);
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const found = headers instanceof Headers ? headers.get(name) : named(headers, name);
  if (typeof found !== "string" || found === "")
    throw new WebhookRefused(`${name} is missing, or there twice`);
  return found;
}

const named = (headers: Exclude<WebhookHeaders, Headers>, name: string) =>
  Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];

function textOf(bytes: Uint8Array | ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new WebhookRefused("the body is not UTF-8");
  }
}

/** In a time that tells nothing of where they differ. */
function equal(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}

function parsed(text: string): WebhookMessage {
  try {
    return JSON.parse(text) as WebhookMessage;
  } catch {
    throw new WebhookRefused("the body is not JSON");
  }
}
