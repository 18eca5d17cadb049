// Starts a crowd that watches commands, in a thread of its own.
import { once } from "node:events";
import { Worker } from "node:worker_threads";

interface WatchedCommand {
  readonly id: string;
  readonly token: string;
}

export interface Watching {
  readonly url: string;
  readonly streams: readonly WatchedCommand[];
  readonly polls: readonly WatchedCommand[];
}

/** Resolves when all streams are open, with a promise of how each command ended for its watcher. */
export async function startWatchers(watching: Watching): Promise<{ words: Promise<readonly string[]> }> {
  const thread = new Worker(new URL("./watcher-thread.ts", import.meta.url), { workerData: watching });
  await once(thread, "message");
  const words = once(thread, "message").then(([told]) => told as readonly string[]);
  return { words };
}
