// Header fields as they came: Node keeps the first of two that may stand only once, and is silent about the second.

/** How often a field was sent. `name` is in lower case. */
export function timesSent(rawHeaders: readonly string[], name: string): number {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === name.length && rawHeaders[i]?.toLowerCase() === name) seen += 1;
  }
  return seen;
}
