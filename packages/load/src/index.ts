// What a load tool, a demo or a test of the whole system needs to stand for many clients.
export * from "./client.ts";
export * from "./commands.ts";
export * from "./parallel.ts";
