import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSecrets } from "../src/secrets.ts";
import { temporaryDirectory } from "./temporary.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("secrets are made once, differ from each other and are for their owner only", () => {
  const dataDir = temporaryDirectory();
  const made = openSecrets(dataDir);
  expect(openSecrets(dataDir)).toEqual(made);
  expect(new Set(Object.values(made)).size).toBe(5);
  expect(modeOf(join(dataDir, "secrets.json"))).toBe(0o600);
  expect(readdirSync(dataDir)).toEqual(["secrets.json"]);
});

test("a secrets file that others can read is closed again", () => {
  const dataDir = temporaryDirectory();
  openSecrets(dataDir);
  chmodSync(join(dataDir, "secrets.json"), 0o644);
  openSecrets(dataDir);
  expect(modeOf(join(dataDir, "secrets.json"))).toBe(0o600);
});

test("a damaged secrets file is refused and not replaced: the stores' passwords are in it", () => {
  const dataDir = temporaryDirectory();
  writeFileSync(join(dataDir, "secrets.json"), '{"jwtSecret":"short"}');
  expect(() => openSecrets(dataDir)).toThrow("is damaged");
});

test("a data directory of an earlier version gets what it lacks, once, and keeps what it has", () => {
  const dataDir = temporaryDirectory();
  const path = join(dataDir, "secrets.json");
  const { webhookEncryptionKey: _later, ...earlier } = openSecrets(dataDir);
  writeFileSync(path, JSON.stringify(earlier));
  const completed = openSecrets(dataDir);
  expect(completed).toEqual({ ...earlier, webhookEncryptionKey: expect.any(String) });
  expect(new Set(Object.values(completed)).size).toBe(5);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(completed);
  expect(openSecrets(dataDir)).toEqual(completed);
  expect([modeOf(path), readdirSync(dataDir)]).toEqual([0o600, ["secrets.json"]]);

  writeFileSync(path, JSON.stringify(earlier)); // by another command at the same moment
  expect(openSecrets(dataDir)).toEqual(completed);
});

test("a key that is there but too short is damage, not a lack", () => {
  const dataDir = temporaryDirectory();
  const path = join(dataDir, "secrets.json");
  writeFileSync(path, JSON.stringify({ ...openSecrets(dataDir), webhookEncryptionKey: "short" }));
  expect(() => openSecrets(dataDir)).toThrow("is damaged");
});
