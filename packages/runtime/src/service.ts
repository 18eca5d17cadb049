// The life of a service process: configure, open, say "ready", stop when asked, exit. Knows no service.
import process from "node:process";
import type { z } from "zod";
import { ConfigError, type Env, loadConfig, metricsAddress, type ServiceConfig } from "./config.ts";
import { armFailpoints } from "./failpoints.ts";
import { createLogger, type Logger } from "./logger.ts";
import { createMetrics, type Metrics, type MetricsServer, serveMetrics } from "./metrics.ts";
import { tellTrouble } from "./trouble.ts";

/** Milliseconds that a service has for its graceful stop; the promise to the outside is 5 s. */
export const STOP_TIMEOUT_MS = 4_500;

export interface Service {
  readonly name: string;
  /** Aborted when the stop begins. */
  readonly stopping: AbortSignal;
  /** For what cannot be survived: logs it, stops, exits with 1. */
  fail(error: unknown): void;
}

export interface Opened {
  /** Where it listens, when it does: told to the parent process. */
  readonly url?: string;
  stop(): Promise<void>;
}

export interface Opening<Config> {
  readonly config: Config;
  readonly log: Logger;
  /** Where the service's own metrics go. Told, or not, whatever the service does. */
  readonly metrics: Metrics;
  readonly service: Service;
}

/** A service's word to the process that started it. */
export interface Ready {
  readonly type: "ready";
  /** Where it listens, when it does. */
  readonly url?: string;
  /** Where it tells its metrics, when it does. */
  readonly metricsUrl?: string;
}

export const isReady = (message: unknown): message is Ready =>
  typeof message === "object" && message !== null && "type" in message && message.type === "ready";

/** What is taken from the process, as an argument, so that a life can be tested inside another one. */
export interface Host {
  readonly env: Env;
  on(event: string, listener: (reason: unknown) => void): unknown;
  send?: ((message: unknown) => unknown) | undefined;
  exit(code: number): void;
  complain(text: string): void;
  /** Where the log goes; standard output when absent. */
  readonly log?: NodeJS.WritableStream;
}

export const thisProcess: Host = {
  env: process.env,
  on: (event, listener) => process.on(event as "SIGTERM", listener),
  ...(process.send === undefined ? {} : { send: (message) => process.connected && process.send?.(message) }),
  exit: (code) => process.exit(code),
  complain: (text) => process.stderr.write(`${text}\n`),
};

/** Runs until SIGTERM, SIGINT, a lost parent or a fault; exits 0 after a graceful stop, else 1. */
export async function runService<Schema extends z.ZodType<ServiceConfig>>(
  name: string,
  schema: Schema,
  open: (opening: Opening<z.infer<Schema>>) => Promise<Opened>,
  host: Host = thisProcess,
): Promise<void> {
  const begun = begin(name, schema, host);
  if (begun === null) return;
  const { config, log } = begun;
  if (config.FAILPOINTS !== undefined) armFailpoints(config.FAILPOINTS);
  const metrics = createMetrics();
  const stopping = new AbortController();
  let exitCode = 0;

  const stop = async (): Promise<void> => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    const late = setTimeout(() => {
      log.fatal(`not stopped within ${STOP_TIMEOUT_MS} ms`);
      host.exit(1);
    }, STOP_TIMEOUT_MS);
    try {
      await (await opened)?.stop();
      await (await told.catch(() => null))?.close();
      log.info("stopped");
    } catch (error) {
      log.fatal({ err: error }, "the stop failed");
      exitCode = 1;
    }
    clearTimeout(late);
    host.exit(exitCode);
  };
  const fail = (error: unknown): void => {
    log.fatal({ err: error }, "cannot go on");
    exitCode = 1;
    void stop();
  };
  for (const signal of ["SIGTERM", "SIGINT", "disconnect"]) host.on(signal, () => void stop());
  for (const fault of ["uncaughtException", "unhandledRejection"]) host.on(fault, fail);

  const opening = { config, log, metrics, service: { name, stopping: stopping.signal, fail } };
  const told = tellMetrics(opening);
  const opened: Promise<Opened | null> = told
    .then(() => open(opening))
    .catch((error: unknown) => {
      fail(error);
      return null;
    });
  const ready = await opened;
  if (ready === null || stopping.signal.aborted) return;
  log.info(ready.url === undefined ? "ready" : `ready at ${ready.url}`);
  const metricsServer = await told;
  const word: Ready = {
    type: "ready",
    ...(ready.url === undefined ? {} : { url: ready.url }),
    ...(metricsServer === null ? {} : { metricsUrl: metricsServer.url }),
  };
  host.send?.(word);
}

/** What a process is told, and its log. Null when what it is told cannot be used: then it complains and exits. */
export function begin<Schema extends z.ZodType<ServiceConfig>>(
  name: string,
  schema: Schema,
  host: Host,
): { config: z.infer<Schema>; log: Logger } | null {
  try {
    const config = loadConfig(schema, host.env);
    const { LOG_LEVEL: level, LOG_FORMAT: format } = config;
    if (config.FAILPOINTS !== undefined && config.HOLDFAST_MODE === "production") {
      throw new ConfigError("The environment cannot be used:\n  FAILPOINTS: not in production");
    }
    return { config, log: createLogger({ level, format, service: name }, host.log) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.complain(`${name}: ${error.message}`);
    host.exit(1);
    return null;
  }
}

/** Before all else, so that a service that waits for its stores can be seen waiting. Null when they are off. */
async function tellMetrics({ config, log, metrics }: Opening<ServiceConfig>): Promise<MetricsServer | null> {
  const address = metricsAddress(config);
  return address === null ? null : serveMetrics(metrics, address, tellTrouble(log, "metrics were not told"));
}
