// The kept results as a document: first every goal, then every row. Measures nothing, and words no finding.
import type { Result } from "../results.ts";
import type { Row, Table } from "../row.ts";
import { machineLines } from "./machine-text.ts";
import { measureText, numberText } from "./numbers.ts";
import { boundText, verdictText } from "./verdict-text.ts";

/** Characters of a commit that are shown. */
const COMMIT_SHOWN = 9;

const HEAD = `<!-- Written by \`pnpm bench report\` from results/*.json: change those, by measuring, and not this. -->

# Report

What was measured of [Holdfast](../../README.md), and how that stands to its goals. How it is measured, and against whom, is in
[the README](README.md), and [why what is missed is missed](README.md#what-is-missed-and-why), too. A goal is what is aimed at,
a floor what must hold. Each figure tells when it was taken, and of which commit, for not all are of the last one;
microseconds and rates are those of the machine that its row names, ratios travel further.
`;

/** The picture of a plot, beside the report. */
export const pictureOf = (row: string, plot: string): string => `${row}-${plot}.svg`;

/** Rows in the order given; of results only those of a row that there is. */
export function reportMarkdown(rows: readonly Row[], results: readonly Result[]): string {
  const known = new Map(results.map((result) => [result.row, result]));
  const sections = rows.map((row) => section(row, known.get(row.name)));
  return `${[HEAD, "## Goals\n", goalsTable(rows, known), ...sections].join("\n").trimEnd()}\n`;
}

function goalsTable(rows: readonly Row[], known: ReadonlyMap<string, Result>): string {
  const lines = rows.flatMap(({ name, title }) => {
    const result = known.get(name);
    const link = `[${cellText(title)}](#${anchorOf(title)})`;
    if (result === undefined) return [[link, "", "not measured yet", "", "", "", "", ""]];
    return result.findings.goals.map((goal) => [
      link,
      cellText(goal.sentence),
      measureText(goal.value, goal.unit),
      boundText(goal, goal.floor),
      boundText(goal, goal.goal),
      result.findings.faults.length > 0 ? "counts for nothing" : verdictText(goal),
      dayOf(result),
      commitOf(result),
    ]);
  });
  const columns = ["row", "what", "value", "floor", "goal", "verdict", "on", "commit"];
  return markdownTable(columns, lines, [false, false, true, true, true, false, false, false]);
}

function section({ name, title, about, minutes }: Row, result: Result | undefined): string {
  const head = `## ${title}\n\n${about}\n\n\`npx pnpm@12 bench ${name}\`, about ${minutes} min.`;
  if (result === undefined) return `${head}\n\nNot measured yet.\n`;
  const { findings, machine, rounds } = result;
  const asked = rounds === null ? "" : `, ${rounds} rounds`;
  const parts = [
    head,
    `Measured on ${dayOf(result)}, commit ${commitOf(result)}${asked}.`,
    ...findings.faults.map((fault) => `**Counts for nothing:** ${fault}`),
    ...findings.plots.map((plot) => `![${plot.title}](${pictureOf(name, plot.name)})`),
    ...findings.tables.map(tableText),
    ...(findings.notes.length === 0 ? [] : [findings.notes.map((note) => `- ${note}`).join("\n")]),
    ...(machine === null
      ? []
      : [
          machineLines(machine)
            .map(([what, value]) => `${what}: ${value}`)
            .join("  \n"),
        ]),
  ];
  return `${parts.join("\n\n")}\n`;
}

function tableText({ title, columns, rows }: Table): string {
  const isFigure = columns.map((_, i) => rows.some((row) => typeof row[i] === "number"));
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === "number" ? numberText(cell) : cellText(cell))),
  );
  return `**${title}**\n\n${markdownTable(columns.map(cellText), cells, isFigure)}`;
}

function markdownTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  toTheRight: readonly boolean[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns),
    `|${toTheRight.map((right) => (right ? "--:" : "---")).join("|")}|`,
    ...rows.map(line),
    "",
  ].join("\n");
}

const cellText = (words: string): string => words.replaceAll("|", "\\|").replaceAll("\n", " ");

/** As GitHub makes it of a heading. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
    .replaceAll(" ", "-");

const dayOf = ({ date }: Result): string => date.slice(0, "2026-01-01".length);

const commitOf = ({ commit, dirty }: Result): string =>
  `\`${commit.slice(0, COMMIT_SHOWN)}\`${dirty ? " and changes" : ""}`;
