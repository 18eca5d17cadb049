// The rows, in the order of the goals.
import type { Row } from "../row.ts";

export const ROWS: readonly Row[] = [];

export const rowNamed = (name: string): Row | undefined => ROWS.find((row) => row.name === name);
