import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readState, updateState } from "../src/state.ts";
import { temporaryDirectory } from "./temporary.ts";

test("an update keeps what it does not name and leaves no half-written file behind", () => {
  const dataDir = temporaryDirectory();
  updateState(dataDir, { postgresPort: 5001 });
  updateState(dataDir, { redisPort: 5002 });
  expect(readState(dataDir)).toEqual({ postgresPort: 5001, redisPort: 5002, services: [] });
  expect(readdirSync(dataDir)).toEqual(["state.json"]);
});

test.each([["nothing"], ["{"], ['{"postgresPort":"x"}']])(
  "a state file with %s in it is an empty state",
  (text) => {
    const dataDir = temporaryDirectory();
    if (text !== "nothing") writeFileSync(join(dataDir, "state.json"), text);
    expect(readState(dataDir)).toEqual({ services: [] });
  },
);
