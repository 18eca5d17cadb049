// One start at a time on a data directory: a lock file that names its holder and dies with it.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isAlive, processIdentity } from "./process.ts";

const holderShape = z.object({ pid: z.int(), identity: z.string() });
export type LockHolder = z.infer<typeof holderShape>;

/** Thrown when another living process holds the data directory. */
export class AlreadyRunning extends Error {
  readonly pid: number;
  constructor(pid: number, dataDir: string) {
    super(
      `Holdfast is already running on ${dataDir} (pid ${pid}). See it with: pnpm status. End it with: pnpm stop.`,
    );
    this.pid = pid;
  }
}

/** Takes the lock and returns how to give it back. Throws AlreadyRunning; a dead holder's lock is taken over. */
export function takeLock(dataDir: string): () => void {
  const path = lockPath(dataDir);
  const own = JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) ?? "" });
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, own, { mode: 0o600 });
  try {
    while (!tryLink(mine, path)) {
      const seen = readText(path);
      if (seen === undefined) continue;
      const holder = parseHolder(seen);
      if (holder !== undefined && isAlive(holder.pid, holder.identity))
        throw new AlreadyRunning(holder.pid, dataDir);
      // Move the dead holder's lock aside. Had somebody taken it over meanwhile, theirs was moved: put it back.
      const aside = `${path}.stale.${process.pid}`;
      try {
        renameSync(path, aside);
      } catch {
        continue;
      }
      if (readText(aside) !== seen) tryLink(aside, path);
      rmSync(aside, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    if (readText(path) === own) rmSync(path, { force: true });
  };
}

/** The living process that holds the data directory, if any. */
export function lockHolder(dataDir: string): LockHolder | undefined {
  const text = readText(lockPath(dataDir));
  const holder = text === undefined ? undefined : parseHolder(text);
  return holder !== undefined && isAlive(holder.pid, holder.identity) ? holder : undefined;
}

/** True when a process held the data directory and died without giving it back. */
export function isAbandoned(dataDir: string): boolean {
  return readText(lockPath(dataDir)) !== undefined && lockHolder(dataDir) === undefined;
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    return holderShape.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function lockPath(dataDir: string): string {
  return join(dataDir, "launcher.lock");
}
