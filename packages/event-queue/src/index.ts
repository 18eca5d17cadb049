// What services say to each other through Redis: commands, activations, replies, deadlines.
export * from "./activations.ts";
export * from "./backlog.ts";
export * from "./busy-events.ts";
export * from "./connection.ts";
export * from "./dashboard-queues.ts";
export * from "./deadlines.ts";
export * from "./event-queue.ts";
export * from "./names.ts";
export * from "./producer.ts";
export * from "./replies.ts";
export * from "./sender.ts";
export * from "./startup.ts";
export * from "./wire.ts";
