// From a request to a command, and from what became of it to an answer. Decides nothing about inventory.
import {
  alreadyFinished,
  Command as CommandBody,
  type CommandFacts,
  commandPath,
  presentCommand,
  presentResult,
  problemOfOutcome,
  type Result,
} from "@holdfast/contracts";
import type { Command, CommandId, EpochMs, EventId, Outcome, SlotId } from "@holdfast/domain";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { GatewayDeps } from "./deps.ts";
import type { EventReads } from "./event-reads.ts";
import { type CommandName, nameCommand } from "./idempotency.ts";
import type { Identity } from "./identity.ts";
import type { JsonObject } from "./json-body.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { COMMAND_WAIT_SECONDS_DEFAULT, COMMAND_WAIT_SECONDS_MAX, readPreference } from "./prefer.ts";
import { replyProblem } from "./problem-replies.ts";
import { notFound, unauthenticated } from "./refused.ts";
import type { Commands } from "./submit.ts";

/** What every command may be answered, beside its own. */
export const ACCEPTED = { description: "Not decided yet: the command to follow.", schema: CommandBody };
export const COMMAND_PROBLEMS = [
  "not-found",
  "already-finished",
  "idempotency-key-reused",
  "queue-full",
  "unavailable",
] as const;

export interface CommandDoorDeps {
  readonly commands: Commands;
  readonly metrics: Pick<GatewayMetrics, "answered">;
  readonly reads: Pick<EventReads, "changed">;
}

export interface CommandAsked {
  readonly request: FastifyRequest;
  readonly identity: Identity;
  readonly idempotencyKey: string | null;
  readonly rawBody: JsonObject;
}

/** What every command of a user carries, beside what it asks and of which event. Stamps it: it is accepted now. */
export type CommandFrame = CommandName & { userId: Identity["userId"]; at: EpochMs };

export function frameCommand(
  { request, identity: { userId }, idempotencyKey, rawBody }: CommandAsked,
  now: () => EpochMs,
): CommandFrame {
  const at = now();
  const path = request.url.split("?", 1)[0] ?? request.url;
  return {
    ...nameCommand(idempotencyKey, { userId, method: request.method, path, body: rawBody }),
    userId,
    at,
  };
}

/**
 * The event of the slot that a command names. A slot that is not there any more has none, but for the repeat of a
 * command: that goes where the first one went, and gets its outcome. Throws `Refused` when there is none.
 */
export async function slotEventOf(
  { commands, origins }: Pick<GatewayDeps, "commands" | "origins">,
  slotId: SlotId,
  { id, idempotencyKey }: CommandFrame,
): Promise<EventId> {
  const eventId = await origins.eventOfSlot(slotId);
  if (eventId !== null) return eventId;
  const before = idempotencyKey === null ? null : await commands.find(id);
  if (before === null) throw notFound();
  return before.eventId;
}

/** Submits a command and answers with its outcome, or with 202 when that takes longer than the client waits. */
export async function answerCommand(
  { commands, metrics, reads }: CommandDoorDeps,
  command: Command,
  request: FastifyRequest,
  reply: FastifyReply,
  succeeded: 200 | 201,
): Promise<unknown> {
  const preference = readPreference(request.headers["prefer"], {
    maxSeconds: COMMAND_WAIT_SECONDS_MAX,
    respondAsync: true,
  });
  const submitted = await commands.submit({
    command,
    waitMs: (preference.waitSeconds ?? COMMAND_WAIT_SECONDS_DEFAULT) * 1000,
    respondAsync: preference.respondAsync,
  });
  metrics.answered(submitted.kind);
  switch (submitted.kind) {
    case "queue-full":
    case "unavailable":
      // Not thrown: an exception, with its stack, is dear just when there are many.
      reply.header("retry-after", submitted.retryAfterSeconds);
      return replyProblem(request, reply, { code: submitted.kind });
    case "unknown-sender":
      throw unauthenticated("The access token is not valid any more.");
    case "ended":
    case "queued":
      reply.header("link", linkTo(command.id));
      if (preference.applied !== null) reply.header("preference-applied", preference.applied);
  }
  if (submitted.replayed) reply.header("idempotent-replayed", "true");
  if (submitted.kind === "queued") {
    reply.header("retry-after", submitted.retryAfterSeconds);
    return replyAccepted(submitted.record, request, reply);
  }
  const { outcome } = submitted;
  reads.changed(command.eventId);
  if (outcome.status === "withdrawn") {
    const record = await commands.find(command.id);
    if (record === null) throw new Error("a command was withdrawn and nobody knows it");
    return replyProblem(request, reply, alreadyFinished(record, request.id));
  }
  const problem = problemOfOutcome(outcome);
  if (problem !== null) return replyProblem(request, reply, problem);
  const made = madeBy(outcome, command.eventId);
  reply.code(succeeded);
  if (succeeded === 201) reply.header("location", pathOf(made));
  return made;
}

const linkTo = (id: CommandId): string => `<${commandPath(id)}>; rel="monitor"`;

function replyAccepted(record: CommandFacts, request: FastifyRequest, reply: FastifyReply): CommandBody {
  reply.code(202).header("location", commandPath(record.id));
  return presentCommand(record, request.id);
}

function madeBy(outcome: Outcome, eventId: EventId): Result {
  const made = outcome.status === "succeeded" ? presentResult(outcome, eventId) : null;
  if (made === null) throw new Error("a user's command succeeded and made nothing");
  return made;
}

/** Where one looks at what was made. */
function pathOf(made: Result): string {
  switch (made.object) {
    case "reservation":
      return `/v1/reservations/${made.id}`;
    case "waitlistEntry":
      return `/v1/waitlist/${made.id}`;
    case "slot":
      return `/v1/events/${made.eventId}`;
    case "event":
      return `/v1/events/${made.id}`;
  }
}
