// A migrated PostgreSQL database of its own for each test file, cloned from the run's template.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { urlOfDatabase } from "./database-url.ts";
import "./provided.ts";

export interface TestDatabase {
  url: string;
  pool: pg.Pool;
  /** Ends the pool and drops the database, whoever is still connected. */
  close(): Promise<void>;
}

/** Clones the migrated template. Call `close` in the file's `afterAll`. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const failure = inject("migrationFailure");
  if (failure !== "") throw new Error(`the test database could not be migrated:\n${failure}`);
  const server = inject("databaseUrl");
  const name = databaseName("file");
  await createDatabase(server, name, inject("templateDatabase"));
  const url = urlOfDatabase(server, name);
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  pool.on("error", () => {}); // an idle connection cut by a test; the next query says what is wrong
  return {
    url,
    pool,
    close: async () => {
      await pool.end();
      await dropDatabase(server, name);
    },
  };
}

/** A database name that no other run or file has. */
export function databaseName(purpose: string): string {
  return `holdfast_test_${purpose}_${randomBytes(6).toString("hex")}`;
}

/** Creates a database, as a copy of the template when one is named (nobody may be connected to that). */
export async function createDatabase(server: string, name: string, template?: string): Promise<void> {
  await onServer(server, `create database ${name}${template === undefined ? "" : ` template ${template}`}`);
}

/** Drops a database and cuts whoever is connected to it. */
export async function dropDatabase(server: string, name: string): Promise<void> {
  await onServer(server, `drop database if exists ${name} with (force)`);
}

async function onServer(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
