// Signatures, held to the vectors of Standard Webhooks and to its reference library as the receiver.
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { newSecret, sealOfSecrets, signedHeaders } from "../src/index.ts";

// https://github.com/standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts and
// libraries/go/webhook_symmetric_test.go: the same in all of its libraries.
const VECTOR = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  at: 1_614_265_330_000,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
/** Signatures that the same tests put beside a good one, which must be found among them. */
const OTHERS = [
  "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
  "v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
];

test("the official vector is signed as it says, with and without the secret's prefix (N1)", () => {
  for (const secret of [VECTOR.secret, VECTOR.secret.replace("whsec_", "")]) {
    expect(signedHeaders(VECTOR, [secret])).toEqual({
      "webhook-id": VECTOR.id,
      "webhook-timestamp": "1614265330",
      "webhook-signature": VECTOR.signature,
    });
  }
});

const sign = (secrets: readonly string[], at = Date.now()) =>
  signedHeaders({ id: VECTOR.id, at, body: VECTOR.body }, secrets);
const isGood = (secret: string, headers: object, body = VECTOR.body): boolean => {
  try {
    new Webhook(secret).verify(body, { ...headers });
    return true;
  } catch {
    return false;
  }
};

test("the official cases: a good signature among others is found; what is missing, foreign, cut, old or early fails (N1)", () => {
  const headers = sign([VECTOR.secret]);
  const signature = headers["webhook-signature"];
  const signed = (text: string) => ({ ...headers, "webhook-signature": text });
  expect(isGood(VECTOR.secret, headers)).toBe(true);
  expect(isGood(VECTOR.secret, signed([...OTHERS, signature, ...OTHERS].join(" ")))).toBe(true);
  for (const bad of [...OTHERS, "v1,", signature.slice(0, 8), "v1,dawfeoifkpqwoekfpqoekf", ""])
    expect(isGood(VECTOR.secret, signed(bad))).toBe(false);
  for (const name of Object.keys(headers))
    expect(isGood(VECTOR.secret, { ...headers, [name]: "" })).toBe(false);
  expect(isGood(VECTOR.secret, { ...headers, "webhook-timestamp": "hello" })).toBe(false);
  expect(isGood(VECTOR.secret, sign([VECTOR.secret], Date.now() - 301_000))).toBe(false);
  expect(isGood(VECTOR.secret, sign([VECTOR.secret], Date.now() + 302_000))).toBe(false);
});

/** The text with each of its bits flipped in turn. */
function* flips(text: string): Generator<string> {
  const bytes = Buffer.from(text);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    yield flipped.toString("latin1");
  }
}

test("one flipped bit anywhere in id, time, signature, body or secret fails (N1)", () => {
  const secret = newSecret();
  const headers = sign([secret]);
  let flipped = 0;
  for (const [name, value] of Object.entries(headers)) {
    for (const bad of flips(value)) {
      expect(isGood(secret, { ...headers, [name]: bad }), `${name}: ${bad}`).toBe(false);
      flipped += 1;
    }
  }
  for (const bad of flips(VECTOR.body)) {
    expect(isGood(secret, headers, bad)).toBe(false);
    flipped += 1;
  }
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  for (const bad of flips(key.toString("latin1"))) {
    expect(isGood(Buffer.from(bad, "latin1").toString("base64"), headers)).toBe(false);
    flipped += 1;
  }
  expect(flipped).toBeGreaterThan(800);
});

test("while a secret is replaced, the old one and the new one each prove a message (N1)", () => {
  const [old, recent, foreign] = [newSecret(), newSecret(), newSecret()];
  const headers = sign([recent, old]);
  expect(headers["webhook-signature"]).toMatch(/^v1,\S{44} v1,\S{44}$/);
  expect([old, recent, foreign].map((secret) => isGood(secret, headers))).toEqual([true, true, false]);
});

test("a secret is 24 random bytes, written so that none of its characters has bits to spare", () => {
  expect(newSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
  expect(newSecret()).not.toBe(newSecret());
});

test("a sealed secret is opened by the same key only, and tells nothing", () => {
  const [key, secret] = [randomBytes(24).toString("base64"), newSecret()];
  const sealed = sealOfSecrets(key).close(secret);
  expect(sealed).not.toContain(secret.slice(6, 12));
  expect(sealOfSecrets(key).open(sealed)).toBe(secret);
  expect(sealOfSecrets(`${key}x`).open(sealed)).toBeNull();
});
