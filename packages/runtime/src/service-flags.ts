/**
 * What Node is told when a service is started. A request lives for some tenths of a second. With 64 MB of room for what
 * is young (16 by default) most of what it made is gone before it would be copied: 9 % less CPU in a gateway under a rush.
 * And V8 is not to guess which objects will grow old: it takes what waits for an outcome for old, makes it among the old,
 * and keeps whatever it refers to until the next great collection: 12 % less. (See docs/decisions/0013.)
 * And it compiles with all its art what ran some 500 times, not 3,000: what a worker does once for a batch, forty times a
 * second, waits too long for that. A rush may be over sooner. (See docs/decisions/0014.)
 */
export const SERVICE_FLAGS = [
  "--max-semi-space-size=64",
  "--no-allocation-site-pretenuring",
  "--invocation-count-for-turbofan=500",
] as const;
