// How tests run: stores are opened once a run; unit tests two files at a time, then system tests one at a time.
import { defineConfig } from "vitest/config";

const SYSTEM_TESTS = "packages/system-tests/test/**/*.test.ts";
/** Measures: nothing else may run beside it. */
const REGRESSION_TEST = "packages/bench/test/regression.test.ts";

export default defineConfig({
  test: {
    globalSetup: "packages/testkit/src/global-setup.ts",
    // A stuck tear-down must not hide the result; stores and pools end in a second or two.
    teardownTimeout: 15_000,
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "packages/*/test/**/*.test.ts",
            "services/*/test/**/*.test.ts",
            "infra/**/test/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", SYSTEM_TESTS, REGRESSION_TEST],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "system",
          include: [SYSTEM_TESTS, REGRESSION_TEST],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["services/*/src/**/*.ts", "packages/*/src/**/*.ts"],
      reporter: ["text-summary", "json-summary"],
      reportOnFailure: true,
      reportsDirectory: "coverage",
      thresholds: {
        branches: 80,
        statements: 80,
        "packages/domain/src/**": { branches: 100 },
      },
    },
  },
});
