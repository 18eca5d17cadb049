// Signatures of Standard Webhooks: each message is signed with its endpoint's secret, or with two while one is replaced.
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";

/** Bytes of a secret: a multiple of three, so that base64 has no bits to spare, nor padding. */
const SECRET_BYTES = 24;

export const newSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;

export interface SignedHeaders {
  readonly "webhook-id": string;
  readonly "webhook-timestamp": string;
  readonly "webhook-signature": string;
}

/** `at`: milliseconds since 1970 of this try. Any of the secrets proves the message. */
export function signedHeaders(
  { id, at, body }: { id: string; at: number; body: string },
  secrets: readonly string[],
): SignedHeaders {
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, new Date(at), body));
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1_000)),
    "webhook-signature": signatures.join(" "),
  };
}
