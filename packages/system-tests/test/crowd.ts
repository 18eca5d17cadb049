// Many requests at once, a bounded number in flight, and numbers about them.
import type { Person } from "./population.ts";

/** Calls `act` for each item, at most `width` at a time, in order of the items; resolves with what came of each. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  act: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const entries = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of entries) results[index] = await act(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

/** How often each word occurs. */
export function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

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
