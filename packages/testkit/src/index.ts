// What tests use: real stores and real service processes. Nothing here reaches production.
export * from "./chance.ts";
export { openTestDatabase, type TestDatabase } from "./database.ts";
export * from "./event-reader.ts";
export * from "./fault-proxy.ts";
export * from "./fixtures.ts";
export { type MortalStores, openMortalStores, type PostgresDeath } from "./mortal-stores.ts";
export { keysLike, openTestRedis, removeKeys, type TestRedis } from "./redis.ts";
export * from "./scenario.ts";
export { type ServiceName, type ServiceProcess, spawnService } from "./service.ts";
