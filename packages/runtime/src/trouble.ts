// Says that something is in trouble, without saying it a thousand times: a store that is gone is met by every attempt
// to reach it.
import type { Logger } from "./logger.ts";

/** Milliseconds for which the same trouble is not told again. */
export const TROUBLE_QUIET_MS = 10_000;
/** Different troubles that are remembered. */
const TROUBLES_MAX = 100;

/** Logs an error's message, without its stack, the first time and then now and again with how often it came. */
export function tellTrouble(
  log: Pick<Logger, "warn">,
  what: string,
  monotonicMs: () => number = () => performance.now(),
): (error: unknown) => void {
  const told = new Map<string, { at: number; since: number }>();
  return (error) => {
    const message = error instanceof Error ? error.message || error.name : String(error);
    const before = told.get(message);
    const now = monotonicMs();
    if (before !== undefined && now - before.at < TROUBLE_QUIET_MS) {
      before.since += 1;
      return;
    }
    if (told.size >= TROUBLES_MAX) told.clear();
    told.set(message, { at: now, since: 0 });
    const again = before === undefined || before.since === 0 ? {} : { timesSinceLastTold: before.since };
    log.warn({ reason: message, ...again }, what);
  };
}
