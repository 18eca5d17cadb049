// How a stream's text is read, however it is cut.
import { expect, test } from "vitest";
import { EventReader, type StreamPart } from "../src/server-events.ts";

function read(...chunks: string[]): StreamPart[] {
  const reader = new EventReader();
  return chunks.flatMap((chunk) => [...reader.read(chunk)]);
}

const told = (type: string, data: string, lastEventId = ""): StreamPart => ({
  kind: "event",
  event: { type, data, lastEventId },
});

test.each<[string, string, StreamPart[]]>([
  ["an event has a type, data and an id", "event: a\ndata: x\nid: 1\n\n", [told("a", "x", "1")]],
  ["one without a type is a message", "data: x\n\n", [told("message", "x")]],
  ["lines of data are lines", "data: x\ndata\ndata:y\n\n", [told("message", "x\n\ny")]],
  ["only one space is taken away", "data:  x \n\n", [told("message", " x ")]],
  [
    "an id stays until there is another",
    "id: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n",
    [told("message", "x", "1"), told("message", "y", "1"), told("message", "z")],
  ],
  ["an id with NUL is none", "id: a\0\ndata: x\n\n", [told("message", "x")]],
  ["an event without data is none", "event: a\nid: 1\n\ndata: x\n\n", [told("message", "x", "1")]],
  ["comments are signs of life", ": hello\n\n:\n\n", [{ kind: "alive" }, { kind: "alive" }]],
  [
    "retry is milliseconds, or nothing",
    "retry: 1500\nretry: soon\nretry: -1\n",
    [{ kind: "retry", ms: 1_500 }],
  ],
  ["fields that nobody knows are passed over", "colour: red\ndata: x\n\n", [told("message", "x")]],
  [
    "lines end in three ways",
    "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
    [told("message", "a"), told("message", "b"), told("message", "c")],
  ],
  ["what has no empty line behind it is no event", "data: x\n\ndata: y\n", [told("message", "x")]],
])("%s", (_, text, parts) => {
  expect(read(text)).toEqual(parts);
  for (let cut = 0; cut <= text.length; cut++) {
    expect(read(text.slice(0, cut), text.slice(cut))).toEqual(parts);
  }
  expect(read(...text)).toEqual(parts);
});

test("an event that never ends is not waited for", () => {
  const reader = new EventReader();
  const line = `data: ${"x".repeat(100_000)}\n`;
  expect(() => {
    for (let lines = 0; lines < 100; lines++) for (const _ of reader.read(line));
  }).toThrow("an event has no end");
  expect(() => [...new EventReader().read("x".repeat(2_000_000))]).toThrow("an event has no end");
});
