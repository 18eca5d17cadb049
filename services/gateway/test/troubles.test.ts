// What clients are told when the inside is in trouble, and what the log keeps to itself.

import { newId } from "@holdfast/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusedFor } from "../src/problem-replies.ts";
import { eventBody, type GatewayUnderTest, openGateway } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let storesAnswer = true;
beforeAll(async () => {
  gateway = await openGateway({ storesAnswer: async () => storesAnswer });
});
afterAll(() => gateway.close());

const coded = (code: string, message = "x") => Object.assign(new Error(message), { code });

describe("faults", () => {
  test.each<[string, unknown]>([
    ["a store that refuses connections", coded("ECONNREFUSED")],
    [
      "a store with two addresses that refuse",
      new AggregateError([coded("ECONNREFUSED"), coded("ECONNREFUSED")]),
    ],
    ["a database that is shutting down", coded("57P01")],
    ["a database without room for connections", coded("53300")],
    ["a database without disk", coded("53100")],
    ["a database that has become a replica", coded("25006")],
    ["a statement that took too long", coded("57014")],
    ["a lost connection", new Error("Connection terminated unexpectedly")],
    ["a pool that has none left", new Error("timeout exceeded when trying to connect")],
    [
      "a connection that died between two statements",
      new Error("Client has encountered a connection error and is not queryable"),
    ],
    ["a Redis that does not answer", new Error("Command timed out")],
    ["a Redis that is away", new Error("Stream isn't writeable and enableOfflineQueue options is false")],
    ["a Redis that died first", new Error("Reached the max retries per request limit (which is 0).")],
  ])("%s is 503 with Retry-After", (_, error) => {
    expect(refusedFor(error)).toMatchObject({
      facts: { code: "unavailable" },
      headers: { "retry-after": "1" },
    });
  });

  test.each<[string, unknown]>([
    ["a broken constraint", coded("23505")],
    ["a wrong column", coded("42703")],
    ["a mistake of ours", new TypeError("x is not a function")],
    ["no error at all", "thrown"],
  ])("%s is a fault of ours", (_, error) => {
    expect(refusedFor(error)).toBeNull();
  });

  test("nothing of the inside shows in a 500; the log has it, with the request's id", async () => {
    const organizer = await gateway.person("organizer");
    const made = {
      method: "POST" as const,
      url: "/v1/events",
      headers: organizer.auth,
      payload: eventBody(),
    };
    const { id } = (await gateway.ask(made)).body;
    gateway.commands.answer = () => {
      throw new Error("the inside: SELECT secret FROM table");
    };
    const url = `/v1/events/${id}/reserve`;
    const { status, body } = await gateway.ask({ method: "POST", url, headers: organizer.auth });
    expect(status).toBe(500);
    expect(body).toEqual({
      type: "/docs/problems#internal",
      title: "Internal error",
      status: 500,
      detail: "Something went wrong on our side.",
      code: "internal",
      instance: url,
      requestId: expect.any(String),
    });
    const line = gateway.log.find((text) => text.includes("the inside"));
    expect(line).toContain(body.requestId);
  });

  test("the log shows no password, no address, no token", async () => {
    const email = `${newId("user")}@canary.test`;
    const payload = { email, password: "canary-password", name: "canary-name" };
    const { body } = await gateway.ask({ method: "POST", url: "/v1/auth/register", payload });
    await gateway.ask({
      method: "POST",
      url: "/v1/auth/login",
      payload: { email, password: "canary-wrong" },
    });
    await gateway.ask({
      method: "POST",
      url: "/v1/auth/refresh",
      payload: { refreshToken: body.refreshToken },
    });
    const log = gateway.log.join("");
    for (const secret of ["canary", body.accessToken, body.refreshToken]) expect(log).not.toContain(secret);
  });
});

describe("health", () => {
  test("it lives as long as it answers, and is ready while its stores are, until it stops", async () => {
    const ready = async () => (await gateway.ask({ url: "/readyz" })).status;
    expect((await gateway.ask({ url: "/livez" })).body).toEqual({ status: "ok" });
    expect(await ready()).toBe(200);
    storesAnswer = false;
    expect(await ready()).toBe(503);
    expect((await gateway.ask({ url: "/livez" })).status).toBe(200);
    storesAnswer = true;
    gateway.stopping.abort();
    expect(await ready()).toBe(503);
  });
});
