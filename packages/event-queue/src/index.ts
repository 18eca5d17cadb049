// What services say to each other through Redis: commands, activations, replies, timers.
export * from "./activations.ts";
export * from "./backlog.ts";
export * from "./busy-events.ts";
export * from "./connection.ts";
export * from "./dashboard-queues.ts";
export * from "./deadlines.ts";
export * from "./event-queue.ts";
export * from "./names.ts";
export * from "./producer.ts";
export * from "./promotions.ts";
export * from "./replies.ts";
export * from "./sender.ts";
export * from "./serve-timers.ts";
export * from "./startup.ts";
export * from "./timers.ts";
export * from "./under-way.ts";
export * from "./wire.ts";
