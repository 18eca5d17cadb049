// Our HMAC is Node's, for any secret and any text.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openHmac } from "../src/hmac.ts";

const nodes = (secret: string, message: string): string =>
  createHmac("sha256", secret).update(message).digest("base64url");

test("any secret, any messages one after the other", () => {
  const text = fc.string({ unit: "binary", maxLength: 200 });
  fc.assert(
    fc.property(text, fc.array(text, { minLength: 1, maxLength: 5 }), (secret, messages) => {
      const hmac = openHmac(secret);
      expect(messages.map(hmac.of)).toEqual(messages.map((message) => nodes(secret, message)));
    }),
  );
});

test.each([0, 1, 63, 64, 65, 2_047, 2_048, 2_049, 16_384])("a secret and a message of %i bytes", (bytes) => {
  const secret = "s".repeat(bytes);
  const hmac = openHmac(secret);
  for (const message of ["m".repeat(bytes), "", "é".repeat(bytes), "short"]) {
    expect(hmac.of(message)).toBe(nodes(secret, message));
  }
});

test("what is given is the message's, or it is not: after a right one too", () => {
  const hmac = openHmac("a secret");
  const right = hmac.of("a message");
  for (const given of ["", "é", right.slice(1), `${right}=`, `${right.slice(0, -1)}é`, hmac.of("another")]) {
    expect(hmac.isOf("a message", right), given).toBe(true);
    expect(hmac.isOf("a message", given), given).toBe(false);
  }
  for (let at = 0; at < right.length; at += 1) {
    const other = right[at] === "A" ? "B" : "A";
    expect(hmac.isOf("a message", right.slice(0, at) + other + right.slice(at + 1)), `at ${at}`).toBe(false);
  }
});
