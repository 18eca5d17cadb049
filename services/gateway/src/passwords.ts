// Hashes and checks passwords: argon2id, a bounded number at once, the same work for users that do not exist.
import { hash, verify } from "@node-rs/argon2";
import { later } from "./refused.ts";

export const ARGON2_MEMORY_KIB = 19_456;
export const ARGON2_PASSES = 2;
const ARGON2_LANES = 1;
/** Each takes a thread and `ARGON2_MEMORY_KIB`. */
export const HASHES_AT_ONCE = 2;
/** Requests that may wait for their turn: beyond that the answer is `unavailable`. */
export const HASHES_WAITING_MAX = 10_000;

const OPTIONS = {
  algorithm: 2, // Argon2id: the enum is declared for compilers that inline it
  memoryCost: ARGON2_MEMORY_KIB,
  timeCost: ARGON2_PASSES,
  parallelism: ARGON2_LANES,
};

export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** The hash of no password that anybody has: unknown users are checked against it. */
  #nobodys: Promise<string> | undefined;

  async hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, OPTIONS));
  }

  /** Takes as long for an unknown user (`null`) as for a wrong password. */
  async check(password: string, passwordHash: string | null): Promise<boolean> {
    this.#nobodys ??= hash(crypto.randomUUID(), OPTIONS);
    const against = passwordHash ?? (await this.#nobodys);
    const matches = await this.#inTurn(() => verify(against, password).catch(() => false));
    return matches && passwordHash !== null;
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= HASHES_AT_ONCE) {
      if (this.#waiting.length >= HASHES_WAITING_MAX) throw later("unavailable", 1);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift(); // who waited takes the turn over
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

/** Was it made with less work than is asked for today? */
export function isOutdated(passwordHash: string): boolean {
  const found = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/.exec(passwordHash);
  return found === null || Number(found[1]) < ARGON2_MEMORY_KIB || Number(found[2]) < ARGON2_PASSES;
}
