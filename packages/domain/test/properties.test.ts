// What holds for every history: the same answers as the naive model's, the invariants of the rules, and that it
// does not show how a history was cut into batches, nor that a batch came twice.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyBatch, type RefusalCode, type Reservation } from "../src/index.ts";
import { type Entry, type History, history } from "./histories.ts";
import { violations } from "./invariants.ts";
import { commit, createWorld, loadBatch, run, type World } from "./world.ts";

const RUNS = 600;
/** Milliseconds that a property may take on a machine that is busy with others. */
const PATIENCE_MS = 60_000;

test("the rules answer like the naive model, row by row, and keep the invariants after every command", {
  timeout: PATIENCE_MS,
}, () => {
  fc.assert(
    fc.property(history, (told) => {
      const world = worldOf(told);
      for (const entry of told.entries) {
        if (entry.kind === "accept") world.accepted.set(entry.command.id, entry.command);
        else {
          const { eventId } = entry.command;
          const { applied, followUps } = run(world, eventId, [entry.command], entry.now);
          same(
            applied.map(({ outcome }) => outcome),
            [entry.outcome],
          );
          same(followUps, entry.followUps);
          same(violations(world), []);
        }
      }
      same(rowsOf(world), sorted(told.rowsAfter));
    }),
    { numRuns: RUNS },
  );
});

test("it does not show how a history is cut into batches, nor how many due holds each one loads", {
  timeout: PATIENCE_MS,
}, () => {
  fc.assert(
    fc.property(
      history,
      fc.infiniteStream(fc.boolean()),
      fc.integer({ min: 1, max: 3 }),
      (told, cuts, dueMax) => {
        const world = worldOf(told);
        const answered = new Set<string>();
        for (const group of grouped(told, cuts)) {
          const [first] = group;
          if (first?.kind === "accept") world.accepted.set(first.command.id, first.command);
          const asked = group.filter((entry) => entry.kind === "apply");
          const { command, now } = asked[0] ?? {};
          if (command === undefined || now === undefined) continue;
          const { applied, followUps } = run(
            world,
            command.eventId,
            asked.map((entry) => entry.command),
            now,
            { dueMax },
          );
          same(
            applied.map(({ outcome }) => outcome),
            asked.map(({ outcome }) => outcome),
          );
          same(
            followUps,
            asked.flatMap((entry) => entry.followUps),
          );
          for (const {
            command: { id },
            replayed,
          } of applied) {
            same(replayed, answered.has(id));
            answered.add(id);
          }
          same(violations(world), []);
        }
        same(rowsOf(world), sorted(told.rowsAfter));
      },
    ),
    { numRuns: RUNS },
  );
});

test("a batch that is decided twice comes out the same, and one that is applied twice has one effect", {
  timeout: PATIENCE_MS,
}, () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.boolean()), (told, cuts) => {
      const world = worldOf(told);
      for (const group of grouped(told, cuts)) {
        const [first] = group;
        if (first?.kind === "accept") world.accepted.set(first.command.id, first.command);
        if (first?.kind !== "apply") continue;
        const commands = group.map(({ command }) => command);
        const { eventId } = first.command;
        const decide = () => applyBatch(commands, loadBatch(world, eventId, commands, first.now));
        const once = decide();
        same(decide(), once);
        commit(world, eventId, once);
        const again = decide();
        same(
          again.applied.map(({ outcome }) => outcome),
          once.applied.map(({ outcome }) => outcome),
        );
        expect(again).toMatchObject({ changes: [], followUps: [], logicalAt: once.logicalAt });
        expect(again.applied.every(({ replayed }) => replayed)).toBe(true);
      }
    }),
    { numRuns: RUNS / 2 },
  );
});

test("the histories reach every answer there is", { timeout: PATIENCE_MS }, () => {
  const reached = new Set<string>();
  for (const { entries } of fc.sample(history, { numRuns: 1000, seed: 1 })) {
    for (const entry of entries) {
      if (entry.kind === "accept") continue;
      if (entry.followUps.length > 0) reached.add("asks another event");
      if (entry.outcome.status === "succeeded") reached.add(entry.outcome.reservation?.status ?? "settled");
      if (entry.outcome.status === "failed") reached.add(entry.outcome.failure);
      if (entry.outcome.status !== "rejected") continue;
      const { refusal } = entry.outcome;
      reached.add(refusal.code === "limit-exceeded" ? refusal.limit : refusal.code);
    }
  }
  const refusals = {
    "not-found": true,
    "event-cancelled": true,
    "event-over": true,
    "sales-not-open": true,
    "sales-closed": true,
    "slot-required": true,
    "limit-exceeded": false, // its limits instead
    "already-reserved": true,
    overlap: true,
    "sold-out": true,
    "all-held": true,
    "already-purchased": true,
    "hold-expired": true,
    "not-active": true,
    "cancellation-closed": true,
    "idempotency-key-reused": true,
    // Of waitlists and organizers: not in these histories.
    "already-waiting": false,
    "waitlist-closed": false,
    "waitlist-full": false,
    "tickets-available": false,
    "capacity-below-committed": false,
    "slot-in-use": false,
    "precondition-failed": false,
    "validation-failed": false,
  } satisfies Record<RefusalCode, boolean>;
  const expected = Object.entries(refusals).flatMap(([code, whole]) => (whole ? [code] : []));
  const others = [
    "order",
    "capacity",
    "user",
    "holds",
    "cooldown",
    "held",
    "purchased",
    "cancelled",
    "settled",
    "unsupported",
  ];
  expect([...reached].sort()).toEqual([...expected, ...others, "asks another event"].sort());
});

/** As `expect` has it, and a hundred times as fast while nothing is wrong. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

const worldOf = ({ events, before }: History): World => createWorld(events, before);

const sorted = (rows: Iterable<Reservation>): Reservation[] =>
  [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
const rowsOf = (world: World): Reservation[] => sorted(world.reservations.values());

/** Neighbours of one event and one moment make a batch, unless they are cut; what is accepted stands alone. */
function grouped({ entries }: History, cuts: Iterable<boolean>): Entry[][] {
  const cut = cuts[Symbol.iterator]();
  const groups: Entry[][] = [];
  let last: Entry | undefined;
  for (const entry of entries) {
    const joins = last !== undefined && sameBatch(last, entry) && cut.next().value !== true;
    if (joins) groups.at(-1)?.push(entry);
    else groups.push([entry]);
    last = entry;
  }
  return groups;
}

const sameBatch = (a: Entry, b: Entry): boolean =>
  a.kind === "apply" && b.kind === "apply" && a.now === b.now && a.command.eventId === b.command.eventId;
