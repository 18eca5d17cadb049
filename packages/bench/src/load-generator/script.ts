// What a load script is: a module that exports `createScript`. It says what is asked next, and hears what is answered;
// when requests leave, and how long they take, is the generator's.

export interface LoadRequest {
  /** Requests of one kind are counted together: "reserve", "read", "calm-reserve". */
  readonly kind: string;
  /** The whole request, head and body, as it goes over the wire. */
  readonly bytes: Buffer;
  /** The statuses that are right for it. Any other is a fault, and its body is shown. */
  readonly expects: readonly number[];
  /** True when `answered` is to be given the body of the answer. */
  readonly wantsBody?: boolean;
  /** The script's own: who asks, what about. */
  readonly about?: number;
}

export interface LoadScript {
  /**
   * The next request of a client in a closed loop (`client` counts from 0), or the next one of all in an open loop
   * (`client` is -1). Null when nothing is left to be asked: then the run fails, for it would measure less than it says.
   */
  next(client: number): LoadRequest | null;
  /** Hears of every answer in the order of their coming. `header` gives the value of a field, null without one. */
  answered?(
    request: LoadRequest,
    status: number,
    body: string,
    header: (name: string) => string | null,
  ): void;
  /** What the script itself has counted, once everything is answered. */
  summary?(): unknown;
}

/**
 * What a script is made with; `args` must survive structured cloning. It is made anew for every block, from the same
 * `args` as long as these are the same object: what is dear to make (see `scripts/signed.ts`) may be kept by them.
 */
export type CreateScript<Args> = (args: Args) => LoadScript;
