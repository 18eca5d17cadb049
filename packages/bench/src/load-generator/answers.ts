// What the benchmark orders of its load generator, a process of its own, and what that says.

/** When requests leave. */
export type Loop =
  /** Each client sends its next request when the last one is answered. Latency counts from the sending. */
  | { readonly kind: "closed"; readonly clients: number }
  /**
   * So many a second at even distances, whatever is answered; over connections that are free, else it waits for one.
   * Latency counts from the moment at which the request was to leave.
   */
  | { readonly kind: "open"; readonly perSecond: number; readonly connections: number };

export interface Pressure {
  readonly url: string;
  readonly loop: Loop;
  /** Before the clock starts. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export type LoadOrder =
  /** Loads the module at `script` (a file URL) and makes its script. */
  | { readonly kind: "prepare"; readonly script: string; readonly args: unknown }
  /** Makes the same script once more, from the beginning. */
  | { readonly kind: "prepare-again" }
  | ({ readonly kind: "press" } & Pressure);

export type LoadNews =
  | { readonly kind: "prepared" | "window-begins" | "window-ends" }
  | { readonly kind: "answered"; readonly answers: Answers }
  /** What was ordered last cannot be done. */
  | { readonly kind: "failed"; readonly reason: string };

/**
 * Milliseconds. Closed loop: of answers that came while the clock ran. Open loop: of requests that were to leave while
 * it ran, whenever they were answered, so that none is missing because it took too long.
 */
export interface Latencies {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface OfKind {
  /** Everything that was sent, warm-up and the last ones after the window included. */
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers that came while the clock ran, by status. */
  readonly answered: Readonly<Record<string, number>>;
  /** Of all statuses together, and of each. */
  readonly window: Latencies;
  readonly byStatus: Readonly<Record<string, Latencies>>;
}

export interface Answers {
  readonly kinds: Readonly<Record<string, OfKind>>;
  /** The first body of a status that its request did not expect; null when there was none. */
  readonly oddBody: string | null;
  /** Answers of a status that was not expected. */
  readonly odd: number;
  /** Connections that broke, and requests that were not answered in time. */
  readonly errors: number;
  readonly seconds: number;
  /** Open loop: how late requests left, for want of a free connection or of the generator's time; 0 in a closed loop. */
  readonly lateP99Ms: number;
  /** What came in each second of the window. */
  readonly eachSecond: readonly { readonly answered: number; readonly p99Ms: number }[];
  /** What the script has counted. */
  readonly summary: unknown;
}
