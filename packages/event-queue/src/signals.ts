// Signals that say "look at this": of those about the same thing one is sent at a time, and one more for all who ask while
// it is under way.

/** `add` sends one. Of those who ask meanwhile the first one's parameters count. */
export function gatherSignals<Key, Parameters extends unknown[]>(
  add: (about: Key, ...parameters: Parameters) => Promise<unknown>,
): (about: Key, ...parameters: Parameters) => Promise<void> {
  const running = new Map<Key, { again: Promise<void> | null; done: Promise<void> }>();

  async function signal(about: Key, ...parameters: Parameters): Promise<void> {
    const current = running.get(about);
    if (current !== undefined) {
      // The one under way may have been read before what the caller speaks of was there.
      current.again ??= current.done.then(
        () => signal(about, ...parameters),
        () => signal(about, ...parameters),
      );
      return current.again;
    }
    const done = add(about, ...parameters).then(
      () => void running.delete(about),
      (error: unknown) => {
        running.delete(about);
        throw error;
      },
    );
    running.set(about, { again: null, done });
    return done;
  }

  return signal;
}
