// Other processes seen by their pid: alive, the same one as before, ended. Starts nothing.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * A value that stays the same for one process's life and differs for a later process that got the same pid.
 * Undefined when there is no such process, or only its unreaped remains.
 */
export function processIdentity(pid: number): string | undefined {
  if (process.platform === "linux") {
    const stat = readOrUndefined(`/proc/${pid}/stat`);
    if (stat === undefined) return undefined;
    // The name in parentheses may hold anything; what follows the last one is: state, ppid, …, start time (22nd).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    const boot = readOrUndefined("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
    return `${boot}:${fields[19] ?? ""}`;
  }
  try {
    const out = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    if (out === "" || out.startsWith("Z")) return undefined;
    return out.slice(out.indexOf(" ")).trim();
  } catch {
    return undefined;
  }
}

/** True when the pid belongs to a running process; with an identity, only when it is still that one. */
export function isAlive(pid: number, identity?: string): boolean {
  const now = processIdentity(pid);
  return now !== undefined && (identity === undefined || now === identity);
}

/** The pid of a process's parent; undefined when the process is gone. */
export function parentOf(pid: number): number | undefined {
  if (process.platform === "linux") {
    const stat = readOrUndefined(`/proc/${pid}/stat`);
    return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  }
  try {
    return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }));
  } catch {
    return undefined;
  }
}

/** The process's command line, or an empty string when it has none or is gone. */
export function commandLine(pid: number): string {
  if (process.platform === "linux") {
    return (readOrUndefined(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();
  }
  try {
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

/** Sends a signal; a process that is already gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Waits until the process has ended. False when it is still there after `timeoutMs`. */
export async function waitForEnd(pid: number, timeoutMs: number): Promise<boolean> {
  const identity = processIdentity(pid);
  if (identity === undefined) return true;
  const deadline = performance.now() + timeoutMs;
  while (isAlive(pid, identity)) {
    if (performance.now() >= deadline) return false;
    await pause(20);
  }
  return true;
}

/** Sends the signals one after the other, each with its time to act, until the process has ended. */
export async function endProcess(
  pid: number,
  steps: { signal: NodeJS.Signals; waitMs: number }[],
): Promise<void> {
  for (const { signal, waitMs } of steps) {
    signalProcess(pid, signal);
    if (await waitForEnd(pid, waitMs)) return;
  }
  throw new Error(`process ${pid} did not end`);
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
