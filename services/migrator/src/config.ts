// What the migrator may be told: it touches no Redis.
import { StoresConfig } from "@holdfast/runtime";

export const MigratorConfig = StoresConfig.omit({ REDIS_URL: true, REDIS_PREFIX: true });
export type MigratorConfig = ReturnType<typeof MigratorConfig.parse>;
