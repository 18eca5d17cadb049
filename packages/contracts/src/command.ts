// Commands, as outsiders see them: what became of something that was asked of an event.
import { CommandId, EventId, OUTCOME_STATUSES, type Outcome } from "@holdfast/domain";
import { z } from "zod";
import { isoTime, isoTimeOrNull, TimeOut } from "./fields.ts";
import { listOf } from "./list.ts";
import { type Occasion, Problem, type ProblemFacts, presentProblem, problemOf } from "./problem.ts";
import { presentReservation, Reservation } from "./reservation.ts";

export const COMMAND_STATUSES = ["queued", ...OUTCOME_STATUSES] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

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
    result: Reservation.nullable(),
    problem: Problem.nullable(),
    explanation: z.null(),
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
  readonly outcome: Outcome | null;
}

export const commandPath = (id: CommandId): string => `/v1/commands/${id}`;

/** What would have been the error; null when it succeeded. A failed command was our fault, and tells no more. */
export function problemOfOutcome(outcome: Outcome): ProblemFacts | null {
  switch (outcome.status) {
    case "succeeded":
      return null;
    case "rejected":
      return problemOf(outcome.refusal);
    case "failed":
      return { code: "internal" };
  }
}

export function presentCommand(command: CommandFacts, requestId: string): Command {
  const { outcome } = command;
  const problem = outcome === null ? null : problemOfOutcome(outcome);
  const made = outcome?.status === "succeeded" ? outcome.reservation : null;
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
    estimatedWaitMs: null,
    result: made === null ? null : presentReservation(made),
    problem: problem === null ? null : presentProblem(problem, occasion),
    explanation: null,
  };
}
