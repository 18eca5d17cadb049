// What became of commands: for who sent them, and for admins.
import {
  alreadyFinished,
  COMMAND_STATUSES,
  Command,
  CommandList,
  Cursor,
  Limit,
  presentCommand,
  TIME_MAX,
  TIME_MIN,
} from "@holdfast/contracts";
import { CommandId } from "@holdfast/domain";
import { z } from "zod";
import { isUnchanged } from "../conditional.ts";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { hungUp } from "../hung-up.ts";
import { pageOf, readCursor } from "../pages.ts";
import { POLL_WAIT_SECONDS_MAX, readPreference } from "../prefer.ts";
import { later, notFound, Refused } from "../refused.ts";
import { retryAfterSeconds } from "../retry-after.ts";
import type { CommandRecord } from "../submit.ts";

const CACHE_CONTROL = "private, no-cache";

const After = z.strictObject({ submittedAt: z.int().min(TIME_MIN).max(TIME_MAX), id: CommandId });

export function commandEndpoints({
  commands,
  longPolls,
  reads,
  roleNow,
  stopping,
  streams,
}: GatewayDeps): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      url: "/v1/commands/:id",
      access: "user",
      rate: "read",
      tag: "Commands",
      summary: "What became of a command; with Prefer: wait=N as soon as it ends",
      takes: "wait",
      stream:
        "Server-sent events: `queued` with the command whenever its position has changed (at most once a second), then " +
        "`succeeded`, `rejected`, `failed` or `withdrawn` with the command, and the end. Comments are heartbeats.",
      params: z.object({ id: CommandId }),
      answers: {
        200: { description: "The command.", schema: Command },
        204: { description: "Of a stream: its last event was heard already." },
        304: { description: "Unchanged." },
      },
      problems: ["not-found", "unavailable"],
      async handle({ params, identity, request, wantsStream }, reply) {
        let record = await commands.find(params.id);
        if (record === null) throw notFound();
        if (record.userId !== identity.userId && (await roleNow(identity)) !== "admin") throw notFound();
        reply.header("cache-control", CACHE_CONTROL);
        if (wantsStream) return streams.commands.follow(record, request, reply, CACHE_CONTROL);

        const preference = readPreference(request.headers["prefer"], {
          maxSeconds: POLL_WAIT_SECONDS_MAX,
          respondAsync: false,
        });
        if (preference.applied !== null) reply.header("preference-applied", preference.applied);
        if (record.status === "queued" && (preference.waitSeconds ?? 0) > 0) {
          const leave = longPolls.enter(identity.userId);
          if (leave === null) throw later("rate-limited", retryAfterSeconds(null));
          const signal = AbortSignal.any([stopping, hungUp(reply)]);
          try {
            record = (await commands.watch(record, (preference.waitSeconds ?? 0) * 1000, signal)) ?? record;
          } finally {
            leave();
          }
        }
        if (record.finishedAt !== null) reads.told(record.eventId, record.finishedAt);
        if (record.status === "queued") {
          reply.header("retry-after", retryAfterSeconds(record.estimatedWaitMs));
        }
        if (isUnchanged(request, reply, tagOf(record))) return reply.code(304).send();
        return presentCommand(record, request.id);
      },
    }),
    endpoint({
      method: "DELETE",
      url: "/v1/commands/:id",
      access: "user",
      rate: "write",
      tag: "Commands",
      summary: "Withdraw a command that is still queued",
      params: z.object({ id: CommandId }),
      answers: { 200: { description: "The command, withdrawn: it will have no effect.", schema: Command } },
      problems: ["not-found", "already-finished", "unavailable"],
      async handle({ params, identity, request }, reply) {
        const sent = await commands.find(params.id);
        if (sent === null) throw notFound();
        if (sent.userId !== identity.userId && (await roleNow(identity)) !== "admin") throw notFound();
        const { record, withdrawn } = (await commands.withdraw(params.id)) ?? {
          record: sent,
          withdrawn: false,
        };
        if (record.outcome === null) throw notFound(); // the system's own: nobody sent it
        if (!withdrawn) throw new Refused(alreadyFinished(record, request.id));
        reply.header("cache-control", CACHE_CONTROL);
        return presentCommand(record, request.id);
      },
    }),
    endpoint({
      method: "GET",
      url: "/v1/commands",
      access: "user",
      rate: "read",
      tag: "Commands",
      summary: "Your commands",
      query: z.strictObject({
        status: z.enum(COMMAND_STATUSES).optional(),
        limit: Limit,
        cursor: Cursor.optional(),
      }),
      answers: { 200: { description: "A page.", schema: CommandList } },
      problems: ["unavailable"],
      async handle({ query, identity, request }, reply) {
        const after = readCursor(After, query.cursor);
        const found = await commands.list(identity.userId, query.status ?? null, query.limit + 1, after);
        reply.header("cache-control", CACHE_CONTROL);
        const page = {
          present: (record: CommandRecord) => presentCommand(record, request.id),
          cursorOf: ({ submittedAt, id }: CommandRecord) => ({ submittedAt, id }),
        };
        return pageOf(found, query.limit, page, request, reply);
      },
    }),
  ];
}

/** Weak: the problem inside names the request in which it is told. */
const tagOf = ({ status, position }: CommandRecord): string => `W/"${status}.${position ?? 0}"`;
