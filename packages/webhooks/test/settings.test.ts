// What services are told of webhooks by their environment.

import { loadConfig } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { z } from "zod";
import { WEBHOOK_SETTINGS } from "../src/index.ts";

const Settings = z.object(WEBHOOK_SETTINGS);
const KEY = "k".repeat(32);

test("a key of 32 characters is enough, and no host is listed by default", () => {
  expect(loadConfig(Settings, { WEBHOOK_ENCRYPTION_KEY: KEY, WEBHOOK_ALLOWED_HOSTS: "" })).toEqual({
    WEBHOOK_ENCRYPTION_KEY: KEY,
    WEBHOOK_ALLOWED_HOSTS: [],
  });
});

test("listed hosts are read as URLs write them", () => {
  const env = { WEBHOOK_ENCRYPTION_KEY: KEY, WEBHOOK_ALLOWED_HOSTS: " Receiver. ,[0:0::1]:8080,127.1:9000" };
  expect(loadConfig(Settings, env).WEBHOOK_ALLOWED_HOSTS).toEqual([
    { host: "receiver", port: null },
    { host: "[::1]", port: 8_080 },
    { host: "127.0.0.1", port: 9_000 },
  ]);
});

test("every mistake is told at once", () => {
  const load = () =>
    loadConfig(Settings, { WEBHOOK_ENCRYPTION_KEY: "short", WEBHOOK_ALLOWED_HOSTS: "http://a" });
  expect(load).toThrow(
    /WEBHOOK_ENCRYPTION_KEY: must have at least 32 characters[\s\S]*WEBHOOK_ALLOWED_HOSTS: must be hosts/,
  );
  expect(() => loadConfig(Settings, {})).toThrow(/WEBHOOK_ENCRYPTION_KEY: is missing/);
});
