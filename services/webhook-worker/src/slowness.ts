// Which endpoints this process saw to be slow. That is forgotten after a while, or when several attempts in a row were
// quick: by one alone an endpoint that flaps would be back among the calm ones at once, again and again.
import type { WebhookEndpointId } from "@holdfast/domain";

/** Milliseconds for which an endpoint counts as slow. */
export const SLOW_FOR_MS = 600_000;
/** Quick attempts in a row after which it does not. */
export const QUICK_ENOUGH = 8;
/** Endpoints that are remembered; of more, the first ones are forgotten. */
const REMEMBERED_MAX = 10_000;

export interface Slowness {
  /** An attempt took long, or takes long. */
  slow(endpointId: WebhookEndpointId): void;
  /** An attempt did not. */
  quick(endpointId: WebhookEndpointId): void;
  has(endpointId: WebhookEndpointId): boolean;
}

export function createSlowness(monotonicMs: () => number): Slowness {
  const known = new Map<WebhookEndpointId, { readonly at: number; readonly quick: number }>();
  return {
    slow(endpointId) {
      known.delete(endpointId);
      known.set(endpointId, { at: monotonicMs(), quick: 0 });
      const [eldest] = known.keys();
      if (known.size > REMEMBERED_MAX && eldest !== undefined) known.delete(eldest);
    },
    quick(endpointId) {
      const one = known.get(endpointId);
      if (one === undefined) return;
      if (one.quick + 1 < QUICK_ENOUGH) known.set(endpointId, { ...one, quick: one.quick + 1 });
      else known.delete(endpointId);
    },
    has(endpointId) {
      const one = known.get(endpointId);
      return one !== undefined && monotonicMs() - one.at < SLOW_FOR_MS;
    },
  };
}
