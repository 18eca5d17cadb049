// What is said of a goal: its value beside what it is to be.
import { type Goal, type Verdict, verdictOf } from "../row.ts";
import { measureText } from "./numbers.ts";

const WORDS: Readonly<Record<Verdict, string>> = { goal: "reached", floor: "floor held", missed: "missed" };

export const verdictText = (goal: Goal): string => WORDS[verdictOf(goal)];

/** "≥ 4 ×"; a dash where nothing is asked. */
export const boundText = ({ direction, unit }: Goal, bound: number | null): string =>
  bound === null ? "–" : `${direction === "at-least" ? "≥" : "≤"} ${measureText(bound, unit)}`;

/** What must be, and is not. Where there is only something to aim at, nothing is. */
export const isBelowFloor = (goal: Goal): boolean => goal.floor !== null && verdictOf(goal) === "missed";
