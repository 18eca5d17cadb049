// The same trouble is told once, then now and again; another one at once.
import { expect, test } from "vitest";
import { TROUBLE_QUIET_MS, tellTrouble } from "../src/trouble.ts";

test("a trouble that comes a thousand times is told once, and how often it came when it is told again", () => {
  const lines: unknown[][] = [];
  const clock = { ms: 0 };
  const tell = tellTrouble(
    { warn: (...line: unknown[]) => void lines.push(line) },
    "connection trouble",
    () => clock.ms,
  );
  for (let i = 0; i < 1_000; i += 1) tell(new Error("connect ECONNREFUSED"));
  tell("something else");
  tell(new AggregateError([new Error("inner")]));
  clock.ms = TROUBLE_QUIET_MS;
  tell(new Error("connect ECONNREFUSED"));
  expect(lines).toEqual([
    [{ reason: "connect ECONNREFUSED" }, "connection trouble"],
    [{ reason: "something else" }, "connection trouble"],
    [{ reason: "AggregateError" }, "connection trouble"],
    [{ reason: "connect ECONNREFUSED", timesSinceLastTold: 999 }, "connection trouble"],
  ]);
});

test("what is remembered of troubles is bounded", () => {
  const lines: unknown[][] = [];
  const warn = (...line: unknown[]): void => void lines.push(line);
  const tell = tellTrouble({ warn }, "trouble", () => 0);
  for (let i = 0; i < 150; i += 1) tell(new Error(`number ${i}`));
  tell(new Error("number 0"));
  expect(lines).toHaveLength(151);
});
