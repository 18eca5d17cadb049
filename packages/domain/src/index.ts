// Everything the other packages may know of the rules.
export * from "./batch.ts";
export * from "./commands.ts";
export * from "./decide.ts";
export { cooldownEndsAt } from "./eligibility.ts";
export { dueAsOf, settle } from "./endings.ts";
export * from "./event.ts";
export * from "./ids.ts";
export * from "./limits.ts";
export * from "./notices.ts";
export { whyClosed } from "./organizer-rules.ts";
export * from "./outcomes.ts";
export * from "./reservation.ts";
export * from "./state.ts";
export * from "./time.ts";
export * from "./waitlist-entry.ts";
