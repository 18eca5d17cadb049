// What the gateway counts, and that nobody reads it at the public door.
import type { Outcome } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SubmitRefused, Submitted } from "../src/submit.ts";
import { eventBody, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let ann: Person;
beforeAll(async () => {
  gateway = await openGateway();
  ann = await gateway.person();
});
afterAll(() => gateway.close());

/** The values of a metric that are not 0, by their labels. */
async function read(name: string): Promise<Record<string, number>> {
  const { values = [] } = (await gateway.metrics.getSingleMetric(name)?.get()) ?? {};
  return Object.fromEntries(
    values
      .filter(({ value }) => value !== 0)
      .map(({ labels, value }) => [Object.values(labels).join(" "), value]),
  );
}

test("requests are counted by the pattern of their route, method and status; what no route takes is told as none", async () => {
  const id = newId("event");
  for (const url of [
    "/livez",
    "/livez",
    `/v1/events/${id}`,
    "/v1/events/nonsense",
    "/no/such/path",
    "/v1/events/%zz",
    "/metrics",
  ]) {
    await gateway.ask({ url });
  }
  await gateway.ask({ method: "HEAD", url: "/livez" });
  await gateway.ask({ method: "POST", url: "/livez" });
  await gateway.ask({ method: "POST", url: `/v1/events/${id}/reserve` });
  expect(await read("holdfast_requests_total")).toEqual({
    "/livez GET 200": 2,
    "/livez HEAD 200": 1,
    "/v1/events/:id GET 404": 2,
    "/v1/events/:id/reserve POST 401": 1,
    "none any 404": 3,
    "none any 405": 1,
  });
  const text = await gateway.metrics.metrics();
  expect(text).toContain('holdfast_request_seconds_count{route="/livez"} 3');
  for (const route of ["/livez", "none"]) {
    const seconds = Number(text.split(`holdfast_request_seconds_sum{route="${route}"} `)[1]?.split("\n")[0]);
    expect(seconds, route).toBeGreaterThan(0);
    expect(seconds, route).toBeLessThan(1);
  }
});

test("metrics are not at the public door, whoever asks", async () => {
  const admin = await gateway.person("admin");
  for (const headers of [{}, admin.auth]) {
    expect((await gateway.ask({ url: "/metrics", headers })).status).toBe(404);
  }
});

test("commands are counted by how they were answered", async () => {
  const organizer = await gateway.person("organizer");
  const made = { method: "POST" as const, url: "/v1/events", headers: organizer.auth, payload: eventBody() };
  const { body: event } = await gateway.ask(made);
  const outcome: Outcome = { status: "rejected", refusal: { code: "sold-out" } };
  const answers: (Submitted | SubmitRefused)[] = [
    { kind: "ended", outcome, replayed: false },
    { kind: "ended", outcome, replayed: true },
    { kind: "queue-full", retryAfterSeconds: 1 },
    { kind: "unavailable", retryAfterSeconds: 1 },
    { kind: "unknown-sender" },
  ];
  for (const answer of answers) {
    gateway.commands.answer = () => answer;
    await gateway.ask({ method: "POST", url: `/v1/events/${event.id}/reserve`, headers: ann.auth });
  }
  gateway.commands.answer = ({ command: { id, type, eventId, userId, at } }) => ({
    kind: "queued",
    replayed: false,
    retryAfterSeconds: 1,
    record: {
      id,
      type,
      eventId,
      userId,
      submittedAt: at,
      finishedAt: null,
      outcome: null,
      seq: null,
      seen: null,
      status: "queued",
      position: 1,
      estimatedWaitMs: null,
      ticket: null,
    },
  });
  await gateway.ask({ method: "POST", url: `/v1/events/${event.id}/reserve`, headers: ann.auth });
  expect(await read("holdfast_commands_answered_total")).toEqual({
    outcome: 2,
    accepted: 1,
    "queue-full": 1,
    unavailable: 1,
    "unknown-sender": 1,
  });
});
