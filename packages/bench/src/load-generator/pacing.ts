// When requests leave. Pacing knows clients and moments; what is asked, over which connection, and what came of it, is
// the press's.
import type { Loop } from "./answers.ts";

const MS_PER_SECOND = 1_000;
/** Milliseconds between two looks of an open loop at what is due. */
const LOOK_EVERY_MS = 1;

export interface Pacing {
  /** Called once, when every client is free. */
  begin(now: number): void;
  /** The client has its answer, or never will. */
  free(client: number, now: number): void;
  /** Nothing that is not due yet leaves any more. */
  stop(now: number): void;
  /** True when nothing that is due waits for a free client. */
  readonly caughtUp: boolean;
}

/** A request that leaves `now` and was to leave at `due`. */
export type Leave = (client: number, due: number, now: number) => void;

export function pace(loop: Loop, leave: Leave): Pacing {
  switch (loop.kind) {
    case "closed":
      return closedLoop(loop.clients, leave);
    case "open":
      return openLoop(loop.perSecond, loop.connections, leave);
  }
}

function closedLoop(clients: number, leave: Leave): Pacing {
  let running = false;
  return {
    begin(now) {
      running = true;
      for (let client = 0; client < clients; client += 1) leave(client, now, now);
    },
    free(client, now) {
      if (running) leave(client, now, now);
    },
    stop() {
      running = false;
    },
    caughtUp: true,
  };
}

/**
 * Even distances from the beginning on. What is due while everybody is busy waits, first come, first served; nothing is
 * left out. Clients take turns, so that all connections are in use.
 */
function openLoop(perSecond: number, connections: number, leave: Leave): Pacing {
  const everyMs = MS_PER_SECOND / perSecond;
  const free = new Turns(connections);
  let begun = 0;
  let left = 0;
  let last = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;

  const dueBy = (now: number): number => Math.min(last, Math.floor((now - begun) / everyMs) + 1);
  const look = (now: number): void => {
    for (const due = dueBy(now); left < due && free.size > 0; ) {
      left += 1;
      leave(free.take(), begun + (left - 1) * everyMs, now);
    }
  };
  return {
    begin(now) {
      begun = now;
      for (let client = 0; client < connections; client += 1) free.put(client);
      look(now);
      timer = setInterval(() => look(performance.now()), LOOK_EVERY_MS);
    },
    free(client, now) {
      free.put(client);
      look(now);
    },
    stop(now) {
      last = dueBy(now);
      clearInterval(timer);
      look(now);
    },
    get caughtUp() {
      return left >= last;
    },
  };
}

/** Who is free, the one that waits longest first. */
class Turns {
  readonly #ring: Int32Array;
  #first = 0;
  size = 0;

  constructor(most: number) {
    this.#ring = new Int32Array(most);
  }

  put(client: number): void {
    this.#ring[(this.#first + this.size) % this.#ring.length] = client;
    this.size += 1;
  }

  take(): number {
    const client = this.#ring[this.#first];
    if (client === undefined || this.size === 0) throw new Error("nobody is free");
    this.#first = (this.#first + 1) % this.#ring.length;
    this.size -= 1;
    return client;
  }
}
