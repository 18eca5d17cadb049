// The report's files: what they are to hold, and bringing them to hold it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DOCUMENTS, readResults } from "../results.ts";
import type { Row } from "../row.ts";
import { pictureOf, reportMarkdown } from "./markdown.ts";
import { plotSvg } from "./plot.ts";

/** What the report consists of, by file name. */
export function renderReport(rows: readonly Row[], documents: string = DOCUMENTS): Map<string, string> {
  const results = readResults(documents).filter(({ row }) => rows.some(({ name }) => name === row));
  const pictures = results.flatMap(({ row, findings }) =>
    findings.plots.map((plot) => [pictureOf(row, plot.name), plotSvg(plot)] as const),
  );
  return new Map([["report.md", reportMarkdown(rows, results)], ...pictures]);
}

/** What it consists of now. */
export function readReport(documents: string = DOCUMENTS): Map<string, string> {
  if (!existsSync(documents)) return new Map();
  const files = readdirSync(documents).filter((file) => file === "report.md" || file.endsWith(".svg"));
  return new Map(files.map((file) => [file, readFileSync(join(documents, file), "utf8")]));
}

/** Pictures that no result has any more go. */
export function writeReport(rows: readonly Row[], documents: string = DOCUMENTS): void {
  const report = renderReport(rows, documents);
  mkdirSync(documents, { recursive: true });
  for (const file of readReport(documents).keys()) if (!report.has(file)) rmSync(join(documents, file));
  for (const [file, content] of report) writeFileSync(join(documents, file), content);
}
