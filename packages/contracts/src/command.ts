// Commands, as outsiders see them: what became of something that was asked of an event.
import {
  CommandId,
  EventId,
  OUTCOME_STATUSES,
  type Outcome,
  type Seen,
  type Succeeded,
} from "@holdfast/domain";
import { z } from "zod";
import { Event, presentEventMade, presentSlot, Slot } from "./event.ts";
import { isoTime, isoTimeOrNull, TimeOut } from "./fields.ts";
import { listOf } from "./list.ts";
import { type Occasion, Problem, type ProblemFacts, presentProblem, problemOf } from "./problem.ts";
import { presentReservation, Reservation } from "./reservation.ts";
import { presentWaitlistEntry, WaitlistEntry } from "./waitlist.ts";

export const COMMAND_STATUSES = ["queued", ...OUTCOME_STATUSES] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

/** What a command made or changed. */
export type Result = Reservation | WaitlistEntry | Slot | Event;

/** Why a command ended as it did. One that was withdrawn has none: nothing was decided. */
export const Explanation = z
  .object({
    /** The code of the refusal that applied, or what succeeded: held, purchased, cancelled, waiting, left, done. */
    rule: z.string(),
    /** Of the slot in question, what the decision found; null when it was about none. */
    seen: z
      .object({
        available: z.int(),
        waitingAhead: z.int(),
      })
      .nullable(),
    /** Its number among all commands of the event. */
    place: z.int(),
    acceptedAt: TimeOut,
    appliedAt: TimeOut,
  })
  .meta({ id: "Explanation" });
export type Explanation = z.infer<typeof Explanation>;

export const Command = z
  .object({
    object: z.literal("command"),
    id: CommandId,
    type: z.string(),
    eventId: EventId,
    status: z.enum(COMMAND_STATUSES),
    submittedAt: TimeOut,
    finishedAt: TimeOut.nullable(),
    /** Counts from 1; null once it has ended, or when it is not known. */
    position: z.int().nullable(),
    estimatedWaitMs: z.int().nullable(),
    result: z.union([Reservation, WaitlistEntry, Slot, Event, z.null()]),
    problem: Problem.nullable(),
    explanation: Explanation.nullable(),
  })
  .meta({ id: "Command" });
export type Command = z.infer<typeof Command>;

export const CommandList = listOf(Command, "CommandList");

export interface CommandFacts {
  readonly id: CommandId;
  readonly type: string;
  readonly eventId: EventId;
  readonly status: CommandStatus;
  readonly submittedAt: number;
  readonly finishedAt: number | null;
  /** Counts from 1; null once ended, or when nobody knows. */
  readonly position: number | null;
  /** Milliseconds from now; null once ended, or when nobody knows. */
  readonly estimatedWaitMs: number | null;
  readonly outcome: Outcome | null;
  /** Its number among the event's outcomes; null while it has none, and of one that was withdrawn. */
  readonly seq: number | null;
  readonly seen: Seen | null;
}

export const commandPath = (id: CommandId): string => `/v1/commands/${id}`;

/**
 * What would have been the error; null when it succeeded, or was never decided. A failed command was our fault, and
 * tells no more.
 */
export function problemOfOutcome(outcome: Outcome): ProblemFacts | null {
  switch (outcome.status) {
    case "succeeded":
    case "withdrawn":
      return null;
    case "rejected":
      return problemOf(outcome.refusal);
    case "failed":
      return { code: "internal" };
  }
}

/** What a success made, of which event, as it was then. Null for what makes nothing. */
export function presentResult(made: Succeeded, eventId: EventId): Result | null {
  if (made.reservation !== null) return presentReservation(made.reservation);
  if (made.entry !== undefined) {
    return presentWaitlistEntry({ ...made.entry, position: made.position ?? null, offer: null });
  }
  const { available = 0, event, slot } = made;
  if (slot !== undefined) return presentSlot(eventId, slot, available);
  return event === undefined ? null : presentEventMade(event, made.asOf ?? event.updatedAt);
}

function explain({ outcome, seq, seen, submittedAt, finishedAt }: CommandFacts): Explanation | null {
  if (outcome === null || seq === null || finishedAt === null) return null;
  return {
    rule: ruleOf(outcome),
    seen,
    place: seq,
    acceptedAt: isoTime(submittedAt),
    appliedAt: isoTime(finishedAt),
  };
}

function ruleOf(outcome: Outcome): string {
  switch (outcome.status) {
    case "succeeded":
      return outcome.reservation?.status ?? outcome.entry?.status ?? "done";
    case "rejected":
      return outcome.refusal.code;
    case "failed":
    case "withdrawn":
      return outcome.status;
  }
}

export function presentCommand(command: CommandFacts, requestId: string): Command {
  const { outcome } = command;
  const problem = outcome === null ? null : problemOfOutcome(outcome);
  const result = outcome?.status === "succeeded" ? presentResult(outcome, command.eventId) : null;
  const occasion: Occasion = { instance: commandPath(command.id), requestId };
  return {
    object: "command",
    id: command.id,
    type: command.type,
    eventId: command.eventId,
    status: command.status,
    submittedAt: isoTime(command.submittedAt),
    finishedAt: isoTimeOrNull(command.finishedAt),
    position: command.position,
    estimatedWaitMs: command.estimatedWaitMs,
    result,
    problem: problem === null ? null : presentProblem(problem, occasion),
    explanation: explain(command),
  };
}

/** Why it cannot be withdrawn any more, nor, once it was, be sent again. */
export const alreadyFinished = (command: CommandFacts, requestId: string): ProblemFacts => ({
  code: "already-finished",
  members: { command: presentCommand(command, requestId) },
});
