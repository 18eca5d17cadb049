// state.json in the data directory: what the launcher started, on which ports. Holds no secret.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const serviceState = z.object({
  name: z.string(),
  pid: z.int().optional(),
  identity: z.string().optional(),
  url: z.string().optional(),
  metricsUrl: z.string().optional(),
  status: z.enum(["starting", "ready", "restarting", "failed", "stopped"]),
  restarts: z.int(),
});

const stateShape = z.object({
  postgresPort: z.int().optional(),
  redisPort: z.int().optional(),
  /** How the stores of the last start were come by, in words for people. */
  postgresSource: z.string().optional(),
  redisSource: z.string().optional(),
  launcher: z
    .object({
      pid: z.int(),
      identity: z.string(),
      startedAt: z.string(),
      controlPort: z.int(),
      /** Whether the stores of this start were given by URL. */
      databaseGiven: z.boolean(),
      redisGiven: z.boolean(),
    })
    .optional(),
  services: z.array(serviceState).default([]),
});

export type ServiceState = z.infer<typeof serviceState>;
export type LocalState = z.infer<typeof stateShape>;

/** The state of the data directory; an absent or unreadable file is an empty state. */
export function readState(dataDir: string): LocalState {
  try {
    const parsed = stateShape.safeParse(JSON.parse(readFileSync(statePath(dataDir), "utf8")));
    return parsed.success ? parsed.data : { services: [] };
  } catch {
    return { services: [] };
  }
}

/** Replaces the given fields and writes the file in one step, so that a reader never sees half of it. */
export function updateState(dataDir: string, changes: Partial<LocalState>): void {
  const path = statePath(dataDir);
  const next = `${path}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify({ ...readState(dataDir), ...changes }, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, path);
}

function statePath(dataDir: string): string {
  return join(dataDir, "state.json");
}
