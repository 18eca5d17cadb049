// From a request to a command, and from what became of it to an answer. Decides nothing about inventory.
import {
  type Command as CommandBody,
  type CommandFacts,
  commandPath,
  presentCommand,
  presentReservation,
  problemOfOutcome,
} from "@holdfast/contracts";
import type { Command, CommandId, EpochMs, Outcome } from "@holdfast/domain";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type CommandName, nameCommand } from "./idempotency.ts";
import type { Identity } from "./identity.ts";
import type { JsonObject } from "./json-body.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { COMMAND_WAIT_SECONDS_DEFAULT, COMMAND_WAIT_SECONDS_MAX, readPreference } from "./prefer.ts";
import { replyProblem } from "./problem-replies.ts";
import { later, unauthenticated } from "./refused.ts";
import type { Commands } from "./submit.ts";

export interface CommandDoorDeps {
  readonly commands: Commands;
  readonly metrics: Pick<GatewayMetrics, "answered">;
  readonly now: () => EpochMs;
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

/** Submits a command and answers with its outcome, or with 202 when that takes longer than the client waits. */
export async function answerCommand(
  { commands, metrics }: CommandDoorDeps,
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
      throw later(submitted.kind, submitted.retryAfterSeconds);
    case "unknown-sender":
      throw unauthenticated("The access token is not valid any more.");
    case "ended":
    case "queued":
      reply.header("link", linkTo(command.id));
      if (preference.applied !== null) reply.header("preference-applied", preference.applied);
  }
  if (submitted.kind === "queued") {
    reply.header("retry-after", submitted.retryAfterSeconds);
    return replyAccepted(submitted.record, request, reply);
  }
  if (submitted.replayed) reply.header("idempotent-replayed", "true");
  return replyOutcome(submitted.outcome, request, reply, succeeded);
}

const linkTo = (id: CommandId): string => `<${commandPath(id)}>; rel="monitor"`;

function replyAccepted(record: CommandFacts, request: FastifyRequest, reply: FastifyReply): CommandBody {
  reply.code(202).header("location", commandPath(record.id));
  return presentCommand(record, request.id);
}

function replyOutcome(
  outcome: Outcome,
  request: FastifyRequest,
  reply: FastifyReply,
  succeeded: 200 | 201,
): unknown {
  const problem = problemOfOutcome(outcome);
  if (problem !== null) return replyProblem(request, reply, problem);
  const made = outcome.status === "succeeded" ? outcome.reservation : null;
  if (made === null) throw new Error("a user's command succeeded and made nothing");
  reply.code(succeeded);
  if (succeeded === 201) reply.header("location", `/v1/reservations/${made.id}`);
  return presentReservation(made);
}
