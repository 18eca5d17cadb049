// Numbers about many requests.
import { describe, expect, test } from "vitest";
import { at, median } from "../src/index.ts";

describe("a median", () => {
  test("is the one in the middle, or between the two that are", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([1, 2, 4, 9])).toBe(3);
    expect(median([])).toBeNaN();
  });
});

test("lists wrap around, unless there is nothing in them", () => {
  expect([0, 1, 2, 5].map((index) => at(["a", "b"], index))).toEqual(["a", "b", "a", "b"]);
  expect(() => at([], 0)).toThrow(RangeError);
});
