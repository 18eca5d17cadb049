import { expect, onTestFinished, test } from "vitest";
import { askForReset, openControl } from "../src/control.ts";

const TOKEN = "t".repeat(43);

async function controlThat(reset: (log: (line: string) => void) => Promise<void>): Promise<number> {
  const control = await openControl(TOKEN, reset);
  onTestFinished(() => control.close());
  return control.port;
}

test("a reset's lines reach who asked for it", async () => {
  const port = await controlThat(async (log) => {
    log("one");
    log("two");
  });
  const lines: string[] = [];
  await askForReset(port, TOKEN, (line) => lines.push(line));
  expect(lines).toEqual(["one", "two"]);
});

test("a reset that fails is a failure for who asked for it, and the next one is possible", async () => {
  let calls = 0;
  const port = await controlThat(async () => {
    calls += 1;
    throw new Error("the disk is full");
  });
  await expect(askForReset(port, TOKEN, () => {})).rejects.toThrow("the disk is full");
  await expect(askForReset(port, TOKEN, () => {})).rejects.toThrow("the disk is full");
  expect(calls).toBe(2);
});

test("nothing is reset for who has not the token, and there is one reset at a time", async () => {
  let calls = 0;
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const port = await controlThat(async (log) => {
    calls += 1;
    log("begun");
    await held;
  });
  await expect(askForReset(port, "wrong", () => {})).rejects.toThrow("401");
  expect(calls).toBe(0);

  const { promise: begun, resolve: seen } = Promise.withResolvers<void>();
  const first = askForReset(port, TOKEN, () => seen());
  await begun;
  await expect(askForReset(port, TOKEN, () => {})).rejects.toThrow("a reset is running already");
  letGo();
  await first;
  expect(calls).toBe(1);
});
