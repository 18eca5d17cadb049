// Holds the container files to what they repeat: services, variables, settings, manifests. Runs no container.

import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SERVICE_FLAGS, StoresConfig } from "@holdfast/runtime";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { WEBHOOK_SETTINGS } from "../../../packages/webhooks/src/settings.ts";
import { GatewayConfig, JWT_SECRET_LENGTH_MIN } from "../../../services/gateway/src/config.ts";
import { MigratorConfig } from "../../../services/migrator/src/config.ts";
import { ReservationWorkerConfig } from "../../../services/reservation-worker/src/config.ts";
import { WebhookWorkerConfig } from "../../../services/webhook-worker/src/config.ts";
import { REPOSITORY } from "../src/settings.ts";
import {
  INITDB_OPTIONS,
  POSTGRES_IMAGE,
  POSTGRES_SETTINGS,
  REDIS_IMAGE,
  REDIS_SETTINGS,
  redisArguments,
} from "../src/store-settings.ts";

const read = (path: string): string => readFileSync(join(REPOSITORY, path), "utf8");

const CONFIGS: Record<string, z.ZodType> = {
  "expiry-worker": StoresConfig,
  gateway: GatewayConfig,
  migrator: MigratorConfig,
  "reservation-worker": ReservationWorkerConfig,
  "waitlist-worker": StoresConfig,
  "webhook-worker": WebhookWorkerConfig,
};

describe("R6: the composed system", () => {
  const system = read("infra/docker/system.yml");
  const containers = blocksOf(system.slice(system.indexOf("\nservices:"), system.indexOf("\nvolumes:")));
  const container = (name: string): string => containers.get(name) ?? "";

  test("has a container for every service, started by its main.ts", () => {
    const services = readdirSync(join(REPOSITORY, "services"));
    expect(Object.keys(CONFIGS)).toEqual(services.toSorted());
    expect([...containers.keys()].toSorted()).toEqual([...services, "postgres", "redis"].toSorted());
    for (const service of services)
      expect(container(service)).toContain(`command: [services/${service}/src/main.ts]`);
  });

  test.each(Object.entries(CONFIGS))("tells the %s no variable that it does not know", (service, config) => {
    const known = Object.keys(
      z.toJSONSchema(config, { io: "input", unrepresentable: "any" }).properties ?? {},
    );
    const told = variablesOf(container(service), system);
    expect(told).toContain("DATABASE_URL");
    expect(told.filter((name) => !known.includes(name))).toEqual([]);
  });

  test("tells PostgreSQL what it is told on every machine", () => {
    const postgres = container("postgres");
    expect(postgres).toContain(`image: ${POSTGRES_IMAGE}\n`);
    expect(postgres).toContain(`POSTGRES_INITDB_ARGS: ${INITDB_OPTIONS.join(" ")}\n`);
    expect(itemsOf(postgres).filter((item) => item.startsWith("-c"))).toEqual(
      Object.entries(POSTGRES_SETTINGS).map(([name, value]) => `-c${name}=${value}`),
    );
  });

  test("tells Redis what it is told on every machine", () => {
    const redis = container("redis");
    expect(redis).toContain(`image: ${REDIS_IMAGE}\n`);
    expect(itemsOf(redis)).toEqual([
      "redis-server",
      ...redisArguments(REDIS_SETTINGS),
      "--requirepass",
      "$" + "{REDIS_PASSWORD}",
    ]);
  });

  test("has no secret in production that nobody set, and good ones for a try", () => {
    const made = /^([A-Z_]+)=(.+)$/gm;
    expect([...read("infra/docker/production.env").matchAll(made)]).toEqual([]);
    const local = new Map(
      [...read("infra/docker/local.env").matchAll(made)].map(([, name, value]) => [name, value]),
    );
    expect([...local.keys()].toSorted()).toEqual([
      "JWT_SECRET",
      "POSTGRES_PASSWORD",
      "REDIS_PASSWORD",
      "WEBHOOK_ENCRYPTION_KEY",
    ]);
    for (const secret of local.keys()) expect(system).toContain(`\${${secret}:?`);
    expect(local.get("JWT_SECRET")?.length).toBeGreaterThanOrEqual(JWT_SECRET_LENGTH_MIN);
    const { WEBHOOK_ENCRYPTION_KEY: key } = WEBHOOK_SETTINGS;
    expect(key.safeParse(local.get("WEBHOOK_ENCRYPTION_KEY")).success).toBe(true);
    expect(system).not.toMatch(/(SECRET|PASSWORD|KEY):-/);
  });
});

test("R6: the image is built from the manifests of all packages of the workspace", () => {
  const copied = [...read("Dockerfile").matchAll(/^COPY (\S+\/package\.json) /gm)].map(([, path]) => path);
  const present = globSync("{services,packages,infra}/*/package.json", { cwd: REPOSITORY });
  expect(copied.toSorted()).toEqual(present.toSorted());
});

test("R6: a service in a container is told what it is told everywhere", () => {
  expect(read("Dockerfile")).toContain(
    `ENTRYPOINT ${JSON.stringify(["node", ...SERVICE_FLAGS]).replaceAll(",", ", ")}`,
  );
});

/** Each container's lines, by its name: what is indented by two spaces begins one. */
function blocksOf(text: string): Map<string, string> {
  const [, ...parts] = text.split(/^ {2}(?=\S+:\n)/m);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf(":")), part]));
}

/** Names of the variables that a container is told, also of those that it shares with others. */
function variablesOf(block: string, system: string): string[] {
  const own = block.slice(block.indexOf("    environment:"));
  const shared = [...own.matchAll(/^ {6}<<: (.+)$/gm)].flatMap(([line]) =>
    [...line.matchAll(/\*(\w+)/g)].flatMap(([, name]) => {
      const from = system.indexOf(`&${name}\n`);
      return namesIn(system.slice(from, system.indexOf("\n\n", from)), 2);
    }),
  );
  return [...shared, ...namesIn(own, 6)];
}

const namesIn = (text: string, indent: number): string[] =>
  [...text.matchAll(new RegExp(`^ {${indent}}([A-Z_]+):`, "gm"))].map(([, name]) => name ?? "");

/** The items of a container's command. */
const itemsOf = (block: string): string[] =>
  [...block.matchAll(/^ {6}- (.+)$/gm)].map(([, item]) => (item ?? "").replace(/^"(.*)"$/, "$1"));
