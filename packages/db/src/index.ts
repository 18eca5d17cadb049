// Everything that may be asked of the tables outside a batch. What changes inventory is in "./inventory".
export * from "./buyers.ts";
export * from "./clock.ts";
export * from "./commands.ts";
export * from "./deliveries.ts";
export * from "./endpoint-standing.ts";
export * from "./epoch.ts";
export * from "./event-listing.ts";
export * from "./events.ts";
export * from "./pool.ts";
export * from "./queryable.ts";
export * from "./reservations.ts";
export * from "./sessions.ts";
export * from "./startup.ts";
export * from "./sweeps.ts";
export * from "./users.ts";
export * from "./waitlist.ts";
export * from "./webhooks.ts";
