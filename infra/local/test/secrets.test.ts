import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSecrets } from "../src/secrets.ts";
import { temporaryDirectory } from "./temporary.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("secrets are made once, differ from each other and are for their owner only", () => {
  const dataDir = temporaryDirectory();
  const made = openSecrets(dataDir);
  expect(openSecrets(dataDir)).toEqual(made);
  expect(new Set(Object.values(made)).size).toBe(4);
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
