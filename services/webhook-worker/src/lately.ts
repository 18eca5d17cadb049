// What this process saw of endpoints lately, and forgets after a while: that they were slow, that they are to rest.
import type { WebhookEndpointId } from "@holdfast/domain";

/** Endpoints that are remembered; of more, the first ones are forgotten. */
const REMEMBERED_MAX = 10_000;

export interface Lately {
  note(endpointId: WebhookEndpointId): void;
  forget(endpointId: WebhookEndpointId): void;
  has(endpointId: WebhookEndpointId): boolean;
}

/** `forMs`: milliseconds until it is forgotten. */
export function createLately(forMs: number, monotonicMs: () => number): Lately {
  const notedAt = new Map<WebhookEndpointId, number>();
  return {
    note(endpointId) {
      notedAt.delete(endpointId);
      notedAt.set(endpointId, monotonicMs());
      const [eldest] = notedAt.keys();
      if (notedAt.size > REMEMBERED_MAX && eldest !== undefined) notedAt.delete(eldest);
    },
    forget: (endpointId) => void notedAt.delete(endpointId),
    has: (endpointId) => monotonicMs() - (notedAt.get(endpointId) ?? Number.NEGATIVE_INFINITY) < forMs,
  };
}
