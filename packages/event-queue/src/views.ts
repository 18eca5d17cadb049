// What gateways have read of an event, shared among them for a moment. The text is theirs. Every settlement and every
// release of the event's drain deletes it (`scripts.ts`), and so does whoever changes the event past its queue.
// An old read must not be put behind that: who finds nothing leaves a mark there before it reads the tables, and what it
// has read is kept only in place of that very mark. A mark that was deleted, or has run out, keeps nothing out and lets
// nothing in.
import { randomUUID } from "node:crypto";
import type { EventId } from "@holdfast/domain";
import type { Redis } from "ioredis";
import { eventKeys } from "./names.ts";

/** Milliseconds for which a mark stands: a read that takes longer is not shared. */
const MARK_MS = 1_000;
/** Marks begin with this, and no JSON does. */
const MARK = "?";

/**
 * KEYS view · ARGV mark, milliseconds
 * → what is kept; the number 1 when nothing was and the mark now stands, 0 when another's does
 */
const LOOK = `
local kept = redis.call('GET', KEYS[1])
if not kept then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if string.sub(kept, 1, 1) == '${MARK}' then return 0 end
return kept
`;

/** KEYS view · ARGV mark, text, milliseconds */
const KEEP = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
`;

export type SharedView =
  | { readonly kind: "kept"; readonly text: string }
  /** Nobody has one. With the mark, what is read from now on may be kept; null when somebody else is reading. */
  | { readonly kind: "none"; readonly mark: string | null };

export interface SharedViews {
  look(eventId: EventId): Promise<SharedView>;
  /** Keeps JSON for so many milliseconds, unless something has changed since the mark was left. */
  keep(eventId: EventId, mark: string, json: string, ms: number): Promise<void>;
  forget(eventId: EventId): Promise<void>;
}

interface ScriptedRedis {
  hfLookAtView(view: string, mark: string, ms: number): Promise<string | 0 | 1>;
  hfKeepView(view: string, mark: string, text: string, ms: number): Promise<null>;
}

/** Over the given connection, which stays the caller's. */
export function openSharedViews(redis: Redis, prefix: string): SharedViews {
  redis.defineCommand("hfLookAtView", { numberOfKeys: 1, lua: LOOK });
  redis.defineCommand("hfKeepView", { numberOfKeys: 1, lua: KEEP });
  const scripted = redis as Redis & ScriptedRedis;
  const viewOf = (eventId: EventId): string => eventKeys(prefix, eventId).view;
  return {
    async look(eventId) {
      const mark = MARK + randomUUID();
      const found = await scripted.hfLookAtView(viewOf(eventId), mark, MARK_MS);
      if (typeof found === "string") return { kind: "kept", text: found };
      return { kind: "none", mark: found === 1 ? mark : null };
    },
    keep: async (eventId, mark, json, ms) =>
      void (await scripted.hfKeepView(viewOf(eventId), mark, json, ms)),
    forget: async (eventId) => void (await redis.del(viewOf(eventId))),
  };
}
