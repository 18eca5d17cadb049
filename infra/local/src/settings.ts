// What the launcher and its commands take from the environment and from `.env`. Services parse their own.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { given, LOG_FORMATS, loadConfig, REDIS_PREFIX_DEFAULT } from "@holdfast/runtime";
import { z } from "zod";
import { LOOPBACK } from "./ports.ts";
import { dataDirFrom } from "./stores.ts";

const DEFAULT_PORT = 3000;
export const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));

const settingsShape = z.object({
  PORT: z.coerce.number().int().min(1).max(65_535).optional(),
  HOST: z.string().default(LOOPBACK),
  DATABASE_URL: z.string().optional(),
  REDIS_URL: z.string().optional(),
  REDIS_PREFIX: z.string().default(REDIS_PREFIX_DEFAULT),
  LOG_FORMAT: z.enum(LOG_FORMATS).default("text"),
});

export interface LocalSettings {
  dataDir: string;
  /** The first gateway's port, and whether somebody chose it: a chosen one is never replaced by another. */
  port: number;
  portChosen: boolean;
  host: string;
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
  /** What the product's keys in Redis start with. */
  redisPrefix: string;
  logFormat: (typeof LOG_FORMATS)[number];
  /** Everything else, for the processes to be started. */
  env: NodeJS.ProcessEnv;
}

/** Reads the settings; what is set in the environment wins over `.env`. Throws one error that names every mistake. */
export function readSettings(): LocalSettings {
  const dotEnv = `${REPOSITORY}.env`;
  if (existsSync(dotEnv)) process.loadEnvFile(dotEnv);
  return settingsFrom(process.env);
}

/** The settings that the given environment asks for. An empty variable is an absent one. */
export function settingsFrom(env: NodeJS.ProcessEnv): LocalSettings {
  const { PORT, HOST, DATABASE_URL, REDIS_URL, REDIS_PREFIX, LOG_FORMAT } = loadConfig(settingsShape, env);
  const set = given(env);
  return {
    dataDir: dataDirFrom(set),
    port: PORT ?? DEFAULT_PORT,
    portChosen: PORT !== undefined,
    host: HOST,
    databaseUrl: DATABASE_URL,
    redisUrl: REDIS_URL,
    redisPrefix: REDIS_PREFIX,
    logFormat: LOG_FORMAT,
    env: set,
  };
}
