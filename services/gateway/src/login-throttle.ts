// Slows down who guesses passwords: failed sign-ins are counted in Redis, for an account from one address, for an
// address, and, with more room, for an account from everywhere: a stranger must not easily lock its owner out.
// When Redis is gone the login is closed, for nobody would count.
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { addressKey, countInRedis, type RateState, rateHeaders, rateState } from "./rate-limits.ts";
import { later, Refused } from "./refused.ts";

/** Sign-ins that may fail in a window. */
export const LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX = 20;
export const LOGIN_FAILURES_PER_ACCOUNT_MAX = 500;
export const LOGIN_FAILURES_PER_ADDRESS_MAX = 100;
export const LOGIN_WINDOW_SECONDS = 900;

export interface LoginThrottle {
  /** Counts a try; throws `Refused` when there were too many, or when they cannot be counted. */
  enter(email: string, address: string): Promise<void>;
  /** The try was no guess. */
  succeeded(email: string, address: string): Promise<void>;
}

export const noThrottle: LoginThrottle = { enter: async () => {}, succeeded: async () => {} };

export function createLoginThrottle(redis: Redis, prefix: string): LoginThrottle {
  const limits = (email: string, address: string) => {
    const account = hashed(email.toLowerCase());
    const from = addressKey(address);
    return [
      { key: `${prefix}:login:pair:${account}:${from}`, max: LOGIN_FAILURES_PER_ACCOUNT_AND_ADDRESS_MAX },
      { key: `${prefix}:login:account:${account}`, max: LOGIN_FAILURES_PER_ACCOUNT_MAX },
      { key: `${prefix}:login:address:${from}`, max: LOGIN_FAILURES_PER_ADDRESS_MAX },
    ];
  };
  const orClosed = <Result>(asked: Promise<Result>): Promise<Result> =>
    asked.catch(() => {
      throw later("unavailable", 5);
    });
  return {
    async enter(email, address) {
      for (const { key, max } of limits(email, address)) {
        const [count, leftMs] = await orClosed(countInRedis(redis, key, LOGIN_WINDOW_SECONDS));
        const state = rateState(max, count, leftMs);
        if (state.exceeded) throw tooMany(max, state);
      }
    },
    async succeeded(email, address) {
      const [pair = "", account = "", from = ""] = limits(email, address).map(({ key }) => key);
      await orClosed(redis.multi().del(pair).decr(account).decr(from).exec());
    },
  };
}

const tooMany = (quota: number, state: RateState): Refused =>
  new Refused(
    { code: "rate-limited" },
    {
      "retry-after": String(state.resetSeconds),
      ...rateHeaders("login", { quota, windowSeconds: LOGIN_WINDOW_SECONDS }, state),
    },
  );

/** No personal data in Redis, not even as the name of a counter. */
const hashed = (email: string): string => createHash("sha256").update(email).digest("base64url");
