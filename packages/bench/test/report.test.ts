// The report: what a made-up result reads like, in words and in pictures, and that what is kept is what results render to.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readReport, renderReport, writeReport } from "../src/report/documents.ts";
import { numberText, tickText } from "../src/report/numbers.ts";
import { plotSvg } from "../src/report/plot.ts";
import { scaleOf } from "../src/report/scale.ts";
import { resultText } from "../src/report/terminal.ts";
import { keepResult, type Result } from "../src/results.ts";
import type { Findings, Plot, Row } from "../src/row.ts";
import { ROWS } from "../src/rows/index.ts";

const BARS: Plot = {
  name: "throughput",
  title: "Rush & <crowd>",
  kind: "bars",
  x: { label: "clients" },
  y: { label: "answered a second" },
  series: [
    {
      name: "Holdfast",
      points: [
        { x: "100", y: 6_340 },
        { x: "1,000", y: 11_550 },
      ],
    },
    { name: "B0", points: [{ x: "100", y: 1_430 }] },
  ],
};
const LINES: Plot = {
  name: "holds",
  title: "By outstanding holds",
  kind: "lines",
  x: { label: "holds", scale: "log" },
  y: { label: "P99, ms" },
  series: [
    {
      name: "reserve",
      points: [
        { x: 10_000, y: 12 },
        { x: 1_000_000, y: 14 },
      ],
    },
  ],
};
const FINDINGS: Findings = {
  goals: [
    { sentence: "times B0", value: 6.5, unit: "×", direction: "at-least", floor: 4, goal: 6 },
    { sentence: "times B1", value: 2, unit: "×", direction: "at-least", floor: 1.8, goal: 2.5 },
    { sentence: "CPU a command", value: 141.4, unit: "µs", direction: "at-most", floor: 140, goal: 100 },
    { sentence: "P99", value: 30, unit: "ms", direction: "at-most", floor: null, goal: 50 },
  ],
  tables: [{ title: "Medians", columns: ["variant", "a second"], rows: [["a|b", 12_345.6]] }],
  plots: [BARS, LINES],
  notes: ["Others took a tenth of the machine."],
  faults: [],
};
const ROW: Row = {
  name: "rush",
  title: "A rush: 1,000 clients",
  about: "Everybody comes at once.",
  minutes: 7,
  measure: () => Promise.resolve(FINDINGS),
};
const RESULT: Result = {
  row: "rush",
  date: "2026-01-02T03:04:05.678Z",
  commit: "0123456789abcdef0123456789abcdef01234567",
  dirty: false,
  machine: {
    cpu: "A processor",
    cores: 2,
    versions: { node: "24.0.0" },
    settings: { fsync: "on", appendfsync: "always" },
    syncMs: 0.1234,
  },
  rounds: 9,
  findings: FINDINGS,
};

function folder(...results: Result[]): string {
  const made = mkdtempSync(join(tmpdir(), "holdfast-report-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  for (const result of results) keepResult(result, made);
  return made;
}
const reportOf = (...results: Result[]): string =>
  renderReport([ROW], folder(...results)).get("report.md") ?? "";

describe("the report", () => {
  test("begins with a line for every goal: value, floor, goal, verdict, day and commit", () => {
    const link = "[A rush: 1,000 clients](#a-rush-1000-clients)";
    expect(
      reportOf(RESULT)
        .split("\n")
        .filter((line) => line.startsWith(`| ${link}`)),
    ).toEqual([
      `| ${link} | times B0 | 6.5 × | ≥ 4 × | ≥ 6 × | reached | 2026-01-02 | \`012345678\` |`,
      `| ${link} | times B1 | 2 × | ≥ 1.8 × | ≥ 2.5 × | floor held | 2026-01-02 | \`012345678\` |`,
      `| ${link} | CPU a command | 141 µs | ≤ 140 µs | ≤ 100 µs | missed | 2026-01-02 | \`012345678\` |`,
      `| ${link} | P99 | 30 ms | – | ≤ 50 ms | reached | 2026-01-02 | \`012345678\` |`,
    ]);
  });

  test("tells of a row what is done, what came of it, and on what", () => {
    const report = reportOf(RESULT);
    for (const said of [
      "## A rush: 1,000 clients\n\nEverybody comes at once.\n\n`npx pnpm@12 bench rush`, about 7 min.",
      "Measured on 2026-01-02, commit `012345678`, 9 rounds.",
      "![Rush & <crowd>](rush-throughput.svg)",
      "**Medians**\n\n| variant | a second |\n|---|--:|\n| a\\|b | 12,346 |",
      "- Others took a tenth of the machine.",
      "machine: 2 × A processor",
      "durability: fsync=on, appendfsync=always",
      "disk: 0.123 ms for 8 kB and fdatasync, median",
    ])
      expect(report).toContain(said);
  });

  test("says of changed code that it was changed, and of a row without a result that there is none", () => {
    expect(reportOf({ ...RESULT, dirty: true })).toContain("commit `012345678` and changes");
    expect(reportOf()).toMatch(/\| not measured yet \|[\s\S]*Not measured yet\./);
  });

  test("lies beside its pictures, and takes away those of yesterday", () => {
    const documents = folder(RESULT);
    writeFileSync(join(documents, "rush-old.svg"), "<svg/>");
    writeReport([ROW], documents);
    expect(readdirSync(documents).sort()).toEqual([
      "report.md",
      "results",
      "rush-holds.svg",
      "rush-throughput.svg",
    ]);
    expect(readReport(documents)).toEqual(renderReport([ROW], documents));
  });

  test("that is kept is what the kept results render to: else run `pnpm bench report`", () => {
    expect(readReport()).toEqual(renderReport(ROWS));
  });
});

test("a finished row in words names its verdicts and its figures", () => {
  const said = resultText(ROW, { ...RESULT, findings: { ...FINDINGS, faults: ["a row was wrong"] } });
  expect(said).toContain("variant  a second\na|b        12,346");
  expect(said).toContain("missed      CPU a command: 141 µs, floor ≤ 140 µs, goal ≤ 100 µs");
  expect(said).toMatch(/COUNTS FOR NOTHING: a row was wrong$/);
});

describe("a picture", () => {
  test.each<[string, Plot]>([
    ["of bars", BARS],
    ["of lines", LINES],
    ["of nothing", { ...LINES, series: [] }],
    ["of bars over decades", { ...BARS, y: { label: "µs", scale: "log" } }],
  ])("%s is well-formed, names its axes, and runs nothing", (_, plot) => {
    const svg = plotSvg(plot);
    expect(unclosed(svg)).toEqual([]);
    for (const label of [plot.x.label, plot.y.label]) expect(svg).toContain(`>${label}</text>`);
    expect(svg).not.toMatch(/<script|NaN|Infinity|undefined/);
  });

  test("writes names as they are, whatever signs are in them", () => {
    expect(plotSvg(BARS)).toContain("<title>Rush &amp; &lt;crowd&gt;</title>");
  });

  test("draws a bar for each value there is, and writes it above", () => {
    const svg = plotSvg(BARS);
    expect(svg.match(/<rect class="f\d" [^>]*height="[\d.]+"\/>/g)).toHaveLength(3);
    for (const value of ["6,340", "11.6 k", "1,430"]) expect(svg).toContain(`>${value}</text>`);
  });

  test("draws who is slower higher up, and a decade as wide as the next", () => {
    const svg = plotSvg({
      ...LINES,
      series: [{ name: "reserve", points: [10, 100, 1_000].map((x, i) => ({ x, y: i })) }],
    });
    const places =
      /points="([^"]+)"/
        .exec(svg)?.[1]
        ?.split(" ")
        .map((pair) => pair.split(",").map(Number)) ?? [];
    const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = [], [x3 = 0] = []] = places;
    expect(x3 - x2).toBeCloseTo(x2 - x1, 0);
    expect(y2).toBeLessThan(y1);
  });
});

/** Elements that are not closed by their own name, in order; attributes that are not quoted end up here, too. */
function unclosed(svg: string): string[] {
  const open: string[] = [];
  const strange = svg.replaceAll(
    /<(\/?)([a-z]+)((?: [\w:-]+="[^"<&]*(?:&\w+;[^"<&]*)*")*)(\/?)>/gi,
    (_, end, name, _attributes, alone) => {
      if (end === "/" && open.pop() !== name) open.push(`</${name}>`);
      if (end === "" && alone === "") open.push(name);
      return "";
    },
  );
  return [...open, ...(/[<>]/.exec(strange) ?? []), ...(/&(?!\w+;)/.exec(strange) ?? [])];
}

describe("an axis", () => {
  test.each([
    ["begins at nothing and ends with a round step", {}, [3, 11_550], [0, 5_000, 10_000, 15_000]],
    ["goes below nothing where values do", {}, [-2, 3], [-2, -1, 0, 1, 2, 3]],
    ["has room where every value is nothing", {}, [0, 0], [0, 0.2]],
    [
      "of decades marks what lies between when there are few",
      { scale: "log" },
      [30, 800],
      [20, 50, 100, 200, 500, 1_000],
    ],
    [
      "of decades marks full ones when there are many",
      { scale: "log" },
      [3, 40_000],
      [1, 10, 100, 1_000, 10_000, 100_000],
    ],
    ["of decades has room for one value", { scale: "log" }, [100], [100, 200]],
  ] as const)("%s", (_, axis, values, ticks) => {
    expect(scaleOf({ label: "", ...axis }, values).ticks).toEqual(ticks);
  });

  test("of decades has no place for nothing", () => {
    const { place } = scaleOf({ label: "", scale: "log" }, [1, 10]);
    expect([place(1), place(10), place(0)]).toEqual([0, 1, null]);
  });
});

test("numbers are told with three digits, large ones whole or short", () => {
  expect([12_345, 123.4, 12.34, 0.01234, 0, -5.678].map(numberText)).toEqual([
    "12,345",
    "123",
    "12.3",
    "0.0123",
    "0",
    "-5.68",
  ]);
  expect([9_999, 10_000, 2_500_000].map(tickText)).toEqual(["9,999", "10 k", "2.5 M"]);
});
