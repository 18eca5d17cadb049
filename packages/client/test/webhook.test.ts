// What of webhooks is believed: signed by the reference library, and bent in every way.
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { verifyWebhook, WebhookRefused } from "../src/index.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SENT_AT = 1_614_265_330;
const now = () => SENT_AT * 1_000;

const message = {
  id: ID,
  type: "reservation.held",
  timestamp: "2021-02-25T15:02:10.000Z",
  apiVersion: "1",
  data: { eventId: "evt_x", sequence: 1, resource: { object: "reservation", id: "rsv_ü" } },
};
const body = JSON.stringify(message);
const signed = (secret: string, text = body) => ({
  "webhook-id": ID,
  "webhook-timestamp": `${SENT_AT}`,
  "webhook-signature": new Webhook(secret).sign(ID, new Date(now()), text),
});

test("N1: the vector of the standard passes", () => {
  const headers = {
    "webhook-id": ID,
    "webhook-timestamp": `${SENT_AT}`,
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  expect(verifyWebhook('{"test": 2432232314}', headers, SECRET, { now })).toEqual({ test: 2_432_232_314 });
});

test("what was sent is believed, in whatever form it comes", () => {
  const headers = signed(SECRET);
  const bytes = new TextEncoder().encode(body);
  for (const form of [body, bytes, bytes.buffer, Buffer.from(body)]) {
    expect(verifyWebhook(form, headers, SECRET, { now })).toEqual(message);
  }
  expect(verifyWebhook(body, new Headers(headers), SECRET, { now })).toEqual(message);
  const shouted = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
  );
  expect(verifyWebhook(body, shouted, SECRET, { now })).toEqual(message);
});

test("while a secret changes, either is good", () => {
  const both = {
    ...signed(SECRET),
    "webhook-signature": `v1a,x ${signed(OTHER)["webhook-signature"]} ${signed(SECRET)["webhook-signature"]}`,
  };
  expect(verifyWebhook(body, both, SECRET, { now })).toEqual(message);
  expect(verifyWebhook(body, both, OTHER, { now })).toEqual(message);
  expect(verifyWebhook(body, signed(SECRET), [OTHER, SECRET], { now })).toEqual(message);
  expect(() => verifyWebhook(body, signed(SECRET), OTHER, { now })).toThrow(WebhookRefused);
});

test("N1: one flipped bit anywhere, and nothing is believed", () => {
  const headers = signed(SECRET);
  const bytes = new TextEncoder().encode(body);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bent = bytes.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => verifyWebhook(bent, headers, SECRET, { now })).toThrow(WebhookRefused);
  }
  for (const [name, value] of Object.entries(headers)) {
    for (let bit = 0; bit < value.length * 7; bit++) {
      const at = Math.floor(bit / 7);
      const bent = String.fromCharCode(value.charCodeAt(at) ^ (1 << (bit % 7)));
      const text = value.slice(0, at) + bent + value.slice(at + 1);
      const lenient = { now, toleranceSeconds: Number.POSITIVE_INFINITY };
      expect(() => verifyWebhook(body, { ...headers, [name]: text }, SECRET, lenient)).toThrow(
        WebhookRefused,
      );
    }
  }
});

test("what is older or newer than it may be is not believed", () => {
  const headers = signed(SECRET);
  const at = (seconds: number, toleranceSeconds?: number) =>
    verifyWebhook(body, headers, SECRET, {
      now: () => (SENT_AT + seconds) * 1_000,
      ...(toleranceSeconds === undefined ? {} : { toleranceSeconds }),
    });
  expect([at(300), at(-300), at(3_600, 3_600)]).toEqual([message, message, message]);
  for (const far of [() => at(301), () => at(-301), () => at(11, 10)]) expect(far).toThrow(WebhookRefused);
});

test("without headers, with two of a kind, or a body that is not what it says, nothing is believed", () => {
  const headers = signed(SECRET);
  for (const name of Object.keys(headers)) {
    for (const value of [undefined, "", ["a", "b"]]) {
      expect(() => verifyWebhook(body, { ...headers, [name]: value }, SECRET, { now })).toThrow(
        WebhookRefused,
      );
    }
  }
  expect(() => verifyWebhook("not json", signed(SECRET, "not json"), SECRET, { now })).toThrow(
    WebhookRefused,
  );
  const bytes = Uint8Array.of(0xff, 0xfe);
  expect(() => verifyWebhook(bytes, headers, SECRET, { now })).toThrow("the body is not UTF-8");
});
