// Maps that remember only so much.

/** Forgets the oldest entries (those that were set first) beyond `max`. */
export function forgetOldest(map: Map<unknown, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
