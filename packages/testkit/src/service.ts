// A real service process for tests of the whole system: started, awaited, signalled. The product's own main.ts.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { eachLine } from "@holdfast/local/output";
import { isReady, type Ready, SERVICE_FLAGS } from "@holdfast/runtime";

const REPOSITORY = new URL("../../../", import.meta.url);
/** How long a stopping service may take; it promises less. */
const STOP_MS = 10_000;

export type ServiceName =
  | "gateway"
  | "reservation-worker"
  | "expiry-worker"
  | "waitlist-worker"
  | "webhook-worker";

export interface ServiceProcess {
  readonly pid: number;
  /** The address that the service gave when it got ready. Throws before that, and for services without one. */
  readonly url: string;
  /** Where the service tells its metrics. Throws before it is ready, and when they are off. */
  readonly metricsUrl: string;
  /** Settles at the service's ready message; rejects with its log when it ends first. */
  readonly ready: Promise<void>;
  /** Settles when the process has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Everything that it wrote so far, as lines. */
  readonly logs: readonly string[];
  /** SIGTERM, then waits for the end. Rejects when it takes longer than 10 s, after killing it. */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Sends the signal and waits for nothing. */
  kill(signal: NodeJS.Signals): void;
}

/** Starts `services/<name>/src/main.ts` with the caller's PATH and the given environment, in local mode. */
export const spawnService = (name: ServiceName, env: Record<string, string>): ServiceProcess =>
  spawnProgram(name, new URL(`services/${name}/src/main.ts`, REPOSITORY), env);

/** Starts any program that lives the life of a service. */
export function spawnProgram(
  name: string,
  program: URL,
  env: Record<string, string>,
  parameters: readonly string[] = [],
): ServiceProcess {
  const child = spawn(process.execPath, [...SERVICE_FLAGS, fileURLToPath(program), ...parameters], {
    cwd: fileURLToPath(REPOSITORY),
    env: { PATH: process.env["PATH"], TZ: "UTC", HOLDFAST_MODE: "local", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const logs = collectLines(child);
  let told: Ready | undefined;
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.on("message", (message: unknown) => {
      if (!isReady(message)) return;
      told = message;
      resolve();
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      reject(new Error(`${name} ended (${signal ?? code}) before it was ready:\n${logs.join("\n")}`));
    });
  });
  ready.catch(() => {}); // whoever awaits it is told; whoever kills it first need not be
  return {
    get pid() {
      if (child.pid === undefined) throw new Error(`${name} could not be started`);
      return child.pid;
    },
    get url() {
      if (told?.url === undefined) throw new Error(`${name} has given no address yet`);
      return told.url;
    },
    get metricsUrl() {
      if (told?.metricsUrl === undefined) throw new Error(`${name} tells no metrics, or not yet`);
      return told.metricsUrl;
    },
    ready,
    ended,
    logs,
    stop: () => stopChild(name, child, ended),
    kill: (signal) => {
      child.kill(signal);
    },
  };
}

async function stopChild<T>(name: string, child: ChildProcess, ended: Promise<T>): Promise<T> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  const end = await ended;
  clearTimeout(timer);
  if (child.signalCode === "SIGKILL") throw new Error(`${name} did not stop within ${STOP_MS / 1_000} s`);
  return end;
}

function collectLines(child: ChildProcess): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) eachLine(stream, (line) => lines.push(line));
  }
  return lines;
}
