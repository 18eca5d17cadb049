import { expect, test } from "vitest";
import { settingsFrom } from "../src/settings.ts";
import { environments } from "../src/system.ts";

const STORES = { databaseUrl: "postgresql://local/holdfast", redisUrl: "redis://local" };
const MADE = { jwtSecret: "made for tokens", webhookEncryptionKey: "made for webhooks" };
const told = (env: NodeJS.ProcessEnv) =>
  environments({ ...STORES, settings: settingsFrom(env), secrets: MADE });

test("a service is told the secrets that it needs, and no others", () => {
  const { worker, webhookWorker, gateway } = told({ WEBHOOK_ALLOWED_HOSTS: "127.0.0.1" });
  const secretsOf = ({ JWT_SECRET, WEBHOOK_ENCRYPTION_KEY }: NodeJS.ProcessEnv) => [
    JWT_SECRET,
    WEBHOOK_ENCRYPTION_KEY,
  ];
  expect(secretsOf(gateway)).toEqual(["made for tokens", "made for webhooks"]);
  expect(secretsOf(webhookWorker)).toEqual([undefined, "made for webhooks"]);
  expect(secretsOf(worker)).toEqual([undefined, undefined]);
  for (const env of [worker, webhookWorker, gateway]) {
    expect(env).toMatchObject({
      HOLDFAST_MODE: "local",
      DATABASE_URL: STORES.databaseUrl,
      REDIS_URL: STORES.redisUrl,
      WEBHOOK_ALLOWED_HOSTS: "127.0.0.1",
    });
  }
});

test("secrets that the environment has go before those that were made", () => {
  const { worker, webhookWorker, gateway } = told({
    JWT_SECRET: "given",
    WEBHOOK_ENCRYPTION_KEY: "given, too",
  });
  expect(gateway).toMatchObject({ JWT_SECRET: "given", WEBHOOK_ENCRYPTION_KEY: "given, too" });
  expect(webhookWorker).toMatchObject({ WEBHOOK_ENCRYPTION_KEY: "given, too" });
  for (const env of [webhookWorker, worker]) expect(env).not.toHaveProperty("JWT_SECRET");
  expect(worker).not.toHaveProperty("WEBHOOK_ENCRYPTION_KEY");
});
