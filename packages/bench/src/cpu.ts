// What CPU time processes and the machine have used so far, from /proc: differences of it are exact, whoever sleeps.
import { readdirSync, readFileSync } from "node:fs";

/** Microseconds of a clock tick, in which Linux counts: 100 a second on every machine that we know. */
const TICK_MICROS = 10_000;

interface ProcessTimes {
  readonly parent: number;
  readonly own: number;
  /** Of its children that have ended. */
  readonly ended: number;
}

/** Null when there is no such process any more. */
function timesOf(pid: number): ProcessTimes | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The name in parentheses may hold anything; what follows the last one begins with the third field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    parent: field(4),
    own: (field(14) + field(15)) * TICK_MICROS,
    ended: (field(16) + field(17)) * TICK_MICROS,
  };
}

/** Microseconds that a process has used. Throws when it is gone. */
export function processMicros(pid: number): number {
  const times = timesOf(pid);
  if (times === null) throw new Error(`process ${pid} is gone`);
  return times.own;
}

/** Microseconds that a process and its children have used, those that have ended included. */
export function familyMicros(pid: number): number {
  const times = timesOf(pid);
  if (times === null) throw new Error(`process ${pid} is gone`);
  const children = readdirSync("/proc")
    .map(Number)
    .filter((other) => Number.isInteger(other))
    .map(timesOf)
    .filter((other) => other?.parent === pid);
  return times.own + times.ended + children.reduce((sum, child) => sum + (child?.own ?? 0), 0);
}

/** The pid of a process's parent. */
export function parentOf(pid: number): number {
  const times = timesOf(pid);
  if (times === null) throw new Error(`process ${pid} is gone`);
  return times.parent;
}

export interface MachineMicros {
  /** Summed over all cores. */
  readonly all: number;
  readonly idle: number;
}

export function machineMicros(): MachineMicros {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number); // guests are counted in user time already
  const [, , , idle = 0, waiting = 0] = ticks;
  return {
    all: ticks.reduce((sum, one) => sum + one, 0) * TICK_MICROS,
    idle: (idle + waiting) * TICK_MICROS,
  };
}
