// Counts the requests that wait for a command to end, so that waiting stays cheap for everybody else.
import type { UserId } from "@holdfast/domain";

export const LONG_POLLS_PER_USER_MAX = 20;
export const LONG_POLLS_MAX = 10_000;

export class LongPolls {
  readonly #ofUser = new Map<UserId, number>();
  #all = 0;

  /** How many wait. */
  get waiting(): number {
    return this.#all;
  }

  /** Takes a place and returns how to give it back; null when there is none. */
  enter(userId: UserId): (() => void) | null {
    const mine = this.#ofUser.get(userId) ?? 0;
    if (mine >= LONG_POLLS_PER_USER_MAX || this.#all >= LONG_POLLS_MAX) return null;
    this.#ofUser.set(userId, mine + 1);
    this.#all += 1;
    return () => {
      this.#all -= 1;
      const left = (this.#ofUser.get(userId) ?? 1) - 1;
      if (left === 0) this.#ofUser.delete(userId);
      else this.#ofUser.set(userId, left);
    };
  }
}
