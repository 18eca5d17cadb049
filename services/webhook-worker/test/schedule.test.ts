// What becomes of deliveries, by type, number of tries and answer.
import { expect, test } from "vitest";
import type { AttemptEnd } from "../src/attempt.ts";
import {
  JITTER,
  judge,
  RETRY_AFTER_MAX_MS,
  retryAfterMs,
  type Tried,
  type Verdict,
  WAITS_MS,
} from "../src/schedule.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const answer = (status: number, given: { retryAfter?: string; answer?: string } = {}): Tried["end"] => ({
  kind: "answered",
  status,
  retryAfter: given.retryAfter ?? null,
  answer: given.answer ?? null,
});
const NONE: Exclude<AttemptEnd, { kind: "broken-off" }> = { kind: "unanswered", why: "late" };

const judged = (given: Partial<Tried>, random = 0): Verdict =>
  judge({ type: "reservation.held", challenge: null, tries: 0, end: NONE, ...given }, { now: NOW, random });

const DELIVERED = { becomes: "delivered", waitMs: null };
const FAILED = { becomes: "failed", waitMs: null };

test("the waits are those of the API: 0 s, 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h", () => {
  const hours = (count: number): number => count * 3_600_000;
  expect(WAITS_MS).toEqual([0, 5_000, 300_000, 1_800_000, ...[2, 5, 10, 14, 20, 24].map(hours)]);
});

test("a failure waits for its place in the schedule, and after the last place it has failed", () => {
  for (const [tries, wait] of WAITS_MS.slice(1).entries()) {
    for (const end of [NONE, answer(500), answer(302), answer(404), answer(199)])
      expect(judged({ tries, end })).toEqual({ becomes: "pending", waitMs: wait, endpoint: "failing" });
  }
  expect(judged({ tries: WAITS_MS.length - 1 })).toEqual({ ...FAILED, endpoint: "failing" });
});

test("jitter makes a wait longer by up to a tenth, never shorter", () => {
  expect(judged({}, 0).waitMs).toBe(5_000);
  expect(judged({}, 0.5).waitMs).toBe(5_250);
  expect(judged({}, 0.999).waitMs).toBeLessThan(5_000 * (1 + JITTER));
});

test.each([200, 201, 204, 299])("%i is success, at any try", (status) => {
  expect(judged({ tries: 9, end: answer(status) })).toEqual({ ...DELIVERED, endpoint: "working" });
});

test("410 says that the endpoint is gone, whatever was sent but a verification", () => {
  for (const type of ["reservation.held", "endpoint.test", "endpoint.disabled"] as const)
    expect(judged({ type, end: answer(410) })).toEqual({ ...FAILED, endpoint: "gone" });
  expect(judged({ type: "endpoint.verification", challenge: "c", end: answer(410) })).toEqual({
    ...FAILED,
    endpoint: null,
  });
});

test("a test is tried like everything else; when it is answered the endpoint works, else nothing is said of it", () => {
  expect(judged({ type: "endpoint.test", end: answer(204) })).toEqual({ ...DELIVERED, endpoint: "working" });
  for (const end of [NONE, answer(500)]) {
    expect(judged({ type: "endpoint.test", end })).toEqual({
      becomes: "pending",
      waitMs: 5_000,
      endpoint: null,
    });
    expect(judged({ type: "endpoint.test", tries: 9, end })).toEqual({ ...FAILED, endpoint: null });
  }
});

test("Retry-After of 429 and 503 makes a wait longer, up to a day, never shorter; of others it is nothing", () => {
  const wait = (status: number, retryAfter: string, tries = 0) =>
    judged({ tries, end: answer(status, { retryAfter }) }).waitMs;
  expect([wait(429, "60"), wait(503, "60"), wait(500, "60")]).toEqual([60_000, 60_000, 5_000]);
  expect(wait(429, "1")).toBe(5_000);
  expect(wait(429, "60", 4)).toBe(WAITS_MS[5]);
  expect(wait(429, "999999999")).toBe(RETRY_AFTER_MAX_MS);
  expect(wait(429, "Thu, 01 Jan 2026 00:02:00 GMT")).toBe(120_000);
});

test.each([
  [null, 0],
  ["", 0],
  ["-5", 0],
  ["1.5", 0],
  ["soon", 0],
  ["2026-01-01", 0],
  ["9999999999", 0],
  ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
  ["7", 7_000],
])("Retry-After %j asks for %i ms", (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});

const verification = (status: number, given?: string): Verdict =>
  judged({
    type: "endpoint.verification",
    challenge: "abc",
    end: answer(status, given === undefined ? {} : { answer: given }),
  });

test("an endpoint proves itself by 200 and the challenge in JSON, once", () => {
  expect(verification(200, '{"challenge":"abc","more":1}')).toEqual({ ...DELIVERED, endpoint: "verified" });
});

test.each([
  [200, undefined],
  [200, ""],
  [200, "abc"],
  [200, '"abc"'],
  [200, "null"],
  [200, "[]"],
  [200, '{"challenge":"abd"}'],
  [200, '{"challenge":["abc"]}'],
  [200, '{"challenge":""}'],
  [200, '{"data":{"challenge":"abc"}}'],
  [201, '{"challenge":"abc"}'],
  [302, '{"challenge":"abc"}'],
])("%i with %j proves nothing, and is not tried again", (status, given) => {
  expect(verification(status, given)).toEqual({ ...FAILED, endpoint: null });
});
