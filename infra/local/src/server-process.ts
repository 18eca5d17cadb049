// A store's server as a process that outlives this one: started, its output in a log file, its end noticed.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";

export interface ServerProcess {
  readonly child: ChildProcess;
  /** How it ended; undefined while it runs. */
  ended(): string | undefined;
  /** What it has written since it was started. */
  said(): string;
}

/** Starts the program; its output is appended to the log file. */
export function startServerProcess(
  program: string,
  parameters: string[],
  logFile: string,
  options: Pick<SpawnOptions, "cwd" | "env" | "uid" | "gid">,
): ServerProcess {
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const log = openSync(logFile, "a", 0o600);
  let child: ChildProcess;
  try {
    // A session of its own: a Ctrl-C in the terminal must reach the launcher only, which ends things in order.
    child = spawn(program, parameters, { ...options, detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code, signal) => {
    ended = `ended with ${signal ?? code}`;
  });
  return {
    child,
    ended: () => ended,
    said: () => readFileSync(logFile).subarray(logStart).toString("utf8").trim(),
  };
}
