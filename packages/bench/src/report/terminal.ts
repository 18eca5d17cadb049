// A finished row in words, for a terminal.

import type { Result } from "../results.ts";
import type { Findings, Row, Table } from "../row.ts";
import { machineLines } from "./machine-text.ts";
import { measureText, numberText } from "./numbers.ts";
import { boundText, verdictText } from "./verdict-text.ts";

export function resultText({ title }: Row, { findings, machine }: Result): string {
  const about =
    machine === null ? [] : machineLines(machine).map(([name, what]) => `${name.padEnd(12)}${what}`);
  return ["", title, ...about, ...findingsLines(findings)].join("\n");
}

const findingsLines = ({ goals, tables, notes, faults }: Findings): string[] => [
  ...tables.flatMap((table) => ["", table.title, ...tableLines(table)]),
  ...(notes.length === 0 ? [] : ["", ...notes]),
  "",
  ...goals.map(
    (goal) =>
      `${verdictText(goal).padEnd(10)}  ${goal.sentence}: ${measureText(goal.value, goal.unit)}, ` +
      `floor ${boundText(goal, goal.floor)}, goal ${boundText(goal, goal.goal)}`,
  ),
  ...faults.map((fault) => `COUNTS FOR NOTHING: ${fault}`),
];

/** Text to the left, figures to the right. */
function tableLines({ columns, rows }: Table): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "number" ? numberText(cell) : cell)));
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const isFigure = columns.map((_, i) => rows.some((row) => typeof row[i] === "number"));
  return [columns, ...cells].map((row) =>
    row
      .map((cell, i) => (isFigure[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
