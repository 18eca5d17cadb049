// Pages of lists: opaque cursors, and the `Link` field that leads on.
import type { Page } from "@holdfast/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { invalid } from "./refused.ts";

/** Reads what an earlier page gave out; null when none was sent. Throws `Refused` for anything else. */
export function readCursor<Schema extends z.ZodType>(
  schema: Schema,
  cursor: string | undefined,
): z.infer<Schema> | null {
  if (cursor === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    value = undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success || writeCursor(parsed.data) !== cursor)
    throw invalid("/cursor", "was not given out by a page");
  return parsed.data;
}

const writeCursor = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

interface Paging<Found, Item> {
  readonly present: (item: Found) => Item;
  readonly cursorOf: (item: Found) => unknown;
}

/** Makes a page of `limit` out of what was found, of which there should be one more than the page takes. */
export function pageOf<Found, Item>(
  found: readonly Found[],
  limit: number,
  paging: Paging<Found, Item>,
  request: FastifyRequest,
  reply: FastifyReply,
): Page<Item> {
  const { page, link } = linkedPage(found, limit, paging, request.url);
  reply.header("link", link);
  return page;
}

/** The same page beside its `Link` field; `url` is what was asked. */
export function linkedPage<Found, Item>(
  found: readonly Found[],
  limit: number,
  { present, cursorOf }: Paging<Found, Item>,
  url: string,
): { readonly page: Page<Item>; readonly link: string } {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  const nextCursor = hasMore ? writeCursor(cursorOf(last)) : null;

  const [path = "", search] = url.split("?", 2);
  const query = new URLSearchParams(search);
  query.delete("cursor");
  const to = (relation: string) => `<${path}${query.size > 0 ? `?${query}` : ""}>; rel="${relation}"`;
  const links = [to("first")];
  if (nextCursor !== null) {
    query.set("cursor", nextCursor);
    links.push(to("next"));
  }
  const page = { object: "list" as const, data: shown.map(present), hasMore, nextCursor };
  return { page, link: links.join(", ") };
}
