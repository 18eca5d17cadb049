// Time and chance, as the client uses them: arguments, so that tests wait for nothing. Knows nothing of HTTP.

export interface Clock {
  /** Milliseconds, of a clock that is never set back. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as that aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to 1: spreads those who were all told the same. */
  random(): number;
}

/** Milliseconds that timers of browsers and Node.js can count to. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  pause: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", stop);
          resolve();
        },
        Math.min(ms, TIMER_MAX_MS),
      );
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

/** Milliseconds after the first failure, doubled with each one, and at most. */
const BACKOFF_MS = 250;
const BACKOFF_MAX_MS = 5_000;
/** By how much more than was asked for one waits, at most: who were told the same come back one after another. */
const JITTER = 0.25;

/** Milliseconds to wait after so many failures in a row, of which nobody said when to come back. */
export function backoffMs({ random }: Clock, failures: number): number {
  const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.max(0, failures - 1));
  return most * (0.5 + random() / 2);
}

/** Never earlier than asked, and some of it later. */
export const jitteredMs = ({ random }: Clock, ms: number): number => ms * (1 + JITTER * random());

/** Milliseconds of a `Retry-After` in seconds; null when there is none that can be read. */
export function retryAfterMs(headers: Headers): number | null {
  const field = headers.get("retry-after");
  return field !== null && /^\d{1,9}$/.test(field) ? Number(field) * 1_000 : null;
}

/**
 * What `work` resolves to, unless that takes longer: then throws what `late` makes. The signal that `work` is given
 * aborts in that case, and with the caller's.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const limit = new AbortController();
  const done = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  });
  const stop = () => limit.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  clock.pause(ms, done.signal).then(
    () => limit.abort(late()),
    () => {}, // done in time
  );
  try {
    return await Promise.race([work(limit.signal), stopped]);
  } finally {
    done.abort();
    signal?.removeEventListener("abort", stop);
  }
}
