// CPU times from /proc: what counts as whose.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { familyMicros, machineMicros, parentOf, processMicros } from "../src/cpu.ts";

/** Until the operating system itself says that so much was used: a busy machine takes longer. */
const burning = (micros: number): string =>
  `const used = () => { const { user, system } = process.cpuUsage(); return user + system; }; while (used() < ${micros});`;
const BURNT_MICROS = 100_000;
/** Times are counted in ticks. */
const TICK_MICROS = 10_000;

test("a child's time is its family's, after its end, too, and not its parent's own", () => {
  const before = { family: familyMicros(process.pid), own: processMicros(process.pid) };
  spawnSync(process.execPath, ["-e", burning(BURNT_MICROS)]);
  const family = familyMicros(process.pid) - before.family;
  const own = processMicros(process.pid) - before.own;
  expect(family - own).toBeGreaterThanOrEqual(BURNT_MICROS - 2 * TICK_MICROS);
});

test("a process that is gone has no time", () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  expect(() => processMicros(pid)).toThrow(`process ${pid} is gone`);
  expect(() => familyMicros(pid)).toThrow(`process ${pid} is gone`);
});

test("a process has a parent, and the machine some idle time of all", () => {
  expect(parentOf(process.pid)).toBe(process.ppid);
  const { all, idle } = machineMicros();
  expect(idle).toBeLessThan(all);
});
