// Failpoints: what they are told, and that nothing happens at those that nobody named.
import { afterEach, expect, test } from "vitest";
import { armFailpoints, failpoint, loadConfig, ServiceConfig } from "../src/index.ts";

afterEach(() => armFailpoints(null));

function armed(text: string | null): string[] {
  const sent: string[] = [];
  armFailpoints(text, (signal) => sent.push(signal));
  return sent;
}

test("nothing happens at a failpoint that nobody named", () => {
  const sent = armed(null);
  failpoint("before-commit");
  expect(sent).toEqual([]);
  const elsewhere = armed("after-commit=kill");
  failpoint("before-commit");
  expect(elsewhere).toEqual([]);
});

test("one that is named signals its process, once, and when it is told to only at the third pass", () => {
  const sent = armed("before-commit=kill,before-settle=stop@3");
  failpoint("before-settle");
  failpoint("before-settle");
  expect(sent).toEqual([]);
  failpoint("before-settle");
  failpoint("before-settle");
  expect(sent).toEqual(["SIGSTOP"]);
  failpoint("before-commit");
  expect(sent).toEqual(["SIGSTOP", "SIGKILL"]);
});

test("the environment names known failpoints and known actions", () => {
  const read = (text: string) => () => loadConfig(ServiceConfig, { FAILPOINTS: text });
  expect(read("before-commit=kill@2,after-commit=stop")).not.toThrow();
  for (const text of ["before-lunch=kill", "before-commit=sleep", "before-commit", "after-commit=kill@0"]) {
    expect(read(text)).toThrow(/FAILPOINTS/);
  }
});
