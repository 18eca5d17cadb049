// How a rush is shown while it runs: drawn over itself on a terminal, as plain lines elsewhere.
import type { CommandId, UserId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { openProgress } from "../src/demo/progress.ts";
import type { Deed } from "../src/demo/rush.ts";

const userId: UserId = newId("user");
const commandId: CommandId = newId("command");
const deed: Deed = {
  userId,
  kind: "reserve",
  tookMs: 12,
  troubles: ["ECONNRESET"],
  told: {
    status: "rejected",
    commandId,
    problem: {
      type: "",
      title: "",
      status: 409,
      detail: "",
      code: "all-held",
      instance: "",
      requestId: "",
    },
  },
};

function shown(live: boolean, columns = 100): string {
  let text = "";
  const progress = openProgress({ buyers: 4, tickets: 2, live, columns, write: (more) => (text += more) });
  progress.heard(deed);
  progress.close();
  return text;
}

test("on a terminal it draws bars", () => {
  expect(shown(true)).toContain(`${"█".repeat(8)}${"░".repeat(22)} 1 of 4 asked: 0 held, 1 refused\n`);
});

test("on a narrow terminal its lines are cut, so that each stays one", () => {
  const lines = shown(true, 20).split("\n").slice(0, -1);
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line.replace("\u001B[2K", "")).toHaveLength(19);
});

test("elsewhere it is one line of plain text", () => {
  const text = shown(false);
  expect(text).toMatch(/^reserve 1 of 4 asked: 0 held, 1 refused \| .*tried again 1\n$/);
  expect(text).not.toContain("█");
  expect(text).not.toContain("\u001B");
});
