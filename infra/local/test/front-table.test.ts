import { expect, test } from "vitest";
import { frontTable } from "../src/front-table.ts";

const accounts = [{ email: "admin@test.com", password: "secret", role: "admin", note: "all" }] as const;
const urls = ["http://127.0.0.1:3000", "http://127.0.0.1:3001"];

test("the scenarios are named with where to look and what to see, above addresses, accounts and how to stop", () => {
  const scenarios = [
    { name: "full house", where: "evt_01m94acz009hrdvvd6xb2yctkp", look: "sold out; 30 wait" },
    { name: "busy", where: "busy@test.com", look: "everything" },
  ];
  expect(frontTable({ urls, summary: { accounts, scenarios }, dataDir: "/here" })).toBe(
    `
┌───────────────────────────────────────────────────────────────┐
│ Scenarios   look at                         and see           │
├───────────────────────────────────────────────────────────────┤
│ full house  evt_01m94acz009hrdvvd6xb2yctkp  sold out; 30 wait │
│ busy        busy@test.com                   everything        │
└───────────────────────────────────────────────────────────────┘
┌───────────────────────────────────────────────────────────────────────────────┐
│ API             http://127.0.0.1:3000                                         │
│ API 2           http://127.0.0.1:3001                                         │
│ Docs            http://127.0.0.1:3000/docs                                    │
│ Queues          http://127.0.0.1:3000/ops/queues (admin@test.com)             │
├───────────────────────────────────────────────────────────────────────────────┤
│ Accounts        password                                           role       │
│ admin@test.com  secret                                             admin  all │
├───────────────────────────────────────────────────────────────────────────────┤
│ Data            /here                                                         │
│ Stop            Ctrl-C, or: pnpm stop                                         │
└───────────────────────────────────────────────────────────────────────────────┘`.trimStart(),
  );
});

test("a database without the example data has no scenarios to tell of", () => {
  expect(frontTable({ urls, summary: { accounts, scenarios: [] }, dataDir: "/here" })).not.toContain(
    "Scenarios",
  );
});
