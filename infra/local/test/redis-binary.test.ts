import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { canFetchPackages, redisOnPath } from "../src/redis-binary.ts";
import { temporaryDirectory } from "./temporary.ts";

/** A directory with a program in it that says what a server of that version says. */
function directoryWith(program: string, says: string): string {
  const directory = join(temporaryDirectory(), "bin");
  mkdirSync(directory);
  writeFileSync(join(directory, program), `#!/bin/sh\necho '${says}'\n`);
  chmodSync(join(directory, program), 0o755);
  return directory;
}

test("a Redis on PATH is taken when it is new enough, and passed over when it is not", () => {
  const old = directoryWith("redis-server", "Redis server v=5.0.14 sha=0 bits=64");
  const recent = directoryWith("redis-server", "Redis server v=7.2.4 sha=0 bits=64");
  expect(redisOnPath(old)).toBeUndefined();
  expect(redisOnPath([old, recent].join(delimiter))).toMatchObject({
    path: join(recent, "redis-server"),
    source: "redis-server 7.2.4 on PATH",
  });
});

test("Valkey is as good", () => {
  const directory = directoryWith("valkey-server", "Valkey server v=8.1.1 sha=0 bits=64");
  expect(redisOnPath(directory)?.source).toBe("valkey-server 8.1.1 on PATH");
});

test("without a server or a package manager on PATH there is neither a program nor a way to fetch one", () => {
  expect(redisOnPath(temporaryDirectory())).toBeUndefined();
  expect(redisOnPath(undefined)).toBeUndefined();
  expect(canFetchPackages(temporaryDirectory())).toBe(false);
});
