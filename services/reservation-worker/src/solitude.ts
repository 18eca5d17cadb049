// Lets one drain of this process work alone. A command that may kill the process is tried only while no other
// event has a batch under way here, so that nobody else is blamed for the death.

export interface Solitude {
  /** Runs beside others; waits while somebody is alone. */
  together<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for all others to pause, and runs alone. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export function createSolitude(): Solitude {
  let beside = new Set<Promise<unknown>>();
  let last: Promise<unknown> = Promise.resolve();

  return {
    async together(work) {
      for (let seen = last; ; seen = last) {
        await seen;
        if (seen === last) break;
      }
      const running = work();
      const settled = running.then(nothing, nothing);
      beside.add(settled);
      settled.then(() => beside.delete(settled)).catch(nothing);
      return running;
    },
    async alone(work) {
      const before = [last, ...beside];
      beside = new Set();
      const running = Promise.all(before).then(work);
      last = running.then(nothing, nothing);
      return running;
    },
  };
}

const nothing = (): void => undefined;
