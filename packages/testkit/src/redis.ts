// A connection to the run's Redis and a key prefix of its own for each test file.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { inject } from "vitest";
import "./provided.ts";

const SCAN_COUNT = 1_000;

export interface TestRedis {
  url: string;
  /** Every key of the file starts with it; give it to whatever names keys. */
  prefix: string;
  redis: Redis;
  /** Removes the prefix's keys and disconnects. */
  close(): Promise<void>;
}

/** Connects to the run's Redis. Call `close` in the file's `afterAll`. */
export async function openTestRedis(): Promise<TestRedis> {
  const url = inject("redisUrl");
  const prefix = `t${randomBytes(5).toString("hex")}`;
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null });
  await redis.connect();
  return {
    url,
    prefix,
    redis,
    close: async () => {
      await removeKeys(redis, `${prefix}*`);
      redis.disconnect();
    },
  };
}

/** Names of the keys that match. */
export async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of redis.scanStream({ match: pattern, count: SCAN_COUNT })) found.push(...keys);
  return found;
}

export async function removeKeys(redis: Redis, pattern: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: pattern, count: SCAN_COUNT })) {
    if (keys.length > 0) await redis.unlink(...keys);
  }
}
