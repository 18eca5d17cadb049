// All three variants, for a second each, on stores of their own: everything starts, answers, adds up, and ends.
import { expect, test } from "vitest";
import { blockText, machineText, summaryText } from "../src/report.ts";
import { run, SMOKE } from "../src/run.ts";

/** Milliseconds in which a machine with two cores that does other things, too, has made a cluster and run it all. */
const SMOKE_TIMEOUT_MS = 60_000;

test(
  "a smoke run of all variants has right rows, and says what it measured",
  async () => {
    const said: string[] = [];
    const result = await run(
      SMOKE,
      {
        step: () => {},
        begun: (machine) => said.push(machineText(machine)),
        tried: () => {},
        done: (block) => said.push(blockText(block)),
      },
      new AbortController().signal,
    );
    expect(result.blocks.map(({ variant, faults }) => [variant, faults])).toEqual([
      ["holdfast", []],
      ["b0", []],
      ["b1", []],
    ]);
    for (const { answered, cpuMicros, generatorShare } of result.blocks) {
      expect(answered).toBeGreaterThan(0);
      expect(cpuMicros).toMatchObject({ gateway: expect.any(Number), postgres: expect.any(Number) });
      expect(generatorShare).toBeGreaterThan(0);
    }
    expect(said.join("\n")).toMatch(/fsync=on.*appendfsync=always/);
    expect(summaryText(result)).toMatch(/medians of 1 rounds/);
  },
  SMOKE_TIMEOUT_MS,
);
