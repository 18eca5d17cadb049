// What an organizer's command answers with, and the limit that no scenario has room for.
import { describe, expect, test } from "vitest";
import { type AddSlotCommand, type EditEventCommand, SLOTS_PER_EVENT_MAX } from "../src/index.ts";
import { base, EVENT, HOUR, NOW, SLOT, slot, TERMS, UNTOUCHED } from "./builders.ts";
import { idOf } from "./names.ts";
import { createWorld, run } from "./world.ts";

const adds = (n: number): AddSlotCommand => ({
  ...base(`slot ${n}`, "olga"),
  type: "add-slot",
  input: {
    name: null,
    startsAt: NOW + HOUR - n,
    endsAt: NOW + 2 * HOUR,
    capacity: n,
    ifVersion: null,
    role: "organizer",
  },
});

describe("an organizer's command", () => {
  test("that adds a slot answers with it, and one event has so many slots and no more", () => {
    const world = createWorld([{ terms: TERMS, slots: [slot()] }]);
    const commands = Array.from({ length: SLOTS_PER_EVENT_MAX }, (_, n) => adds(n));
    const outcomes = run(world, EVENT, commands, NOW).applied.map(({ outcome }) => outcome);
    expect(outcomes.pop()).toEqual({
      status: "rejected",
      refusal: { code: "limit-exceeded", limit: "slots" },
    });
    expect(outcomes.pop()).toMatchObject({
      status: "succeeded",
      reservation: null,
      slot: { ...UNTOUCHED, capacity: SLOTS_PER_EVENT_MAX - 2 },
    });
    expect(outcomes.every(({ status }) => status === "succeeded")).toBe(true);
    expect(world.slots.get(EVENT)?.size).toBe(SLOTS_PER_EVENT_MAX);
  });

  test("that edits the event answers with all of it: what was said is changed, null clears, the rest stays", () => {
    const world = createWorld([{ terms: TERMS, slots: [slot()] }]);
    run(world, EVENT, [adds(1)], NOW);
    const edit: EditEventCommand = {
      ...base("edit", "olga"),
      type: "edit-event",
      input: {
        edits: { venue: "Hall", salesCloseAt: NOW + HOUR, holdSeconds: undefined, waitlist: { maxSkips: 1 } },
        ifVersion: null,
        role: "organizer",
      },
    };
    const [edited] = run(world, EVENT, [edit], NOW + 5).applied;
    expect(edited?.outcome).toMatchObject({
      event: {
        ...TERMS,
        name: "An event",
        venue: "Hall",
        salesCloseAt: NOW + HOUR,
        waitlist: { ...TERMS.waitlist, maxSkips: 1 },
        version: 3,
        updatedAt: NOW + 5,
        slots: [{ capacity: 1 }, { id: SLOT }],
      },
    });
    const cleared = { venue: null, salesCloseAt: null };
    const clear = { ...edit, id: idOf("command", "clear"), input: { ...edit.input, edits: cleared } };
    const [result] = run(world, EVENT, [clear], NOW + 6).applied;
    expect(result?.outcome).toMatchObject({
      event: { ...cleared, holdSeconds: TERMS.holdSeconds, version: 4 },
    });
  });
});
