// What a block tells, apart from the pressing: which answers are of commands, what a worker's metrics say of its batches,
// and how figures of rounds become one.
import { expect, test } from "vitest";
import { batchesBetween, parseBatchMetrics } from "../src/batch-metrics.ts";
import { type Block, commandsOf } from "../src/block.ts";
import { medianOf, noiseNotes, ratioOf } from "../src/rows/block-table.ts";
import { answersOf } from "./answers-of.ts";

test("a command counts when it has ended: not when it is promised, sent back or broken", () => {
  const answers = answersOf({ "201": 5, "409": 3, "202": 7, "429": 7, "503": 7 });
  expect(commandsOf(answers)).toBe(8);
  expect(commandsOf(answers, [])).toBe(0);
  expect(commandsOf(answers, ["reserve"])).toBe(8);
  expect(commandsOf(answers, ["purchase"])).toBe(0);
});

const metrics = (upTo5: number, upTo50: number, all: number, commands: number): string =>
  [
    "# HELP holdfast_batch_apply_seconds Duration of a batch's transaction.",
    "# TYPE holdfast_batch_apply_seconds histogram",
    `holdfast_batch_apply_seconds_bucket{le="0.005"} ${upTo5}`,
    `holdfast_batch_apply_seconds_bucket{le="0.05"} ${upTo50}`,
    `holdfast_batch_apply_seconds_bucket{le="5"} ${all}`,
    `holdfast_batch_apply_seconds_bucket{le="+Inf"} ${all}`,
    "holdfast_batch_apply_seconds_sum 1.5",
    `holdfast_batch_apply_seconds_count ${all}`,
    `holdfast_batch_commands_sum ${commands}`,
    `holdfast_batch_commands_count ${all}`,
    "",
  ].join("\n");

test("of the batches while the clock ran, the P99 lies within its bucket, and their size is their mean", () => {
  const before = parseBatchMetrics(metrics(100, 100, 100, 100));
  const after = parseBatchMetrics(metrics(150, 200, 200, 2_100));
  const { batchP99Ms, batchCommandsMean } = batchesBetween(before, after);
  expect(batchP99Ms).toBeCloseTo(5 + 45 * (49 / 50));
  expect(batchCommandsMean).toBe(20);
});

test("without a worker, or without a batch, there is nothing to tell of batches", () => {
  const nothing = { batchP99Ms: null, batchCommandsMean: null };
  const told = parseBatchMetrics(metrics(1, 1, 1, 1));
  expect(batchesBetween(null, null)).toEqual(nothing);
  expect(batchesBetween(told, told)).toEqual(nothing);
});

const block = (perSecond: number, others = 0): Block => ({
  variant: "holdfast",
  pool: null,
  loop: { kind: "closed", clients: 1 },
  warmUpSeconds: 1,
  seconds: 1,
  answers: answersOf({ "201": 1 }),
  perSecond,
  cpuMicros: {},
  cpuMicrosServing: 1,
  commitsPerCommand: 1,
  redisCommandsPerCommand: 1,
  walBytesPerCommand: 1,
  batchP99Ms: null,
  batchCommandsMean: null,
  deadlocks: 0,
  shares: { idle: 0, generator: 0, others },
  memoryBytes: {},
  seen: null,
  faults: [],
});

test("a ratio is the median of the rounds' ratios, not the ratio of medians", () => {
  expect(ratioOf([block(10), block(30), block(8)], [block(5), block(10), block(8)])).toBe(2);
});

test("a figure that no block has, and a ratio over nothing, are told as none", () => {
  expect(medianOf([block(1)], ({ batchP99Ms }) => batchP99Ms)).toBe(0);
  expect(ratioOf([block(1)], [block(0)])).toBe(0);
});

test("a row says when others took more than a tenth of the machine", () => {
  expect(noiseNotes([{ about: ["calm"], blocks: [block(1, 0.05)] }])).toEqual([]);
  expect(noiseNotes([{ about: ["busy"], blocks: [block(1, 0.05), block(1, 0.25)] }])).toEqual([
    expect.stringContaining("25 %"),
  ]);
});
