// Lets a few of those who come work side by side; the others wait outside, in the order in which they came.

export interface Turnstile {
  /** Does the work as soon as there is room for it. */
  pass<T>(work: () => Promise<T>): Promise<T>;
  /** How many wait. */
  readonly waiting: number;
}

export function createTurnstile(width: number): Turnstile {
  let room = width;
  const outside: (() => void)[] = [];

  return {
    async pass(work) {
      if (room > 0) room -= 1;
      else await new Promise<void>((enter) => outside.push(enter));
      try {
        return await work();
      } finally {
        const next = outside.shift();
        if (next === undefined) room += 1;
        else next(); // into the room that has just been left
      }
    },
    get waiting() {
      return outside.length;
    },
  };
}
