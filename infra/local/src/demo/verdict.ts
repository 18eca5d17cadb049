// Whether a rush ended as it must: what the buyers were told, held against the tables. Changes nothing.
import { isDeepStrictEqual } from "node:util";
import { presentReservation } from "@holdfast/contracts";
import {
  type EndedCommand,
  findEvent,
  inSnapshot,
  listOutcomesOf,
  listReservations,
  type ReservationListing,
} from "@holdfast/db";
import { contradictionText, findContradictions } from "@holdfast/db/invariants";
import type { CommandId, EventId, Outcome, Reservation, UserId } from "@holdfast/domain";
import type pg from "pg";
import { type Deed, type Told, wordOf } from "./rush.ts";

export interface Finished {
  readonly eventId: EventId;
  /** Capacity of the event's only slot. */
  readonly tickets: number;
  readonly deeds: readonly Deed[];
}

export interface TicketCount {
  readonly sold: number;
  readonly held: number;
  readonly free: number;
}

export interface Verdict {
  readonly verdict: "correct" | "failed";
  /** Everything that is not as it must be, a sentence each. */
  readonly contradictions: readonly string[];
  /** By the rows, not by the counters. */
  readonly count: TicketCount;
}

/** Looks at the event as it is now: nobody but the rush has asked anything of it. */
export async function judge(pool: pg.Pool, finished: Finished): Promise<Verdict> {
  const broken = await findContradictions(pool, { events: [finished.eventId] });
  const { event, outcomes, rows } = await inSnapshot(pool, async (tx) => ({
    event: await findEvent(tx, finished.eventId),
    outcomes: await listOutcomesOf(tx, finished.eventId),
    rows: await listReservations(tx, allOf(finished.eventId)),
  }));
  const capacities = event?.slots.map(({ capacity }) => capacity) ?? [];
  const count = countTickets(rows, finished.tickets);
  const contradictions = [
    ...broken.map(contradictionText),
    ...(isDeepStrictEqual(capacities, [finished.tickets])
      ? []
      : [
          `the event was made with one slot of ${finished.tickets}, it has slots of ${capacities.join(" and ")}`,
        ]),
    ...unfulfilled(finished.deeds, outcomes),
    ...misplaced(finished.deeds, rows),
    ...unjustified(outcomes, finished.tickets, count),
  ];
  return { verdict: contradictions.length === 0 ? "correct" : "failed", contradictions, count };
}

/** Rows that are looked at: more than any rush makes. */
const ROWS_MAX = 10_000_000;

const allOf = (eventId: EventId): ReservationListing => ({
  of: { eventId },
  status: null,
  when: "all",
  now: 0,
  limit: ROWS_MAX,
  after: null,
});

function countTickets(rows: readonly Reservation[], tickets: number): TicketCount {
  let [held, sold] = [0, 0];
  for (const { status, quantity } of rows) {
    if (status === "held") held += quantity;
    if (status === "purchased") sold += quantity;
  }
  return { sold, held, free: tickets - held - sold };
}

/** Every answer has its outcome, says what that says, and no outcome is kept from its buyer. */
function unfulfilled(deeds: readonly Deed[], outcomes: readonly EndedCommand[]): string[] {
  const found: string[] = [];
  const ended = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  const heard = new Set<CommandId>();
  for (const { userId, kind, told } of deeds) {
    if (told.status === "unanswered") {
      found.push(`${userId} asked to ${kind} and was never told how it ended: ${told.why}`);
      continue;
    }
    heard.add(told.commandId);
    const row = ended.get(told.commandId);
    if (row === undefined) found.push(`${told.commandId} was answered ${wordOf(told)} and has no outcome`);
    else if (row.userId !== userId || row.type !== kind)
      found.push(`${told.commandId} was ${userId}'s ${kind}, its outcome is ${row.userId}'s ${row.type}`);
    else if (!saysTheSame(told, row.outcome))
      found.push(
        `${told.commandId} was answered ${wordOf(told)}, its outcome is ${JSON.stringify(row.outcome)}`,
      );
  }
  const deaf = new Set(deeds.filter(({ told }) => told.status === "unanswered").map(({ userId }) => userId));
  for (const { id, userId } of outcomes) {
    if (userId !== null && !heard.has(id) && !deaf.has(userId)) found.push(`${id} ended and nobody was told`);
  }
  return found;
}

function saysTheSame(told: Told, outcome: Outcome): boolean {
  if (told.status === "rejected")
    return outcome.status === "rejected" && outcome.refusal.code === told.problem.code;
  return (
    told.status === "succeeded" &&
    outcome.status === "succeeded" &&
    outcome.reservation !== null &&
    isDeepStrictEqual(presentReservation(outcome.reservation), told.reservation)
  );
}

/** Each buyer has the row that the last answer told of, as it was told; who was refused has none. */
function misplaced(deeds: readonly Deed[], rows: readonly Reservation[]): string[] {
  const last = new Map<UserId, Told>();
  const unknown = new Set<UserId>();
  for (const { userId, told } of deeds) {
    if (told.status === "unanswered") unknown.add(userId);
    if (told.status !== "rejected" || !last.has(userId)) last.set(userId, told);
  }
  const found: string[] = [];
  const rowOf = new Map<UserId, Reservation>();
  for (const row of rows) {
    if (rowOf.has(row.userId)) found.push(`${row.userId} has a second reservation, ${row.id}`);
    rowOf.set(row.userId, row);
    if (!last.has(row.userId)) found.push(`${row.userId} has ${row.id} and never asked for it`);
  }
  for (const [userId, told] of last) {
    const row = rowOf.get(userId);
    if (unknown.has(userId)) continue;
    if (told.status === "succeeded" && row === undefined)
      found.push(`${userId} was told of ${told.reservation.id}, and there is no such row`);
    if (told.status === "rejected" && row !== undefined)
      found.push(`${userId} was refused with ${told.problem.code} and has ${row.id}`);
    if (
      told.status === "succeeded" &&
      row !== undefined &&
      !isDeepStrictEqual(presentReservation(row), told.reservation)
    )
      found.push(
        `${userId} was told ${JSON.stringify(told.reservation)}, the row is ${JSON.stringify(presentReservation(row))}`,
      );
  }
  return found;
}

/**
 * Goes through the outcomes in their order once more and counts: nobody got what was not there, nobody was refused
 * what was, and what is held and sold in the end is what they come to. So a free ticket is one that was given back,
 * or that nobody wanted.
 */
function unjustified(outcomes: readonly EndedCommand[], tickets: number, count: TicketCount): string[] {
  const found: string[] = [];
  let [held, sold] = [0, 0];
  for (const { id, type, outcome } of outcomes) {
    if (outcome.status === "succeeded") {
      const quantity = outcome.reservation?.quantity ?? 0;
      if (type === "reserve") held += quantity;
      if (type === "purchase") [held, sold] = [held - quantity, sold + quantity];
      if (type === "cancel") held -= quantity; // nobody here cancels what is bought
      if (held + sold > tickets)
        found.push(`${id} got what was not there: ${held} held, ${sold} sold of ${tickets}`);
    } else if (!isJustified(outcome, { held, sold, free: tickets - held - sold })) {
      found.push(
        `${id} was refused with ${JSON.stringify(outcome)} when ${held} were held and ${sold} sold of ${tickets}`,
      );
    }
  }
  if (held !== count.held || sold !== count.sold) {
    found.push(
      `the outcomes come to ${held} held and ${sold} sold, the rows to ${count.held} held and ${count.sold} sold`,
    );
  }
  return found;
}

/** Each buyer asks for one ticket, once: only what others have taken is a reason to be refused. */
function isJustified(outcome: Outcome, { held, free }: TicketCount): boolean {
  if (outcome.status !== "rejected" || free > 0) return false;
  return outcome.refusal.code === (held > 0 ? "all-held" : "sold-out");
}
