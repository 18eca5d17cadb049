// Conditional requests: does the client have this version already, and does it mean the one that there is?
import { versionsOf } from "@holdfast/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Sets the tag; true when the answer is 304, because `If-None-Match` names it (or anything). */
export function isUnchanged(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header("etag", tag);
  const known = request.headers["if-none-match"];
  if (known === undefined) return false;
  const opaque = (given: string) => given.trim().replace(/^W\//, "");
  return known.split(",").some((given) => given.trim() === "*" || opaque(given) === opaque(tag));
}

/** The versions of the event that `If-Match` names, one of which it must have; null when any will do. */
export function ifVersionOf({ headers }: FastifyRequest): number[] | null {
  const tags = headers["if-match"];
  return tags === undefined ? null : versionsOf(tags);
}
