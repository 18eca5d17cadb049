// What the benchmark and its load generator, a process of its own, tell each other.
import type { UserId } from "@holdfast/domain";

export type LoadOrder =
  /** Makes a request for each user, signed and ready to be sent. */
  | {
      readonly kind: "prepare";
      readonly userIds: readonly UserId[];
      readonly path: string;
      readonly secret: string;
    }
  | ({ readonly kind: "press" } & Pressure);

/** Closed loop: each client sends its next request when the last one is answered. */
export interface Pressure {
  readonly url: string;
  readonly clients: number;
  /** Before the clock starts. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export type LoadNews =
  | { readonly kind: "prepared" | "window-begins" | "window-ends" }
  | { readonly kind: "answered"; readonly answers: Answers };

export interface Answers {
  /** Requests sent, and how they were answered, warm-up and the last ones after the window included. */
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** The body of the first answer that was no 201; null when there was none. */
  readonly oddBody: string | null;
  /** Connections that broke, and requests that were not answered in time. */
  readonly errors: number;
  /** What was answered while the clock ran. */
  readonly window: {
    readonly seconds: number;
    readonly answered: number;
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
}
