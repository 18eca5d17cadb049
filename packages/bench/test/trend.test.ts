import { expect, test } from "vitest";
import { gathered, riseOf } from "../src/rows/trend.ts";

const line = (ys: readonly number[]) => ys.map((y, x) => ({ x, y }));

test("what stays the same does not rise", () => {
  expect(riseOf(line([7, 7, 7]))).toBe(0);
});

test("a line's rise is told as a share of its mean", () => {
  expect(riseOf(line([90, 100, 110]))).toBeCloseTo(0.2);
  expect(riseOf(line([110, 100, 90]))).toBeCloseTo(-0.2);
});

test("a peak in the middle is no rise", () => {
  expect(riseOf(line([1, 5, 1]))).toBeCloseTo(0);
});

test("of fewer than two points nothing can be said", () => {
  expect(riseOf([])).toBe(0);
  expect(riseOf([{ x: 3, y: 4 }])).toBe(0);
});

test("points of one stretch become one, the mean of both coordinates", () => {
  expect(gathered(line([1, 3, 5, 7, 100]), 2)).toEqual([
    { x: 0.5, y: 2 },
    { x: 2.5, y: 6 },
    { x: 4, y: 100 },
  ]);
});
