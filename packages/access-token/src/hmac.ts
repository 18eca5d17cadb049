// HMAC over SHA-256 (RFC 2104), by two hashes in one go each. Behind Node's own Hmac stands an object in native memory,
// which costs as much again as the hashing, and more to collect. Tests hold this against that one.
import { hash, timingSafeEqual } from "node:crypto";

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Characters of a digest in base64url. */
const TOLD_LENGTH = 43;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** Bytes of a message for which room is kept; longer ones take room of their own. */
const MESSAGE_BYTES = 2_048;

export interface Hmac {
  /** Of a text; told in base64url. */
  of(message: string): string;
  /** Whether that is the message's, without telling by its time how much of it was right. */
  isOf(message: string, given: string): boolean;
}

/** Under one secret. Its buffers are used again and again: nothing is made for a message but texts. */
export function openHmac(secret: string): Hmac {
  const given = Buffer.from(secret);
  const key = Buffer.alloc(BLOCK_BYTES);
  (given.length > BLOCK_BYTES ? hash("sha256", given, "buffer") : given).copy(key);
  const innerKey = key.map((byte) => byte ^ INNER_PAD);
  const kept = Buffer.alloc(BLOCK_BYTES + MESSAGE_BYTES);
  kept.set(innerKey);
  const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);
  outer.set(key.map((byte) => byte ^ OUTER_PAD));

  function innerOf(message: string): Buffer {
    const bytes = Buffer.byteLength(message);
    if (bytes > MESSAGE_BYTES) return Buffer.concat([innerKey, Buffer.from(message)]);
    kept.write(message, BLOCK_BYTES);
    return kept.subarray(0, BLOCK_BYTES + bytes);
  }

  function of(message: string): string {
    outer.write(hash("sha256", innerOf(message), "binary"), BLOCK_BYTES, "binary"); // each byte a character
    return hash("sha256", outer, "base64url");
  }

  const due = Buffer.alloc(TOLD_LENGTH);
  const said = Buffer.alloc(TOLD_LENGTH);
  return {
    of,
    isOf(message, given) {
      if (given.length !== TOLD_LENGTH || said.write(given) !== TOLD_LENGTH) return false;
      due.write(of(message));
      return timingSafeEqual(due, said);
    },
  };
}
