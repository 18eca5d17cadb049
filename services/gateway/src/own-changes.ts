// What somebody here was told has changed: who looks next is to see it. A budget bounds how often that costs a read: in a
// rush outcomes come by the thousand, and then a look may be as old as any other.

/** Reads a second that own changes may cost, of one event and of all pages together; and how many may be saved up. */
const OWN_READS_PER_SECOND = 25;
const OWN_READS_MAX = 100;

export class OwnChanges {
  /** Milliseconds of the monotonic clock. */
  at = Number.NEGATIVE_INFINITY;
  #left = OWN_READS_MAX;
  #countedAt = 0;

  /** True when one more read may be made for their sake. */
  takeRead(now: number): boolean {
    const earned = ((now - this.#countedAt) / 1_000) * OWN_READS_PER_SECOND;
    this.#left = Math.min(OWN_READS_MAX, this.#left + earned);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
