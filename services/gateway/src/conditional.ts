// Conditional requests: does the client have this version already?
import type { FastifyReply, FastifyRequest } from "fastify";

/** Sets the tag; true when the answer is 304, because `If-None-Match` names it (or anything). */
export function isUnchanged(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header("etag", tag);
  const known = request.headers["if-none-match"];
  if (known === undefined) return false;
  const opaque = (given: string) => given.trim().replace(/^W\//, "");
  return known.split(",").some((given) => given.trim() === "*" || opaque(given) === opaque(tag));
}
