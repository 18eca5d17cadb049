// When a run's stores are not put into containers. That they can be is seen with a Docker daemon: TESTCONTAINERS=1.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { containStores } from "../src/containers.ts";

const BOTH = { postgres: true, redis: true };
const say = vi.fn();

beforeAll(() => {
  vi.stubEnv("DOCKER_HOST", "tcp://127.0.0.1:1"); // nobody listens there
});
afterAll(() => {
  vi.unstubAllEnvs();
});

test("not without a daemon, unless containers are insisted on: then it is an error", async () => {
  expect(await containStores(BOTH, {}, say)).not.toHaveProperty("postgres");
  expect(say).not.toHaveBeenCalled();
  await expect(containStores(BOTH, { TESTCONTAINERS: "1" }, say)).rejects.toThrow("no Docker daemon answers");
});

test("not when told so, and not when both stores were given", async () => {
  expect(await containStores(BOTH, { TESTCONTAINERS: "0" }, say)).not.toHaveProperty("redis");
  const neither = { postgres: false, redis: false };
  expect(await containStores(neither, { TESTCONTAINERS: "1" }, say)).not.toHaveProperty("redis");
});

test("a wish that is neither 0 nor 1 is an error", async () => {
  await expect(containStores(BOTH, { TESTCONTAINERS: "yes" }, say)).rejects.toThrow("must be 0 or 1");
});
