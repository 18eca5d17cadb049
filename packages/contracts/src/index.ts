// What outsiders see: bodies, resources, problems. Knows the domain's words, and neither stores nor HTTP servers.
export * from "./command.ts";
export * from "./event.ts";
export * from "./event-bodies.ts";
export * from "./fields.ts";
export * from "./list.ts";
export * from "./problem.ts";
export * from "./reservation.ts";
export * from "./user.ts";
export * from "./waitlist.ts";
export * from "./webhook.ts";
export * from "./webhook-message.ts";
