// Rows of the goals as `pnpm bench --smoke` measures them, on stores of their own: everything starts, answers, adds up,
// and ends.
import { expect, test } from "vitest";
import { resultText } from "../src/report/terminal.ts";
import { ROWS } from "../src/rows/index.ts";
import { runRows } from "../src/run-rows.ts";

/** Those that press in each of the ways there are; all of them would take minutes. */
const SMOKED = ["hot-event"];
/** Milliseconds in which a machine with two cores that does other things, too, has made a cluster and run it all. */
const SMOKE_TIMEOUT_MS = 240_000;

test(
  "a smoke run has right rows, and says what it measured",
  async () => {
    const said: string[] = [];
    const results = await runRows(
      ROWS.filter(({ name }) => SMOKED.includes(name)),
      {
        smoke: true,
        rounds: null,
        onlyMissing: false,
        again: false,
        signal: new AbortController().signal,
        say: () => {},
        finished: (row, result) => said.push(resultText(row, result)),
      },
    );
    expect(results.map(({ row, findings }) => [row, findings.faults])).toEqual(
      SMOKED.map((row) => [row, []]),
    );
    expect(said.join("\n")).toMatch(/fsync=on.*appendfsync=always/);
  },
  SMOKE_TIMEOUT_MS,
);
