// What `start` prints when all is ready: scenarios to look at, addresses, accounts, and how to stop.
import type { SeedSummary } from "./data-reset.ts";
import { renderTable } from "./table.ts";

export interface Front {
  /** The gateways' addresses, in order. */
  urls: readonly string[];
  summary: Pick<SeedSummary, "accounts" | "scenarios">;
  dataDir: string;
}

export function frontTable({ urls, summary: { accounts, scenarios }, dataDir }: Front): string {
  const [first = "", ...others] = urls;
  const admin = accounts.find(({ role }) => role === "admin");
  const front = renderTable([
    ["API", first],
    ...others.map((url, index) => [`API ${index + 2}`, url]),
    ["Docs", `${first}/docs`],
    ["Queues", `${first}/ops/queues (${admin?.email ?? "for admins"})`],
    [],
    ["Accounts", "password", "role", ""],
    ...accounts.map(({ email, password, role, note }) => [email, password, role, note]),
    [],
    ["Data", dataDir],
    ["Stop", "Ctrl-C, or: pnpm stop"],
  ]);
  // A table of its own: ids would make that one wider than a terminal. None in a database without the example data.
  const told = scenarios.map(({ name, where, look }) => [name, where, look]);
  return told.length === 0
    ? front
    : `${renderTable([["Scenarios", "look at", "and see"], [], ...told])}\n${front}`;
}
