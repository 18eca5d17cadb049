// Many requests at once, a bounded number in flight, and numbers about them.
import type { Person } from "./population.ts";

export { inParallel, quantile, tally } from "@holdfast/load";

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A source of people that nobody has used yet. */
export function queueOf(people: readonly Person[]): () => Person {
  const entries = people.values();
  return () => {
    const { value, done } = entries.next();
    if (done === true) throw new Error(`all ${people.length} people are used up`);
    return value;
  };
}

/** The item of a list that has one at `index`, wrapping around. */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length];
  if (item === undefined) throw new RangeError("an empty list has no items");
  return item;
}

/** A figure for people who read the run's output. */
export const report = (line: string): void => void process.stdout.write(`measured: ${line}\n`);
