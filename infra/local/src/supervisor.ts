// One service as a child process for as long as the launcher lives: started, restarted when it dies, stopped. A class of
// duties, not of processes: the name stays while pids come and go.
import { type ChildProcess, spawn } from "node:child_process";
import { isReady, SERVICE_FLAGS } from "@holdfast/runtime";
import { eachLine } from "./output.ts";
import { processIdentity, signalProcess } from "./process.ts";
import type { ServiceState } from "./state.ts";

const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 5_000;
/** A service that has been ready this long starts over with the shortest pause when it dies. */
const SETTLED_MS = 10_000;

export interface ServiceSpec {
  name: string;
  /** The TypeScript file to run. */
  main: string;
  env: NodeJS.ProcessEnv;
}

export interface ServiceListener {
  /** A line that the service wrote. */
  line(text: string): void;
  /** A word from the supervisor about it. */
  note(text: string): void;
  changed(): void;
}

export interface Supervised {
  readonly state: ServiceState;
  /** Starts it and waits until it is ready. Rejects when it ends before it ever was. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL; waits for nothing. */
  kill(): void;
}

/** Describes a service to be supervised; nothing runs before `start`. */
export function supervise(spec: ServiceSpec, listener: ServiceListener): Supervised {
  const state: ServiceState = { name: spec.name, status: "stopped", restarts: 0 };
  let child: ChildProcess | undefined;
  let wanted = false;
  let pauseMs = FIRST_RESTART_MS;
  let restartTimer: NodeJS.Timeout | undefined;

  const change = (changes: Partial<ServiceState>) => {
    Object.assign(state, changes);
    listener.changed();
  };

  const run = (onReady: () => void, onEndBeforeReady: (reason: string) => void) => {
    let readyAt: number | undefined;
    // Detached: a Ctrl-C in the terminal must reach the launcher only, which ends things in order. The IPC channel tells
    // the service when the launcher is gone.
    const started = spawn(process.execPath, [...SERVICE_FLAGS, spec.main], {
      env: spec.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    child = started;
    change({ status: "starting", ...identityOf(started.pid) });
    for (const stream of [started.stdout, started.stderr])
      if (stream !== null) eachLine(stream, listener.line);
    started.on("message", (message: unknown) => {
      if (!isReady(message)) return;
      readyAt = performance.now();
      const { type: _type, ...addresses } = message;
      change({ status: "ready", ...addresses });
      onReady();
    });
    let over = false;
    const ended = (reason: string) => {
      if (over) return;
      over = true;
      child = undefined;
      delete state.pid;
      delete state.identity;
      if (!wanted) {
        change({ status: "stopped" });
        return;
      }
      if (readyAt === undefined) onEndBeforeReady(reason);
      if (!wanted) {
        change({ status: "failed" });
        return;
      }
      if (readyAt !== undefined && performance.now() - readyAt > SETTLED_MS) pauseMs = FIRST_RESTART_MS;
      listener.note(`${spec.name} ended (${reason}); starting it again in ${pauseMs} ms`);
      change({ status: "restarting", restarts: state.restarts + 1 });
      restartTimer = setTimeout(
        () =>
          run(
            () => listener.note(`${spec.name} is back`),
            () => {},
          ),
        pauseMs,
      );
      pauseMs = Math.min(pauseMs * 2, LONGEST_RESTART_MS);
    };
    started.once("error", (error) => ended(error.message));
    started.once("exit", (code, signal) => ended(signal ?? `exit code ${code}`));
  };

  return {
    state,
    start: () =>
      new Promise((resolve, reject) => {
        wanted = true;
        run(resolve, (reason) => {
          wanted = false; // what never worked is not tried again: the reason is in its log, above
          reject(new Error(`${spec.name} did not start (${reason}); what it said is above`));
        });
      }),
    stop: async (graceMs) => {
      wanted = false;
      clearTimeout(restartTimer);
      const running = child;
      if (running === undefined) {
        change({ status: "stopped" });
        return;
      }
      const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      running.kill("SIGTERM");
      const timer = setTimeout(() => {
        listener.note(`${spec.name} did not stop within ${graceMs} ms; killing it`);
        running.kill("SIGKILL");
      }, graceMs);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      wanted = false;
      clearTimeout(restartTimer);
      if (child?.pid !== undefined) signalProcess(child.pid, "SIGKILL");
    },
  };
}

function identityOf(pid: number | undefined): { pid?: number; identity?: string } {
  if (pid === undefined) return {};
  const identity = processIdentity(pid);
  return identity === undefined ? { pid } : { pid, identity };
}
