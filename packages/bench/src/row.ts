// One line of the goals: what it asks, and what came of it. A row measures; it neither keeps nor words its findings.
import type { BenchStores } from "./stores.ts";

export interface Row {
  /** The command that measures it: `pnpm bench <name>`. */
  readonly name: string;
  readonly title: string;
  /** What is done, and how it is judged: one paragraph for the report. */
  readonly about: string;
  /** Minutes that it takes, about. */
  readonly minutes: number;
  /** Measured by `pnpm bench` alone, too. */
  readonly core?: true;
  measure(run: RowRun): Promise<Findings>;
}

/** What a row is given. */
export interface RowRun {
  /** Short and small: asks whether everything is right, not how fast it is. */
  readonly smoke: boolean;
  /** Rounds of alternating blocks, when somebody asks for so many; else the row knows how many are enough. */
  readonly rounds?: number;
  /** Aborted when somebody wants it to end. */
  readonly signal: AbortSignal;
  say(line: string): void;
  /**
   * The result of `act`, kept under `key` as JSON: a run of the same commit that was broken off goes on behind the last
   * block that it finished.
   */
  block<Result>(key: string, act: () => Promise<Result>): Promise<Result>;
  /**
   * Stores of the row's own, opened at the first call (so not at all when every block is known) and closed behind the
   * row. Mostly asked for by `withBench`.
   */
  stores(): Promise<BenchStores>;
}

export interface Findings {
  readonly goals: readonly Goal[];
  readonly tables: readonly Table[];
  readonly plots: readonly Plot[];
  /** What else is to be known about the figures: sentences. */
  readonly notes: readonly string[];
  /** Wrong rows and wrong answers. One of them, and nothing of the row counts. */
  readonly faults: readonly string[];
}

/** A figure beside what it is to be. */
export interface Goal {
  readonly sentence: string;
  readonly value: number;
  /** As it stands behind the number: "×", "ms", "µs", "%", "". */
  readonly unit: string;
  readonly direction: "at-least" | "at-most";
  /** What it must reach; null where there is only something to aim at. */
  readonly floor: number | null;
  /** What it is to reach. */
  readonly goal: number;
}

export type Verdict = "goal" | "floor" | "missed";

export function verdictOf({ value, direction, floor, goal }: Goal): Verdict {
  const reaches = (bound: number): boolean => (direction === "at-least" ? value >= bound : value <= bound);
  if (reaches(goal)) return "goal";
  return floor !== null && reaches(floor) ? "floor" : "missed";
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** Numbers are rounded by whoever shows them. */
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface Plot {
  /** Names its file, beside the row's name. */
  readonly name: string;
  readonly title: string;
  readonly kind: "bars" | "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Axis {
  readonly label: string;
  readonly scale?: "linear" | "log";
}

export interface Series {
  readonly name: string;
  /** Of bars `x` is the name of the group, of lines a number. */
  readonly points: readonly { readonly x: string | number; readonly y: number }[];
}
