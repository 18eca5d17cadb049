// Blocks of one kind as a line of a table: medians over rounds, of what every row wants to know.
import { median } from "@holdfast/load";
import type { Block } from "../block.ts";
import type { Latencies } from "../load-generator/answers.ts";
import type { Table } from "../row.ts";

/** Of the machine's time, what may go to others before a row says so. */
const OTHERS_SHARE_MAX = 0.1;
const PERCENT = 100;

/** Blocks that differ only in their round. */
export interface Repeated {
  /** Of the table's first columns. */
  readonly about: readonly (string | number)[];
  readonly blocks: readonly Block[];
}

/** NaN, which survives no JSON, is told as 0: there a block has no such figure. */
export function medianOf(blocks: readonly Block[], figure: (block: Block) => number | null): number {
  const seen = blocks.map(figure).filter((value) => value !== null);
  return seen.length === 0 ? 0 : median(seen);
}

/**
 * Of each round, how many times the other's figure. Blocks stand in the order of their rounds. Told as 0 when the other
 * never had one.
 */
export function ratioOf(
  blocks: readonly Block[],
  others: readonly Block[],
  figure: (block: Block) => number = ({ perSecond }) => perSecond,
): number {
  const ratios = blocks.flatMap((block, round) => {
    const other = others[round];
    return other === undefined || figure(other) === 0 ? [] : [figure(block) / figure(other)];
  });
  return ratios.length === 0 ? 0 : median(ratios);
}

/** Latencies of a block's only kind, or of the one that is named. */
export function latenciesOf({ answers }: Block, kind?: string): Latencies {
  const { window } = answers.kinds[kind ?? Object.keys(answers.kinds)[0] ?? ""] ?? {};
  return window ?? { count: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 };
}

export const blockTable = (title: string, about: readonly string[], lines: readonly Repeated[]): Table => ({
  title,
  columns: [
    ...about,
    "a second",
    "mean ms",
    "P50 ms",
    "P95 ms",
    "P99 ms",
    "CPU µs a command",
    "commits a command",
    "Redis commands a command",
    "WAL bytes a command",
    "commands a batch",
    "batch P99 ms",
    "generator %",
    "idle %",
  ],
  rows: lines.map((line) => [
    ...line.about,
    medianOf(line.blocks, ({ perSecond }) => perSecond),
    medianOf(line.blocks, (block) => latenciesOf(block).meanMs),
    medianOf(line.blocks, (block) => latenciesOf(block).p50Ms),
    medianOf(line.blocks, (block) => latenciesOf(block).p95Ms),
    medianOf(line.blocks, (block) => latenciesOf(block).p99Ms),
    medianOf(line.blocks, ({ cpuMicrosServing }) => cpuMicrosServing),
    medianOf(line.blocks, ({ commitsPerCommand }) => commitsPerCommand),
    medianOf(line.blocks, ({ redisCommandsPerCommand }) => redisCommandsPerCommand),
    medianOf(line.blocks, ({ walBytesPerCommand }) => walBytesPerCommand),
    medianOf(line.blocks, ({ batchCommandsMean }) => batchCommandsMean),
    medianOf(line.blocks, ({ batchP99Ms }) => batchP99Ms),
    medianOf(line.blocks, ({ shares }) => shares.generator * PERCENT),
    medianOf(line.blocks, ({ shares }) => shares.idle * PERCENT),
  ]),
});

/** CPU microseconds a command, of each process by itself. */
export function processTable(title: string, about: readonly string[], lines: readonly Repeated[]): Table {
  const names = [
    ...new Set(lines.flatMap(({ blocks }) => blocks.flatMap(({ cpuMicros }) => Object.keys(cpuMicros)))),
  ];
  return {
    title,
    columns: [...about, ...names],
    rows: lines.map((line) => [
      ...line.about,
      ...names.map((name) => medianOf(line.blocks, ({ cpuMicros }) => cpuMicros[name] ?? null)),
    ]),
  };
}

export const faultsOf = (lines: readonly Repeated[]): string[] =>
  lines.flatMap(({ about, blocks }) =>
    blocks.flatMap(({ faults }) => faults.map((fault) => `${about.join(", ")}: ${fault}`)),
  );

/** What others took of the machine, where it was so much that the figures mean little. */
export function noiseNotes(lines: readonly Repeated[]): string[] {
  const most = Math.max(0, ...lines.flatMap(({ blocks }) => blocks.map(({ shares }) => shares.others)));
  if (most <= OTHERS_SHARE_MAX) return [];
  const percent = Math.round(most * PERCENT);
  return [
    `Other programs took up to ${percent} % of the machine: throughput and latency mean little, and CPU times run high, too.`,
  ];
}

/** A block in a line, for whoever watches. */
export function blockLine(block: Block): string {
  const { p50Ms, p99Ms } = latenciesOf(block);
  const line =
    `${Math.round(block.perSecond)}/s, P50 ${p50Ms.toFixed(1)} ms, P99 ${p99Ms.toFixed(1)} ms, ` +
    `${Math.round(block.cpuMicrosServing)} µs a command`;
  return [line, ...block.faults.map((fault) => `  COUNTS FOR NOTHING: ${fault}`)].join("\n");
}
