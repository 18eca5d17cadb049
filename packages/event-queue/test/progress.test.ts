// What moves in an event's queue, over a real channel.
import type { CommandId, EventId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { until } from "../../testkit/src/index.ts";
import {
  openPatientRedis,
  openProgress,
  progressChannel,
  publishProgress,
  untilReady,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

async function listen() {
  const connection = openPatientRedis({ url: redis.url, name: "test-progress", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  await untilReady(connection);
  return { connection, progress: openProgress(connection, redis.prefix) };
}

const publish = (eventId: EventId, ...ended: CommandId[]) =>
  publishProgress(redis.redis, redis.prefix, eventId, ended);

/** How many connections listen to the event. */
async function listeners(eventId: EventId): Promise<number> {
  const [, count] = (await redis.redis.pubsub("NUMSUB", progressChannel(redis.prefix, eventId))) as [
    string,
    number,
  ];
  return count;
}

test("who watches a command looks when it ends, who watches an event with every batch; each looks once it is listened", async () => {
  const { progress } = await listen();
  const eventId = newId("event");
  const [id, other] = [newId("command"), newId("command")];
  const looks = { command: 0, other: 0, event: 0 };
  progress.ofCommand(eventId, id, () => (looks.command += 1));
  progress.ofCommand(eventId, other, () => (looks.other += 1));
  progress.ofEvent(eventId, () => (looks.event += 1));
  expect(progress.events).toBe(1);
  await until("the channel to be listened to", () => looks.event === 1);
  expect(looks).toEqual({ command: 1, other: 1, event: 1 });

  await publish(eventId, id, newId("command"));
  await publish(eventId);
  await publish(newId("event"), other);
  await redis.redis.publish(progressChannel(redis.prefix, eventId), "{ no message of ours");
  await until("all messages to be heard", () => looks.event === 4);
  expect(looks).toEqual({ command: 2, other: 1, event: 4 });
});

test("an event is listened to once however many watch it, and no longer than the last of them", async () => {
  const { progress } = await listen();
  const eventId = newId("event");
  const id = newId("command");
  const looks: string[] = [];
  const leaves = [
    progress.ofCommand(eventId, id, () => looks.push("first")),
    progress.ofCommand(eventId, id, () => looks.push("second")),
    progress.ofEvent(eventId, () => looks.push("event")),
  ];
  await until("the channel to be listened to", () => looks.length === 3);
  expect(await listeners(eventId)).toBe(1);
  const [leaveFirst, leaveSecond, leaveEvent] = leaves;
  leaveFirst?.();
  leaveFirst?.(); // a second time changes nothing
  looks.length = 0;
  await publish(eventId, id);
  await until("those that stay to hear", () => looks.length === 2);
  expect(looks).toEqual(["second", "event"]);
  leaveEvent?.();
  expect(progress.events).toBe(1);
  leaveSecond?.();
  expect(progress.events).toBe(0);
  await until("nobody to listen", async () => (await listeners(eventId)) === 0);

  // Who comes right behind the last one listens like the first.
  let heard = 0;
  progress.ofEvent(eventId, () => undefined)();
  progress.ofEvent(eventId, () => (heard += 1));
  await until("the channel to be listened to again", () => heard === 1);
  await publish(eventId);
  await until("the message to be heard", () => heard === 2);
});

test("R3: a listener that lost its connection listens again, and everybody looks for what was missed", async () => {
  const { connection, progress } = await listen();
  const eventId = newId("event");
  const looks = { command: 0, event: 0 };
  progress.ofCommand(eventId, newId("command"), () => (looks.command += 1));
  progress.ofEvent(eventId, () => (looks.event += 1));
  await until("the channel to be listened to", () => looks.command === 1);
  connection.disconnect(true);
  await until("everybody to look again", () => looks.command === 2 && looks.event === 2);
  await publish(eventId);
  await until("the message to be heard", () => looks.event === 3);
});
