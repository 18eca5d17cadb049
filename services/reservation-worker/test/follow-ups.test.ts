// What becomes of what a batch asks: which timer, which command, and of which event.
import type { Command, FollowUp } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import { createFollowUp } from "../src/follow-ups.ts";
import type { Notified } from "../src/messages.ts";

const NOW = 1_000_000;
const EVENT = newId("event");
const OTHER = newId("event");
const SLOT = newId("slot");

/** Follows up, and tells what was set, noted and sent, a line each. */
function followed(
  followUps: readonly FollowUp[],
  deadlines: readonly number[] = [],
  notified: readonly Notified[] = [],
): string[] {
  const did: string[] = [];
  const sent = (command: Command): string => {
    if (command.type === "expire-due") return `${command.input.dueAt}`;
    return command.type === "wind-down" ? `after ${command.input.after?.id ?? "nothing"}` : "";
  };
  const followUp = createFollowUp({
    deadlines: { schedule: async (eventId, at) => void did.push(`deadline of ${eventId} at ${at}`) },
    promotions: {
      schedule: async ({ slotId, at, from, recheck }, now) =>
        void did.push(`look at ${slotId} in ${at - now} from ${from?.after ?? 0}, ${recheck.length} again`),
    },
    deliveries: {
      signal: async (id, { troubled }) => void did.push(`${id} is told${troubled ? ", in trouble" : ""}`),
    },
    underWay: { note: async (what) => void did.push(`${what} is under way`) },
    producer: {
      enqueue: async (command) => {
        expect(command.at).toBe(NOW + 5);
        did.push(`${command.type} to ${command.eventId}: ${sent(command)}`);
        return { kind: "enqueued", ticket: 1, position: 1 };
      },
    },
    now: () => NOW + 5,
    newCommandId: () => newId("command"),
    onError: (error) => void did.push(String(error)),
  });
  followUp(EVENT, { followUps, deadlines, notified, now: NOW });
  return did;
}

test("holds get timers, one for each deadline", () => {
  expect(followed([], [2_000, 3_000, 2_000])).toEqual([
    `deadline of ${EVENT} at 2000`,
    `deadline of ${EVENT} at 3000`,
  ]);
});

test("another event is asked once to settle, up to the latest of the deadlines in question", () => {
  const ask = (dueAt: number) => ({ kind: "expire-elsewhere", eventId: OTHER, dueAt }) as const;
  expect(followed([ask(4_000), ask(9_000), ask(5_000)])).toEqual([`expire-due to ${OTHER}: 9000`]);
});

test("a look at waiters becomes a timer; one that goes on is noted, so that the sweep does not begin it anew", () => {
  const look = { kind: "promote", eventId: EVENT, slotId: SLOT, at: NOW, from: null, recheck: [] } as const;
  expect(
    followed([
      look,
      { ...look, at: NOW + 900_000 },
      { ...look, recheck: [newId("waitlistEntry")] },
      { ...look, from: { after: 128, since: NOW - 1 } },
    ]),
  ).toEqual([
    `look at ${SLOT} in 0 from 0, 0 again`,
    `look at ${SLOT} in 900000 from 0, 0 again`,
    `look at ${SLOT} in 0 from 0, 1 again`,
    `${SLOT} is under way`,
    `look at ${SLOT} in 0 from 128, 0 again`,
  ]);
});

test("the next piece of an ending goes into the event's own queue, once, and is noted", () => {
  const id = newId("reservation");
  const ask = (after: { createdAt: number; id: typeof id } | null) =>
    ({ kind: "wind-down", eventId: EVENT, after }) as const;
  expect(followed([ask(null), ask(null), ask({ createdAt: 1, id })])).toEqual([
    `${EVENT} is under way`,
    `wind-down to ${EVENT}: after nothing`,
    `${EVENT} is under way`,
    `wind-down to ${EVENT}: after ${id}`,
  ]);
});

test("endpoints that hear of the batch are told, those in trouble apart", () => {
  const [well, ill] = [newId("webhookEndpoint"), newId("webhookEndpoint")];
  const notified = [
    { endpointId: well, troubled: false },
    { endpointId: ill, troubled: true },
  ];
  expect(followed([], [], notified)).toEqual([`${well} is told`, `${ill} is told, in trouble`]);
});

test("what cannot be asked now is told, and the sweep's to find", async () => {
  const told: unknown[] = [];
  const fails = async () => {
    throw new Error("Redis is away");
  };
  const followUp = createFollowUp({
    deadlines: { schedule: fails },
    promotions: { schedule: fails },
    deliveries: { signal: fails },
    underWay: { note: fails },
    producer: { enqueue: fails },
    now: () => NOW,
    newCommandId: () => newId("command"),
    onError: (error) => void told.push(String(error)),
  });
  followUp(EVENT, {
    deadlines: [2_000],
    notified: [{ endpointId: newId("webhookEndpoint"), troubled: false }],
    followUps: [
      { kind: "promote", eventId: EVENT, slotId: SLOT, at: NOW, from: { after: 1, since: NOW }, recheck: [] },
      { kind: "wind-down", eventId: EVENT, after: null },
      { kind: "expire-elsewhere", eventId: OTHER, dueAt: 1_000 },
    ],
    now: NOW,
  });
  await Promise.resolve();
  await Promise.resolve();
  expect(told).toEqual(Array.from({ length: 7 }, () => "Error: Redis is away"));
});
