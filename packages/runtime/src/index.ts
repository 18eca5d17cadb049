// What every process needs: configuration, a log, a life, ids.
export * from "./config.ts";
export * from "./failpoints.ts";
export * from "./listening.ts";
export * from "./logger.ts";
export * from "./metrics.ts";
export * from "./new-id.ts";
export * from "./service.ts";
export * from "./service-flags.ts";
export * from "./task.ts";
export * from "./trouble.ts";
