// pnpm bench: measures rows of the goals, or tells of them. Chooses and prints; measures nothing itself.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { countArgument, refuseUnknown } from "@holdfast/local/arguments";
import { messageOf } from "@holdfast/local/message-of";
import { type ArgsDef, defineCommand, renderUsage, runCommand } from "citty";
import { writeReport } from "./report/documents.ts";
import { resultText } from "./report/terminal.ts";
import { isBelowFloor } from "./report/verdict-text.ts";
import type { Result } from "./results.ts";
import type { Row } from "./row.ts";
import { ROWS, rowNamed } from "./rows/index.ts";
import { runRows } from "./run-rows.ts";

const ROUNDS_MAX = 100;

const OPTIONS = {
  full: { type: "boolean", description: "Every row that has no result of this commit on this machine" },
  smoke: {
    type: "boolean",
    description: "Everything short: asks only whether all is right, and keeps nothing",
  },
  rounds: { type: "string", description: "Rounds of alternating blocks, for rows that have them" },
  again: { type: "boolean", description: "Measure everything anew, whatever is kept of this commit" },
  json: { type: "string", description: "Also write the results to this file; - for standard output alone" },
} as const satisfies ArgsDef;

/** Each row may be named once. */
const NAMES: ArgsDef = Object.fromEntries(
  ROWS.map(({ name, title }) => [name, { type: "positional", required: false, description: title }]),
);

const interrupted = new AbortController();

const bench = defineCommand({
  meta: {
    name: "bench",
    description: "Measure the core rows, or those that are named; also: bench list, bench report",
  },
  args: { ...OPTIONS },
  run: async ({ args, rawArgs }) => {
    refuseUnknown(rawArgs, { ...OPTIONS, ...NAMES });
    const smoke = args.smoke === true;
    const rows = chosen(args._, smoke || args.full === true);
    const say = (text: string): void =>
      void (args.json === "-" ? process.stderr : process.stdout).write(`${text}\n`);
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () =>
        interrupted.abort(
          new Error(`ended by ${signal}; the same command goes on behind the last whole block`),
        ),
      );
    const results = await runRows(rows, {
      smoke,
      rounds: args.rounds === undefined ? null : countArgument("rounds", args.rounds, ROUNDS_MAX),
      onlyMissing: args.full === true,
      again: args.again === true,
      signal: interrupted.signal,
      say,
      finished(row, result) {
        say(resultText(row, result));
        if (!smoke) writeReport(ROWS);
      },
    });
    if (args.json === "-") process.stdout.write(jsonOf(results));
    else if (args.json !== undefined) writeFileSync(args.json, jsonOf(results));
    if (!results.every((result) => holds(result, smoke))) process.exitCode = 1;
  },
});

const jsonOf = (results: readonly Result[]): string => `${JSON.stringify(results, null, 2)}\n`;

/** Those that are named; else the core, or all. */
function chosen(names: readonly string[], all: boolean): Row[] {
  if (names.length === 0) return ROWS.filter(({ core }) => all || core === true);
  return names.map((name) => {
    const row = rowNamed(name);
    if (row === undefined) throw new Error(`There is no row "${name}". Rows are:\n${listText()}`);
    return row;
  });
}

function holds({ findings }: Result, smoke: boolean): boolean {
  return findings.faults.length === 0 && (smoke || !findings.goals.some(isBelowFloor));
}

const list = defineCommand({
  meta: { name: "bench list", description: "The rows, and how long each takes" },
  run: () => void process.stdout.write(`${listText()}\n`),
});

function listText(): string {
  const width = Math.max(0, ...ROWS.map(({ name }) => name.length));
  return ROWS.map(
    ({ name, title, minutes, core }) =>
      `${name.padEnd(width)}  ${String(minutes).padStart(3)} min  ${core === true ? "core" : "    "}  ${title}`,
  ).join("\n");
}

const report = defineCommand({
  meta: {
    name: "bench report",
    description: "Write docs/benchmarks/report.md and its pictures from the kept results",
  },
  run: () => writeReport(ROWS),
});

// `pnpm bench -- --smoke`: whoever is used to npm writes the dashes, and pnpm passes them on.
const line = process.argv.slice(2).filter((one) => one !== "--");
const telling = { list, report };
const told = Object.entries(telling).find(([name]) => name === line[0])?.[1];
try {
  if (line.includes("--help"))
    process.stdout.write(`${await (told === undefined ? renderUsage(bench) : renderUsage(told))}\n`);
  else if (told === undefined) await runCommand(bench, { rawArgs: line });
  else {
    refuseUnknown(line.slice(1), {});
    await runCommand(told, { rawArgs: line.slice(1) });
  }
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
  // All is closed; but whatever sleeps in a block that was broken off would keep the process for as long.
  if (interrupted.signal.aborted) process.exit();
}
