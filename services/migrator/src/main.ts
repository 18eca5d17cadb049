// The migrator: brings the database to the newest schema and, in local mode, fills an empty one. Then it ends.
import { openPool } from "@holdfast/db";
import { migrate } from "@holdfast/db/migrate";
import { seed } from "@holdfast/db/seed";
import { type Logger, runTask, StoresConfig } from "@holdfast/runtime";

const MigratorConfig = StoresConfig.omit({ REDIS_URL: true, REDIS_PREFIX: true });

await runTask("migrator", MigratorConfig, async ({ config, log }) => {
  await migrate(config.DATABASE_URL);
  log.info("the schema is the newest");
  if (config.HOLDFAST_MODE === "local") await fill(config.DATABASE_URL, log);
});

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
