// Which endpoints were slow lately, as far as this process has seen: they go with those in trouble, for a while.
import type { WebhookEndpointId } from "@holdfast/domain";

/** Milliseconds for which an endpoint counts as slow after it was. */
const REMEMBERED_MS = 60_000;
/** Endpoints that are remembered; of more, the first ones are forgotten. */
const REMEMBERED_MAX = 10_000;

export interface Slowness {
  note(endpointId: WebhookEndpointId): void;
  forget(endpointId: WebhookEndpointId): void;
  has(endpointId: WebhookEndpointId): boolean;
}

export function createSlowness(monotonicMs: () => number): Slowness {
  const notedAt = new Map<WebhookEndpointId, number>();
  return {
    note(endpointId) {
      notedAt.delete(endpointId);
      notedAt.set(endpointId, monotonicMs());
      const [eldest] = notedAt.keys();
      if (notedAt.size > REMEMBERED_MAX && eldest !== undefined) notedAt.delete(eldest);
    },
    forget: (endpointId) => void notedAt.delete(endpointId),
    has: (endpointId) =>
      monotonicMs() - (notedAt.get(endpointId) ?? Number.NEGATIVE_INFINITY) < REMEMBERED_MS,
  };
}
