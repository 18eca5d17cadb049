import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { refuseUnknown } from "../src/commands/arguments.ts";
import { temporaryDirectory } from "./temporary.ts";

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const KNOWN = {
  email: { type: "positional" },
  workers: { type: "string" },
  json: { type: "boolean" },
} as const;

test.each([
  ["--nope", "There is no option --nope"],
  ["--nope=1", "There is no option --nope"],
  ["--no-json", "There is no option --no-json"],
  ["-w", "There is no option -w"],
  ["ann bob", 'There is no argument "bob"'],
  ["-- ann", 'There is no argument "--"'],
  ["--workers", "--workers needs a value"],
])("%s is refused", (line, message) => {
  expect(() => refuseUnknown(line.split(" "), KNOWN)).toThrow(message);
});

test.each([[""], ["ann"], ["--workers 2"], ["--workers=2 ann --json"]])("%j is taken", (line) => {
  expect(() => refuseUnknown(line === "" ? [] : line.split(" "), KNOWN)).not.toThrow();
});

test.each([
  [["start", "--nope"], "There is no option --nope", "start [OPTIONS]"],
  [["stop", "extra"], 'There is no argument "extra"', "stop"],
  [["begin"], 'There is no command "begin"', "start|status|stop"],
])("the command line %j ends with 1, the reason and the usage", async (line, reason, usage) => {
  const { PATH } = process.env;
  const ended = promisify(execFile)(process.execPath, [CLI, ...line], {
    env: { PATH, HOLDFAST_DATA_DIR: temporaryDirectory(), NO_COLOR: "1" },
  });
  const failure = (await ended.catch((error: unknown) => error)) as { code: number; stderr: string };
  expect(failure.code).toBe(1);
  expect(failure.stderr).toContain(reason);
  expect(failure.stderr).toContain(usage);
});
