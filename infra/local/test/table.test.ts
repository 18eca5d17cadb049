import { expect, test } from "vitest";
import { renderTable } from "../src/table.ts";

test("columns are aligned, a single cell spans them, an empty row is a rule", () => {
  expect(renderTable([["a", "1"], [], ["longer", "2"], ["one cell over all"]])).toBe(
    [
      "┌───────────────────┐",
      "│ a       1         │",
      "├───────────────────┤",
      "│ longer  2         │",
      "│ one cell over all │",
      "└───────────────────┘",
    ].join("\n"),
  );
});
