// The check that schema and migrations say the same, run as `pnpm check` runs it.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("the migrations say what the schema says", { timeout: 30_000 }, () => {
  const check = spawnSync(process.execPath, [fileURLToPath(new URL("../src/drift.ts", import.meta.url))], {
    encoding: "utf8",
  });
  expect(`${check.stdout}${check.stderr}`).toBe("");
  expect(check.status).toBe(0);
});
