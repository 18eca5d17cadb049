// Medians, ratios of a round, and the goals that they are held against.
import { describe, expect, test } from "vitest";
import { goalsOf, ratios } from "../src/figures.ts";
import type { RoundBlock } from "../src/run.ts";
import type { VariantName } from "../src/variants.ts";

const block = (
  variant: VariantName,
  clients: number,
  round: number,
  perSecond: number,
  micros = 100,
): RoundBlock => ({
  variant,
  clients,
  round,
  perSecond,
  cpuMicrosServing: micros,
  pool: null,
  warmUpSeconds: 1,
  seconds: 1,
  answered: perSecond,
  meanMs: 1,
  p50Ms: 1,
  p99Ms: 2,
  cpuMicros: {},
  commandsPerCommit: 1,
  idleShare: 0,
  generatorShare: 0,
  othersShare: 0,
  statuses: {},
  faults: [],
});

describe("a ratio", () => {
  test("compares blocks of one round and one number of clients", () => {
    const blocks = [
      block("holdfast", 100, 1, 4_000),
      block("b0", 100, 1, 1_000),
      block("holdfast", 100, 2, 6_000),
      block("b0", 100, 2, 1_000),
      block("b0", 1_000, 1, 1),
    ];
    expect(ratios(blocks, "b0", 100)).toEqual([4, 6]);
  });
  test("is not there for a round of which a block counts for nothing", () => {
    const wrong = { ...block("holdfast", 100, 1, 9_000), faults: ["a row was wrong"] };
    expect(ratios([wrong, block("b0", 100, 1, 1_000)], "b0", 100)).toEqual([]);
  });
  test("is not there for a round that lacks one of the two", () => {
    expect(ratios([block("holdfast", 100, 1, 4_000)], "b1", 100)).toEqual([]);
  });
});

describe("the goals", () => {
  test("are met at their floors, and missed just below", () => {
    const blocks = [block("holdfast", 100, 1, 4_000), block("b0", 100, 1, 1_000), block("b1", 100, 1, 2_223)];
    expect(goalsOf(blocks).map(({ sentence, met }) => [sentence, met])).toEqual([
      ["100 clients: at least 4 × B0", true],
      ["100 clients: at least 1.8 × B1", false],
    ]);
  });
  test("hold the CPU time of a command at 1,000 clients against B0's of the same round, however slow", () => {
    const rounds = [1, 2, 3].flatMap((slower) => [
      block("holdfast", 1_000, slower, 9_000, 126 * slower),
      block("b0", 1_000, slower, 600, 1_000 * slower),
    ]);
    expect(goalsOf(rounds)).toMatchObject([{}, { value: 0.126, bound: 0.125, met: false }, { value: 252 }]);
  });
  test("hold the CPU time of a command at 1,000 clients against its bound, whatever else was run", () => {
    const rounds = [130, 150, 160].map((micros, i) => block("holdfast", 1_000, i + 1, 9_000, micros));
    expect(goalsOf(rounds)).toMatchObject([{ value: 150, bound: 140, met: false }]);
  });
});
