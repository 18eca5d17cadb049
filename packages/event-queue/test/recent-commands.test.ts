// Commands of late count together, and are forgotten after a while.
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { createRecentCommands, RECENT_STRETCH_MS } from "../src/recent-commands.ts";

function recentAt(clock: { ms: number }) {
  return createRecentCommands(() => clock.ms);
}

test("commands of one event count together, in this stretch of time and the one after", () => {
  const clock = { ms: 5 };
  const recent = recentAt(clock);
  const [one, other] = [newId("event"), newId("event")];
  expect(recent.note(one, 3)).toBe(3);
  expect(recent.note(other, 1)).toBe(1);
  clock.ms += RECENT_STRETCH_MS - 1;
  expect(recent.note(one, 2)).toBe(5);
  clock.ms += 1;
  expect(recent.note(one, 1)).toBe(6);
  clock.ms += RECENT_STRETCH_MS;
  expect(recent.note(one, 1)).toBe(2);
  expect(recent.note(other, 1)).toBe(1);
});

test("after a pause nothing is left of what was", () => {
  const clock = { ms: 0 };
  const recent = recentAt(clock);
  const eventId = newId("event");
  recent.note(eventId, 50);
  clock.ms = 2 * RECENT_STRETCH_MS;
  expect(recent.note(eventId, 1)).toBe(1);
});
