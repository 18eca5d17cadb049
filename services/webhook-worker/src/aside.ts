// Turns that go on without a slot, while somebody else's server takes its time. What they cost is attempts, each with its
// connection: of those there may be so many, and who comes then waits, in the slot, until there are fewer.

export interface Aside {
  /** Attempts that are counted now. */
  readonly attempts: number;
  /** Counts an attempt until it ends. */
  count(attempt: Promise<void>): Promise<void>;
  /** Resolves when the turn has ended, or may go on without its slot. */
  admit(ending: Promise<void>): Promise<void>;
  /** Resolves when no turn goes on. */
  idle(): Promise<void>;
}

/** `max`: attempts of all turns that are counted here with which one more may go aside. `onError`: such a turn failed. */
export function createAside(max: number, onError: (error: unknown) => void): Aside {
  const turns = new Set<Promise<void>>();
  const waiting = new Set<() => void>();
  let attempts = 0;

  function letOneIn(): void {
    const [first] = waiting;
    if (attempts >= max || first === undefined) return;
    waiting.delete(first);
    first();
  }

  async function untilFewer(ending: Promise<void>): Promise<"ended" | "fewer"> {
    const { promise, resolve } = Promise.withResolvers<"fewer">();
    const fewer = (): void => resolve("fewer");
    waiting.add(fewer);
    return Promise.race([ending.then(() => "ended" as const), promise]).finally(() => {
      waiting.delete(fewer);
    });
  }

  return {
    get attempts() {
      return attempts;
    },
    async count(attempt) {
      attempts += 1;
      try {
        await attempt;
      } finally {
        attempts -= 1;
        letOneIn();
      }
    },
    async admit(ending) {
      if (attempts >= max && (await untilFewer(ending)) === "ended") return;
      const going = ending.catch(onError).finally(() => turns.delete(going));
      turns.add(going);
    },
    async idle() {
      while (turns.size > 0) await Promise.all(turns);
    },
  };
}
