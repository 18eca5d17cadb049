// Tells who works for a client that it is not there any more.
import type { FastifyReply } from "fastify";

/** Aborts when the client hangs up before it has its answer. */
export function hungUp(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return gone.signal;
}
