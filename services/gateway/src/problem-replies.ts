// Turns whatever went wrong into a problem: ours, Fastify's, the database's, the socket's. Tells nothing of the inside.
import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { PROBLEM_MEDIA_TYPE, PROBLEMS, type ProblemFacts, presentProblem } from "@holdfast/contracts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { later, malformed, notFound, Refused } from "./refused.ts";

/** Seconds after which a client may ask again when a store was not there. */
const UNAVAILABLE_RETRY_SECONDS = 1;
/** Milliseconds in which a client must take the answer to its CONNECT. */
const TUNNEL_REPLY_MS = 1_000;

const asIs = (text: string): string => text;

export function replyProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  facts: ProblemFacts,
): FastifyReply {
  const instance = request.url.split("?", 1)[0] ?? "/";
  const problem = presentProblem(facts, { instance, requestId: request.id });
  return reply
    .code(problem.status)
    .header("content-type", PROBLEM_MEDIA_TYPE)
    .removeHeader("cache-control") // what was said of the answer that this is not: then it is as `answer.ts` words it
    .serializer(asIs) // else Fastify adds a charset to the type, which this one does not have
    .send(JSON.stringify(problem)); // text, not bytes: Node sends it with the head in one string
}

export function replyError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refused = refusedFor(error);
  if (refused !== null) {
    return replyProblem(request, reply.headers({ ...refused.headers }), refused.facts);
  }
  request.log.error({ err: error, requestId: request.id }, "request failed");
  return replyProblem(request, reply, { code: "internal" });
}

/** Null for faults of ours. */
export function refusedFor(error: unknown): Refused | null {
  if (error instanceof Refused) return error;
  const { code, statusCode } = error as Partial<FastifyError>;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new Refused({ code: "payload-too-large" });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_EMPTY_TYPE":
      return new Refused({ code: "unsupported-media-type" });
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
    case "FST_ERR_ASYNC_CONSTRAINT":
      return notFound();
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return malformed("The request could not be read.");
  }
  return isStoreGone(error) ? later("unavailable", UNAVAILABLE_RETRY_SECONDS) : null;
}

const GONE_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENOENT",
  "25006", // a database that takes no writes: it has become a replica
]);
/** PostgreSQL's classes: connection lost, no resources, cancelled or shutting down, I/O. And serialization trouble. */
const GONE_SQL_CLASSES = new Set(["08", "53", "57", "58", "40", "55"]);
/** What libraries say of connections that are lost, and of what they could not send or hear over them. */
const GONE_MESSAGES = new RegExp(
  [
    "connection terminated",
    "timeout exceeded when trying to connect",
    "is not queryable",
    "query read timeout",
    "connection is closed",
    "command timed out",
    "stream isn't writeable",
    "max retries per request",
  ].join("|"),
  "i",
);

/** Is it a store that is not there or not able at the moment, rather than a mistake of ours? */
function isStoreGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as Error & { code?: unknown };
  if (error instanceof AggregateError) return error.errors.some(isStoreGone);
  if (typeof code === "string") {
    if (GONE_CODES.has(code)) return true;
    if (/^[0-9A-Z]{5}$/.test(code)) return GONE_SQL_CLASSES.has(code.slice(0, 2));
  }
  return GONE_MESSAGES.test(error.message);
}

/** Answers on the socket itself, when there is no request to answer: bytes that are not HTTP, or came too late. */
export function replyOnSocket(error: { code?: string }, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = randomUUID();
  const facts: ProblemFacts = socketFacts(error.code);
  const body = JSON.stringify(presentProblem(facts, { instance: "/", requestId }));
  const { status } = PROBLEMS[facts.code];
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Cache-Control: no-store",
      `X-Request-Id: ${requestId}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

/**
 * Answers a CONNECT and closes its connection. Node has let go of it: nobody else hears its errors, which would end
 * the process, and nobody else closes it when it lingers, or when the gateway stops.
 */
export function refuseTunnel(socket: Duplex): void {
  const close = (): void => void socket.destroy();
  const late = setTimeout(close, TUNNEL_REPLY_MS);
  socket
    .once("close", () => clearTimeout(late))
    .once("finish", close)
    .on("error", close);
  replyOnSocket({}, socket);
}

function socketFacts(code: string | undefined): ProblemFacts {
  if (code === "HPE_HEADER_OVERFLOW") return { code: "headers-too-large" };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return { code: "request-timeout" };
  return { code: "malformed-request", detail: "This is not a valid HTTP request." };
}
