// Names commands: the same request under the same key is the same command, wherever and whenever it arrives.
import { createHash } from "node:crypto";
import { type CommandId, encodeId, IDEMPOTENCY_KEY_LENGTH_MAX, type UserId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { invalid } from "./refused.ts";

export interface CommandName {
  readonly id: CommandId;
  readonly idempotencyKey: string | null;
  /** Tells one request under a key from another; null without a key. */
  readonly fingerprint: string | null;
}

export interface NamedRequest {
  readonly userId: UserId;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Null when there is none. Throws `Refused` for a key that is too long or has characters that cannot be seen. */
export function readIdempotencyKey(field: string | string[] | undefined): string | null {
  if (field === undefined) return null;
  if (
    typeof field === "string" &&
    field.length <= IDEMPOTENCY_KEY_LENGTH_MAX &&
    /^[\x21-\x7e]+$/.test(field)
  ) {
    return field;
  }
  throw invalid(
    "/Idempotency-Key",
    `the header must come once, with 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters`,
  );
}

export function nameCommand(key: string | null, { userId, method, path, body }: NamedRequest): CommandName {
  if (key === null) return { id: newId("command"), idempotencyKey: null, fingerprint: null };
  const request = JSON.stringify([method, path, canonical(body)]);
  const named = createHash("sha256")
    .update(JSON.stringify([userId, key]))
    .update(request)
    .digest();
  return {
    id: encodeId("command", named.subarray(0, 16)),
    idempotencyKey: key,
    fingerprint: createHash("sha256").update(request).digest("hex"),
  };
}

/** The same for bodies that differ only in the order of their members. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, canonical(member)]);
}
