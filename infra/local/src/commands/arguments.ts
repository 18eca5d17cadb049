// Command-line arguments that are counts.

/** A whole number from 1 to `most`. Throws an error that names the argument. */
export function countArgument(name: string, given: string, most: number): number {
  const count = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (count < 1 || count > most) throw new Error(`--${name} must be a whole number from 1 to ${most}`);
  return count;
}
