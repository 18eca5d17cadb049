// Every limit of the rules, with its unit. Limits of transport and storage stand where they are enforced.

/** Milliseconds between a deadline and its settling, for purchases that were a little slow to reach the queue. */
export const SETTLE_GRACE_MS = 500;

/** Holds that one user may have alive at once, over all events. */
export const LIVE_HOLDS_MAX = 20;

/** Holds of a user that ended unpaid, within `COOLDOWN_WINDOW_MS`, after which there are none for `COOLDOWN_MS`. */
export const COOLDOWN_AFTER = 5;
export const COOLDOWN_WINDOW_MS = 600_000;
export const COOLDOWN_MS = 300_000;

/**
 * Milliseconds after which a waiter who is in others' way, or is parked, is looked at again, when nothing else asked for
 * it. A parked one waits longer and longer.
 */
export const PARKED_RECHECK_MS = 60_000;
export const PARKED_RECHECK_MAX_MS = 1_800_000;
/** Parked waiters that one look may be asked to look at again. */
export const RECHECKED_AT_ONCE_MAX = 100;

export const HOLD_SECONDS_DEFAULT = 300;
export const HOLD_SECONDS_MAX = 86_400;
export const OFFER_SECONDS_DEFAULT = 900;
export const OFFER_SECONDS_MAX = 604_800;
export const MAX_PER_ORDER_DEFAULT = 10;
export const MAX_PER_USER_DEFAULT = 10;
export const SLOT_CAPACITY_MAX = 1_000_000;
export const SLOTS_PER_EVENT_MAX = 100;
export const WAITLIST_MAX_SKIPS_DEFAULT = 5;
export const WAITLIST_MAX_SKIPS_MAX = 1_000;
export const WAITLIST_COLLECT_SECONDS_DEFAULT = 900;
export const WAITLIST_COLLECT_SECONDS_MAX = 604_800;
export const WAITLIST_ENTRIES_DEFAULT = 100_000;
export const WAITLIST_ENTRIES_MAX = 1_000_000;
export const WAITLIST_CLOSES_BEFORE_SECONDS_MAX = 31_536_000;
export const EVENT_NAME_LENGTH_MAX = 200;
export const EVENT_DESCRIPTION_LENGTH_MAX = 5_000;
export const VENUE_LENGTH_MAX = 200;
export const SLOT_NAME_LENGTH_MAX = 200;
export const PAYMENT_REFERENCE_LENGTH_MAX = 255;
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** Commands that may wait for one event before the door answers `queue-full` (what a running hold needs has more room). */
export const QUEUE_DEPTH_MAX = 50_000;
