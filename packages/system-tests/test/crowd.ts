// What drills do with crowds: many requests at once, numbers about them, people nobody has used yet.
import type { Person } from "./population.ts";

export { at, inParallel, median, quantile, tally } from "@holdfast/load";

/** A source of people that nobody has used yet. */
export function queueOf(people: readonly Person[]): () => Person {
  const entries = people.values();
  return () => {
    const { value, done } = entries.next();
    if (done === true) throw new Error(`all ${people.length} people are used up`);
    return value;
  };
}

/** A figure for people who read the run's output. */
export const report = (line: string): void => void process.stdout.write(`measured: ${line}\n`);
