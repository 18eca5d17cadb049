// Reads a process's environment once, through one zod object. Nobody else reads `process.env`.
import { z } from "zod";
import { FAILPOINTS_FORM } from "./failpoints.ts";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace"] as const;
export const LOG_FORMATS = ["json", "text"] as const;
/** What everything of ours in Redis starts with, unless told otherwise. */
export const REDIS_PREFIX_DEFAULT = "hf";
export const MODES = ["local", "production"] as const;
/** Where Prometheus looks for the metrics of a service in production, unless told otherwise. */
const METRICS_PORT_DEFAULT = 9464;
const METRICS_PORT_MISTAKE = "must be a port, 0 for any free one, or off";

/** What every service may be told. `production` refuses what only makes sense on one's own machine. */
export const ServiceConfig = z.object({
  HOLDFAST_MODE: z.enum(MODES).default("production"),
  LOG_LEVEL: z.enum(LOG_LEVELS).default("info"),
  LOG_FORMAT: z.enum(LOG_FORMATS).default("json"),
  METRICS_PORT: z
    .string()
    .regex(/^(off|\d{1,5})$/, METRICS_PORT_MISTAKE)
    .transform((text) => (text === "off" ? text : Number(text)))
    .refine((port) => port === "off" || port <= 65_535, METRICS_PORT_MISTAKE)
    .optional(),
  METRICS_HOST: z.string().optional(),
  /** Where a drill lets the process die or freeze. */
  FAILPOINTS: z.string().regex(FAILPOINTS_FORM, "must be failpoints such as before-commit=kill@3").optional(),
});
export type ServiceConfig = z.infer<typeof ServiceConfig>;

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a service tells its metrics; null when it is not to. On one's own machine many run side by side: any free port. */
export function metricsAddress(config: ServiceConfig): MetricsAddress | null {
  const { HOLDFAST_MODE: mode, METRICS_HOST: host, METRICS_PORT: port } = config;
  if (port === "off") return null;
  return mode === "local"
    ? { host: host ?? "127.0.0.1", port: port ?? 0 }
    : { host: host ?? "0.0.0.0", port: port ?? METRICS_PORT_DEFAULT };
}

const urlOf = (schemes: readonly string[], example: string) =>
  z.string({ error: `is missing: a URL such as ${example}` }).refine(
    (value) => {
      const url = URL.canParse(value) ? new URL(value) : null;
      return url !== null && schemes.includes(url.protocol);
    },
    { error: `must be a URL such as ${example}` },
  );

/** What every service that touches the stores must be told. */
export const StoresConfig = ServiceConfig.extend({
  DATABASE_URL: urlOf(["postgres:", "postgresql:"], "postgresql://user:password@host:5432/database"),
  REDIS_URL: urlOf(["redis:", "rediss:"], "redis://:password@host:6379"),
  REDIS_PREFIX: z.string().min(1).default(REDIS_PREFIX_DEFAULT),
});
export type StoresConfig = z.infer<typeof StoresConfig>;

export type Env = Readonly<Record<string, string | undefined>>;

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What is set. An empty variable counts as absent: compose files and shells cannot unset one. */
export const given = (env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? "") !== ""),
  );

/** Reads what is `given`. Throws `ConfigError` with every mistake. */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, env: Env): z.infer<Schema> {
  const parsed = schema.safeParse(given(env));
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map((issue) => `  ${issue.path.join(".")}: ${issue.message}`);
  throw new ConfigError(`The environment cannot be used:\n${mistakes.join("\n")}`);
}
