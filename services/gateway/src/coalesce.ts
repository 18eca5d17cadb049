// Makes one call out of many: while a call is under way, what is asked meanwhile rides together in the next one.

/** `run` is given 1 to `max` items and answers each, in order. An error is everybody's who rode along. */
export function coalesce<Item, Answer>(
  run: (items: readonly Item[]) => Promise<readonly Answer[]>,
  max: number,
): (item: Item) => Promise<Answer> {
  const pending: { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  let running = false;

  async function runAll(): Promise<void> {
    running = true;
    while (pending.length > 0) {
      const riding = pending.splice(0, max);
      try {
        const answers = await run(riding.map(({ item }) => item));
        riding.forEach(({ resolve }, i) => {
          resolve(answers[i] as Answer);
        });
      } catch (error) {
        for (const { reject } of riding) reject(error);
      }
    }
    running = false;
  }

  return (item) =>
    new Promise<Answer>((resolve, reject) => {
      pending.push({ item, resolve, reject });
      if (!running) void runAll();
    });
}
