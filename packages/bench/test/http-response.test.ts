// The parser of the load generator: whatever the pieces in which bytes come, it tells of the same answers.
import { expect, test } from "vitest";
import { ResponseParser } from "../src/load-generator/http-response.ts";

interface Told {
  readonly status: number;
  readonly closes: boolean;
  readonly body: string;
}

const lines = (...all: readonly string[]): string => all.join("\r\n");

const WITH_LENGTH = lines(
  "HTTP/1.1 201 Created",
  "content-type: text/plain",
  "Content-Length: 5",
  "",
  "héld",
);
const CHUNKED = lines(
  "HTTP/1.1 200 OK",
  "Transfer-Encoding: chunked",
  "",
  "4",
  "wiki",
  "A;note=1",
  "0123\r\n\r\n89",
  "0",
  "Checked: yes",
  "",
  "",
);
const NO_CONTENT = lines("HTTP/1.1 204 No Content", "Date: now", "", "");
const NOT_MODIFIED = lines("HTTP/1.1 304 Not Modified", "Content-Length: 17", "", "");
const EARLY = lines("HTTP/1.1 103 Early Hints", "Link: </a>", "", "");
const LAST = lines("HTTP/1.1 503 Service Unavailable", "Connection: close", "content-length: 0", "", "");

const ALL = Buffer.from([WITH_LENGTH, CHUNKED, NO_CONTENT, NOT_MODIFIED, EARLY, WITH_LENGTH, LAST].join(""));
const TOLD: readonly Told[] = [
  { status: 201, closes: false, body: "héld" },
  { status: 200, closes: false, body: "wiki0123\r\n\r\n89" },
  { status: 204, closes: false, body: "" },
  { status: 304, closes: false, body: "" },
  { status: 201, closes: false, body: "héld" },
  { status: 503, closes: true, body: "" },
];

/** Feeds pieces that are used again at once, as a socket's buffer is. */
function tellOf(pieces: readonly Buffer[]): { told: Told[]; amid: boolean } {
  const told: Told[] = [];
  const parser = new ResponseParser((response) => {
    told.push({ status: response.status, closes: response.closes, body: response.body() });
  });
  for (const piece of pieces) {
    const buffer = Buffer.from(piece);
    parser.feed(buffer);
    buffer.fill("x");
  }
  return { told, amid: parser.amid };
}

test("answers that come all at once are told in their order", () => {
  expect(tellOf([ALL])).toEqual({ told: TOLD, amid: false });
});

test("it does not matter where the bytes are cut", () => {
  for (let at = 0; at <= ALL.length; at += 1) {
    expect(tellOf([ALL.subarray(0, at), ALL.subarray(at)]), `cut at ${at}`).toEqual({
      told: TOLD,
      amid: false,
    });
  }
});

test("bytes may come one by one", () => {
  const bytes = Array.from(ALL, (_, at) => ALL.subarray(at, at + 1));
  expect(tellOf(bytes)).toEqual({ told: TOLD, amid: false });
});

test("an answer that has begun and not ended is not told", () => {
  const { told, amid } = tellOf([ALL.subarray(0, WITH_LENGTH.length)]);
  expect(told).toEqual([]);
  expect(amid).toBe(true);
});

test.each([
  ["no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n"],
  ["without a length", lines("HTTP/1.1 200 OK", "Date: now", "", "")],
  ["of a length that is no number", lines("HTTP/1.1 200 OK", "Content-Length: many", "", "")],
  ["with a chunk without a size", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "wiki", "")],
  ["without an end of its head", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`],
])("an answer %s is refused", (_what, text) => {
  expect(() => tellOf([Buffer.from(text)])).toThrow();
});
