// Outcomes on their way back, over a real channel.
import type { CommandId } from "@holdfast/domain";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { until } from "../../testkit/src/index.ts";
import {
  EVERY_GATEWAY,
  openPatientRedis,
  openReplies,
  publishReplies,
  type Replies,
  type Reply,
} from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

async function listen(gateway: string): Promise<Replies> {
  const connection = openPatientRedis({ url: redis.url, name: "test-replies", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  return openReplies(connection, redis.prefix, gateway);
}

const done = (commandId: CommandId): Reply => ({
  commandId,
  outcome: { status: "succeeded", reservation: null },
  replayed: false,
  at: 1,
});

test("each gateway hears what is meant for it, and everybody who waits for a command hears it once", async () => {
  const [one, other] = await Promise.all([listen("one"), listen("other")]);
  const id = newId("command");
  const heard: string[] = [];
  one.expect(id, () => heard.push("first"));
  one.expect(id, () => heard.push("second"));
  other.expect(id, () => heard.push("elsewhere"));
  expect(one.waiting).toBe(2);
  await publishReplies(redis.redis, redis.prefix, "one", [done(newId("command")), done(id)]);
  await until("both to hear", () => heard.length === 2);
  await publishReplies(redis.redis, redis.prefix, "one", [done(id)]);
  const last = newId("command");
  const heardLast = new Promise((resolve) => one.expect(last, resolve));
  await publishReplies(redis.redis, redis.prefix, "one", [done(last)]);
  expect(await heardLast).toEqual(done(last));
  expect(heard).toEqual(["first", "second"]);
  expect(one.waiting).toBe(0);
  expect(other.waiting).toBe(1);
});

test("what is said to every gateway is heard by all who wait for it", async () => {
  const gateways = await Promise.all([listen("five"), listen("six")]);
  const id = newId("command");
  const heard = gateways.map(({ expect: hear }) => new Promise((resolve) => hear(id, resolve)));
  await publishReplies(redis.redis, redis.prefix, EVERY_GATEWAY, [done(id)]);
  expect(await Promise.all(heard)).toEqual([done(id), done(id)]);
});

test("who gives up waiting hears nothing, is counted no more, and takes nobody with it", async () => {
  const replies = await listen("three");
  const id = newId("command");
  const heard: string[] = [];
  const giveUp = replies.expect(id, () => heard.push("gave up"));
  const giveUpLate = replies.expect(id, () => heard.push("stayed"));
  giveUp();
  giveUp();
  expect(replies.waiting).toBe(1);
  await publishReplies(redis.redis, redis.prefix, "three", [done(id)]);
  await until("the one that stayed to hear", () => heard.length > 0);
  giveUpLate();
  expect(heard).toEqual(["stayed"]);
  expect(replies.waiting).toBe(0);

  const again = replies.expect(id, () => heard.push("again"));
  giveUpLate();
  expect(replies.waiting).toBe(1);
  again();
  expect(replies.waiting).toBe(0);
});

test("R3: a listener that lost its connection listens again, and says so when it does", async () => {
  const connection = openPatientRedis({ url: redis.url, name: "test-replies", onError: () => undefined });
  onTestFinished(() => connection.disconnect());
  const replies = await openReplies(connection, redis.prefix, "four");
  const back = new Promise<void>((resolve) => replies.onReturn(resolve));
  connection.disconnect(true);
  await back;
  const id = newId("command");
  const heard = new Promise((resolve) => replies.expect(id, resolve));
  await publishReplies(redis.redis, redis.prefix, "four", [done(id)]);
  expect(await heard).toEqual(done(id));
});
