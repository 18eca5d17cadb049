// The process's log: JSON lines for machines, one-liners for people. Never secrets, never personal data.
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { ServiceConfig } from "./config.ts";

export type { Logger } from "pino";

export interface LoggerOptions {
  readonly level: ServiceConfig["LOG_LEVEL"];
  readonly format: ServiceConfig["LOG_FORMAT"];
  readonly service: string;
}

/** Fields that no log line shows, wherever a caller was careless. */
const REDACTED = ["password", "accessToken", "refreshToken", "token", "email", "authorization", "secret"];

/** A database error carries row values in `detail` and `where`; only what names the fault is kept. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const { code, constraint, table } = error as Error & {
    code?: unknown;
    constraint?: unknown;
    table?: unknown;
  };
  return { type: name, message, code, constraint, table, stack, cause: cause && describeError(cause) };
}

export function createLogger({ level, format, service }: LoggerOptions, out?: NodeJS.WritableStream): Logger {
  const options = {
    level,
    base: { service },
    serializers: { err: describeError },
    redact: { paths: REDACTED.flatMap((field) => [field, `*.${field}`]), censor: "[redacted]" },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === "json") return out === undefined ? pino(options) : pino(options, out);
  const stream = pretty({
    colorize: false,
    singleLine: true,
    sync: true,
    ignore: "service,pid,hostname",
    translateTime: "SYS:HH:MM:ss.l",
    ...(out === undefined ? {} : { destination: out }),
  });
  return pino(options, stream);
}
