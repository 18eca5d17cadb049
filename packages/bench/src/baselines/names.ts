// The baselines by name.
export const BASELINE_NAMES = ["row-lock", "one-call"] as const;
export type BaselineName = (typeof BASELINE_NAMES)[number];
