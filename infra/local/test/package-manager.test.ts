import { expect, test } from "vitest";
import { packageManagersAbove } from "../src/package-manager.ts";

/** Processes from the oldest to ours; each is the parent of the next. Returns what is watched, by command line. */
function watched(...commands: string[]): string[] {
  const own = commands.length + 10;
  const look = {
    parentOf: (pid: number) => (pid > 10 ? pid - 1 : undefined),
    commandLine: (pid: number) => commands[pid - 10] ?? "",
  };
  return packageManagersAbove(own, look).map((pid) => look.commandLine(pid));
}

test("everything between npx and the script is watched, the shell that was typed into is not", () => {
  expect(
    watched(
      "bash -c npx pnpm@12 start &",
      "npm exec pnpm@12 start",
      "sh -c pnpm start",
      "pnpm start",
      "sh -c node cli.ts",
    ),
  ).toEqual(["sh -c node cli.ts", "pnpm start", "sh -c pnpm start", "npm exec pnpm@12 start"]);
});

test("a script that was started by a shell alone watches nobody", () => {
  expect(watched("sshd", "-bash", "/bin/sh -c node cli.ts")).toEqual([]);
});
