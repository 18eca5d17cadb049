// `pnpm test`: every test with coverage; with arguments (as vitest takes them) only what they select, without coverage.
// The last line is always `N passed, N failed`.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseCLI, startVitest, type TestModule, type Vitest } from "vitest/node";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SUMMARY = fileURLToPath(new URL("../coverage/coverage-summary.json", import.meta.url));

interface Share {
  covered: number;
  total: number;
}

interface Tally {
  passed: number;
  failed: number;
}

process.chdir(ROOT);
const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
const everything = process.argv.length === 2;
rmSync(SUMMARY, { force: true });

const tally: Tally = { passed: 0, failed: 0 };
try {
  const vitest = await startVitest("test", filter, {
    ...options,
    watch: false,
    coverage: { enabled: everything },
  });
  const thresholdsMissed = everything && (process.exitCode ?? 0) !== 0;
  await vitest.close();
  count(vitest, tally);
  if (everything) printCoverage();
  // A run that failed for another reason than a test (a threshold, an empty selection) must not read as a success.
  if (tally.failed === 0 && (thresholdsMissed || tally.passed === 0)) tally.failed += 1;
} catch (error) {
  write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  tally.failed += 1;
}
if (tally.failed > 0) process.exitCode = 1;
process.once("exit", () => write(`${tally.passed} passed, ${tally.failed} failed`));

function count(vitest: Vitest, into: Tally): void {
  let notRun = 0;
  for (const module of vitest.state.getTestModules()) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") into.passed += 1;
      else if (state === "failed") into.failed += 1;
      else notRun += 1;
    }
    if (brokenItself(module)) into.failed += 1;
  }
  into.failed += vitest.state.getUnhandledErrors().length;
  if (notRun > 0) {
    write(`${notRun} tests did not run`);
    // Nobody skips tests here, so what did not run in a whole run is a failure.
    if (everything) into.failed += notRun;
  }
}

/** True when a file, or a hook in it, failed without any of its tests failing. */
function brokenItself(module: TestModule): boolean {
  if (module.ok()) return false;
  return ![...module.children.allTests()].some((test) => test.result().state === "failed");
}

function printCoverage(): void {
  if (!existsSync(SUMMARY)) return;
  const files = Object.entries(
    JSON.parse(readFileSync(SUMMARY, "utf8")) as Record<string, { branches: Share; statements: Share }>,
  ).filter(([file]) => file !== "total");
  const domain = files.filter(([file]) => relative(ROOT, file).startsWith("packages/domain/src/"));
  write("");
  write(
    `coverage: branches of domain     ${shareOf(domain.map(([, file]) => file.branches))} (must be 100 %)`,
  );
  write(
    `coverage: branches of all        ${shareOf(files.map(([, file]) => file.branches))} (at least 80 %)`,
  );
  write(
    `coverage: statements of all      ${shareOf(files.map(([, file]) => file.statements))} (at least 80 %)`,
  );
}

function shareOf(parts: Share[]): string {
  const covered = parts.reduce((sum, part) => sum + part.covered, 0);
  const total = parts.reduce((sum, part) => sum + part.total, 0);
  const percent = total === 0 ? 100 : Math.floor((covered / total) * 10_000) / 100;
  return `${percent.toFixed(2)} %  ${covered} of ${total}`;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
