// What both stores are told wherever they run, as processes or in containers, and the images of the latter. Tests hold
// infra/docker/system.yml to it.

export const POSTGRES_IMAGE = "postgres:18.4";
export const REDIS_IMAGE = "redis:8.0";

/** What the product relies on, said out loud even where it is the default. */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  max_connections: "200",
  max_locks_per_transaction: "256",
  shared_buffers: "256MB",
  autovacuum: "on",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
};

/** How a cluster is made: text sorts by code point, whatever the machine. */
export const INITDB_OPTIONS = [
  "--encoding=UTF8",
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
] as const;

/** Everything that was answered is on the disk, and nothing is ever dropped for want of memory. */
export const REDIS_SETTINGS: Readonly<Record<string, string>> = {
  appendonly: "yes",
  appendfsync: "always",
  save: "",
  "maxmemory-policy": "noeviction",
};

/** PostgreSQL's settings as the server takes them on its command line. */
export const postgresArguments = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

/** Redis's settings as the server takes them on its command line. */
export const redisArguments = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
