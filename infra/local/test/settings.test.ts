import { expect, test } from "vitest";
import { countArgument } from "../src/commands/arguments.ts";
import { settingsFrom } from "../src/settings.ts";

test("nothing is required, and an empty variable is an absent one", () => {
  const settings = settingsFrom({ DATABASE_URL: "", PORT: "" });
  expect(settings).toMatchObject({
    port: 3000,
    portChosen: false,
    host: "127.0.0.1",
    databaseUrl: undefined,
  });
  expect(settings.dataDir.endsWith("/.data")).toBe(true);
});

test("a port that was set is a chosen one", () => {
  expect(settingsFrom({ PORT: "3000" })).toMatchObject({ port: 3000, portChosen: true });
});

test("every mistake in the environment is named at once", () => {
  expect(() => settingsFrom({ PORT: "99999", LOG_FORMAT: "loud" })).toThrow(/PORT[\s\S]*LOG_FORMAT/);
});

test.each(["0", "33", "-1", "1.5", "two", ""])("%j is no count of workers", (given) => {
  expect(() => countArgument("workers", given, 32)).toThrow("--workers must be a whole number from 1 to 32");
});

test("a count is a count", () => {
  expect(countArgument("workers", "32", 32)).toBe(32);
});
