// The baselines by name.

/** They answer a reserve by the rules, and keep what they answered. */
export const RULED_BASELINES = ["row-lock", "one-call", "plain-queue"] as const;
/** `echo` knows no rule and keeps nothing: what HTTP alone costs. */
export const BASELINE_NAMES = [...RULED_BASELINES, "echo"] as const;
export type BaselineName = (typeof BASELINE_NAMES)[number];
