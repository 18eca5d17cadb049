// Runs once before all test files: finds or starts real stores, migrates the template database. Tests never skip.
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@holdfast/db/migrate";
import {
  dataDirFrom,
  isAbandoned,
  openStores,
  prepareDataDir,
  removeDataDir,
  stopLeftoverStores,
} from "@holdfast/local/stores";
import type { TestProject } from "vitest/node";
import { containStores } from "./containers.ts";
import { createDatabase, databaseName, dropDatabase } from "./database.ts";
import { urlOfDatabase } from "./database-url.ts";
import "./provided.ts";

/** Directories of runs: the next run removes those that a killed one has left behind. */
export const DATA_DIR_PREFIX = "holdfast-test-";

/** Vitest's hook: provides the stores' addresses to the test files and returns the teardown. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stores = await resolveStores();
  say(`PostgreSQL: ${stores.postgresSource}`);
  say(`Redis: ${stores.redisSource}`);
  const template = databaseName("template");
  project.provide("databaseUrl", stores.databaseUrl);
  project.provide("templateDatabase", template);
  project.provide("redisUrl", stores.redisUrl);
  project.provide("migrationFailure", await prepareTemplate(stores.databaseUrl, template));
  return async () => {
    if (stores.given) await dropDatabase(stores.databaseUrl, template);
    await stores.close();
  };
}

/** Migrates the template. A failure is returned: it is told to who asks for a database, and stops no other test. */
async function prepareTemplate(server: string, template: string): Promise<string> {
  try {
    await createDatabase(server, template);
    await migrate(urlOfDatabase(server, template));
    return "";
  } catch (error) {
    const reasons: string[] = [];
    for (let at: unknown = error; at instanceof Error; at = at.cause) reasons.push(at.message.trim());
    return reasons.join("\n") || String(error);
  }
}

interface TestStores {
  databaseUrl: string;
  redisUrl: string;
  postgresSource: string;
  redisSource: string;
  /** True when the database server outlives the run. */
  given: boolean;
  close(): Promise<void>;
}

/** In this order: given by URL → containers, where Docker answers → local binaries in a private directory. */
async function resolveStores(): Promise<TestStores> {
  // What the product would use is not what tests may write to.
  const given = { postgres: process.env["TEST_DATABASE_URL"], redis: process.env["TEST_REDIS_URL"] };
  await removeLeftovers();
  const contained = await containStores({ postgres: !given.postgres, redis: !given.redis }, process.env, say);
  const dataDir = mkdtempSync(join(tmpdir(), DATA_DIR_PREFIX));
  const close = async (): Promise<void> => {
    await contained.close();
    removeDataDir(dataDir);
  };
  const env = {
    ...process.env,
    DATABASE_URL: given.postgres || contained.postgres?.url,
    REDIS_URL: given.redis || contained.redis?.url,
  };
  try {
    // A fetched Redis program is kept with the repository, so that only the first run fetches it.
    const stores = await openStores({ dataDir, cacheDir: prepareDataDir(dataDirFrom(env)), env, log: say });
    return {
      databaseUrl: stores.databaseUrl,
      redisUrl: stores.redisUrl,
      postgresSource: contained.postgres?.source ?? stores.postgresSource,
      redisSource: contained.redis?.source ?? stores.redisSource,
      given: (given.postgres ?? "") !== "",
      close: async () => {
        await stores.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Ends the servers of runs that were killed, and removes their directories. */
async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(DATA_DIR_PREFIX))) {
    const dataDir = join(tmpdir(), name);
    try {
      if (!isAbandoned(dataDir)) continue;
      await stopLeftoverStores(dataDir);
      removeDataDir(dataDir);
    } catch {
      // Another user's, or being removed by another run: theirs to clear.
    }
  }
}

function say(line: string): void {
  process.stdout.write(`stores: ${line}\n`);
}
