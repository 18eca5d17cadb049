// The `Prefer` field (RFC 7240): how long the client wants to wait. What cannot be understood is no preference.

/** Seconds that the sender of a command waits for its outcome, unless it says otherwise. */
export const COMMAND_WAIT_SECONDS_DEFAULT = 2;
export const COMMAND_WAIT_SECONDS_MAX = 10;
/** Seconds that a look at a command may wait for its end. */
export const POLL_WAIT_SECONDS_MAX = 25;

export interface Preference {
  readonly waitSeconds: number | null;
  readonly respondAsync: boolean;
  /** The value of `Preference-Applied`; null when nothing was applied. */
  readonly applied: string | null;
}

export interface Preferable {
  readonly maxSeconds: number;
  readonly respondAsync: boolean;
}

const NO_PREFERENCE: Preference = { waitSeconds: null, respondAsync: false, applied: null };

/** Of a preference that is given twice the first one counts. */
export function readPreference(
  field: string | string[] | undefined,
  { maxSeconds, respondAsync }: Preferable,
): Preference {
  if (field === undefined) return NO_PREFERENCE;
  let wait: number | null = null;
  let async = false;
  let waitSeen = false;
  for (const part of (Array.isArray(field) ? field.join(",") : field).split(",")) {
    const [name = "", value = ""] = (part.split(";", 1)[0] ?? "").split("=", 2).map((side) => side.trim());
    if (name.toLowerCase() === "respond-async") async = respondAsync;
    if (name.toLowerCase() !== "wait" || waitSeen) continue;
    waitSeen = true;
    const seconds = /^"?(\d{1,10})"?$/.exec(value)?.[1];
    if (seconds !== undefined) wait = Math.min(Number(seconds), maxSeconds);
  }
  if (async) return { waitSeconds: wait, respondAsync: true, applied: "respond-async" };
  return { waitSeconds: wait, respondAsync: false, applied: wait === null ? null : `wait=${wait}` };
}
