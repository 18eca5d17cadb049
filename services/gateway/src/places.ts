// Places for requests that take long: so many for one user, and so many in all.
import type { UserId } from "@holdfast/domain";

export interface PlacesMax {
  readonly perUser: number;
  readonly inAll: number;
}

export class Places {
  readonly #max: PlacesMax;
  readonly #ofUser = new Map<UserId, number>();
  #all = 0;

  constructor(max: PlacesMax) {
    this.#max = max;
  }

  /** How many there are in. */
  get taken(): number {
    return this.#all;
  }

  /** Takes a place and returns how to give it back; null when there is none. */
  enter(userId: UserId): (() => void) | null {
    const mine = this.#ofUser.get(userId) ?? 0;
    if (mine >= this.#max.perUser || this.#all >= this.#max.inAll) return null;
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
