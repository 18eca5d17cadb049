// Every limit of the rules, with its unit. Limits of transport and storage stand where they are enforced.

/** Milliseconds between a deadline and its settling, for purchases that were a little slow to reach the queue. */
export const SETTLE_GRACE_MS = 500;

/** Holds that one user may have alive at once, over all events. */
export const LIVE_HOLDS_MAX = 20;

export const HOLD_SECONDS_DEFAULT = 300;
export const HOLD_SECONDS_MAX = 86_400;
export const OFFER_SECONDS_DEFAULT = 900;
export const OFFER_SECONDS_MAX = 604_800;
export const MAX_PER_ORDER_DEFAULT = 10;
export const MAX_PER_USER_DEFAULT = 10;
export const SLOT_CAPACITY_MAX = 1_000_000;
export const SLOTS_PER_EVENT_MAX = 100;
export const PAYMENT_REFERENCE_LENGTH_MAX = 255;
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** Commands that may wait for one event before the door answers `queue-full` (what a running hold needs has more room). */
export const QUEUE_DEPTH_MAX = 50_000;
