// The worker over real stores: commands in, outcomes out.
import { randomUUID } from "node:crypto";
import { type Command, type EventId, type SlotId, type UserId } from "@holdfast/domain";
import { openActivations, openPatientRedis, openProducer, openRedis, openReplies, type Reply, untilReady } from "@holdfast/event-queue";
import { createLogger, newId } from "@holdfast/runtime";
import { openTestDatabase, openTestRedis, type TestDatabase, type TestRedis } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningWorker, startReservationWorker } from "../src/worker.ts";

let database: TestDatabase;
let redis: TestRedis;
let worker: RunningWorker;

beforeAll(async () => {
  database = await openTestDatabase();
  redis = await openTestRedis();
  worker = await startReservationWorker({ databaseUrl: database.url, redisUrl: redis.url, prefix: redis.prefix, drainSlots: 4, insistOnDurability: true, log: createLogger({ level: "debug", format: "text", service: "w" }) });
});
afterAll(async () => {
  await worker?.stop();
  await redis?.close();
  await database?.close();
});

test("twenty users for ten tickets: ten are held", async () => {
  const organizer = newId("user");
  const users = Array.from({ length: 20 }, () => newId("user"));
  for (const [i, u] of [organizer, ...users].entries()) await database.pool.query("insert into users (id,email,name,password_hash) values ($1,$2,'x','x')", [u, `u${i}@example.com`]);
  const eventId = newId("event"); const slotId = newId("slot");
  await database.pool.query("insert into events (id,organizer_id,name,hold_seconds,offer_seconds,max_per_order,max_per_user,overlap_policy,cancel_cutoff_seconds,waitlist,starts_at,ends_at) values ($1,$2,'e',300,900,10,10,'refuse',0,'{}',now()+interval '1 day',now()+interval '2 day')", [eventId, organizer]);
  await database.pool.query("insert into slots (id,event_id,starts_at,ends_at,capacity) values ($1,$2,now()+interval '1 day',now()+interval '2 day',10)", [slotId, eventId]);
  await database.pool.query("insert into event_lanes (event_id) values ($1)", [eventId]);
  const conn = openRedis({ url: redis.url, name: "t", onError: console.error }); await untilReady(conn);
  const sub = openPatientRedis({ url: redis.url, name: "t", onError: console.error });
  const replies = await openReplies(sub, redis.prefix, "g1");
  const activations = openActivations(conn, redis.prefix);
  const producer = openProducer({ redis: conn, prefix: redis.prefix, replyTo: "g1", newJobId: () => `j-${randomUUID()}`, activations, monotonicMs: () => performance.now(), onError: console.error });
  const ended = await Promise.all(users.map((userId) => new Promise<Reply>((resolve) => {
    const command: Command = { id: newId("command"), type: "reserve", eventId: eventId as EventId, at: Date.now(), userId: userId as UserId, idempotencyKey: null, fingerprint: null, input: { slotId: slotId as SlotId, quantity: 1 } };
    replies.expect(command.id, resolve);
    producer.enqueue(command).then((e) => { if (e.kind !== "enqueued") console.error(e); });
  })));
  const codes = ended.map((e) => e.outcome.status === "rejected" ? e.outcome.refusal.code : e.outcome.status).sort();
  expect(codes).toEqual([...Array(10).fill("all-held"), ...Array(10).fill("succeeded")]);
  await producer.close(); await activations.close(); conn.disconnect(); sub.disconnect();
});
