// `pnpm check`: formatting, lint, types, unused code, schema drift. Changes nothing; `biome check --write` repairs format.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

interface Step {
  name: string;
  command: string;
  parameters: string[];
}

interface Result {
  step: Step;
  ok: boolean;
  output: string;
  seconds: number;
}

const STEPS: Step[] = [
  { name: "types", command: "tsc", parameters: ["--project", "tsconfig.json"] },
  { name: "promises", command: "oxlint", parameters: ["--type-aware", "--deny-warnings"] },
  { name: "format and lint", command: "biome", parameters: ["check", "--error-on-warnings", "."] },
  { name: "unused", command: "knip", parameters: [] },
  { name: "schema drift", command: "node", parameters: ["packages/db/src/drift.ts"] },
];
/** Two tools at a time keep a small machine busy and not swamped. */
const SIDE_BY_SIDE = 2;

process.chdir(ROOT);
const waiting = STEPS.values();
const results: Result[] = [];
await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (const step of waiting) {
      const result = await runStep(step);
      results.push(result);
      print(result);
    }
  }),
);

const failed = results.filter((result) => !result.ok).map((result) => result.step.name);
process.stdout.write(failed.length === 0 ? "check: all good\n" : `check: failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function runStep(step: Step): Promise<Result> {
  const started = performance.now();
  const child = spawn(step.command, step.parameters, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      output += `${error.message}\n`;
      resolve(null);
    });
    child.once("close", resolve);
  });
  return { step, ok: code === 0, output, seconds: (performance.now() - started) / 1_000 };
}

function print({ step, ok, output, seconds }: Result): void {
  process.stdout.write(`${ok ? "ok  " : "FAIL"} ${step.name.padEnd(16)} ${seconds.toFixed(1)} s\n`);
  if (!ok) process.stdout.write(`${output.trimEnd()}\n`);
}
