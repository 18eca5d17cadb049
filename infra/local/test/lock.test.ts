import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AlreadyRunning, isAbandoned, lockHolder, takeLock } from "../src/lock.ts";
import { isAlive, processIdentity } from "../src/process.ts";
import { temporaryDirectory } from "./temporary.ts";

test("the second who wants the lock is told who has it; a given-back lock can be taken", () => {
  const dataDir = temporaryDirectory();
  const release = takeLock(dataDir);
  expect(() => takeLock(dataDir)).toThrow(AlreadyRunning);
  expect(() => takeLock(dataDir)).toThrow(`pid ${process.pid}`);
  expect(lockHolder(dataDir)?.pid).toBe(process.pid);
  release();
  expect(lockHolder(dataDir)).toBeUndefined();
  takeLock(dataDir)();
});

test("the lock of a process that is gone is taken over, even when its pid lives on in another process", () => {
  const dataDir = temporaryDirectory();
  writeFileSync(
    join(dataDir, "launcher.lock"),
    JSON.stringify({ pid: process.pid, identity: "an earlier process" }),
  );
  expect(isAbandoned(dataDir)).toBe(true);
  const release = takeLock(dataDir);
  expect(isAbandoned(dataDir)).toBe(false);
  expect(lockHolder(dataDir)?.identity).toBe(processIdentity(process.pid));
  release();
});

test("a process is known by more than its pid", () => {
  expect(isAlive(process.pid, processIdentity(process.pid))).toBe(true);
  expect(isAlive(process.pid, "another")).toBe(false);
  expect(processIdentity(2 ** 30)).toBeUndefined();
});
