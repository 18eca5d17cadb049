// Keeps one store up: notices that its server has died and starts it again in the same place. Knows no store by name.
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "./message-of.ts";

const CHECK_MS = 500;
const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 5_000;
/** A store that has been up this long starts over with the shortest pause when it dies. */
const SETTLED_MS = 10_000;

export interface OpenedStore {
  url: string;
  /** How it was come by, for people. */
  source: string;
  /** Cheap: asks for the process, not for an answer; a busy server is up. */
  isUp(): boolean | Promise<boolean>;
  stop(): Promise<void>;
}

export interface KeptStore {
  name: string;
  opened: OpenedStore;
  /** Opens it again under the same address. Gets the signal that calls it off. */
  reopen(signal: AbortSignal): Promise<OpenedStore>;
  log(line: string): void;
  /** Ends the keeping; the store itself goes on until `stop`. */
  signal: AbortSignal;
}

/** Watches until the signal or `stop`, which ends the store, too. */
export function keepUp({ name, opened, reopen, log, signal }: KeptStore): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const over = AbortSignal.any([stopping.signal, signal]);
  let current = opened;

  /** False when the keeping has ended meanwhile. */
  const passed = (ms: number): Promise<boolean> =>
    pause(ms, true, { ref: false, signal: over }).catch(() => false);

  const restarted = async (): Promise<boolean> => {
    try {
      current = await reopen(over);
      return true;
    } catch (error) {
      if (!over.aborted) log(`${name} is not back: ${messageOf(error)}`);
      return false;
    }
  };

  const watch = async (): Promise<void> => {
    let pauseMs = FIRST_RESTART_MS;
    let upSince = performance.now();
    while (await passed(CHECK_MS)) {
      if (await current.isUp()) continue;
      if (performance.now() - upSince > SETTLED_MS) pauseMs = FIRST_RESTART_MS;
      log(`${name} died; starting it again`);
      do {
        if (!(await passed(pauseMs))) return;
        pauseMs = Math.min(pauseMs * 2, LONGEST_RESTART_MS);
      } while (!(await restarted()));
      upSince = performance.now();
      log(`${name} is back`);
    }
  };

  const watching = watch();
  return {
    stop: async () => {
      stopping.abort();
      await watching;
      // A dead server's pid may be somebody else's by now.
      if (await current.isUp()) await current.stop();
    },
  };
}
