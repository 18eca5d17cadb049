// Connections to Redis, opened in one of two tempers: one that fails fast, one that waits for as long as it takes.
import { Redis } from "ioredis";

/** Milliseconds after which a command is given up as unanswered: its fate is then unknown, not "failed". */
export const REDIS_COMMAND_TIMEOUT_MS = 2_000;
/** Milliseconds between two tries to find a server that is away, or that still loads its file, at most. */
export const RECONNECT_DELAY_MAX_MS = 500;

const returning = {
  retryStrategy: (attempt: number): number => Math.min(attempt * 50, RECONNECT_DELAY_MAX_MS),
  // A server that loads says how long it will take, and is often wrong by far.
  maxLoadingRetryTime: RECONNECT_DELAY_MAX_MS,
};

export interface RedisOptions {
  readonly url: string;
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  readonly onError: (error: Error) => void;
}

/**
 * For producers, drains and counters: what cannot be sent now fails at once, and nothing is ever sent a second time behind
 * the caller's back (a claim that is repeated would lose the jobs of the first).
 */
export function openRedis({
  url,
  name,
  onError,
  commandTimeoutMs = REDIS_COMMAND_TIMEOUT_MS,
}: RedisOptions & {
  /** Milliseconds that a command may take. */
  readonly commandTimeoutMs?: number;
}): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    ...returning,
  });
  redis.on("error", onError);
  return redis;
}

/** For BullMQ workers and subscribers, which block and wait by nature. */
export function openPatientRedis({ url, name, onError }: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest: null,
    ...returning,
  });
  redis.on("error", onError);
  return redis;
}

/** Resolves when the connection can be used, however long the server takes to appear. */
export async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === "ready") return;
  await new Promise<void>((resolve) => redis.once("ready", () => resolve()));
}
