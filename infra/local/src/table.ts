// Text tables for a terminal. Knows nothing of what stands in them.

export type Row = readonly string[];

/** Aligns rows in columns; a row of one cell spans them all, an empty row is a rule. */
export function renderTable(rows: readonly Row[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...rows.filter((row) => row.length > 1).map((row) => widthOf(row[column] ?? ""))),
  );
  const gap = "  ";
  const aligned = widths.reduce((sum, width) => sum + width, 0) + gap.length * Math.max(0, columns - 1);
  const inner = Math.max(
    aligned,
    ...rows.filter((row) => row.length === 1).map((row) => widthOf(row[0] ?? "")),
  );
  const line = (text: string) => `│ ${text}${" ".repeat(inner - widthOf(text))} │`;
  const body = rows.map((row) => {
    if (row.length === 0) return `├${"─".repeat(inner + 2)}┤`;
    if (row.length === 1) return line(row[0] ?? "");
    return line(
      widths
        .map((width, column) => padded(row[column] ?? "", width))
        .join(gap)
        .trimEnd(),
    );
  });
  return [`┌${"─".repeat(inner + 2)}┐`, ...body, `└${"─".repeat(inner + 2)}┘`].join("\n");
}

function padded(text: string, width: number): string {
  return text + " ".repeat(width - widthOf(text));
}

function widthOf(text: string): number {
  return [...text].length;
}
