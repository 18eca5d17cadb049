// What sends commands, opened at a bad moment: what its first look at Redis meets must not decide its life.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openFaultProxy, until } from "../../testkit/src/index.ts";
import { openDeadlines, openRedis, openSender, untilReady } from "../src/index.ts";
import { aReserve, type Connected, connect } from "./connected.ts";

let redis: Connected;

beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

test("R3: what was opened just when Redis died sends, activates and sets timers once Redis is back", async () => {
  const proxy = await openFaultProxy(redis.url);
  const connection = openRedis({ url: proxy.url, name: "test-sender", onError: () => undefined });
  await untilReady(connection);
  const died = proxy.loseReply("info", "redis_version"); // whoever asks first what this Redis is
  const { prefix } = redis;
  const sender = openSender({ redis: connection, prefix, replyTo: null, onError: () => undefined });
  const deadlines = openDeadlines(connection, prefix);
  onTestFinished(async () => {
    await Promise.all([sender.close(), deadlines.close()]);
    connection.disconnect();
    await proxy.close();
  });
  const closed = new Promise((resolve) => connection.once("close", resolve));
  await Promise.race([died, sender.activations.waiting()]);
  proxy.cut();
  await closed;
  await died;
  await until("the connection to be back", () => connection.status === "ready");

  const command = aReserve(redis.newEvent());
  expect(await sender.producer.enqueue(command)).toMatchObject({ kind: "enqueued" });
  await sender.activations.signal(command.eventId);
  expect(await sender.activations.missing([command.eventId])).toEqual([]);
  await deadlines.schedule(command.eventId, Date.now() + 60_000, Date.now());
  expect(await redis.redis.zcard(`${prefix}:{deadlines}:delayed`)).toBe(1);
});
