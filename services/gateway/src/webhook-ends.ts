// Waits for deliveries of webhooks to be tried, for owners who asked for one and stand by: its row tells. Sends nothing.
import { setTimeout as pause } from "node:timers/promises";
import { type Queryable, untriedOf } from "@holdfast/db";
import type { DeliveryId } from "@holdfast/domain";

/** Milliseconds that somebody waits at most: an attempt may take 15 s, and its turn comes soon. */
export const DELIVERY_WAIT_MS = 17_000;
/** Milliseconds between looks, one for all who wait. */
const LOOK_EVERY_MS = 100;

export class DeliveryEnds {
  readonly #waiting = new Map<DeliveryId, () => void>();
  readonly #db: Queryable;
  readonly #onError: (error: unknown) => void;
  #looking = false;

  constructor(db: Queryable, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
  }

  /** Resolves when the delivery was tried or is not there any more, or after `waitMs`, or when the signal is given. */
  async until(id: DeliveryId, signal: AbortSignal, waitMs = DELIVERY_WAIT_MS): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const timer = setTimeout(ended.resolve, waitMs);
    signal.addEventListener("abort", () => ended.resolve(), { once: true });
    if (signal.aborted) ended.resolve();
    this.#waiting.set(id, ended.resolve);
    if (!this.#looking) void this.#look();
    await ended.promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    for (;;) {
      await pause(LOOK_EVERY_MS);
      if (this.#waiting.size === 0) break;
      const asked = [...this.#waiting];
      try {
        const untried = await untriedOf(
          this.#db,
          asked.map(([id]) => id),
        );
        for (const [id, end] of asked) if (!untried.has(id)) end();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#looking = false;
  }
}
