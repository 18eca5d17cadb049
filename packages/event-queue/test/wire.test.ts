// What travels, read back: also what a newer version wrote, and what nobody should have written.

import { expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  jobName,
  type Reply,
  readCommand,
  readJob,
  readReplies,
  writeJob,
  writeReplies,
} from "../src/index.ts";
import { aReserve } from "./connected.ts";

const eventId = newId("event");

test("a job is read as it was written, and named for its size", () => {
  const commands = [aReserve(eventId), aReserve(eventId)];
  expect(readJob(writeJob("door", commands))).toEqual({ replyTo: "door", commands, unreadable: 0 });
  expect(readJob(writeJob(null, []))).toEqual({ replyTo: null, commands: [], unreadable: 0 });
  expect(jobName(128)).toBe("128 commands");
});

test("a command of a newer version keeps what every version has, so that it can be answered", () => {
  const { id, at } = aReserve(eventId);
  const newer = {
    id,
    eventId,
    at,
    userId: null,
    idempotencyKey: null,
    fingerprint: null,
    type: "teleport",
    input: {},
  };
  const { input: _, ...known } = newer;
  expect(readCommand(newer)).toEqual(known);
});

test("a known type with an input of another version is answered like an unknown one", () => {
  const { input: _, ...known } = aReserve(eventId);
  expect(readCommand({ ...known, input: { seats: ["A1"] } })).toEqual(known);
});

test("what is no command is counted, and its neighbours are read", () => {
  const good = aReserve(eventId);
  const data = JSON.stringify({ replyTo: null, commands: [null, good, { id: "nonsense" }] });
  expect(readJob(data)).toEqual({ replyTo: null, commands: [good], unreadable: 2 });
});

test.each(["", "{", "null", "[]", '{"commands":[]}', '{"replyTo":1,"commands":[]}'])(
  "a payload that is none is one unreadable thing: %j",
  (data) => {
    expect(readJob(data)).toEqual({ replyTo: null, commands: [], unreadable: 1 });
  },
);

test("replies are read as they were written", () => {
  const replies: Reply[] = [
    {
      commandId: newId("command"),
      outcome: { status: "succeeded", reservation: null },
      replayed: true,
      at: 1,
    },
    {
      commandId: newId("command"),
      outcome: { status: "rejected", refusal: { code: "sold-out" } },
      replayed: false,
      at: 1_700_000_000_123,
    },
  ];
  expect(readReplies(writeReplies(replies))).toEqual(replies);
});

test("a reply of an older worker is one without a stamp", () => {
  const commandId = newId("command");
  const outcome = { status: "withdrawn" } as const;
  expect(readReplies(JSON.stringify([[commandId, outcome, 0]]))).toEqual([
    { commandId, outcome, replayed: false, at: null },
  ]);
});
