// How many requests a user or an address may send, by class of route. Counted in Redis for all gateways together;
// while Redis is gone, in this process alone.
import type { Redis } from "ioredis";
import { forgetOldest } from "./bounded.ts";

export interface RatePolicy {
  /** Requests in a window. */
  readonly quota: number;
  readonly windowSeconds: number;
}

export const RATE_POLICIES = {
  /** Registering, signing in and out, for an address. */
  auth: { quota: 300, windowSeconds: 60 },
  /** Commands, for a user. */
  command: { quota: 300, windowSeconds: 60 },
  /** Everything else that changes something. */
  write: { quota: 600, windowSeconds: 60 },
  /** Looking, for a user, or for an address of those who did not sign in. */
  read: { quota: 1_200, windowSeconds: 60 },
} as const satisfies Record<string, RatePolicy>;
export type RateClass = keyof typeof RATE_POLICIES;

/** Counters that are kept in the process while Redis is gone: with more, the oldest is forgotten. */
export const LOCAL_COUNTERS_MAX = 10_000;

export interface RateState {
  /** More were sent than may be. */
  readonly exceeded: boolean;
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly resetSeconds: number;
}

const COUNT = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}`;

/** Counts in Redis. Rejects when it cannot be asked. */
export async function countInRedis(
  redis: Redis,
  key: string,
  windowSeconds: number,
): Promise<[number, number]> {
  return (await redis.eval(COUNT, 1, key, windowSeconds * 1000)) as [number, number];
}

export class RateLimiter {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #local = new Map<string, { count: number; endsAt: number }>();

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** Counts one request of somebody: a user id or an address. */
  async count(rateClass: RateClass, who: string): Promise<RateState> {
    const { quota, windowSeconds } = RATE_POLICIES[rateClass];
    const key = `${this.#prefix}:rate:${rateClass}:${who}`;
    const [count, leftMs] = await countInRedis(this.#redis, key, windowSeconds).catch(() =>
      this.#countHere(key, windowSeconds),
    );
    return rateState(quota, count, leftMs);
  }

  #countHere(key: string, windowSeconds: number): [number, number] {
    const now = performance.now();
    let counter = this.#local.get(key);
    if (counter === undefined || counter.endsAt <= now) {
      counter = { count: 0, endsAt: now + windowSeconds * 1000 };
      this.#local.delete(key);
      this.#local.set(key, counter);
    }
    counter.count += 1;
    forgetOldest(this.#local, LOCAL_COUNTERS_MAX);
    return [counter.count, counter.endsAt - now];
  }
}

export const rateState = (quota: number, count: number, leftMs: number): RateState => ({
  exceeded: count > quota,
  remaining: Math.max(0, quota - count),
  resetSeconds: Math.max(1, Math.ceil(leftMs / 1000)),
});

/** The fields `RateLimit-Policy` and `RateLimit`, as structured fields. */
export const rateHeaders = (
  policyName: string,
  { quota, windowSeconds }: RatePolicy,
  { remaining, resetSeconds }: RateState,
): Record<string, string> => ({
  "ratelimit-policy": `"${policyName}";q=${quota};w=${windowSeconds}`,
  ratelimit: `"${policyName}";r=${remaining};t=${resetSeconds}`,
});

/** An address as a counter's name: of IPv6 the network that one customer gets, a /64. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0");
  return `${[...front, ...missing, ...back].slice(0, 4).join(":").toLowerCase()}::/64`;
}
