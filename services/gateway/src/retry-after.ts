// When to ask again: about when there will be something to tell, and not all at once.

/** Seconds that nobody is sent away for longer than. */
export const RETRY_AFTER_SECONDS_MAX = 60;
/** By how much of the wait askers are spread, behind its likely end. */
const SPREAD = 0.5;

/** Whole seconds, at least one. `estimatedWaitMs` is null when nobody knows. */
export function retryAfterSeconds(
  estimatedWaitMs: number | null,
  random: () => number = Math.random,
): number {
  const likely = Math.min(
    Math.max(1, Math.ceil((estimatedWaitMs ?? 0) / 1_000)),
    Math.floor(RETRY_AFTER_SECONDS_MAX / (1 + SPREAD)),
  );
  const spread = Math.max(1, Math.round(likely * SPREAD));
  return likely + Math.floor(random() * (spread + 1));
}
