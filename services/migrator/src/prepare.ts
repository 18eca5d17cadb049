// What the migrator does. Migrations and seed are the database package's.
import { openPool } from "@holdfast/db";
import { migrate } from "@holdfast/db/migrate";
import { seed } from "@holdfast/db/seed";
import type { Logger } from "@holdfast/runtime";
import type { MigratorConfig } from "./config.ts";

export async function prepareDatabase(
  { DATABASE_URL, HOLDFAST_MODE }: MigratorConfig,
  log: Logger,
): Promise<void> {
  await migrate(DATABASE_URL);
  log.info("the schema is the newest");
  if (HOLDFAST_MODE === "local") await fill(DATABASE_URL, log);
}

async function fill(url: string, log: Logger): Promise<void> {
  const onError = (error: Error): void => log.warn({ err: error }, "connection trouble");
  const pool = openPool({ url, name: "holdfast-migrator", max: 1, onError });
  try {
    const { created, users, events } = await seed(pool, { now: new Date() });
    log.info(created ? `seeded ${users} users and ${events} events` : "there are events: not seeded");
  } finally {
    await pool.end();
  }
}
