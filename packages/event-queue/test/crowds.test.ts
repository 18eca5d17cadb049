// Which events are busy: commands of late, forgotten after a while.
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { CROWD_STRETCH_MS, createCrowds } from "../src/crowds.ts";

function crowdsAt(clock: { ms: number }) {
  return createCrowds(() => clock.ms);
}

test("commands of one event count together, in this stretch of time and the one after", () => {
  const clock = { ms: 5 };
  const crowds = crowdsAt(clock);
  const [one, other] = [newId("event"), newId("event")];
  expect(crowds.note(one, 3)).toBe(3);
  expect(crowds.note(other, 1)).toBe(1);
  clock.ms += CROWD_STRETCH_MS - 1;
  expect(crowds.note(one, 2)).toBe(5);
  clock.ms += 1;
  expect(crowds.note(one, 1)).toBe(6);
  clock.ms += CROWD_STRETCH_MS;
  expect(crowds.note(one, 1)).toBe(2);
  expect(crowds.note(other, 1)).toBe(1);
});

test("after a pause nothing is left of what was", () => {
  const clock = { ms: 0 };
  const crowds = crowdsAt(clock);
  const eventId = newId("event");
  crowds.note(eventId, 50);
  clock.ms = 2 * CROWD_STRETCH_MS;
  expect(crowds.note(eventId, 1)).toBe(1);
});
